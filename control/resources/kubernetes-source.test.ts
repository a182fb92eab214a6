import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import type { Kind } from '../../api/resources/kinds.ts'
import { FakeApiServer } from './fake-api-server.ts'
import { HttpKubernetesApi, inClusterOptions } from './kubernetes-api.ts'
import { PAGE_SIZE } from './kubernetes-reflector.ts'
import { KubernetesSource } from './kubernetes-source.ts'
import { MemoryStore } from './store.ts'

const NAMESPACES = 'api/v1/namespaces'
const SERVERS = 'apis/policy.linkerd.io/v1beta3/servers'
const names = (store: MemoryStore) => store.list('Namespace').map(({ metadata }) => metadata.name)
const namespace = (name: string) => ({ metadata: { name, managedFields: [{ manager: 'kubectl' }] } })
const server = (spec: object) => ({ metadata: { name: 'web', namespace: 'shop' }, spec })

async function until(store: MemoryStore, isSo: () => boolean): Promise<void> {
  while (!isSo())
    await new Promise<void>((resolve) => {
      const end = store.subscribe(() => {
        end()
        resolve()
      })
    })
}

async function setup(t: Test, kinds: readonly Kind[]) {
  const fake = new FakeApiServer()
  fake.install(NAMESPACES)
  const address = await fake.listen()
  const api = new HttpKubernetesApi({ server: address, token: () => 'secret' })
  const store = new MemoryStore()
  const problems: string[] = []
  const absent: Kind[] = []
  const waits: number[] = []
  const source = new KubernetesSource({
    api,
    store,
    kinds,
    onProblem: (sentence) => problems.push(sentence),
    onAbsent: (kind) => absent.push(kind),
    random: () => 0.5,
    sleep: async (ms) => {
      waits.push(ms)
      // A turn of the event loop instead of the time itself.
      await new Promise((resolve) => setImmediate(resolve))
    },
  })
  t.teardown(async () => {
    source.close()
    await fake.close()
    api.close()
  })
  return { fake, address, store, source, problems, absent, waits }
}

test('lists in pages, then follows changes', { timeout: 20_000 }, async (t) => {
  const { fake, store, source } = await setup(t, ['Namespace'])
  for (let index = 0; index < PAGE_SIZE + 1; index++) fake.put(NAMESPACES, namespace(`n${index}`))
  await source.start()
  t.equal(names(store).length, PAGE_SIZE + 1)
  t.notOk('managedFields' in store.get('Namespace', '', 'n0')!.metadata, 'only known fields are kept')
  t.equal(fake.requests.filter((url) => url.includes('limit=')).length, 2)
  while (!fake.requests.at(-1)!.includes('watch=true')) await new Promise((resolve) => setImmediate(resolve))
  fake.put(NAMESPACES, namespace('new'))
  await until(store, () => names(store).includes('new'))
  fake.remove(NAMESPACES, '/n0')
  await until(store, () => !names(store).includes('n0'))
})

test('resumes from a bookmark, and lists again when the server has forgotten it', { timeout: 20_000 }, async (t) => {
  const { fake, store, source, problems } = await setup(t, ['Namespace'])
  fake.put(NAMESPACES, namespace('a'))
  const watching = async (count: number) => {
    const watches = () => fake.requests.filter((url) => url.includes('watch=true'))
    while (watches().length < count) await new Promise((resolve) => setImmediate(resolve))
    return watches()[count - 1]
  }
  await source.start()
  await watching(1)
  const version = fake.bookmark(NAMESPACES)
  fake.endWatches()
  t.match(await watching(2), `resourceVersion=${version}`)
  t.equal(fake.requests.filter((url) => url.includes('limit=')).length, 1, 'no second list')

  fake.endWatches('destroy')
  fake.put(NAMESPACES, namespace('b'))
  fake.remove(NAMESPACES, '/a')
  fake.compact()
  await until(store, () => names(store).join() === 'b')
  t.notMatch(problems.join(), '410', 'no problem of its own')
})

