import { once } from 'node:events'
import { type AddressInfo, createServer, connect as netConnect, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { type Test, test } from 'tap'
import { connectTcp } from './connect.ts'
import type { ConnectError } from './connector.ts'
import { TestAuthority } from './test-authority.ts'
import { REAL_TIMERS } from './timers.ts'
import { connectMeshTls, type MeshTlsClient, MeshTlsServer, makeSecureContext, type PeerIdentity } from './tls.ts'

const WEB = 'web.shop.serviceaccount.identity.linkerd.cluster.local'
const CART = 'cart.shop.serviceaccount.identity.linkerd.cluster.local'
const DAY_MS = 86_400_000

const root = await TestAuthority.root()
const issuer = await root.intermediate()
const stranger = await TestAuthority.root('stranger.test')
const web = await issuer.issue(WEB)
const cart = await issuer.issue(CART)

const contextOf = (issued: { keyPem: string; chainPem: string }, trustAnchorsPem = root.pem) =>
  makeSecureContext({ key: issued.keyPem, chainPem: issued.chainPem, trustAnchorsPem })

interface Heard {
  readonly clients: MeshTlsClient[]
  readonly failures: string[]
  readonly sockets: TLSSocket[]
}

/** A listener that looks at the first bytes of every connection, as the inbound does, and then terminates TLS. */
async function listen(
  t: Test,
  server: MeshTlsServer,
  onAccepted?: (socket: Socket) => void,
): Promise<{ port: number; heard: Heard; closed: Promise<void> }> {
  const heard: Heard = { clients: [], failures: [], sockets: [] }
  let settled = () => {}
  const closed = new Promise<void>((resolve) => {
    settled = resolve
  })
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    onAccepted?.(socket)
    socket.once('data', (first: Buffer) => {
      server.accept(
        socket,
        first,
        (secure, client) => {
          heard.clients.push(client)
          heard.sockets.push(secure)
          secure.on('error', () => {})
          secure.on('data', (data) => secure.write(data))
          secure.on('end', () => secure.end())
          settled()
        },
        (error) => {
          heard.failures.push(error.message)
          settled()
        },
      )
    })
  })
  await listening(listener)
  t.teardown(() => {
    for (const socket of heard.sockets) socket.destroy()
    listener.close()
  })
  return { port: (listener.address() as AddressInfo).port, heard, closed }
}

async function listening(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

interface DialOptions {
  readonly issued?: { keyPem: string; chainPem: string } | undefined
  readonly identity?: PeerIdentity
  readonly trustAnchorsPem?: string
  readonly alpn?: boolean
  readonly serverName?: string
}

type Outcome = { socket: TLSSocket; isTransportHeader: boolean } | ConnectError

function dialTls(
  port: number,
  { issued, identity, trustAnchorsPem = root.pem, alpn = false, serverName = WEB }: DialOptions = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    connectMeshTls({
      ip: '127.0.0.1',
      port,
      allowLoopback: true,
      timeoutMs: 5_000,
      serverName,
      identity: identity ?? { kind: 'dns', name: WEB },
      context: makeSecureContext({ key: issued?.keyPem, chainPem: issued?.chainPem, trustAnchorsPem }),
      alpn,
      onConnected: (socket, isTransportHeader) => {
        socket.on('error', () => {})
        resolve({ socket, isTransportHeader })
      },
      onFailed: resolve,
    })
  })
}

async function echo(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text)
  const [data] = (await once(socket, 'data')) as [Buffer]
  return data.toString()
}

function serverWith(
  issued: { keyPem: string; chainPem: string },
  withAlpn = false,
  trustAnchorsPem = root.pem,
): MeshTlsServer {
  const server = new MeshTlsServer({ localName: WEB, withAlpn, timers: REAL_TIMERS })
  server.setContext(contextOf(issued, trustAnchorsPem))
  return server
}

test('both sides name themselves and bytes flow', async (t) => {
  const { port, heard, closed } = await listen(t, serverWith(web))
  const outcome = await dialTls(port, { issued: cart })
  if (!('socket' in outcome)) return t.fail(outcome.message)
  t.equal(await echo(outcome.socket, 'hello'), 'hello')
  await closed
  t.same(heard.clients, [{ kind: 'meshTls', identity: CART }])
  t.equal(outcome.socket.getProtocol(), 'TLSv1.3')
  t.equal(outcome.isTransportHeader, false)
  t.equal(outcome.socket.alpnProtocol, false, 'no ALPN unless asked')
  t.equal(outcome.socket.allowHalfOpen, true)
  outcome.socket.end()
  await once(outcome.socket, 'close')
})

