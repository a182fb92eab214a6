/**
 * Mesh TLS (facts: identity and TLS, proxy side): TLS 1.3 only, both sides name themselves by certificate. A name counts
 * only as a DNS or URI subjectAltName that is equal to the expected identity: no wildcard, no common name, no rule of the
 * web. A session is resumed only where that changes nothing of this: `resumption.ts` says when for clients, the comments
 * at `MeshTlsServer` for servers.
 */
import { constants, type KeyObject, randomBytes, type X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  connect,
  createSecureContext,
  createServer,
  type DetailedPeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls'
import { type Connecting, type ConnectTcpOptions, dial, socketOptions } from './connect.ts'
import type { ConnectError } from './connector.ts'
import { type Proof, RESUMPTION_MS, type Resumption } from './resumption.ts'
import { parseSubjectAltNames } from './subject-alt-name.ts'
import type { Timers } from './timers.ts'

/** Offered only on connections that begin with a transport header. */
export const TRANSPORT_ALPN = 'transport.l5d.io/v1'

/** A client that does not finish its handshake is cut; the same as the inbound detect timeout. */
const HANDSHAKE_TIMEOUT_MS = 10_000
/** What node:tls seals tickets with: a name, a key of AES, a key of HMAC. */
const TICKET_KEY_BYTES = 48

/** What a peer has to name itself; compared byte by byte. */
export type PeerIdentity =
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'uri'; readonly uri: string }

/** Node documents neither for a client; its own `tls.connect` calls both. */
type NamedSocket = TLSSocket & { setServername(name: string): void; setSession(session: Buffer): void }

/** What a client showed: `tls` without a certificate, `meshTls` with one that our trust anchors vouch for. */
export type MeshTlsClient = { readonly kind: 'tls' } | { readonly kind: 'meshTls'; readonly identity: string }

export interface SecureContextParts {
  /** Our own key and certificate chain (leaf first); a client may do without until it has them. */
  readonly key?: KeyObject | string | undefined
  readonly chainPem?: string | undefined
  readonly trustAnchorsPem: string
  /** For servers: clients get tickets with which they can resume. */
  readonly givesTickets?: boolean | undefined
}

const PARAMETERS: SecureContextOptions = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
  ecdhCurve: 'X25519MLKEM768:X25519:P-256:P-384',
  // A trust anchor is trusted because it is configured, also when it is an intermediate and not a root.
  allowPartialTrustChain: true,
}

/** Stateful tickets that nobody keeps: a few bytes instead of the sealed session, and never a resumption. */
const WITHOUT_TICKETS: SecureContextOptions = { secureOptions: constants.SSL_OP_NO_TICKET }

const WITH_TICKETS: SecureContextOptions = {
  sessionTimeout: RESUMPTION_MS / 1_000,
  // OpenSSL wants a name for what may be resumed where certificates are asked for. Each context seals with keys of its own.
  sessionIdContext: 'mesh',
}

/**
 * Key, chain and trust anchors for both directions. The key stays in memory.
 *
 * @throws Error of OpenSSL when a PEM does not parse or the key does not belong to the certificate
 */
export function makeSecureContext({ key, chainPem, trustAnchorsPem, givesTickets }: SecureContextParts): SecureContext {
  const options: SecureContextOptions = {
    ...PARAMETERS,
    ...(givesTickets === true ? WITH_TICKETS : WITHOUT_TICKETS),
    ca: trustAnchorsPem,
  }
  if (key !== undefined) options.key = typeof key === 'string' ? key : key.export({ type: 'pkcs8', format: 'pem' })
  if (chainPem !== undefined) options.cert = chainPem
  return createSecureContext(options)
}

export interface ConnectMeshTlsOptions extends ConnectTcpOptions {
  /** Sent as SNI. */
  readonly serverName: string
  readonly identity: PeerIdentity
  readonly context: SecureContext
  /** Offer `transport.l5d.io/v1`. */
  readonly alpn: boolean
  /** Where connections are opened often: resumes with what it remembers, and remembers what the server gives. */
  readonly resumption?: Resumption | undefined
}

export interface ConnectMeshTlsEvents {
  /** Listeners for 'error' and 'data' must be added during this call. */
  readonly onConnected: (socket: TLSSocket, isTransportHeader: boolean) => void
  readonly onFailed: (error: ConnectError) => void
}

