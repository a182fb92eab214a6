/** What leaves the mesh and what does not, by policies as the control plane sends them for an EgressNetwork. */
import { once } from 'node:events'
import http from 'node:http'
import tls from 'node:tls'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { test } from 'tap'
import { durationFromMs } from '../../api/duration.ts'
import { OutboundPolicySchema } from '../../api/gen/outbound_pb.js'
import { parseSocketAddress, tcpAddressToMessage } from '../../api/ip.ts'
import { outboundPolicyOf } from '../../proxy/discovery/convert/outbound.ts'
import { TestAuthority } from '../../proxy/io/test-authority.ts'
import type { OutboundPolicy } from '../../proxy/policy/outbound-policy.ts'
import { connectHttp2, connectTcp, readToEnd, startHttp1, startTcp } from './apps.ts'
import { startPair } from './pair.ts'

type Protocol = NonNullable<NonNullable<MessageInitShape<typeof OutboundPolicySchema>['protocol']>['kind']>
// biome-ignore lint/suspicious/noExplicitAny: parts of messages
type Init = any

const network = (name: string): Init => ({
  kind: {
    case: 'resource',
    value: { group: 'policy.linkerd.io', kind: 'EgressNetwork', namespace: 'shop', name, port: 443 },
  },
})
const queue = { capacity: 100, failfastTimeout: durationFromMs(3_000) }
const byDefault = (name: string): Init => ({ kind: { case: 'default', value: name } })
const routeMeta = (kind: string, name: string): Init => ({
  kind: { case: 'resource', value: { group: 'gateway.networking.k8s.io', kind, namespace: 'shop', name } },
})

/** To the address that the client dialled. */
function forward(port: number): Init {
  const addr = tcpAddressToMessage(parseSocketAddress(`127.0.0.1:${port}`)!)
  return { metadata: network('all'), queue, kind: { case: 'forward', value: { addr, weight: 10_000 } } }
}

const first = (backend: Init, filters: Init[] = []): Init => ({
  kind: { case: 'firstAvailable', value: { backends: [{ backend, filters }] } },
})

function policyOf(protocol: Protocol): OutboundPolicy {
  return outboundPolicyOf(create(OutboundPolicySchema, { metadata: network('all'), protocol: { kind: protocol } }))
}

function detect(port: number, http: Init[], isOpaqueDenied: boolean): OutboundPolicy {
  const filters = isOpaqueDenied ? [{ kind: { case: 'forbidden', value: {} } }] : []
  const opaque = {
    routes: [{ metadata: byDefault('tcp-egress-deny'), rules: [{ backends: first(forward(port)), filters }] }],
  }
  const routes = { routes: http }
  return policyOf({
    case: 'detect',
    value: { timeout: durationFromMs(10_000), opaque, http1: routes, http2: routes } as Init,
  })
}

const everything = { path: { kind: { case: 'prefix', value: '/' } } }
const denied: Init = { kind: { case: 'failureInjector', value: { status: 403, message: 'traffic not allowed' } } }
const denyHttp = (port: number): Init => ({
  metadata: byDefault('http-egress-deny'),
  rules: [{ matches: [everything], filters: [denied], backends: first(forward(port)) }],
})

async function get(port: number, host: string): Promise<http.IncomingMessage> {
  const request = http.get({ host: '127.0.0.1', port, agent: false, headers: { host } })
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
  return answer.resume()
}

test('HTTP: a route for one host, everything else denied', async (t) => {
  const app = await startHttp1((req, res) => void res.end(req.headers.host))
  const allowed: Init = {
    metadata: routeMeta('HTTPRoute', 'allow'),
    hosts: [{ match: { case: 'exact', value: 'api.example' } }],
    rules: [{ matches: [everything], backends: first(forward(app.port)) }],
  }
  const policy = detect(app.port, [allowed, denyHttp(app.port)], true)
  const pair = await startPair({ appPorts: [app.port], isMeshed: false, policy })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  t.equal((await get(pair.port, 'api.example')).statusCode, 200)
  const refused = await get(pair.port, 'other.example')
  t.equal(refused.statusCode, 403)
  t.equal(refused.headers['l5d-proxy-error'], 'traffic not allowed')

  const session = await connectHttp2(pair.port)
  const stream = session.request({ ':path': '/', ':authority': 'other.example' })
  const [answer] = await once(stream, 'response')
  t.equal(answer[':status'], 403, 'HTTP/2 as well')
  session.destroy()

  const raw = await connectTcp(pair.port)
  raw.write('\x00\x01 no HTTP')
  t.equal((await readToEnd(raw)).length, 0, 'what is no HTTP is closed')
  t.same(pair.counts.outboundErrors, ['forbidden'])
})