test('who answers must be exactly who is expected', async (t) => {
  const expired = await issuer.issue(WEB, { notBeforeMs: Date.now() - 2 * DAY_MS, notAfterMs: Date.now() - 1_000 })
  const future = await issuer.issue(WEB, { notBeforeMs: Date.now() + DAY_MS, notAfterMs: Date.now() + 2 * DAY_MS })
  const foreign = await stranger.issue(WEB)
  const spiffe = await issuer.issue('spiffe', { uri: 'spiffe://shop/web' })
  const wildcard = await issuer.issue('wild', {
    names: [{ type: 'dns', value: '*.shop.serviceaccount.identity.linkerd.cluster.local' }],
  })
  const nameless = await issuer.issue(WEB, { names: [] })
  const smuggler = await issuer.issue('smuggler', { names: [{ type: 'url', value: `spiffe://x, DNS:${WEB}` }] })
  const cases: { name: string; served: typeof web; options: DialOptions; error?: RegExp }[] = [
    {
      name: 'a URI identity is found among the SANs',
      served: spiffe,
      options: { identity: { kind: 'uri', uri: 'spiffe://shop/web' } },
    },
    {
      name: 'a second SAN counts as well',
      served: await issuer.issue('two', {
        names: [
          { type: 'dns', value: 'other' },
          { type: 'dns', value: WEB },
        ],
      }),
      options: {},
    },
    {
      name: 'another identity is refused',
      served: cart,
      options: {},
      error: /expected the identity web\.shop.*certificate is of cart\.shop/,
    },
    {
      name: 'a DNS name is not a URI',
      served: spiffe,
      options: { identity: { kind: 'dns', name: 'spiffe://shop/web' } },
      error: /expected the identity/,
    },
    { name: 'a wildcard matches nobody', served: wildcard, options: {}, error: /expected the identity/ },
    { name: 'the common name counts for nothing', served: nameless, options: {}, error: /of nobody/ },
    {
      name: 'letters of another case are another name',
      served: await issuer.issue('case', { names: [{ type: 'dns', value: WEB.toUpperCase() }] }),
      options: {},
      error: /expected the identity/,
    },
    {
      name: 'a name hidden inside another name is not found',
      served: smuggler,
      options: {},
      error: /expected the identity/,
    },
    { name: 'a chain to another anchor is refused', served: foreign, options: {}, error: /certificate/ },
    { name: 'an expired certificate is refused', served: expired, options: {}, error: /expired/ },
    { name: 'a certificate of tomorrow is refused', served: future, options: {}, error: /not yet valid/ },
    {
      name: 'a chain without its intermediate is refused',
      served: { ...web, chainPem: web.chainPem.split('\n-----BEGIN')[0]! },
      options: {},
      error: /certificate/,
    },
  ]
  for (const { name, served, options, error } of cases) {
    const { port } = await listen(t, serverWith(served))
    const outcome = await dialTls(port, { issued: cart, ...options })
    if ('socket' in outcome) {
      t.equal(error, undefined, name)
      outcome.socket.destroy()
    } else {
      t.match(outcome, { kind: 'tls', message: error ?? 'no error was expected' }, name)
      t.match(outcome.message, new RegExp(`^127\\.0\\.0\\.1:${port}: `), `${name}: the sentence names the peer`)
    }
  }
})

