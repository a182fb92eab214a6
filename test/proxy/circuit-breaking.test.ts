/** Circuit breakers of the outbound side, over HTTP/1 and gRPC (proxy/policy/failure-accrual.ts). */
import http2 from 'node:http2'
import { type Test, test } from 'tap'
import { Agent, request } from 'undici'
import type { FailureAccrualParams } from '../../proxy/policy/outbound-policy.ts'
import { connectHttp2, startHttp1, startHttp2 } from './apps.ts'
import { startPair } from './pair.ts'
import { ACCRUAL, balancedPolicy } from './policies.ts'

/** Sends one request and says who answered, or the status of an answer nobody stands for. */
type Ask = () => Promise<string>

interface Replicas {
  readonly ports: number[]
  /** Requests each one has seen. */
  readonly seen: number[]
  /** The second one fails. */
  isFailing: boolean
}

async function http1Replicas(t: Test, status: number): Promise<Replicas> {
  const replicas: Replicas = { ports: [], seen: [0, 0], isFailing: true }
  for (const index of [0, 1]) {
    const app = await startHttp1((_request, response) => {
      replicas.seen[index]!++
      response.statusCode = index === 1 && replicas.isFailing ? status : 200
      response.end('x')
    })
    t.teardown(app.close)
    replicas.ports.push(app.port)
  }
  return replicas
}

async function grpcReplicas(t: Test, grpcStatus: number): Promise<Replicas> {
  const replicas: Replicas = { ports: [], seen: [0, 0], isFailing: true }
  for (const index of [0, 1]) {
    const app = await startHttp2((stream) => {
      replicas.seen[index]!++
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () =>
        stream.sendTrailers({ 'grpc-status': String(index === 1 && replicas.isFailing ? grpcStatus : 0) }),
      )
      stream.end(Buffer.from([0, 0, 0, 0, 0]))
    })
    t.teardown(app.close)
    replicas.ports.push(app.port)
  }
  return replicas
}

async function pairOf(t: Test, { ports }: Replicas, accrual: FailureAccrualParams, isGrpc: boolean): Promise<Ask> {
  const pair = await startPair({ appPorts: ports, policy: balancedPolicy({}, accrual), failFastTimeoutMs: 200 })
  if (isGrpc) {
    const session = await connectHttp2(pair.port)
    t.teardown(() => {
      session.destroy()
      pair.close()
    })
    return () =>
      new Promise((resolve, reject) => {
        const headers = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers' }
        const stream = session.request(headers, { endStream: true })
        let grpcStatus: unknown
        stream.on('response', (head) => {
          grpcStatus = head['grpc-status']
        })
        stream.on('trailers', (trailers) => {
          grpcStatus = trailers['grpc-status']
        })
        stream.on('error', reject)
        stream.on('close', () => resolve(String(grpcStatus)))
        stream.resume()
      })
  }
  const agent = new Agent()
  t.teardown(async () => {
    await agent.destroy()
    pair.close()
  })
  return async () => {
    const { statusCode, body } = await request(`http://127.0.0.1:${pair.port}/`, { dispatcher: agent })
    await body.dump()
    return String(statusCode)
  }
}

async function asks(count: number, ask: Ask): Promise<Map<string, number>> {
  const answers = new Map<string, number>()
  for (let at = 0; at < count; at++) {
    const answer = await ask()
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
  }
  return answers
}

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
      const ask = await pairOf(t, replicas, RATE, isGrpc)
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
    const ask = await pairOf(t, replicas, accrual, false)
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
