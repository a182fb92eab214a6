/** Servers that speak first, on ports of which nobody has said that they are opaque. */
import { once } from 'node:events'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { type Test, test } from 'tap'
import { defaultInboundTable, defaultServer, type InboundServer } from '../../proxy/policy/inbound-policy.ts'
import { type App, connectTcp, readToEnd, startHttp1, startHttp2, startTcp, until } from './apps.ts'
import { IDENTITY, type Pair, type PairOptions, startPair } from './pair.ts'
import { balancedPolicy } from './policies.ts'

const SILENCE_MS = 50
/** Far from the detection timeout of 10 s, also on a busy machine. */
const SOON_MS = 5_000

/** Greets, and repeats what it hears. */
async function greeter(t: Test): Promise<App & { readonly accepted: Socket[] }> {
  const accepted: Socket[] = []
  const app = await startTcp((socket) => {
    accepted.push(socket)
    socket.write('220 hello\r\n')
    socket.pipe(socket)
  })
  t.teardown(() => app.close())
  return { ...app, accepted }
}

/** Says nothing before it is asked. */
async function listener(t: Test): Promise<App & { readonly accepted: Socket[]; open(): number }> {
  const accepted: Socket[] = []
  const app = await startTcp((socket) => {
    accepted.push(socket)
    socket.pipe(socket)
  })
  t.teardown(() => app.close())
  return { ...app, accepted, open: () => accepted.filter(({ destroyed }) => !destroyed).length }
}

async function pairTo(t: Test, app: App, options: Partial<PairOptions> = {}): Promise<Pair> {
  const pair = await startPair({
    appPorts: [app.port],
    earlyDials: { silenceMs: SILENCE_MS, maxAtOnce: 10 },
    ...options,
  })
  t.teardown(() => pair.close())
  return pair
}

async function greeting(socket: Socket): Promise<string> {
  const [data] = (await once(socket, 'data', { signal: AbortSignal.timeout(SOON_MS) })) as [Buffer]
  return String(data)
}

const onlyFor = (...identities: string[]): InboundServer => {
  const server = defaultServer('all-authenticated', false, [], 10_000)
  const authentication = { kind: 'meshTls', identities: new Set(identities), suffixes: [] } as const
  const authorizations = server.authorizations.map((each) => ({ ...each, authentication }))
  return { ...server, authorizations }
}

for (const isMeshed of [false, true]) {
  test(`a server that speaks first, through ${isMeshed ? 'a meshed' : 'an unmeshed'} pair`, async (t) => {
    const app = await greeter(t)
    const pair = await pairTo(t, app, { isMeshed })
    for (const time of ['the first time', 'again']) {
      const socket = await connectTcp(pair.port)
      t.equal(await greeting(socket), '220 hello\r\n', time)
      socket.write('QUIT')
      t.equal(await greeting(socket), 'QUIT', `${time}, then as raw bytes`)
      socket.end()
      await once(socket, 'close')
    }
    t.equal(app.accepted.length, 2, 'one connection each')
    t.same(pair.counts.outboundDials, ['server_first', 'server_first'])
    t.same(pair.counts.inboundDials, [], 'the transport header said what follows')
  })
}

