/** Time limits of a policy's rules: what they cover, what the client gets, what is tried again. */
import { once } from 'node:events'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { NO_TIMEOUTS, type Timeouts } from '../../proxy/policy/outbound-policy.ts'
import { type App, connectHttp2, startHttp1, startHttp2 } from './apps.ts'
import { type Pair, startPair } from './pair.ts'
import { policyOf, retries, rule } from './policies.ts'

type Cleanup = { teardown(end: () => void): void }

const limit = (timeouts: Partial<Timeouts>): Timeouts => ({ ...NO_TIMEOUTS, ...timeouts })
const GATEWAY_TIMEOUT = [{ min: 504, max: 504 }]

async function pairOf(t: Cleanup, app: App, parts: Parameters<typeof rule>[0]): Promise<Pair> {
  const pair = await startPair({ appPorts: [app.port], policy: policyOf(rule(parts)) })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  return pair
}

async function post(port: number, content = 'x'): Promise<http.IncomingMessage> {
  const request = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false })
  request.end(content)
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
  return answer
}

test('a backend request timeout ends an attempt', async (t) => {
  t.test('504, and nothing is tried again that no policy lists', async (t) => {
    let requests = 0
    const app = await startHttp1((req) => void req.resume().on('end', () => requests++))
    const pair = await pairOf(t, app, { timeouts: limit({ backendRequestMs: 50 }) })
    const answer = await post(pair.port)
    t.equal(answer.statusCode, 504)
    t.equal(answer.headers['l5d-proxy-error'], 'the backend did not answer within 50 ms')
    t.notOk(answer.headers['l5d-proxy-connection'], 'the client did nothing wrong: its connection may stay')
    t.equal(requests, 1)
  })

  t.test('the next attempt gets the content again and may succeed', async (t) => {
    const contents: string[] = []
    const app = await startHttp1(async (req, res) => {
      let content = ''
      for await (const chunk of req) content += chunk
      contents.push(content)
      if (contents.length === 3) res.end('late but well')
    })
    const pair = await pairOf(t, app, {
      timeouts: limit({ backendRequestMs: 50 }),
      retry: retries({ statuses: GATEWAY_TIMEOUT }),
    })
    t.equal((await post(pair.port, 'abc')).statusCode, 200)
    t.same(contents, ['abc', 'abc', 'abc'])
    t.equal(pair.counts.retries, 2)
  })

  t.test('after the last attempt the client gets the 504, over HTTP/2 and as gRPC', async (t) => {
    const app = await startHttp2((stream) => void stream.resume())
    const pair = await pairOf(t, app, {
      timeouts: limit({ backendRequestMs: 30 }),
      retry: retries({ maxRetries: 1, statuses: GATEWAY_TIMEOUT, grpcCodes: 1 << 4 }),
    })
    const session = await connectHttp2(pair.port)
    for (const [headers, is] of [
      [{ ':path': '/' }, { ':status': 504 }],
      [{ ':path': '/a.B/C', ':method': 'POST', 'content-type': 'application/grpc' }, { 'grpc-status': '4' }],
    ] as const) {
      const attempts = pair.counts.attempts
      const stream = session.request(headers)
      stream.end()
      const [answer] = await once(stream, 'response')
      t.match(answer, is)
      t.equal(pair.counts.attempts - attempts, 2)
      stream.close()
    }
    session.close()
  })

  t.test('it begins with the end of the request', async (t) => {
    const app = await startHttp1((req, res) => void req.resume().on('end', () => res.end()))
    const pair = await pairOf(t, app, { timeouts: limit({ backendRequestMs: 60 }) })
    const request = http.request({ host: '127.0.0.1', port: pair.port, method: 'POST', agent: false })
    request.write('slow')
    await sleep(120)
    request.end('er')
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
    t.equal(answer.statusCode, 200)
  })

  for (const name of ['backendRequestMs', 'responseMs'] as const) {
    t.test(`${name} covers the whole response, also where attempts may be repeated`, async (t) => {
      const app = await startHttp1((req, res) => void req.resume().on('end', () => res.write('begun')))
      const pair = await pairOf(t, app, {
        timeouts: limit({ [name]: 50 }),
        retry: retries({ statuses: GATEWAY_TIMEOUT }),
      })
      const answer = await post(pair.port)
      t.equal(answer.statusCode, 200)
      answer.resume()
      const [error] = await once(answer, 'error')
      t.match(error, { code: 'ECONNRESET' }, 'a response that is cut is not taken for a whole one')
      t.equal(pair.counts.attempts, 1)
    })
  }
})

test('a per-try timeout is for attempts that others may follow', async (t) => {
  let requests = 0
  const app = await startHttp1((req, res) => {
    const nth = ++requests
    req.resume().on('end', () => setTimeout(() => res.end(`${nth}`), nth === 2 ? 150 : 60_000).unref())
  })
  const pair = await pairOf(t, app, { retry: retries({ maxRetries: 1, timeoutMs: 50 }) })
  const answer = await post(pair.port)
  answer.setEncoding('utf8')
  t.same([answer.statusCode, await once(answer, 'data')], [200, ['2']], 'the last one may take longer')
})

test('a response timeout is not repeated', async (t) => {
  const app = await startHttp1((req) => void req.resume())
  const pair = await pairOf(t, app, {
    timeouts: limit({ responseMs: 50 }),
    retry: retries({ statuses: GATEWAY_TIMEOUT, timeoutMs: 1_000 }),
  })
  t.equal((await post(pair.port)).statusCode, 504)
  t.equal(pair.counts.attempts, 1)
})
