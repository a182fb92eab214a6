/** Retries of a policy's rules: which failures are tried again, how often, and who pays for it. */
import { once } from 'node:events'
import http from 'node:http'
import { test } from 'tap'
import type { Filter } from '../../proxy/policy/filter.ts'
import type { HttpRule } from '../../proxy/policy/outbound-policy.ts'
import { type App, connectHttp2, startHttp1, startHttp2 } from './apps.ts'
import { type Pair, startPair } from './pair.ts'
import { backend, policyOf, retries, rule } from './policies.ts'

async function post(port: number): Promise<http.IncomingMessage> {
  const request = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false })
  request.end('abc')
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
  return answer.resume()
}

for (const isMeshed of [true, false]) {
  test(`a connection that breaks before the answer is a 502, ${isMeshed ? 'meshed' : 'unmeshed'}`, async (t) => {
    let requests = 0
    const app = await startHttp1((req, res) => {
      if (++requests % 3 === 0) res.end()
      else req.socket.destroy()
    })
    const listing = (status: number) => policyOf(rule({ retry: retries({ statuses: [{ min: status, max: status }] }) }))
    const pair = await startPair({ appPorts: [app.port], isMeshed, policy: listing(502) })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    t.equal((await post(pair.port)).statusCode, 200, 'the policy lists it: a POST, too, is sent again')
    t.equal(requests, 3)
    pair.setPolicy(listing(503))
    t.equal((await post(pair.port)).statusCode, 502, 'else it is the answer')
    t.equal(requests, 4)
  })
}

type Cleanup = { teardown(end: () => void): void }

async function pairOf(t: Cleanup, app: App, parts: Partial<HttpRule>, isMeshed = true): Promise<Pair> {
  const pair = await startPair({ appPorts: [app.port], isMeshed, policy: policyOf(rule(parts)) })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  return pair
}

const RESERVE = 100

test('retries of routes stay within the budget', async (t) => {
  const app = await startHttp1((req, res) => void req.resume().on('end', () => res.writeHead(503).end()))
  const pair = await pairOf(t, app, { retry: retries({ statuses: [{ min: 503, max: 503 }] }) })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 })
  const requests = 400
  const statuses = await Promise.all(
    Array.from({ length: requests }, async () => {
      const request = http.get({ host: '127.0.0.1', port: pair.port, agent })
      const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
      answer.resume()
      return answer.statusCode
    }),
  )
  agent.destroy()
  t.ok(statuses.every((status) => status === 503))
  // Linkerd would send each of them three times.
  t.ok(pair.counts.retries >= RESERVE && pair.counts.retries <= RESERVE + 0.2 * requests + 1, `${pair.counts.retries}`)
  t.equal(pair.counts.attempts, requests + pair.counts.retries)
  t.ok(pair.counts.noBudget > 0)
})

test('so do connections that cannot be made', async (t) => {
  const app = await startHttp1(() => {})
  app.close()
  const pair = await pairOf(t, app, {}, false)
  for (let i = 0; i < 5; i++)
    for (const { statusCode } of await Promise.all(Array.from({ length: 10 }, () => post(pair.port))))
      t.equal(statusCode, 502)
  t.ok(pair.counts.attempts <= 50 + RESERVE + 10, `${pair.counts.attempts} attempts instead of 300`)
  t.ok(pair.counts.noBudget > 0)
})

test('gRPC codes, in trailers alone and behind a message', async (t) => {
  for (const isTrailersOnly of [true, false]) {
    let calls = 0
    const app = await startHttp2((stream) => {
      const status = ++calls % 3 === 0 ? '0' : '14'
      stream.resume()
      const head = { ':status': 200, 'content-type': 'application/grpc' }
      if (isTrailersOnly) return stream.respond({ ...head, 'grpc-status': status }, { endStream: true })
      stream.respond(head, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
      stream.end('message')
    })
    const pair = await pairOf(t, app, { retry: retries({ grpcCodes: 1 << 14 }) })
    const session = await connectHttp2(pair.port)
    const call = async (fields: Record<string, string> = {}): Promise<unknown> => {
      const stream = session.request({
        ':path': '/a.B/C',
        ':method': 'POST',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...fields,
      })
      let status: unknown
      stream.on('trailers', (trailers) => {
        status = trailers['grpc-status']
      })
      stream.end('request')
      const [answer] = await once(stream, 'response')
      stream.resume()
      await once(stream, 'close')
      return answer['grpc-status'] ?? status
    }
    t.equal(await call(), '0')
    t.equal(calls, 3)
    const parts = { retry: retries({ grpcCodes: 1 << 14, maxRetries: 1 }), allowL5dHeaders: true }
    pair.setPolicy(policyOf(rule(parts)))
    calls = 0
    t.equal(await call(), '14', 'the last attempt is the answer')
    t.equal(calls, 2)
    calls = 0
    t.equal(await call({ 'l5d-retry-limit': '2' }), '0', 'a request may ask for more, where the route lets it')
    calls = 0
    t.equal(await call({ 'l5d-retry-grpc': 'internal' }), '14')
    t.equal(calls, 1)
    session.close()
  }
})

test('fields that override: allowed, wrong, and where they are not allowed', async (t) => {
  const seen: (string | undefined)[] = []
  const app = await startHttp1((req, res) => {
    seen.push(req.headers['l5d-timeout'] as string | undefined)
    if (req.url === '/now') res.end()
  })
  const pair = await pairOf(t, app, { allowL5dHeaders: true })
  const get = async (path: string, timeout: string): Promise<number | undefined> => {
    const headers = { 'l5d-timeout': timeout }
    const request = http.get({ host: '127.0.0.1', port: pair.port, path, agent: false, headers })
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
    answer.resume()
    return answer.statusCode
  }
  t.equal(await get('/', '50ms'), 504)
  t.equal(await get('/now', '5s'), 200)
  t.equal(pair.counts.ignoredOverrides, 0)
  t.equal(await get('/now', 'soon'), 200)
  t.equal(pair.counts.ignoredOverrides, 1)
  t.same(seen, [undefined, undefined, undefined], 'they go no further')
  pair.setPolicy(policyOf(rule({})))
  t.equal(await get('/now', '50ms'), 200)
  t.equal(seen.at(-1), '50ms', 'else they are fields like any other')
})

test('a request that waits at a backend without endpoints goes to one that has become ready', async (t) => {
  const app = await startHttp1((_req, res) => void res.end())
  const backends = [backend<Filter>('empty'), backend<Filter>('web')]
  const pair = await startPair({
    appPorts: [],
    backendPorts: { 'empty:80': [] },
    isMeshed: false,
    failFastTimeoutMs: 150,
    policy: policyOf(rule({ distribution: { kind: 'randomAvailable', backends, totalWeight: 2 } })),
  })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const answer = post(pair.port)
  setTimeout(() => pair.setEndpoints([app.port]), 30)
  t.equal((await answer).statusCode, 200)
})