test('a server that speaks first, at the inbound proxy alone', async (t) => {
  t.test('a client without mesh', async (t) => {
    const app = await greeter(t)
    const pair = await pairTo(t, app)
    const port = await pair.openInbound(app.port)
    for (let time = 0; time < 2; time++) {
      const socket = await connectTcp(port)
      t.equal(await greeting(socket), '220 hello\r\n')
      socket.destroy()
    }
    t.same(pair.counts.inboundDials, ['server_first', 'server_first'])
  })

  t.test('a client of the mesh without transport header, who alone is allowed', async (t) => {
    const app = await greeter(t)
    const pair = await pairTo(t, app)
    const port = await pair.openInbound(app.port)
    pair.setServer(onlyFor(IDENTITY))
    for (let time = 0; time < 2; time++) {
      const socket = tls.connect({
        host: '127.0.0.1',
        port,
        servername: IDENTITY,
        secureContext: pair.context,
        checkServerIdentity: () => undefined,
      })
      t.equal(await greeting(socket), '220 hello\r\n')
      socket.destroy()
    }
    t.same(pair.counts.inboundDials, ['server_first', 'server_first'])
    const plain = await connectTcp(port)
    await sleep(4 * SILENCE_MS)
    t.equal(app.accepted.length, 2, 'for a client that may not connect nobody is dialled')
    t.equal(plain.bytesRead, 0)
    plain.destroy()
  })

  t.test('a greeting waits while TLS of the mesh may still come', async (t) => {
    const app = await greeter(t)
    const pair = await pairTo(t, app, { earlyDials: { silenceMs: 400, maxAtOnce: 10 } })
    const port = await pair.openInbound(app.port)
    const learning = await connectTcp(port)
    await greeting(learning)
    learning.destroy()
    const raw = await connectTcp(port)
    await until(() => app.accepted.length === 2)
    await sleep(100)
    const socket = tls.connect({
      socket: raw,
      servername: IDENTITY,
      secureContext: pair.context,
      checkServerIdentity: () => undefined,
    })
    t.equal(await greeting(socket as unknown as Socket), '220 hello\r\n', 'inside TLS')
    t.equal(app.accepted.length, 2, 'over the connection that was opened early')
    socket.destroy()
  })
})

test('a client that is silent at first', async (t) => {
  t.test('and then speaks HTTP/1', async (t) => {
    let connections = 0
    const app = await startHttp1((_request, response) => response.end('answer'))
    t.teardown(() => app.close())
    app.server.on('connection', () => connections++)
    const pair = await pairTo(t, app)
    const socket = await connectTcp(pair.port)
    await until(() => connections === 1)
    socket.write('GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n')
    t.match(String(await readToEnd(socket)), /^HTTP\/1\.1 200 OK[\s\S]*answer$/)
    t.same(pair.counts.outboundDials, ['unused'])
  })

  t.test('and then speaks HTTP/2 to a server that sends its SETTINGS at once', async (t) => {
    const app = await startHttp2((stream) => stream.end('answer'))
    t.teardown(() => app.close())
    const pair = await pairTo(t, app, { isMeshed: false })
    const socket = await connectTcp(pair.port)
    await until(() => pair.counts.outboundDials.length === 1)
    t.same(pair.counts.outboundDials, ['http_server'])
    const session = http2.connect('http://web', { createConnection: () => socket })
    t.teardown(() => session.destroy())
    const stream = session.request({ ':path': '/' })
    t.equal(String(await readToEnd(stream)), 'answer')
    t.equal(pair.open().upstream >= 0 && app.sessions.size, 1, 'over a connection of HTTP/2')
  })

  t.test('and then speaks something else: the early connection is used', async (t) => {
    const app = await listener(t)
    const pair = await pairTo(t, app)
    const socket = await connectTcp(pair.port)
    await until(() => app.accepted.length === 1)
    socket.write('\0\x01 binary')
    t.equal(await greeting(socket), '\0\x01 binary')
    t.equal(app.accepted.length, 1)
    t.same(pair.counts.outboundDials, ['used'])
    socket.destroy()
    await until(() => app.open() === 0)
  })

  t.test('and then leaves: nothing stays open', async (t) => {
    const app = await listener(t)
    const pair = await pairTo(t, app)
    const socket = await connectTcp(pair.port)
    await until(() => app.accepted.length === 1)
    socket.destroy()
    await until(() => app.open() === 0 && pair.open().outboundConnections === 0)
    t.same(pair.counts.outboundDials, ['unused'])
  })

  t.test('and stays so: after the detection timeout it has the early connection', async (t) => {
    const app = await listener(t)
    const pair = await pairTo(t, app, { detectTimeoutMs: 500 })
    const socket = await connectTcp(pair.port)
    await until(() => pair.counts.outboundDials.length === 1)
    t.same(pair.counts.outboundDials, ['used'])
    app.accepted[0]!.write('at last')
    t.equal(await greeting(socket), 'at last')
    t.equal(app.accepted.length, 1)
    socket.destroy()
  })
})