test('TLS: names that are allowed, exact and by suffix, everything else denied', async (t) => {
  const authority = await TestAuthority.root()
  const issued = await authority.issue('app.example')
  const server = tls.createServer({ key: issued.keyPem, cert: issued.chainPem }, (socket) => socket.end('hello'))
  server.on('tlsClientError', () => {})
  const app = await startTcp((socket) => void server.emit('connection', socket))
  const route = (name: string, snis: Init[], filters: Init[]): Init => ({
    metadata: name === '' ? byDefault('tls-egress-deny') : routeMeta('TLSRoute', name),
    snis,
    rules: [{ backends: first(forward(app.port)), filters }],
  })
  const policy = policyOf({
    case: 'tls',
    value: {
      routes: [
        route('exact', [{ match: { case: 'exact', value: 'api.example' } }], []),
        route('suffix', [{ match: { case: 'suffix', value: { reverseLabels: ['example', 'cdn'] } } }], []),
        route('', [], [{ kind: { case: 'forbidden', value: {} } }]),
      ],
    } as Init,
  })
  const pair = await startPair({ appPorts: [app.port], isMeshed: false, policy })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const dial = async (servername: string): Promise<string> => {
    const socket = tls.connect({ host: '127.0.0.1', port: pair.port, servername, rejectUnauthorized: false })
    return new Promise((resolve) => {
      socket.on('data', (data) => resolve(String(data)))
      socket.on('error', () => resolve('refused'))
      socket.on('close', () => resolve('refused'))
    })
  }
  const cases: [name: string, is: string][] = [
    ['api.example', 'hello'],
    ['API.example', 'hello'],
    ['a.cdn.example', 'hello'],
    ['a.b.cdn.example', 'hello'],
    ['cdn.example', 'refused'],
    ['x.api.example', 'refused'],
    ['other.example', 'refused'],
  ]
  for (const [name, is] of cases) t.equal(await dial(name), is, name)
  t.same(pair.counts.outboundErrors, ['forbidden', 'forbidden', 'forbidden'])
  t.equal(await dial(''), 'refused', 'without a name there is no route')
  const plain = await connectTcp(pair.port)
  plain.write('GET / HTTP/1.1\r\nhost: api.example\r\n\r\n')
  t.equal((await readToEnd(plain)).length, 0, 'plain text neither')
})

test('opaque: forbidden, allowed, and a backend that is not there', async (t) => {
  const app = await startTcp((socket) => void socket.end('hello'))
  const opaque = (backends: Init, filters: Init[] = []): OutboundPolicy =>
    policyOf({
      case: 'opaque',
      value: { routes: [{ metadata: routeMeta('TCPRoute', 'r'), rules: [{ backends, filters }] }] } as Init,
    })
  const gone = { metadata: network('gone'), queue }
  const invalid = { kind: { case: 'invalid', value: { message: 'there is no EgressNetwork gone' } } }
  const two = (weights: number[]): Init => ({
    kind: {
      case: 'randomAvailable',
      value: { backends: weights.map((weight) => ({ weight, backend: { backend: forward(app.port) } })) },
    },
  })
  const cases: { name: string; policy: OutboundPolicy; is: string; error: string[] }[] = [
    { name: 'allowed', policy: opaque(first(forward(app.port))), is: 'hello', error: [] },
    {
      name: 'forbidden',
      policy: opaque(first(forward(app.port)), [{ kind: { case: 'forbidden', value: {} } }]),
      is: '',
      error: ['forbidden'],
    },
    { name: 'a backend of no kind', policy: opaque(first(gone)), is: '', error: ['invalid_backend'] },
    { name: 'which its filter names', policy: opaque(first(gone, [invalid])), is: '', error: ['invalid_policy'] },
    { name: 'no weight at all', policy: opaque(two([0, 0])), is: '', error: ['invalid_policy'] },
    {
      name: 'no backend at all',
      policy: opaque({ kind: { case: 'empty', value: {} } }),
      is: '',
      error: ['unexpected'],
    },
  ]
  t.teardown(() => app.close())
  for (const { name, policy, is, error } of cases) {
    const pair = await startPair({ appPorts: [app.port], isMeshed: false, policy })
    const socket = await connectTcp(pair.port)
    t.equal(String(await readToEnd(socket)), is, name)
    t.same(pair.counts.outboundErrors, error, name)
    socket.destroy()
    pair.close()
  }
})

test('HTTP without anybody to send it to says so', async (t) => {
  const app = await startHttp1((_req, res) => void res.end())
  const gone = { metadata: network('gone'), queue }
  const failure: Init = { kind: { case: 'failureInjector', value: { status: 500, message: 'no EgressNetwork gone' } } }
  const weighted = (weights: number[], backend: Init, filters: Init[] = []): Init => ({
    kind: {
      case: 'randomAvailable',
      value: { backends: weights.map((weight) => ({ weight, backend: { backend, filters } })) },
    },
  })
  const cases: { name: string; backends: Init; status: number; says: RegExp }[] = [
    { name: 'empty', backends: { kind: { case: 'empty', value: {} } }, status: 503, says: /HTTPRoute r\.shop has no/ },
    {
      name: 'no weight',
      backends: weighted([0, 0], forward(app.port)),
      status: 500,
      says: /^HTTPRoute r\.shop: all backends have weight 0$/,
    },
    {
      name: 'a backend of no kind',
      backends: first(gone),
      status: 502,
      says: /HTTPRoute r\.shop: its backend EgressNetwork gone\.shop:443 does not exist/,
    },
    { name: 'which its filter names', backends: first(gone, [failure]), status: 500, says: /^no EgressNetwork gone$/ },
    {
      name: 'as one of several',
      backends: weighted([1, 1], gone, [failure]),
      status: 500,
      says: /^no EgressNetwork gone$/,
    },
  ]
  t.teardown(() => app.close())
  for (const { name, backends, status, says } of cases) {
    const route: Init = { metadata: routeMeta('HTTPRoute', 'r'), rules: [{ matches: [everything], backends }] }
    const policy = detect(app.port, [route], true)
    const pair = await startPair({ appPorts: [app.port], isMeshed: false, policy })
    const answer = await get(pair.port, 'web')
    t.equal(answer.statusCode, status, name)
    t.match(answer.headers['l5d-proxy-error'], says, name)
    pair.close()
  }
})
