import { test } from 'tap'
import type { Backend } from './backend.ts'
import type { Endpoint } from './endpoint.ts'
import { MovableConnection, type MovableStream, Rebalancer } from './rebalance.ts'

const CONFIG = { afterMs: 60_000, graceMs: 30_000 }
const SECOND = 1_000

/** Endpoints by name, of one backend; only what the rebalancer asks of them. */
function bed(names: readonly string[]) {
  const endpoints = names.map((name) => ({ name, isReady: () => true }) as unknown as Endpoint)
  const backend = { endpoints } as unknown as Backend
  const log: string[] = []
  const rebalancer = new Rebalancer(CONFIG)
  return {
    endpoints,
    log,
    rebalancer,
    connection(name: string, at: readonly number[], startedAtMs = 0): MovableConnection {
      const connection = new MovableConnection(() => log.push(`${name} goes`))
      for (const index of at) {
        const stream: MovableStream = {
          startedAtMs,
          backend,
          endpoint: endpoints[index],
          move() {
            log.push(`${name} is moved`)
            connection.streams.delete(stream)
          },
        }
        connection.streams.add(stream)
      }
      rebalancer.add(connection)
      return connection
    },
    run(fromMs: number, untilMs: number): readonly string[] {
      log.length = 0
      for (let at = fromMs; at <= untilMs; at += SECOND) rebalancer.tick(at)
      return [...log]
    },
  }
}

test('clients whose streams are all at one endpoint are moved, as many as it takes', async (t) => {
  const { connection, run } = bed(['old', 'new', 'newer'])
  for (const name of ['a', 'b', 'c']) connection(name, [0])
  t.same(run(0, 119_000), [], 'streams become long, and then the imbalance has to last')
  t.same(run(120_000, 149_000), ['a goes', 'b goes'], 'one may stay')
  t.same(run(150_000, 151_000), ['a is moved', 'b is moved'], 'what is still open after the grace period')
})

test('who stays where it is', async (t) => {
  const cases = [
    { name: 'streams that are spread', endpoints: ['a', 'b'], at: [[0], [1]] },
    { name: 'the only stream', endpoints: ['a', 'b', 'c'], at: [[0]] },
    { name: 'there is nowhere to go', endpoints: ['a'], at: [[0], [0], [0]] },
  ]
  for (const { name, endpoints, at } of cases) {
    const { connection, run } = bed(endpoints)
    for (const [index, streams] of at.entries()) connection(`client ${index}`, streams)
    t.same(run(0, 600_000), [], name)
  }
  const { connection, run } = bed(['a', 'b'])
  for (let index = 0; index < 4; index++) connection(`client ${index}`, [0], 580_000)
  t.same(run(0, 600_000), [], 'streams that are young')
})

test('an endpoint that is not ready counts for nothing', async (t) => {
  const { connection, run, endpoints } = bed(['a', 'b'])
  Object.assign(endpoints[1]!, { isReady: () => false })
  connection('client', [0, 0, 0])
  t.same(run(0, 600_000), [])
})

test('an imbalance that ends in time moves nobody', async (t) => {
  const { connection, run, rebalancer } = bed(['a', 'b'])
  const clients = [connection('client', [0]), connection('client', [0]), connection('client', [0])]
  t.same(run(0, 100_000), [])
  for (const each of clients.slice(1)) rebalancer.delete(each)
  t.same(run(101_000, 300_000), [])
})

test('a client that goes by itself is not moved', async (t) => {
  const { connection, run, rebalancer } = bed(['a', 'b'])
  const clients = [connection('one', [0]), connection('two', [0])]
  t.same(run(0, 121_000), ['one goes'])
  rebalancer.delete(clients[0]!)
  t.same(run(122_000, 200_000), [])
})

test('a connection that has only a short request there stays', async (t) => {
  const { connection, run } = bed(['a', 'b'])
  connection('short', [0], 119_500)
  for (const name of ['one', 'two']) connection(name, [0])
  t.same(run(0, 121_000), ['one goes'])
})
