/** Circuit breakers of the outbound side, over HTTP/1 and gRPC (proxy/policy/failure-accrual.ts). */
import http2 from 'node:http2'
import { test } from 'tap'
import type { FailureAccrualParams } from '../../proxy/policy/outbound-policy.ts'
import { startHttp2 } from './apps.ts'
import { startPair } from './pair.ts'
import { ACCRUAL, balancedPolicy } from './policies.ts'
import { asks, clientOf, grpcReplicas, http1Replicas } from './replicas.ts'

const RATE: FailureAccrualParams = {
  ...ACCRUAL,
  successRate: { threshold: 0.8, windowMs: 10_000, minRequests: 5 },
  backoff: { minMs: 300, maxMs: 300, jitter: 0 },
}

test('an endpoint with too few successes gets nothing until its probe succeeds', async (t) => {
  const cases = [
    { name: 'HTTP 503', isGrpc: false, status: 503 },
    { name: 'HTTP 429', isGrpc: false, status: 429 },
    { name: 'gRPC UNAVAILABLE in trailers', isGrpc: true, status: 14 },
    { name: 'gRPC RESOURCE_EXHAUSTED in trailers', isGrpc: true, status: 8 },
  ]
  for (const { name, isGrpc, status } of cases) {
    await t.test(name, async (t) => {
      const replicas = await (isGrpc ? grpcReplicas : http1Replicas)(t, status)
      const ask = await clientOf(t, replicas, balancedPolicy({}, RATE), isGrpc)
      // Which endpoint a request goes to is a matter of latency and chance.
      while (replicas.seen[1]! < 5) await ask()
      const meanwhile = await asks(20, ask)
      t.equal(meanwhile.get(isGrpc ? '0' : '200'), 20, 'five bad answers, no more')
      replicas.isFailing = false
      await new Promise((resolve) => setTimeout(resolve, 350))
      while (replicas.seen[1]! < 10) if ((await ask()) === String(status)) return t.fail('the probe is answered well')
      t.pass('it takes part again')
    })
  }
})

test('the floor of ready endpoints keeps the last one, however bad its answers', async (t) => {
  for (const { name, minReadyEndpoints, is } of [
    { name: 'without', minReadyEndpoints: 0, is: { own: 3, proxy: true } },
    { name: 'with', minReadyEndpoints: 1, is: { own: 20, proxy: false } },
  ]) {
    const replicas = await http1Replicas(t, 503)
    replicas.ports.splice(0, 1)
    const accrual = {
      ...ACCRUAL,
      maxFailures: 3,
      minReadyEndpoints,
      backoff: { minMs: 60_000, maxMs: 60_000, jitter: 0 },
    }
    const ask = await clientOf(t, replicas, balancedPolicy({}, accrual), false)
    const answers = await asks(20, ask)
    t.equal(replicas.seen[1], is.own, name)
    t.equal(answers.has('504'), is.proxy, `${name}: the first request without an endpoint waits for the fail-fast`)
  }
})

test('Retry-After is waited for where the policy says so', async (t) => {
  let seen = 0
  const app = await startHttp2((stream) => {
    seen++
    stream.respond({ ':status': 503, 'retry-after': '30' }, { endStream: true })
  })
  const other = await startHttp2((stream) => stream.respond({ ':status': 200 }, { endStream: true }))
  t.teardown(app.close)
  t.teardown(other.close)
  const accrual = {
    ...ACCRUAL,
    maxFailures: 1,
    honorsRetryAfter: true,
    backoff: { minMs: 1, maxMs: 60_000, jitter: 0 },
  }
  const pair = await startPair({ appPorts: [app.port, other.port], policy: balancedPolicy({}, accrual) })
  const session = http2.connect(`http://127.0.0.1:${pair.port}`)
  t.teardown(() => {
    session.destroy()
    pair.close()
  })
  const deadlineMs = performance.now() + 200
  while (performance.now() < deadlineMs) {
    await new Promise((resolve) => session.request({ ':path': '/' }).on('close', resolve).resume())
  }
  t.equal(seen, 1, 'one request in 200 ms, although the back-off is 1 ms')
})
