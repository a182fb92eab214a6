/** Policy at the inbound proxy: who decided is written down, updates count at once, and who a client is it cannot claim. */
import { once } from 'node:events'
import tls from 'node:tls'
import * as grpc from '@grpc/grpc-js'
import { test } from 'tap'
import type { Authentication } from '../../proxy/policy/authorization.ts'
import type { Filter } from '../../proxy/policy/filter.ts'
import { defaultServer, type InboundServer } from '../../proxy/policy/inbound-policy.ts'
import { defaultMeta } from '../../proxy/policy/meta.ts'
import { network } from '../../proxy/policy/network.ts'
import { compileRoutes } from '../../proxy/policy/route-match.ts'
import { connectHttp2, connectTcp, readToEnd, startHttp1, startHttp2, startTcp, until } from './apps.ts'
import { IDENTITY, startPair } from './pair.ts'

const OPEN = defaultServer('all-unauthenticated', false, [], 10_000)
const CLOSED: InboundServer = { ...OPEN, authorizations: [] }

/** One route for `path`, open to everybody or to nobody. */
function serverWith(path: string, isOpen: boolean, filters: readonly Filter[] = []): InboundServer {
  const match = {
    kind: 'http',
    path: { kind: 'prefix', prefix: path },
    headers: [],
    query: [],
    method: undefined,
  } as const
  const table = compileRoutes([
    {
      meta: { ...defaultMeta('cart'), group: 'policy.linkerd.io', kind: 'HTTPRoute' },
      hosts: [],
      rules: [{ matches: [match], filters }],
      authorizations: isOpen ? OPEN.authorizations : [],
    },
  ])
  return { ...OPEN, protocol: { kind: 'detect', timeoutMs: 10_000, table } }
}

test('the access log names server, route and authorization, also of what is refused', async (t) => {
  const lines: Record<string, unknown>[] = []
  const app = await startHttp1((_request, response) => response.end('served'))
  const pair = await startPair({ appPorts: [app.port], onAccess: (line) => void lines.push(JSON.parse(line)) })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${pair.port}${path}`)).text()
  const server = 'default all-unauthenticated'
  const cases: readonly { policy: InboundServer; path: string; line: object }[] = [
    { policy: OPEN, path: '/', line: { status: 200, route: 'default default', authorization: server } },
    {
      policy: serverWith('/cart', true),
      path: '/cart/7',
      line: { status: 200, route: 'HTTPRoute cart', authorization: server },
    },
    { policy: serverWith('/cart', true), path: '/other', line: { status: 404, route: '', authorization: '' } },
    {
      policy: serverWith('/cart', false),
      path: '/cart/7',
      line: { status: 403, route: 'HTTPRoute cart', authorization: '' },
    },
  ]
  await get('/warm-up')
  for (const { policy, path, line } of cases) {
    pair.setServer(policy)
    lines.length = 0
    await get(path)
    await until(() => lines.length > 0)
    t.match(
      lines,
      [{ ...line, server, uri: path, method: 'GET', 'client.id': IDENTITY }],
      `${path}: ${JSON.stringify(line)}`,
    )
  }
})

test('a policy that changes under load: every request is judged by one version, old or new', async (t) => {
  const app = await startHttp1(({ headers }, response) => response.end(`${headers['x-one']} ${headers['x-two']}`))
  const pair = await startPair({ appPorts: [app.port] })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  // Every third version redirects, every fifth lets nobody in; the others write their number twice.
  const version = (n: number): InboundServer => {
    const set = (name: string): Filter => ({
      kind: 'requestHeaders',
      edits: { add: [], set: [{ name, value: `${n}` }], remove: [] },
    })
    const path = { kind: 'full', value: `/${n}` } as const
    const redirect: Filter = {
      kind: 'redirect',
      scheme: undefined,
      host: undefined,
      port: undefined,
      path,
      status: 302,
    }
    return serverWith('/', n % 5 !== 0, [set('x-one'), ...(n % 3 === 0 ? [redirect] : []), set('x-two')])
  }
  let current = 1
  await fetch(`http://127.0.0.1:${pair.port}/`).then((response) => response.text())
  pair.setServer(version(current))

  const problems: string[] = []
  const seen = { 200: 0, 302: 0, 403: 0 }
  let isOver = false
  const worker = async (): Promise<void> => {
    while (!isOver) {
      const first = current
      const response = await fetch(`http://127.0.0.1:${pair.port}/`, { redirect: 'manual' })
      const text = await response.text()
      const { status } = response
      const [one, two] = status === 302 ? [/\d+$/.exec(response.headers.get('location') ?? '')?.[0]] : text.split(' ')
      const possible = Array.from({ length: current - first + 1 }, (_, at) => first + at)
      const isRight = possible.some((n) => {
        if (n % 5 === 0) return status === 403
        if (n % 3 === 0) return status === 302 && one === `${n}`
        return status === 200 && one === `${n}` && two === one
      })
      if (isRight) seen[status as keyof typeof seen]++
      else problems.push(`${status} ${text} while ${possible} held`)
    }
  }
  const workers = Array.from({ length: 8 }, worker)
  while (current < 101) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    pair.setServer(version(++current))
  }
  isOver = true
  await Promise.all(workers)
  t.same(problems, [])
  for (const [status, count] of Object.entries(seen)) t.ok(count > 0, `${count} answers of ${status}`)
})

