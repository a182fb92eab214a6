import { test } from 'tap'
import { DEFAULT_HTTP2 } from '../http/http2-config.ts'
import { plainEndpoint } from '../policy/endpoint.ts'
import { Endpoint } from './endpoint.ts'

test('a tripped endpoint takes no request until its probe is due, then exactly one', async (t) => {
  let nowMs = 0
  let woken = 0
  const endpoint = new Endpoint(
    plainEndpoint('10.0.0.1', 80),
    {
      connector: { connect: () => ({ cancel() {} }) },
      http: {
        http1: { maxHeadBytes: 1_024, maxIdle: 1, idleTimeoutMs: 1_000 },
        http2: DEFAULT_HTTP2,
        backoff: { minMs: 1, maxMs: 1, jitter: 0 },
      },
      nowMs: () => nowMs,
      epochMs: () => 0,
      random: () => 0,
      metrics: { onRequest() {}, onResponse() {} } as never,
      seedRttMs: 30,
      decayMs: 10_000,
      isUpgradeable: false,
      penalty: undefined,
      failureAccrual: {
        maxFailures: 3,
        successRate: undefined,
        backoff: { minMs: 1_000, maxMs: 8_000, jitter: 0 },
        honorsRetryAfter: false,
        minReadyEndpoints: 0,
      },
    },
    { onReady: () => void woken++, mayEject: () => true },
  )
  t.teardown(() => endpoint.close())
  const fail = () => endpoint.ended(endpoint.begin(nowMs), 'failure', nowMs, 0)
  fail()
  fail()
  t.equal(endpoint.isReady(), true, 'two failures are not three')
  fail()
  t.equal(endpoint.isReady(), false, 'tripped')
  t.equal(endpoint.isTripped, true)
  nowMs = 999
  t.equal(endpoint.isReady(), false, 'the back-off has not passed')
  nowMs = 1_000
  t.equal(endpoint.isReady(), true, 'the probe may go')
  const isProbe = endpoint.begin(nowMs)
  t.equal(isProbe, true)
  t.equal(endpoint.isReady(), false, 'one probe at a time')
  endpoint.ended(isProbe, undefined, nowMs, 0)
  t.equal(endpoint.isReady(), true, 'a probe whose client gave up is sent again')
  endpoint.ended(endpoint.begin(nowMs), 'failure', nowMs, 0)
  nowMs = 2_500
  t.equal(endpoint.isReady(), false, 'a failed probe doubles the back-off')
  nowMs = 3_000
  endpoint.ended(endpoint.begin(nowMs), 'success', nowMs, 0)
  t.equal(endpoint.isReady(), true)
  t.equal(endpoint.isTripped, false)
  t.equal(woken, 1, 'who waits is told that it is back')
})
