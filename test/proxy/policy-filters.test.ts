/** What the filters of a policy do to requests on their way: HTTP/1 and HTTP/2, meshed and not. */
import { once } from 'node:events'
import http from 'node:http'
import { test } from 'tap'
import type { Filter } from '../../proxy/policy/filter.ts'
import type { Distribution } from '../../proxy/policy/outbound-policy.ts'
import { connectHttp2, startHttp1, startHttp2 } from './apps.ts'
import { startPair } from './pair.ts'
import { backend, byPrefix, policyOf, retries, rule } from './policies.ts'

const REWRITE: Filter = { kind: 'rewrite', host: 'other.example', path: { kind: 'prefix', value: '/new' } }

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
}

async function get(port: number, path: string): Promise<Answer> {
  const request = http.get({ host: '127.0.0.1', port, path, agent: false, headers: { host: 'web.shop' } })
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  return { status: answer.statusCode!, headers: answer.headers }
}

async function get2(port: number, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const session = await connectHttp2(port)
  const stream = session.request({ ':path': path, ':authority': 'web.shop', ...headers })
  const [answer] = await once(stream, 'response')
  stream.resume()
  await once(stream, 'close')
  session.close()
  return { status: answer[':status'], headers: answer }
}

for (const isMeshed of [true, false]) {
  test(`a URL rewrite, ${isMeshed ? 'meshed' : 'unmeshed'}`, async (t) => {
    const seen: string[] = []
    const app = await startHttp1((req, res) => {
      seen.push(`${req.url} ${req.headers.host}`)
      // The first attempt of each fails: the next one is made of the request as it came.
      res.writeHead(seen.length % 2 === 1 ? 503 : 200).end()
    })
    const policy = policyOf(
      rule({ matches: [byPrefix('/old')], filters: [REWRITE], retry: retries({ statuses: [{ min: 503, max: 503 }] }) }),
    )
    const pair = await startPair({ appPorts: [app.port], isMeshed, policy })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    t.equal((await get(pair.port, '/old/x?q=/old')).status, 200)
    t.same(seen, ['/new/x?q=/old other.example', '/new/x?q=/old other.example'], 'HTTP/1, and its retry')
    t.equal((await get(pair.port, '/other')).status, 404, 'the route is found by what the client asked')

    const seen2: string[] = []
    const app2 = await startHttp2((stream, headers) => {
      seen2.push(`${headers[':path']} ${headers[':authority']}`)
      stream.respond({ ':status': seen2.length % 2 === 1 ? 503 : 200 }, { endStream: true })
    })
    const pair2 = await startPair({ appPorts: [app2.port], isMeshed, policy })
    t.teardown(() => {
      pair2.close()
      app2.close()
    })
    t.equal((await get2(pair2.port, '/old?q')).status, 200)
    t.same(seen2, ['/new?q other.example', '/new?q other.example'], 'HTTP/2, and its retry')
  })
}

test('a rewrite of a prefix that no rule matched by says so', async (t) => {
  const app = await startHttp1((_req, res) => void res.end())
  const pair = await startPair({ appPorts: [app.port], policy: policyOf(rule({ filters: [REWRITE] })) })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const { status, headers } = await get(pair.port, '/old')
  t.equal(status, 500)
  t.match(headers['l5d-proxy-error'], /HTTPRoute r\.shop: the URL rewrite replaces a prefix/)
})

test('response header modifiers', async (t) => {
  const app = await startHttp2((stream) => stream.respond({ ':status': 200, server: 'secret' }, { endStream: true }))
  const filters: Filter[] = [
    { kind: 'responseHeaders', edits: { add: [{ name: 'x-by', value: 'r' }], set: [], remove: ['server'] } },
  ]
  const pair = await startPair({ appPorts: [app.port], policy: policyOf(rule({ filters })) })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const { headers } = await get2(pair.port, '/', { 'content-type': 'application/grpc', te: 'trailers' })
  t.match(headers, { 'x-by': 'r', server: undefined }, 'of gRPC as of HTTP')
})

test('an answer of the policy needs no backend', async (t) => {
  const app = await startHttp1((_req, res) => void res.end())
  const redirect: Filter = {
    kind: 'redirect',
    scheme: undefined,
    host: 'other.example',
    port: undefined,
    path: undefined,
    status: 302,
  }
  const policy = policyOf(
    rule({ matches: [byPrefix('/none')], filters: [redirect], distribution: { kind: 'empty' } }),
    rule({
      matches: [byPrefix('/down')],
      filters: [redirect],
      distribution: weighted([0, 'web'], [1, 'down'], [1, 'off']),
    }),
    rule({ matches: [byPrefix('/zero')], distribution: weighted([0, 'web'], [1, 'down'], [1, 'off']) }),
  )
  const backendPorts = { 'down:80': [], 'off:80': [] }
  const pair = await startPair({ appPorts: [app.port], policy, backendPorts, failFastTimeoutMs: 50 })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const answers = [await get(pair.port, '/none'), await get(pair.port, '/down')]
  t.same(
    answers.map(({ status, headers }) => [status, headers.location]),
    [
      [302, 'http://other.example/none'],
      [302, 'http://other.example/down'],
    ],
  )
  const { status, headers } = await get(pair.port, '/zero')
  t.equal(status, 504, 'a backend of weight 0 gets nothing, ready as it is')
  t.match(headers['l5d-proxy-error'], /down:80 has no endpoint/)
})

function weighted(...backends: readonly (readonly [number, string])[]): Distribution<Filter> {
  return {
    kind: 'randomAvailable',
    backends: backends.map(([weight, name]) => backend(name, weight)),
    totalWeight: backends.reduce((sum, [weight]) => sum + weight, 0),
  }
}
