import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createServer as createTlsServer, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { type Test, test } from 'tap'
import type { ConnectError } from './connector.ts'
import { MAX_TICKET_BYTES, MAX_TICKETS, RESUMPTION_MS, Resumption, type Ticket } from './resumption.ts'
import { type Issued, TestAuthority } from './test-authority.ts'
import { FakeTimers } from './timers.ts'
import {
  type ConnectMeshTlsOptions,
  connectMeshTls,
  type MeshTlsClient,
  MeshTlsServer,
  makeSecureContext,
} from './tls.ts'

const WEB = 'web.shop.serviceaccount.identity.linkerd.cluster.local'
const CART = 'cart.shop.serviceaccount.identity.linkerd.cluster.local'
const MINUTE_MS = 60_000

const root = await TestAuthority.root()
const issuer = await root.intermediate()
const stranger = await TestAuthority.root('stranger.test')
const web = await issuer.issue(WEB)
const cart = await issuer.issue(CART)

const contextOf = (issued: Partial<Issued>, trustAnchorsPem = root.pem, givesTickets = false) =>
  makeSecureContext({ key: issued.keyPem, chainPem: issued.chainPem, trustAnchorsPem, givesTickets })
const ticketing = (issued: Issued, trustAnchorsPem = root.pem) => contextOf(issued, trustAnchorsPem, true)

/** What a server heard of one client: who it is, or why it was refused. */
type Heard = MeshTlsClient | string