/** Connects and proves who answers; `timeoutMs` covers TCP and TLS together. */
export function connectMeshTls(options: ConnectMeshTlsOptions & ConnectMeshTlsEvents): Connecting {
  const { serverName, identity, context, alpn, resumption, onConnected, onFailed } = options
  return dial('tls', options, onFailed, (dialled) => {
    const peer = resumption && peerOf(options)
    const ticket = resumption?.find(peer!, context)
    let proved: Proof | undefined
    const socket: TLSSocket = connect({
      ...socketOptions(options),
      secureContext: context,
      rejectUnauthorized: true,
      // Called when OpenSSL has verified the chain of a full handshake, and never for a resumed one.
      checkServerIdentity: () => {
        const certificate = socket.getPeerX509Certificate()
        const problem = checkPeerIdentity(certificate?.subjectAltName, identity)
        if (problem === undefined) proved = resumption?.proofOf(certificate!) ?? NOT_KEPT
        return problem
      },
      ...(alpn ? { ALPNProtocols: [TRANSPORT_ALPN] } : {}),
    })
    // Not as options: the name is first compared with the pattern of an IPv6 address, which takes 7 ms to compile at start,
    // and the ticket is parsed twice.
    ;(socket as NamedSocket).setServername(serverName)
    if (ticket !== undefined) (socket as NamedSocket).setSession(ticket.session)
    // Node describes the whole chain in JavaScript, just to hand it to `checkServerIdentity`: a fifth of what a handshake
    // costs a client (bench/proxy/io/handshake.bench.ts). The check above takes the one field it reads by itself.
    socket.getPeerCertificate = describeNothing
    socket.once('secureConnect', () => {
      const isResumed = socket.isSessionReused()
      const proof = isResumed ? ticket?.proof : proved
      if (proof === undefined) {
        return dialled.fail({ kind: 'tls', message: `${options.ip}:${options.port}: the peer proved no identity` })
      }
      if (!isResumed && resumption !== undefined) {
        // The server's tickets follow its handshake; a proof is as old as that, however often they are used.
        socket.once('session', (session: Buffer) => resumption.keep(peer!, { session, proof, context }))
      }
      if (dialled.settle()) onConnected(socket, socket.alpnProtocol === TRANSPORT_ALPN)
    })
    return socket
  })
}

/** Where nothing is remembered, neither is for how long it might be. */
const NOT_KEPT: Proof = { provedAtMs: 0, expiresAtMs: 0 }

/** Everything of a peer that a handshake depends on, in a form in which no value can pose as another. */
function peerOf({ ip, port, serverName, identity, alpn }: ConnectMeshTlsOptions): string {
  const name = identity.kind === 'dns' ? identity.name : identity.uri
  return JSON.stringify([ip, port, serverName, identity.kind, name, alpn])
}

/**
 * The error that ends the handshake, or `undefined` when one subjectAltName is the expected identity.
 *
 * @param subjectAltName of the peer's certificate in Node's text form; without certificate or names nobody is there
 */
export function checkPeerIdentity(subjectAltName: string | undefined, expected: PeerIdentity): Error | undefined {
  const wanted = expected.kind === 'dns' ? expected.name : expected.uri
  const names = parseSubjectAltNames(subjectAltName)
  const isFound = names?.identities.some(({ kind, value }) => kind === expected.kind && value === wanted)
  if (isFound === true) return undefined
  const found = names?.identities.map(({ value }) => value).join(', ') || 'nobody'
  return new Error(`expected the identity ${wanted}, but the peer's certificate is of ${found}`)
}

function describeNothing(): DetailedPeerCertificate {
  return NOTHING as DetailedPeerCertificate
}

const NOTHING = Object.freeze({})

export interface MeshTlsServerOptions {
  /** Name in our certificate, for messages; the caller has already compared it with the SNI. */
  readonly localName: string
  /** Connections have to negotiate `transport.l5d.io/v1` (those to the inbound port itself); otherwise ALPN is ignored. */
  readonly withAlpn: boolean
  readonly handshakeTimeoutMs?: number
  readonly timers: Pick<Timers, 'nowMs' | 'wallMs'>
}

type OnSecure = (socket: TLSSocket, client: MeshTlsClient) => void
type OnFailed = (error: Error) => void
interface Accepting {
  readonly onSecure: OnSecure
  readonly onFailed: OnFailed
}

/**
 * Terminates mesh TLS on sockets that were accepted, and looked at, elsewhere. It never listens itself.
 *
 * With a context that gives tickets, clients can resume. A ticket carries the client's certificate and what was found when
 * its chain was verified, sealed: a resumed client has the identity it had, a refused one is refused again. What cannot be
 * checked again is the rest of the chain, so a ticket ends with the keys it is sealed with: at the latest after
 * `RESUMPTION_MS`, and as soon as there is another context, which is when certificate or trust anchors change.
 */
export class MeshTlsServer {
  readonly #localName: string
  readonly #withAlpn: boolean
  readonly #server: Server
  readonly #accepting = new WeakMap<Socket, Accepting>()
  readonly #timers: Pick<Timers, 'nowMs' | 'wallMs'>
  #context: SecureContext | (() => SecureContext) | undefined = undefined
  #used: SecureContext | (() => SecureContext) | undefined = undefined
  #ticketKeysAtMs = 0

