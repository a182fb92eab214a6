import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { meta } from '../../api/resources/meta.ts'
import type { Namespace } from '../../api/resources/workload.ts'
import { MemoryStore } from './store.ts'
import { StreamServer, StreamSource } from './stream-source.ts'

const namespace = (name: string): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: meta({ name }) })
const names = (store: MemoryStore) => store.list('Namespace').map(({ metadata }) => metadata.name)

async function until(store: MemoryStore, expected: readonly string[]): Promise<void> {
  while (names(store).join() !== expected.join())
    await new Promise<void>((resolve) => {
      const end = store.subscribe(() => {
        end()
        resolve()
      })
    })
}

test('a store follows another one over a socket, also through its end and return', { timeout: 10_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weft-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'store.sock')
  const origin = new MemoryStore()
  origin.apply([namespace('a'), namespace('b')])
  let server = new StreamServer(origin, path)

  const copy = new MemoryStore()
  copy.apply([namespace('stale')])
  const source = new StreamSource(path, copy)
  await source.start()
  t.same(names(copy), ['a', 'b'], 'the first whole state replaces what was there')
  t.equal(
    copy.get('Namespace', '', 'a')?.metadata.uid,
    origin.get('Namespace', '', 'a')?.metadata.uid,
    'the same objects',
  )

  origin.commit({ apply: [namespace('c')], delete: [{ kind: 'Namespace', namespace: '', name: 'a' }] })
  await until(copy, ['b', 'c'])
  let batches = 0
  const end = copy.subscribe(() => batches++)
  origin.apply([namespace('d'), namespace('e')])
  await until(copy, ['b', 'c', 'd', 'e'])
  end()
  t.equal(batches, 1, 'a batch stays a batch')

  server.close()
  t.same(names(copy), ['b', 'c', 'd', 'e'], 'without its origin it keeps what it knows')
  origin.commit({ delete: [{ kind: 'Namespace', namespace: '', name: 'b' }] })
  server = new StreamServer(origin, path)
  await until(copy, ['c', 'd', 'e'])
  t.pass('and is brought up to date when it is back')
  source.close()
  server.close()
})