/** A mesh TLS server that says a byte to whoever it takes, behind its tickets. */
class Bed {
  readonly timers = new FakeTimers(Date.now())
  readonly server: MeshTlsServer
  readonly heard: Heard[] = []
  port = 0
  readonly #sockets: TLSSocket[] = []
  readonly #listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    this.server.accept(
      socket,
      undefined,
      (secure, client) => {
        this.heard.push(client)
        this.#sockets.push(secure)
        secure.on('error', () => {})
        secure.write('x')
      },
      (error) => this.heard.push(error.message),
    ),
  )

  constructor(context: SecureContext, withAlpn = false) {
    this.server = new MeshTlsServer({ localName: WEB, withAlpn, timers: this.timers })
    this.server.setContext(context)
  }

  static async start(t: Test, context = ticketing(web), withAlpn = false): Promise<Bed> {
    const bed = new Bed(context, withAlpn)
    bed.#listener.listen(0, '127.0.0.1')
    await once(bed.#listener, 'listening')
    bed.port = (bed.#listener.address() as AddressInfo).port
    t.teardown(() => {
      for (const socket of bed.#sockets) socket.destroy()
      bed.#listener.close()
    })
    return bed
  }
}

interface Dialled {
  readonly isResumed: boolean
}

/** Connects, waits for the server's byte (its tickets came before it) and leaves. */
function dial(
  port: number,
  resumption: Resumption,
  context: SecureContext,
  options: Partial<ConnectMeshTlsOptions> = {},
): Promise<Dialled | ConnectError | 'closed'> {
  return new Promise((resolve) => {
    connectMeshTls({
      ip: '127.0.0.1',
      port,
      allowLoopback: true,
      timeoutMs: 5_000,
      serverName: WEB,
      identity: { kind: 'dns', name: WEB },
      context,
      alpn: false,
      resumption,
      onFailed: resolve,
      onConnected: (socket) => {
        const isResumed = socket.isSessionReused()
        socket.on('error', () => {})
        for (const event of ['end', 'close']) {
          socket.once(event, () => {
            resolve('closed')
            socket.destroy()
          })
        }
        socket.once('data', () => {
          resolve({ isResumed })
          socket.destroy()
        })
      },
      ...options,
    })
  })
}

const FULL = { isResumed: false }
const RESUMED = { isResumed: true }
const IS_CART: Heard = { kind: 'meshTls', identity: CART }

test('who resumes is who it was', async (t) => {
  const spiffe = await issuer.issue('spiffe', { uri: 'spiffe://shop/cart' })
  const cases: { name: string; issued: Partial<Issued>; client: MeshTlsClient }[] = [
    { name: 'a DNS identity', issued: cart, client: { kind: 'meshTls', identity: CART } },
    { name: 'a URI identity', issued: spiffe, client: { kind: 'meshTls', identity: 'spiffe://shop/cart' } },
    { name: 'no certificate', issued: {}, client: { kind: 'tls' } },
  ]
  for (const { name, issued, client } of cases) {
    const bed = await Bed.start(t)
    const [resumption, context] = [new Resumption(Date.now), contextOf(issued)]
    t.same(await dial(bed.port, resumption, context), FULL, `${name}: a full handshake first`)
    t.same(await dial(bed.port, resumption, context), RESUMED, `${name}: then resumed`)
    t.same(await dial(bed.port, resumption, context), RESUMED, `${name}: and again with the same ticket`)
    t.same(bed.heard, [client, client, client], name)
    t.equal(resumption.size, 1, name)
  }
})

test('the sign of a transport header is negotiated anew', async (t) => {
  const bed = await Bed.start(t, ticketing(web), true)
  const [resumption, context] = [new Resumption(Date.now), contextOf(cart)]
  t.same(await dial(bed.port, resumption, context, { alpn: true }), FULL)
  t.same(await dial(bed.port, resumption, context, { alpn: true }), RESUMED)
  t.same(await dial(bed.port, resumption, context, { alpn: false }), 'closed')
  t.match(bed.heard, [IS_CART, IS_CART, /did not offer/])
})

test('a ticket counts for what it was given for, and nothing else', async (t) => {
  const other = await Bed.start(t)
  const cases: { name: string; change: Partial<ConnectMeshTlsOptions>; outcome: object; left: number }[] = [
    { name: 'another address', change: { port: other.port }, outcome: FULL, left: 2 },
    {
      name: 'another identity at the same address is refused',
      change: { identity: { kind: 'dns', name: CART } },
      outcome: { kind: 'tls', message: /expected the identity cart/ },
      left: 1,
    },
    {
      name: 'a URI of the same letters is refused',
      change: { identity: { kind: 'uri', uri: WEB } },
      outcome: { kind: 'tls', message: /expected the identity/ },
      left: 1,
    },
    { name: 'another server name', change: { serverName: CART }, outcome: FULL, left: 2 },
    { name: 'another protocol', change: { alpn: true }, outcome: FULL, left: 2 },
    { name: 'a certificate of our own that was renewed', change: { context: contextOf(cart) }, outcome: FULL, left: 1 },
    {
      name: 'other trust anchors: the server is refused',
      change: { context: contextOf(cart, stranger.pem) },
      outcome: { kind: 'tls', message: /certificate/ },
      left: 0,
    },
    { name: 'who remembers nothing', change: { resumption: undefined }, outcome: FULL, left: 1 },
  ]
  for (const { name, change, outcome, left } of cases) {
    const bed = await Bed.start(t)
    const [resumption, context] = [new Resumption(Date.now), contextOf(cart)]
    t.same(await dial(bed.port, resumption, context), FULL)
    t.equal(resumption.size, 1)
    t.match(await dial(bed.port, resumption, context, change), outcome, name)
    t.equal(resumption.size, left, `${name}: tickets afterwards`)
  }
})

test('who was not taken gives no ticket that counts', async (t) => {
  const bed = await Bed.start(t, ticketing(cart))
  const resumption = new Resumption(Date.now)
  for (const time of ['the first time', 'and the second']) {
    t.match(await dial(bed.port, resumption, contextOf(cart)), { kind: 'tls', message: /expected the identity/ }, time)
    t.equal(resumption.size, 0, time)
  }
})

test('what ends tickets', async (t) => {
  const cases: { name: string; change: (bed: Bed, resumption: Resumption) => void; outcome: object }[] = [
    { name: 'nothing yet', change: (bed) => bed.timers.advance(RESUMPTION_MS - 1), outcome: RESUMED },
    { name: 'time, at the server', change: (bed) => bed.timers.advance(RESUMPTION_MS), outcome: FULL },
    {
      name: 'a renewed certificate of the server',
      change: (bed) => bed.server.setContext(ticketing(web)),
      outcome: FULL,
    },
    {
      name: 'a server that gives none any more',
      change: (bed) => bed.server.setContext(contextOf(web)),
      outcome: FULL,
    },
    { name: 'our own renewal', change: (_bed, resumption) => resumption.clear(), outcome: FULL },
  ]
  for (const { name, change, outcome } of cases) {
    const bed = await Bed.start(t)
    const [resumption, context] = [new Resumption(Date.now), contextOf(cart)]
    t.same(await dial(bed.port, resumption, context), FULL)
    change(bed, resumption)
    t.same(await dial(bed.port, resumption, context), outcome, name)
    t.same(bed.heard, [IS_CART, IS_CART], name)
  }
})

test('rotated trust anchors of a server end what clients of the old ones had', async (t) => {
  const bed = await Bed.start(t)
  const newWeb = await stranger.issue(WEB)
  // The client trusts both, the server from now on only the new one.
  const [resumption, context] = [new Resumption(Date.now), contextOf(cart, `${root.pem}\n${stranger.pem}`)]
  t.same(await dial(bed.port, resumption, context), FULL)
  bed.server.setContext(ticketing(newWeb, stranger.pem))
  t.same(await dial(bed.port, resumption, context), 'closed')
  t.match(bed.heard, [IS_CART, /certificate was refused/])
})

test('a client whose certificate has expired is not resumed', async (t) => {
  const bed = await Bed.start(t)
  const shortly = await issuer.issue(CART, { notAfterMs: Date.now() + MINUTE_MS })
  const [resumption, context] = [new Resumption(Date.now), contextOf(shortly)]
  t.same(await dial(bed.port, resumption, context), FULL)
  bed.timers.advance(MINUTE_MS)
  t.same(await dial(bed.port, resumption, context), 'closed')
  t.match(bed.heard, [IS_CART, /certificate expired at .* and it resumed/])
})

test('a client that was refused gets no ticket, and one of elsewhere does not help', async (t) => {
  const context = ticketing(web)
  const bed = await Bed.start(t, context)
  const foreign = await stranger.issue(CART)
  const leave = async (port: number, session?: Buffer): Promise<{ isResumed: boolean; ticket: Buffer | undefined }> => {
    const socket = tlsConnect({
      ...{ port, host: '127.0.0.1', secureContext: contextOf(foreign), servername: WEB },
      checkServerIdentity: () => undefined,
      ...(session === undefined ? {} : { session }),
    })
    let ticket: Buffer | undefined
    socket.on('error', () => {})
    socket.on('session', (given) => {
      ticket = given
    })
    socket.resume()
    await once(socket, 'secureConnect')
    const isResumed = socket.isSessionReused()
    await once(socket, 'close')
    return { isResumed, ticket }
  }
  t.same(await leave(bed.port), { isResumed: false, ticket: undefined })
  t.match(bed.heard, [/certificate was refused/])

  // A server that takes everybody, and seals with the same keys.
  const ticketKeys = Buffer.alloc(48, 7)
  ;(context.context as { setTicketKeys(keys: Buffer): void }).setTicketKeys(ticketKeys)
  const lax = createTlsServer(
    {
      ...{ key: web.keyPem, cert: web.chainPem, ca: root.pem, requestCert: true, rejectUnauthorized: false },
      ...{ ticketKeys, sessionIdContext: 'mesh', ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3' },
    },
    (socket) => socket.end('x'),
  )
  lax.listen(0, '127.0.0.1')
  await once(lax, 'listening')
  t.teardown(() => lax.close())
  const { ticket } = await leave((lax.address() as AddressInfo).port)
  t.match(await leave(bed.port, ticket), { isResumed: true })
  t.match(bed.heard, [/certificate was refused/, /certificate was refused/])
})

test('a server that cannot read the ticket is as good as a new one', async (t) => {
  // As every restart, and as servers that never resume.
  const [first, second] = [await Bed.start(t), await Bed.start(t)]
  const [resumption, context] = [new Resumption(Date.now), contextOf(cart)]
  t.same(await dial(first.port, resumption, context), FULL)
  first.server.setContext(ticketing(web))
  t.same(await dial(first.port, resumption, context), FULL)
  t.same(await dial(first.port, resumption, context), RESUMED, 'with the ticket of the second handshake')
  t.same(await dial(second.port, resumption, context), FULL)
})

test('tickets as large as a peer likes are not kept', async (t) => {
  // A chain with many names makes the session large: the client keeps the leaf with it.
  const names = Array.from({ length: 100 }, (_, at) => ({ type: 'dns' as const, value: `${at}.${'x'.repeat(40)}` }))
  const large = await issuer.issue(WEB, { names: [{ type: 'dns', value: WEB }, ...names] })
  const bed = await Bed.start(t, ticketing(large))
  const [resumption, context] = [new Resumption(Date.now), contextOf(cart)]
  t.same(await dial(bed.port, resumption, context), FULL)
  t.equal(resumption.size, 0)
  t.same(await dial(bed.port, resumption, context), FULL)
})

test('a server on node:tls that rotates its ticket keys', async (t) => {
  const server = createTlsServer(
    { key: web.keyPem, cert: web.chainPem, ca: root.pem, requestCert: true, minVersion: 'TLSv1.3' },
    (socket) => {
      socket.on('error', () => {})
      socket.write('x')
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const [resumption, context] = [new Resumption(Date.now), contextOf(cart)]
  t.same(await dial(port, resumption, context), FULL)
  t.same(await dial(port, resumption, context), RESUMED)
  server.setTicketKeys(Buffer.alloc(48, 7))
  t.same(await dial(port, resumption, context), FULL)
  t.same(await dial(port, resumption, context), RESUMED)
})

test('Resumption', async (t) => {
  const context = contextOf(cart)
  const renewed = contextOf(cart)
  const leafOf = ({ der }: Issued) => new X509Certificate(der[0]!)
  const timers = new FakeTimers(Date.now())
  const make = () => new Resumption(() => timers.wallMs())
  const ticketOf = (resumption: Resumption, leaf = leafOf(cart), bytes = 1_000): Ticket => ({
    session: Buffer.alloc(bytes),
    proof: resumption.proofOf(leaf),
    context,
  })

  t.test('a ticket is found while it is fresh, its certificate valid and our own the same', async (t) => {
    const short = leafOf(await issuer.issue(WEB, { notAfterMs: timers.wallMs() + MINUTE_MS }))
    const cases = [
      { name: 'at once', passMs: 0 },
      { name: 'nearly as old as it may be', passMs: RESUMPTION_MS - 1 },
      { name: 'too old', passMs: RESUMPTION_MS, isGone: true },
      { name: 'before the certificate ends', passMs: MINUTE_MS - 1_000, leaf: short },
      { name: 'when it has ended', passMs: MINUTE_MS, leaf: short, isGone: true },
      { name: 'with another certificate of our own', passMs: 0, context: renewed, isGone: true },
      { name: 'when the clock was set back', passMs: -1, isGone: true },
    ]
    for (const { name, passMs, leaf = leafOf(cart), context: ours = context, isGone = false } of cases) {
      let wallMs = timers.wallMs()
      const resumption = new Resumption(() => wallMs)
      const ticket = ticketOf(resumption, leaf)
      resumption.keep('web', ticket)
      wallMs += passMs
      t.equal(resumption.find('web', ours), isGone ? undefined : ticket, name)
      t.equal(resumption.size, isGone ? 0 : 1, `${name}: what is of no use is dropped`)
    }
  })

  t.test('there are never more than the bound, and the oldest goes', async (t) => {
    const resumption = make()
    const ticket = ticketOf(resumption)
    for (let at = 0; at < MAX_TICKETS; at++) resumption.keep(`peer ${at}`, ticket)
    resumption.keep('peer 0', ticket)
    resumption.keep('one more', ticket)
    t.equal(resumption.size, MAX_TICKETS)
    t.ok(resumption.find('peer 0', context), 'a new ticket made it the latest')
    t.equal(resumption.find('peer 1', context), undefined)
    resumption.clear()
    t.equal(resumption.size, 0)
  })

  t.test('what is too large, or too late, is not kept', async (t) => {
    const resumption = make()
    resumption.keep('large', ticketOf(resumption, leafOf(cart), MAX_TICKET_BYTES + 1))
    resumption.keep('just', ticketOf(resumption, leafOf(cart), MAX_TICKET_BYTES))
    const late = ticketOf(resumption)
    timers.advance(RESUMPTION_MS)
    resumption.keep('late', late)
    t.equal(resumption.size, 1)
  })
})