test('keeps the last state while the server is away', { timeout: 20_000 }, async (t) => {
  const { fake, store, source, problems, waits } = await setup(t, ['Namespace'])
  fake.put(NAMESPACES, namespace('a'))
  await source.start()
  fake.status = 503
  fake.endWatches('destroy')
  while (waits.length < 12) await new Promise((resolve) => setImmediate(resolve))
  t.same(names(store), ['a'])
  t.equal(problems.filter((each) => each.includes('503')).length, 1, 'told once')
  t.equal(Math.max(...waits), 30_000, 'backs off to half a minute')
  fake.put(NAMESPACES, namespace('b'))
  fake.compact()
  fake.status = undefined
  await until(store, () => names(store).join() === 'a,b')
})

test('is not ready before every kind was listed, and waits for CRDs', { timeout: 20_000 }, async (t) => {
  const { fake, store, source, absent, problems } = await setup(t, ['Namespace', 'Server'])
  fake.status = 403
  let isReady = false
  const ready = source.start().then(() => {
    isReady = true
  })
  while (problems.length < 2) await new Promise((resolve) => setImmediate(resolve))
  t.notOk(isReady)
  t.match(problems[0], /no permission \(user "x" cannot list resource\); grant/)
  fake.status = undefined
  await ready
  t.same(absent, ['Server'], 'told once')
  fake.install(SERVERS)
  fake.put(SERVERS, server({ podSelector: {}, port: 80 }))
  await until(store, () => store.list('Server').length === 1)
  t.equal(store.get('Server', 'shop', 'web')?.apiVersion, 'policy.linkerd.io/v1beta3')
})

test('a Server that fails its check keeps its port closed', { timeout: 20_000 }, async (t) => {
  const cases = [
    { name: 'wrong type', spec: { podSelector: {}, port: 80, accessPolicy: 7 }, unknown: ['spec'] },
    { name: 'selector unreadable, seen before', spec: { podSelector: 'x', port: 81 }, unknown: ['spec'] },
    { name: 'good again', spec: { podSelector: {}, port: 80 }, unknown: undefined },
  ]
  const { fake, store, source, problems } = await setup(t, ['Server'])
  fake.install(SERVERS)
  fake.put(SERVERS, server(cases[0]!.spec))
  await source.start()
  while (!fake.requests.at(-1)!.includes('watch=true')) await new Promise((resolve) => setImmediate(resolve))
  for (const { name, spec, unknown } of cases) {
    const before = store.get('Server', 'shop', 'web')!.metadata.resourceVersion
    fake.put(SERVERS, server(spec))
    await until(store, () => store.get('Server', 'shop', 'web')!.metadata.resourceVersion !== before)
    const { metadata, spec: stored } = store.get('Server', 'shop', 'web')!
    t.same(metadata.unknownFields, unknown, name)
    t.equal(stored.port, 80, name)
    t.equal(source.refusedObjects, unknown === undefined ? 0 : 1, name)
  }
  t.match(problems[0], /^Server shop\/web: spec\.accessPolicy: expected a string/)
})

test('what a pod is given, and what is missing', async (t) => {
  t.throws(() => inClusterOptions({}), /KUBERNETES_SERVICE_HOST is not set/)
  const directory = mkdtempSync(join(tmpdir(), 'weft-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  t.throws(() => inClusterOptions({ KUBERNETES_SERVICE_HOST: 'fd00::1' }, directory), /token cannot be read \(ENOENT\)/)
  writeFileSync(join(directory, 'token'), 'one\n')
  writeFileSync(join(directory, 'ca.crt'), 'PEM')
  const { server: address, token } = inClusterOptions({ KUBERNETES_SERVICE_HOST: 'fd00::1' }, directory)
  t.equal(address, 'https://[fd00::1]:443')
  writeFileSync(join(directory, 'token'), 'two\n')
  t.equal(token?.(), 'two', 'a replaced token is used')
})