test('an open connection ends when an update forbids it', async (t) => {
  const app = await startTcp((socket) => socket.pipe(socket))
  const cases = [
    { name: 'opaque, through the mesh', isOpaque: true, isMeshed: true, isTls: false },
    { name: 'opaque, in clear text', isOpaque: true, isMeshed: false, isTls: false },
    { name: 'no HTTP, in clear text', isOpaque: false, isMeshed: false, isTls: false },
    { name: 'TLS of the application', isOpaque: false, isMeshed: false, isTls: true },
  ]
  t.teardown(() => app.close())
  for (const { name, isOpaque, isMeshed, isTls } of cases) {
    const pair = await startPair({ appPorts: [app.port], isOpaque })
    const socket = await connectTcp(isMeshed ? pair.port : await pair.openInbound(app.port))
    const hello = isTls ? await clientHello() : Buffer.from('\x00raw')
    socket.write(hello)
    t.same((await once(socket, 'data'))[0], hello, name)
    const protocol = isOpaque ? ({ kind: 'opaque' } as const) : OPEN.protocol
    pair.setServer({ ...OPEN, protocol, meta: defaultMeta('another') })
    socket.write('more')
    t.equal(String((await once(socket, 'data'))[0]), 'more', `${name}: an update that allows it`)
    pair.setServer({ ...CLOSED, protocol })
    t.equal(String(await readToEnd(socket)), '', `${name}: one that does not`)
    socket.destroy()
    await until(() => pair.open().inboundConnections === 0)
    pair.close()
  }
})

/** What a TLS client of somebody else's server says first. */
async function clientHello(): Promise<Buffer> {
  let hello: Buffer | undefined
  const listener = await startTcp((socket) => socket.once('data', (data: Buffer) => (hello = data)))
  const client = tls.connect({ port: listener.port, host: '127.0.0.1', servername: 'app.example' })
  client.on('error', () => {})
  await until(() => hello !== undefined)
  client.destroy()
  listener.close()
  return hello!
}

