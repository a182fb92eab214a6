import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import type { EgressNetwork } from '../../api/resources/egress-network.ts'
import { meta } from '../../api/resources/meta.ts'
import type { Namespace } from '../../api/resources/workload.ts'
import { DirectorySource } from './directory-source.ts'
import { MemoryStore } from './store.ts'

const namespace = (name: string): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: meta({ name }) })
const names = (store: MemoryStore) => store.list('Namespace').map(({ metadata }) => metadata.name)

test('a batch is applied whole before listeners hear of it, once', async (t) => {
  const store = new MemoryStore()
  const heard: string[][] = []
  const end = store.subscribe((changed) => {
    t.same([...changed], ['Namespace'])
    heard.push(names(store))
  })
  store.apply([namespace('b'), namespace('a')])
  store.commit({ apply: [namespace('c')], delete: [{ kind: 'Namespace', namespace: '', name: 'a' }] })
  store.delete([{ kind: 'Namespace', namespace: '', name: 'absent' }])
  end()
  store.apply([namespace('d')])
  t.same(heard, [
    ['a', 'b'],
    ['b', 'c'],
  ])
})

test('a replaced object keeps its identity and age and gets a new version', async (t) => {
  let minute = 0
  const store = new MemoryStore({ now: () => `2026-01-01T00:0${minute++}:00Z` })
  store.apply([namespace('a')])
  const first = store.get('Namespace', '', 'a')!
  store.apply([first])
  const second = store.get('Namespace', '', 'a')!
  t.equal(second.metadata.uid, first.metadata.uid)
  t.equal(second.metadata.creationTimestamp, first.metadata.creationTimestamp)
  t.not(second.metadata.resourceVersion, first.metadata.resourceVersion)
})

test('a list is the same array until its kind changes', async (t) => {
  const store = new MemoryStore()
  store.apply([namespace('a')])
  const before = store.list('Namespace')
  t.equal(store.list('Namespace'), before)
  store.apply([namespace('b')])
  t.not(store.list('Namespace'), before)
})

test('a directory: changes are taken in whole, a bad file keeps the last good state', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const write = (file: string, ...given: string[]) =>
    writeFileSync(
      join(dir, file),
      given.map((name) => `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`).join('---\n'),
    )
  const store = new MemoryStore()
  store.apply([namespace('not-from-files')])
  const problems: string[] = []
  let changes = 0
  const source = new DirectorySource({
    paths: [dir],
    store,
    onProblems: (sentences) => problems.push(...sentences),
    onApplied: (count) => {
      changes = count
    },
  })
  write('a.yaml', 'a', 'b')
  write('ignored.txt', 'x')
  t.same(source.load(), [])
  t.same(names(store), ['a', 'b', 'not-from-files'])

  write('b.yaml', 'c', 'B!')
  write('a.yaml', 'a')
  t.equal(source.load().length, 1)
  source.load()
  t.same(names(store), ['a', 'b', 'not-from-files'], 'nothing of the change was applied')
  t.equal(problems.length, 1, 'the same problem is told once')
  t.match(problems[0], `${dir}/b.yaml:7: Namespace B!: metadata.name: "B!" is not a DNS`)

  write('b.yaml', 'a')
  t.match(source.load()[0]?.message, `is defined in ${dir}/a.yaml:1 already`)

  write('b.yaml', 'c')
  t.same(source.load(), [])
  t.same(names(store), ['a', 'c', 'not-from-files'])
  t.equal(changes, 2, 'one added, one deleted, the unchanged one untouched')

  const changed = new Promise<void>((resolve) => store.subscribe(() => resolve()))
  source.watch()
  t.teardown(() => source.close())
  unlinkSync(join(dir, 'b.yaml'))
  await changed
  t.same(names(store), ['a', 'not-from-files'])
})

test('the generation counts changes of what is wanted, not of the status', async (t) => {
  const store = new MemoryStore()
  const egress = (trafficPolicy: 'Allow' | 'Deny', given: Partial<EgressNetwork> = {}): EgressNetwork => ({
    apiVersion: 'policy.linkerd.io/v1alpha1',
    kind: 'EgressNetwork',
    metadata: meta({ name: 'all', namespace: 'shop' }),
    spec: { trafficPolicy },
    ...given,
  })
  const generation = () => store.get('EgressNetwork', 'shop', 'all')!.metadata.generation
  store.apply([egress('Allow')])
  t.equal(generation(), 1)
  store.apply([egress('Allow', { status: { conditions: [] } })])
  t.equal(generation(), 1, 'a status')
  store.apply([egress('Deny')])
  t.equal(generation(), 2, 'a change')
  store.apply([{ ...store.get('EgressNetwork', 'shop', 'all')!, spec: { trafficPolicy: 'Allow' } }])
  t.equal(generation(), 3, 'a change of what came from the store')
  store.apply([egress('Allow', { metadata: meta({ name: 'all', namespace: 'shop', generation: 7 }) })])
  t.equal(generation(), 7, 'as the source says')
})

test('a status that policy objects are given is told apart from what changes policies', async (t) => {
  const store = new MemoryStore()
  const told: string[] = []
  store.subscribe((changed, wanted) => told.push(`${[...changed]} / ${[...wanted]}`))
  const egress = (more: object = {}, labels: Record<string, string> = {}): EgressNetwork => ({
    apiVersion: 'policy.linkerd.io/v1alpha1',
    kind: 'EgressNetwork',
    metadata: meta({ name: 'all', namespace: 'shop', labels }),
    spec: { trafficPolicy: 'Allow' },
    ...more,
  })
  const all = { kind: 'EgressNetwork', namespace: 'shop', name: 'all' } as const
  const cases: readonly { name: string; act: () => void; says: string }[] = [
    { name: 'new', act: () => store.apply([egress()]), says: 'EgressNetwork / EgressNetwork' },
    { name: 'status', act: () => store.applyStatus(all, { conditions: [] }), says: 'EgressNetwork / ' },
    { name: 'the same again', act: () => store.apply([egress()]), says: 'EgressNetwork / ' },
    {
      name: 'status of one and spec of another',
      act: () => store.apply([egress({ status: {} }), namespace('shop')]),
      says: 'EgressNetwork,Namespace / Namespace',
    },
    { name: 'a label', act: () => store.apply([egress({}, { a: 'b' })]), says: 'EgressNetwork / EgressNetwork' },
    { name: 'gone', act: () => store.delete([all]), says: 'EgressNetwork / EgressNetwork' },
  ]
  for (const { name, act, says } of cases) {
    act()
    t.equal(told.pop(), says, name)
  }
})