test('what a client shows decides what it is', async (t) => {
  const spiffe = await issuer.issue('spiffe', { uri: 'spiffe://shop/cart' })
  const mail = await issuer.issue('mail', { names: [{ type: 'email', value: 'a@b.c' }] })
  const cases: { name: string; issued: typeof web | undefined; client?: MeshTlsClient; error?: RegExp }[] = [
    { name: 'no certificate: TLS without an identity', issued: undefined, client: { kind: 'tls' } },
    { name: 'a DNS identity', issued: cart, client: { kind: 'meshTls', identity: CART } },
    { name: 'a URI identity', issued: spiffe, client: { kind: 'meshTls', identity: 'spiffe://shop/cart' } },
    {
      name: 'the first of several',
      issued: await issuer.issue('two', {
        names: [
          { type: 'email', value: 'a@b.c' },
          { type: 'url', value: 'spiffe://first' },
          { type: 'dns', value: 'second' },
        ],
      }),
      client: { kind: 'meshTls', identity: 'spiffe://first' },
    },
    { name: 'a certificate without DNS or URI name has no identity', issued: mail, client: { kind: 'tls' } },
    {
      name: 'a certificate of a stranger is refused',
      issued: await stranger.issue(CART),
      error: /certificate was refused/,
    },
    {
      name: 'an expired certificate is refused',
      issued: await issuer.issue(CART, { notBeforeMs: 0, notAfterMs: Date.now() - 1_000 }),
      error: /CERT_HAS_EXPIRED/,
    },
  ]
  for (const { name, issued, client, error } of cases) {
    const { port, heard, closed } = await listen(t, serverWith(web))
    const outcome = await dialTls(port, { issued })
    await closed
    if (client !== undefined) t.same(heard, { clients: [client], failures: [], sockets: heard.sockets }, name)
    else {
      t.match(heard.failures, [error], name)
      t.equal(heard.clients.length, 0, name)
    }
    if ('socket' in outcome) outcome.socket.destroy()
  }
})

test('an intermediate may be the trust anchor, for both sides', async (t) => {
  const { port, heard, closed } = await listen(t, serverWith(web, false, issuer.pem))
  const outcome = await dialTls(port, { issued: cart, trustAnchorsPem: issuer.pem })
  await closed
  t.ok('socket' in outcome)
  t.same(heard.clients, [{ kind: 'meshTls', identity: CART }])
  if ('socket' in outcome) outcome.socket.destroy()
})

test('ALPN is the sign of a transport header', async (t) => {
  const cases = [
    { name: 'asked and answered', withAlpn: true, alpn: true, isTransportHeader: true },
    {
      name: 'asked, and the port does not know it: an ordinary connection',
      withAlpn: false,
      alpn: true,
      isTransportHeader: false,
    },
    { name: 'not asked where it is required', withAlpn: true, alpn: false, error: /did not offer/ },
  ]
  for (const { name, withAlpn, alpn, isTransportHeader, error } of cases) {
    const { port, heard, closed } = await listen(t, serverWith(web, withAlpn))
    const outcome = await dialTls(port, { issued: cart, alpn })
    await closed
    if (error !== undefined) t.match(heard.failures, [error], name)
    else t.match(outcome, { isTransportHeader }, name)
    if ('socket' in outcome) outcome.socket.destroy()
  }
  const { port, heard, closed } = await listen(t, serverWith(web, true))
  const socket = tlsConnect({
    port,
    host: '127.0.0.1',
    servername: WEB,
    ca: root.pem,
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['h2'],
  })
  const [error] = (await once(socket, 'error')) as [Error]
  await closed
  t.match(error.message, /no.application.protocol/i, 'another protocol gets the alert no_application_protocol')
  t.equal(heard.failures.length, 1)
})

test('TLS 1.2 is refused on both sides', async (t) => {
  const { port, heard, closed } = await listen(t, serverWith(web))
  const old = tlsConnect({ port, host: '127.0.0.1', servername: WEB, ca: root.pem, maxVersion: 'TLSv1.2' })
  const [alert] = (await once(old, 'error')) as [Error]
  await closed
  t.match(alert.message, /protocol.version/i)
  t.match(heard.failures, [/TLS handshake failed/])

  const oldServer = createTlsServer({ key: web.keyPem, cert: web.chainPem, maxVersion: 'TLSv1.2' })
  await listening(oldServer)
  t.teardown(() => oldServer.close())
  oldServer.on('tlsClientError', () => {})
  t.match(await dialTls((oldServer.address() as AddressInfo).port), { kind: 'tls', message: /version/i })
})

