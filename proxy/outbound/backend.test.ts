import { test } from 'tap'
import { DEFAULT_HTTP2 } from '../http/http2-config.ts'
import { plainEndpoint } from '../policy/endpoint.ts'
import { Backend } from './backend.ts'
import { Endpoint } from './endpoint.ts'

function backendOf(count: number, minReadyEndpoints: number, nowMs = () => 0): Backend {
  const backend = new Backend('web.shop:80', {
    queue: { capacity: 10, failFastTimeoutMs: 1_000 },
    random: Math.random,
    minReadyEndpoints,
    affinity: undefined,
    slowStartMs: undefined,
    nowMs,
    newEndpoint: (meta, pool) =>
      new Endpoint(
        meta,
        {
          connector: { connect: () => ({ cancel() {} }) },
          http: {
            http1: { maxHeadBytes: 1_024, maxIdle: 1, idleTimeoutMs: 1_000 },
            http2: DEFAULT_HTTP2,
            backoff: { minMs: 1, maxMs: 1, jitter: 0 },
          },
          nowMs,
          epochMs: () => 0,
          random: () => 0,
          metrics: { onRequest() {}, onResponse() {} } as never,
          seedRttMs: 30,
          decayMs: 10_000,
          isUpgradeable: false,
          penalty: undefined,
          failureAccrual: {
            maxFailures: 1,
            successRate: undefined,
            backoff: { minMs: 1_000, maxMs: 1_000, jitter: 0 },
            honorsRetryAfter: false,
            minReadyEndpoints,
          },
        },
        pool,
      ),
  })
  const endpoints = Array.from({ length: count }, (_, at) => plainEndpoint(`10.0.0.${at}`, 80))
  backend.update({ kind: 'reset', endpoints })
  return backend
}

test('breakers leave as many endpoints ready as the policy says, and count what they did', async (t) => {
  const cases = [
    { name: 'no floor', count: 3, floor: 0, ready: 0, counters: { ejected: 2, ejectedLast: 1, spared: 0 } },
    { name: 'a floor of one', count: 3, floor: 1, ready: 1, counters: { ejected: 2, ejectedLast: 0, spared: 1 } },
    { name: 'a floor of two', count: 3, floor: 2, ready: 2, counters: { ejected: 1, ejectedLast: 0, spared: 2 } },
    {
      name: 'a floor above what there is',
      count: 3,
      floor: 9,
      ready: 3,
      counters: { ejected: 0, ejectedLast: 0, spared: 3 },
    },
    { name: 'a single endpoint', count: 1, floor: 0, ready: 0, counters: { ejected: 0, ejectedLast: 1, spared: 0 } },
  ]
  for (const { name, count, floor, ready, counters } of cases) {
    const backend = backendOf(count, floor)
    for (const endpoint of backend.endpoints) endpoint.ended(endpoint.begin(0), 'failure', 0, 0)
    t.equal(backend.readyCount, ready, name)
    t.equal(backend.ejectedCount, count - ready, name)
    t.match(backend.counters, counters, name)
    backend.close()
  }
})

test('an endpoint that waits for its probe does not count for the floor', async (t) => {
  let nowMs = 0
  const backend = backendOf(3, 2, () => nowMs)
  const [first, ...others] = backend.endpoints
  const fail = (endpoint: Endpoint) => endpoint.ended(endpoint.begin(nowMs), 'failure', 0, nowMs)
  fail(first!)
  t.equal(backend.ejectedCount, 1)
  // Its penalty is over.
  nowMs = 2_000
  for (const endpoint of others) fail(endpoint)
  t.equal(backend.ejectedCount, 1, 'the others stay')
  t.match(backend.counters, { ejected: 1, spared: 2 })
  backend.close()
})