test('gRPC routes: by service and method, each with clients of its own', async (t) => {
  const app = await startHttp2((stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(Buffer.alloc(5))
  })
  const pair = await startPair({ appPorts: [app.port] })
  const clients = [
    new grpc.Client(`127.0.0.1:${pair.port}`, grpc.credentials.createInsecure()),
    new grpc.Client(`127.0.0.1:${await pair.openInbound(app.port)}`, grpc.credentials.createInsecure()),
  ] as const
  t.teardown(() => {
    for (const client of clients) client.close()
    pair.close()
    app.close()
  })
  const meshTls = (identities: readonly string[], suffixes: readonly string[] = []) =>
    ({ kind: 'meshTls', identities: new Set(identities), suffixes }) as const
  const anyone = { kind: 'unauthenticated' } as const
  const { ok, PERMISSION_DENIED, NOT_FOUND } = { ok: grpc.status.OK, ...grpc.status }
  const cases: readonly {
    method: string
    authorization?: { authentication: Authentication; network?: string }
    /** In the mesh, and outside. */
    is: readonly [grpc.status, grpc.status]
  }[] = [
    { method: 'Anyone', authorization: { authentication: anyone }, is: [ok, ok] },
    { method: 'Identity', authorization: { authentication: meshTls([IDENTITY]) }, is: [ok, PERMISSION_DENIED] },
    {
      method: 'OtherIdentity',
      authorization: { authentication: meshTls([`x.${IDENTITY}`]) },
      is: [PERMISSION_DENIED, PERMISSION_DENIED],
    },
    {
      method: 'Suffix',
      authorization: { authentication: meshTls([], [IDENTITY.slice(IDENTITY.indexOf('.'))]) },
      is: [ok, PERMISSION_DENIED],
    },
    {
      method: 'OtherSuffix',
      authorization: { authentication: meshTls([], ['.other.serviceaccount.identity.linkerd.cluster.local']) },
      is: [PERMISSION_DENIED, PERMISSION_DENIED],
    },
    { method: 'Network', authorization: { authentication: anyone, network: '127.0.0.0/8' }, is: [ok, ok] },
    {
      method: 'OtherNetwork',
      authorization: { authentication: anyone, network: '192.0.2.0/24' },
      is: [PERMISSION_DENIED, PERMISSION_DENIED],
    },
    { method: 'NoRoute', is: [NOT_FOUND, NOT_FOUND] },
  ]
  const routes = cases.flatMap(({ method, authorization }) => {
    if (authorization === undefined) return []
    const { authentication, network: cidr = '0.0.0.0/0' } = authorization
    const match = { kind: 'grpc', service: 'echo.Echo', method, headers: [] } as const
    const meta = { ...defaultMeta(method.toLowerCase()), group: 'gateway.networking.k8s.io', kind: 'GRPCRoute' }
    const authorizations = [{ meta, authentication, networks: [network(cidr)] }]
    return [{ meta, hosts: [], rules: [{ matches: [match], filters: [] }], authorizations }]
  })
  const raw = (bytes: Buffer) => bytes
  const call = (client: grpc.Client, path: string) =>
    new Promise<grpc.status>((resolve) => {
      const made = client.makeUnaryRequest(path, raw, raw, Buffer.alloc(0), () => {})
      made.on('status', ({ code }) => resolve(code))
    })
  t.same(await Promise.all(clients.map((client) => call(client, '/echo.Echo/Any'))), [ok, ok], 'before')
  pair.setServer({ ...OPEN, protocol: { kind: 'grpc', table: compileRoutes(routes) } })
  for (const { method, is } of cases) {
    t.same(await Promise.all(clients.map((client) => call(client, `/echo.Echo/${method}`))), is, method)
  }
})

test('l5d-client-id is what TLS has proved, never what a client claims', async (t) => {
  const claim = { 'l5d-client-id': 'root.shop.serviceaccount.identity.linkerd.cluster.local' }
  const http1 = await startHttp1(({ rawHeaders }, response) => {
    const ids = rawHeaders.filter((_, at) => rawHeaders[at - 1]?.toLowerCase() === 'l5d-client-id' && at % 2 === 1)
    response.end(JSON.stringify(ids))
  })
  const http2 = await startHttp2((stream, headers) => {
    const id = headers['l5d-client-id']
    const isGrpc = headers['content-type'] === 'application/grpc'
    stream.respond(
      { ':status': 200, 'content-type': isGrpc ? 'application/grpc' : 'text/plain', 'x-id': id ?? '' },
      { waitForTrailers: isGrpc },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(isGrpc ? Buffer.alloc(5) : '')
  })
  const pairs = [await startPair({ appPorts: [http1.port] }), await startPair({ appPorts: [http2.port] })] as const
  t.teardown(() => {
    for (const pair of pairs) pair.close()
    http1.close()
    http2.close()
  })
  for (const isMeshed of [true, false]) {
    const expected = isMeshed ? [IDENTITY] : []
    const of = async (at: 0 | 1, appPort: number) => (isMeshed ? pairs[at].port : await pairs[at].openInbound(appPort))
    const how = isMeshed ? 'in the mesh' : 'outside'

    const response = await fetch(`http://127.0.0.1:${await of(0, http1.port)}/`, { headers: claim })
    t.same(await response.json(), expected, `HTTP/1, ${how}`)

    const port = await of(1, http2.port)
    const session = await connectHttp2(port)
    const stream = session.request({ ':path': '/', ...claim })
    stream.resume()
    const [headers] = await once(stream, 'response')
    t.equal(headers['x-id'], expected.join(), `HTTP/2, ${how}`)
    session.destroy()

    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
    const metadata = new grpc.Metadata()
    metadata.set('l5d-client-id', claim['l5d-client-id'])
    const raw = (bytes: Buffer) => bytes
    const call = client.makeUnaryRequest('/echo.Echo/Unary', raw, raw, Buffer.alloc(0), metadata, () => {})
    const [answer] = (await once(call, 'metadata')) as [grpc.Metadata]
    t.same(answer.get('x-id'), [expected.join()], `gRPC, ${how}`)
    client.close()
  }
})