test('nobody is dialled early where policy is about HTTP', async (t) => {
  const http = balancedPolicy({})
  const routed = (name: string): Partial<PairOptions> => {
    if (http.kind !== 'target' || http.protocol.kind !== 'detect') throw new Error(`${http.kind} is not expected`)
    const meta = { ...http.parent, group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name }
    const routes = http.protocol.http1.table.routes.map((route) => ({ ...route, meta }))
    const http1 = { ...http.protocol.http1, table: { ...http.protocol.http1.table, routes } }
    return { policy: { ...http, protocol: { ...http.protocol, http1 } } }
  }

  t.test('outbound: a route of the Service', async (t) => {
    const app = await greeter(t)
    const pair = await pairTo(t, app, { ...routed('web'), isMeshed: false })
    const socket = await connectTcp(pair.port)
    await sleep(4 * SILENCE_MS)
    t.equal(app.accepted.length, 0)
    t.same(pair.counts.outboundDials, [])
    socket.destroy()
  })

  const table = defaultInboundTable(defaultServer('all-unauthenticated', false, [], 300).authorizations)
  const routes = table.routes.map((route) => ({
    ...route,
    meta: { ...route.meta, group: 'policy', kind: 'HTTPRoute' },
  }))
  const servers: readonly { name: string; protocol: InboundServer['protocol'] }[] = [
    { name: 'a route of the Server', protocol: { kind: 'detect', timeoutMs: 300, table: { ...table, routes } } },
    { name: 'a Server that is HTTP/1', protocol: { kind: 'http1', table } },
  ]
  for (const { name, protocol } of servers) {
    t.test(`inbound: ${name}`, async (t) => {
      const app = await greeter(t)
      const pair = await pairTo(t, app, { detectTimeoutMs: 300 })
      pair.setServer({ ...defaultServer('all-unauthenticated', false, [], 300), protocol })
      const socket = await connectTcp(await pair.openInbound(app.port))
      t.equal(String(await readToEnd(socket)), '', 'refused as ever')
      t.equal(app.accepted.length, 0)
      t.same(pair.counts.inboundDials, [])
    })
  }

  t.test('inbound: a Server that becomes so while its application is being listened to', async (t) => {
    const app = await listener(t)
    const pair = await pairTo(t, app)
    const socket = await connectTcp(await pair.openInbound(app.port))
    await until(() => app.accepted.length === 1)
    pair.setServer({ ...defaultServer('all-unauthenticated', false, [], 300), protocol: { kind: 'http1', table } })
    app.accepted[0]!.write('220')
    await until(() => app.open() === 0)
    t.equal(socket.bytesRead, 0)
    t.same(pair.counts.inboundDials, ['unused'])
    socket.destroy()
  })
})

test('a flood of silent clients does not double the connections of the application', async (t) => {
  const app = await listener(t)
  const pair = await pairTo(t, app, { earlyDials: { silenceMs: SILENCE_MS, maxAtOnce: 5 } })
  const doors = [pair.port, await pair.openInbound(app.port)]
  for (const [at, port] of doors.entries()) {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => connectTcp(port)))
    const outcomes = at === 0 ? pair.counts.outboundDials : pair.counts.inboundDials
    await until(() => outcomes.length === 95)
    t.ok(outcomes.every((outcome) => outcome === 'limited'))
    t.ok(app.accepted.length <= 5 * (at + 1), `${app.accepted.length} connections`)
    for (const socket of sockets) socket.destroy()
    await until(() => app.open() === 0)
  }
})