  constructor({ localName, withAlpn, handshakeTimeoutMs, timers }: MeshTlsServerOptions) {
    this.#localName = localName
    this.#withAlpn = withAlpn
    this.#timers = timers
    this.#server = createServer({
      ...PARAMETERS,
      // Its own context serves nobody. Without a list of authorities it would read the web's 150, some milliseconds of every start.
      ca: [],
      requestCert: true,
      // A client without a certificate is welcome here (policy decides); one with a wrong certificate is refused below.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
      ...(withAlpn ? { ALPNProtocols: [TRANSPORT_ALPN] } : {}),
    })
    this.#server.on('secureConnection', (socket) => this.#onSecure(socket))
    this.#server.on('tlsClientError', (error, socket) => this.#onFailed(error, socket))
  }

  /**
   * New handshakes use `context` (from `makeSecureContext`), or what it makes at the first of them; established
   * connections are not touched.
   */
  setContext(context: SecureContext | (() => SecureContext)): void {
    this.#context = context
  }

  #useContext(context: SecureContext | (() => SecureContext)): void {
    if (context === this.#used) return
    const made = typeof context === 'function' ? context() : context
    // The documented way for a context that is made elsewhere is an `SNICallback`, which stops every handshake in the
    // middle and describes the ClientHello in JavaScript; the name was compared before. A Node without this field has no
    // certificate to show: every handshake fails, and so do the tests.
    ;(this.#server as unknown as { _sharedCreds: SecureContext })._sharedCreds = made
    this.#used = context
    // Tickets are sealed with the context's own keys, made with it.
    this.#ticketKeysAtMs = this.#timers.nowMs()
  }

  /**
   * Handshakes on `socket`; exactly one of the two callbacks is called, later. `firstBytes` are bytes already read from
   * it. The caller has removed its own listeners; 'error' and 'data' listeners of the TLS socket must be added in `onSecure`.
   */
  accept(socket: Socket, firstBytes: Buffer | undefined, onSecure: OnSecure, onFailed: OnFailed): void {
    if (this.#context === undefined) {
      socket.destroy()
      setImmediate(onFailed, new Error(`no certificate for ${this.#localName} yet; see the identity log lines`))
      return
    }
    this.#useContext(this.#context)
    this.#renewTicketKeys()
    // What happens to the connection is heard on the TLS socket.
    socket.on('error', ignore)
    // A flowing socket without listeners would drop what is put back.
    socket.pause()
    if (firstBytes !== undefined && firstBytes.length > 0) socket.unshift(firstBytes)
    this.#accepting.set(socket, { onSecure, onFailed })
    this.#server.emit('connection', socket)
  }

  /** OpenSSL lets a ticket live as long, and Node gives no new one for it; this holds whatever a later Node gives. */
  #renewTicketKeys(): void {
    const nowMs = this.#timers.nowMs()
    if (nowMs - this.#ticketKeysAtMs < RESUMPTION_MS) return
    this.#ticketKeysAtMs = nowMs
    this.#server.setTicketKeys(randomBytes(TICKET_KEY_BYTES))
  }

  #onSecure(socket: TLSSocket): void {
    const accepting = this.#take(socket)
    if (accepting === undefined) return
    const certificate = socket.getPeerX509Certificate()
    const problem = this.#problemOf(socket, certificate)
    if (problem !== undefined) {
      // Whatever is still under way on this socket interests nobody.
      socket.on('error', ignore)
      socket.destroy()
      accepting.onFailed(problem)
    } else accepting.onSecure(socket, clientOf(socket, certificate))
  }

  #onFailed(error: Error & { reason?: unknown }, socket: TLSSocket): void {
    const accepting = this.#take(socket)
    socket.destroy()
    const reason = typeof error.reason === 'string' ? error.reason : error.message
    accepting?.onFailed(new Error(`the TLS handshake failed: ${reason}`, { cause: error }))
  }

  #problemOf(socket: TLSSocket, certificate: X509Certificate | undefined): Error | undefined {
    if (this.#withAlpn && socket.alpnProtocol !== TRANSPORT_ALPN) {
      return new Error(
        `the client did not offer ${TRANSPORT_ALPN}; connections to the inbound port begin with a transport header`,
      )
    }
    if (certificate === undefined) return undefined
    if (socket.authorized) {
      // OpenSSL has just compared the times of a whole chain; those of a certificate that comes with a ticket nobody has.
      if (!socket.isSessionReused() || this.#timers.wallMs() < certificate.validToDate.getTime()) return undefined
      return new Error(`the client's certificate expired at ${certificate.validToDate.toISOString()}, and it resumed`)
    }
    return new Error(
      `the client's certificate was refused (${String(socket.authorizationError)}); does its trust anchor belong to this mesh?`,
    )
  }

  #take(socket: TLSSocket): Accepting | undefined {
    // Node does not tell which accepted socket a TLS socket belongs to other than by this (undocumented) property.
    const accepted = (socket as unknown as { readonly _parent: Socket })._parent
    const accepting = this.#accepting.get(accepted)
    this.#accepting.delete(accepted)
    return accepting
  }
}

function ignore(): void {}

/** The identity of a client is the first DNS or URI name of its certificate; a certificate without one is nobody's. */
function clientOf(socket: TLSSocket, certificate: X509Certificate | undefined): MeshTlsClient {
  if (!socket.authorized) return { kind: 'tls' }
  const names = parseSubjectAltNames(certificate?.subjectAltName)
  const first = names?.identities[0]
  return first === undefined ? { kind: 'tls' } : { kind: 'meshTls', identity: first.value }
}