test('X25519MLKEM768 is negotiated, and a ClientHello may come in pieces', async (t) => {
  const fromServer: Buffer[] = []
  const { port, heard, closed } = await listen(t, serverWith(web))
  // Between the two sides: hands the ClientHello on in two segments and keeps what the server says.
  let helloBytes = 0
  const splitter = createServer({ noDelay: true }, (client) => {
    const upstream = netConnect({ port, host: '127.0.0.1', noDelay: true })
    upstream.on('data', (data: Buffer) => {
      fromServer.push(data)
      client.write(data)
    })
    client.once('data', (hello: Buffer) => {
      helloBytes = hello.length
      upstream.write(hello.subarray(0, 700))
      setTimeout(() => {
        upstream.write(hello.subarray(700))
        client.pipe(upstream)
      }, 20)
    })
    for (const socket of [client, upstream]) socket.on('error', () => {})
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  await listening(splitter)
  t.teardown(() => splitter.close())
  const outcome = await dialTls((splitter.address() as AddressInfo).port, { issued: cart })
  if (!('socket' in outcome)) return t.fail(outcome.message)
  await closed
  t.ok(helloBytes > 1_200, `the ClientHello has ${helloBytes} bytes`)
  t.equal(serverHelloGroup(Buffer.concat(fromServer)), 0x11ec, 'the ServerHello chose X25519MLKEM768')
  t.same(heard.clients, [{ kind: 'meshTls', identity: CART }])
  outcome.socket.destroy()
})

test('a renewed certificate is used by new handshakes only', async (t) => {
  const server = serverWith(web)
  const { port } = await listen(t, server)
  const before = await dialTls(port, { issued: cart })
  const renewed = await issuer.issue(WEB)
  server.setContext(contextOf(renewed))
  const after = await dialTls(port, { issued: cart })
  if (!('socket' in before && 'socket' in after)) return t.fail('both connect')
  t.not(before.socket.getPeerX509Certificate()!.serialNumber, after.socket.getPeerX509Certificate()!.serialNumber)
  t.equal(await echo(before.socket, 'still here'), 'still here')
  t.equal(await echo(after.socket, 'new'), 'new')
  t.equal(after.socket.isSessionReused(), false)
  before.socket.destroy()
  after.socket.destroy()
})

test('without tickets no session is resumed', async (t) => {
  const { port } = await listen(t, serverWith(web))
  const options = { port, host: '127.0.0.1', servername: WEB, ca: root.pem, checkServerIdentity: () => undefined }
  const first = tlsConnect(options)
  first.on('error', () => {})
  let session: Buffer | undefined
  first.on('session', (ticket) => {
    session = ticket
  })
  await once(first, 'secureConnect')
  t.equal(await echo(first, 'a'), 'a')
  first.destroy()
  const second = tlsConnect({ ...options, ...(session === undefined ? {} : { session }) })
  second.on('error', () => {})
  await once(second, 'secureConnect')
  t.equal(second.isSessionReused(), false)
  second.destroy()
})

test('a handshake has a deadline', async (t) => {
  const server = new MeshTlsServer({ localName: WEB, withAlpn: false, handshakeTimeoutMs: 50, timers: REAL_TIMERS })
  server.setContext(contextOf(web))
  const { port, heard, closed } = await listen(t, server)
  const silent = netConnect({ port, host: '127.0.0.1' })
  silent.on('error', () => {})
  silent.write(Buffer.from('160301', 'hex'))
  await closed
  t.match(heard.failures, [/timeout/i])
  silent.destroy()

  const mute = createServer((socket) => t.teardown(() => socket.destroy()))
  await listening(mute)
  t.teardown(() => mute.close())
  const error = await new Promise<ConnectError>((resolve) => {
    connectMeshTls({
      ip: '127.0.0.1',
      port: (mute.address() as AddressInfo).port,
      allowLoopback: true,
      timeoutMs: 50,
      serverName: WEB,
      identity: { kind: 'dns', name: WEB },
      context: contextOf(cart),
      alpn: false,
      onConnected: () => t.fail('connected'),
      onFailed: resolve,
    })
  })
  t.match(error, { kind: 'timeout', message: /handshake did not finish within 50 ms/ })
})

test('without a certificate of its own a server refuses', async (t) => {
  const { port, heard, closed } = await listen(
    t,
    new MeshTlsServer({ localName: WEB, withAlpn: false, timers: REAL_TIMERS }),
  )
  const outcome = await dialTls(port)
  await closed
  t.notOk('socket' in outcome)
  t.match(heard.failures, [/no certificate for web\.shop.* yet/])
})

test('bytes that are no TLS, and a client that leaves', async (t) => {
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00']) {
    const { port, heard, closed } = await listen(t, serverWith(web))
    const socket = netConnect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.write(bytes, 'latin1')
    socket.end()
    await closed
    t.equal(heard.failures.length, 1)
    socket.destroy()
  }
})

test('a client that resets, before and after the handshake', async (t) => {
  const { port, heard, closed } = await listen(t, serverWith(web))
  const socket = netConnect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  socket.write(Buffer.from('160301', 'hex'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  socket.resetAndDestroy()
  await closed
  t.match(heard.failures, [/ECONNRESET|hang up/])

  // Behind a relay, since only a plain TCP socket can be reset.
  const second = await listen(t, serverWith(web))
  const relayed: Socket[] = []
  const relay = createServer((client) => {
    const upstream = netConnect({ port: second.port, host: '127.0.0.1' })
    relayed.push(upstream)
    client.pipe(upstream).pipe(client)
    for (const one of [client, upstream]) one.on('error', () => {})
  })
  await listening(relay)
  t.teardown(() => relay.close())
  const outcome = await dialTls((relay.address() as AddressInfo).port, { issued: cart })
  await second.closed
  if (!('socket' in outcome)) return t.fail(outcome.message)
  relayed[0]!.resetAndDestroy()
  await once(second.heard.sockets[0]!, 'close')
  outcome.socket.destroy()
})

test('connectTcp tells one outcome', async (t) => {
  const listener = createServer((socket) => socket.end())
  await listening(listener)
  t.teardown(() => listener.close())
  const { port } = listener.address() as AddressInfo
  const gone = createServer()
  await listening(gone)
  const gonePort = (gone.address() as AddressInfo).port
  gone.close()
  const cases: {
    name: string
    ip: string
    port: number
    allowLoopback?: boolean
    outcome: 'connected' | Partial<Record<keyof ConnectError, unknown>>
  }[] = [
    { name: 'connected', ip: '127.0.0.1', port, allowLoopback: true, outcome: 'connected' },
    {
      name: 'loopback is refused unless allowed',
      ip: '127.0.0.1',
      port,
      outcome: { kind: 'refused', message: /^127\.0\.0\.1:\d+: refused to connect to a loopback/ },
    },
    { name: 'any loopback address', ip: '127.8.0.1', port, outcome: { kind: 'refused' } },
    { name: 'IPv6 loopback', ip: '::1', port, outcome: { kind: 'refused', message: /^\[::1\]:\d+: / } },
    { name: 'mapped loopback', ip: '::ffff:127.0.0.1', port, outcome: { kind: 'refused' } },
    {
      name: 'a name is no address',
      ip: 'localhost',
      port,
      allowLoopback: true,
      outcome: { kind: 'refused', message: /not an IP address/ },
    },
    { name: 'port 0', ip: '127.0.0.1', port: 0, allowLoopback: true, outcome: { kind: 'refused', message: /port/ } },
    {
      name: 'nobody listens',
      ip: '127.0.0.1',
      port: gonePort,
      allowLoopback: true,
      outcome: { kind: 'refused', message: /nothing listens there \(ECONNREFUSED\)/ },
    },
  ]
  for (const { name, outcome, ...target } of cases) {
    const result = await new Promise<'connected' | ConnectError>((resolve) => {
      connectTcp({
        ...target,
        timeoutMs: 2_000,
        keepAliveMs: 10_000,
        onConnected: (socket) => {
          t.equal(socket.listenerCount('error'), 0, 'the listeners of the attempt are gone')
          socket.destroy()
          resolve('connected')
        },
        onFailed: resolve,
      })
    })
    t.match(result, outcome as object, name)
  }
  for (const ip of ['127.0.0.1', '::1']) {
    connectTcp({
      ip,
      port,
      allowLoopback: ip === '127.0.0.1',
      timeoutMs: 1_000,
      onConnected: () => t.fail('after cancel'),
      onFailed: () => t.fail('after cancel'),
    }).cancel()
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
})

/** The group in the key_share extension of a ServerHello (RFC 8446 §4.1.3, §4.2.8). */
function serverHelloGroup(bytes: Buffer): number {
  let at = 5 + 4 + 2 + 32
  at += 1 + bytes[at]! + 2 + 1 + 2
  for (;;) {
    const type = bytes.readUInt16BE(at)
    if (type === 51) return bytes.readUInt16BE(at + 4)
    at += 4 + bytes.readUInt16BE(at + 2)
  }
}
