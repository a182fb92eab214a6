/**
 * Accepts what the pod receives: finds where it was going, terminates mesh TLS, applies the port's policy and hands over
 * to HTTP or to raw bytes.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Connector } from '../io/connector.ts'
import type { HttpClients } from '../io/http-clients.ts'
import { sniff } from '../io/sniff.ts'
import { SocketTransport } from '../io/socket-transport.ts'
import { splice } from '../io/splice.ts'
import type { MeshTlsServer } from '../io/tls.ts'
import { authorize, type Client, type ClientTls } from '../policy/authorization.ts'
import type { InboundServer } from '../policy/inbound-policy.ts'
import { describeMeta } from '../policy/meta.ts'
import { type Ip, ipOf } from '../policy/network.ts'
import type { Logger } from '../telemetry/log.ts'
import { readClientHello } from '../wire/client-hello.ts'
import { detectHttp } from '../wire/detect.ts'
import { parseTransportHeader, type TransportHeader } from '../wire/transport-header.ts'
import type { AccessLog } from './access-log.ts'
import {
  type HttpServerConfig,
  InboundHttp,
  type InboundRecorders,
  type InFlight,
  type ServedConnection,
  serveHttp,
} from './http.ts'
import type { PortPolicies, PortPolicy, Recheckable } from './port-policies.ts'

/** What a connection looked like on the outside, for counters. */
export type TlsState =
  | { readonly kind: 'mesh'; readonly identity: string | undefined }
  | { readonly kind: 'none'; readonly reason: 'no_tls_from_remote' | 'loopback' | 'port_skipped' }
  | { readonly kind: 'opaque'; readonly sni: string }

export interface InboundTelemetry {
  /** Counters of HTTP requests to one address from one kind of client. */
  recorders(target: Address, tls: TlsState): InboundRecorders
  accepted(transport: SocketTransport, target: Address, tls: TlsState, server: InboundServer): void
  tcpAllowed(
    target: Address,
    tls: TlsState,
    server: InboundServer,
    authorization: NonNullable<ReturnType<typeof authorize>>,
  ): void
  tcpDenied(target: Address, tls: TlsState, server: InboundServer): void
  tcpTerminated(target: Address, tls: TlsState, server: InboundServer): void
  tcpError(target: Address, error: string): void
  transportHeader(session: 'http/1' | 'http/2' | '', port: number, clientId: string): void
  detected(
    server: InboundServer,
    result: 'http/1' | 'http/2' | 'not_http' | 'read_timeout' | 'error',
    seconds: number,
  ): void
}

export interface Address {
  readonly ip: string
  readonly port: number
}

export interface InboundListenerConfig {
  readonly port: number
  readonly localName: string
  readonly detectTimeoutMs: number
  /** TCP keep-alive of accepted connections; `undefined` is off. */
  readonly keepAliveMs: number | undefined
  readonly maxInFlight: number
  /** Empty: any. */
  readonly inboundIps: ReadonlySet<string>
  readonly http: HttpServerConfig
}

export interface InboundDeps {
  readonly originalDestination: (socket: Socket) => Address | undefined
  readonly policies: PortPolicies
  readonly tls: MeshTlsServer
  readonly directTls: MeshTlsServer
  /** Connections and HTTP clients to the application on one of the pod's own addresses. */
  readonly appConnector: (ip: string, port: number) => Connector
  readonly appClients: (ip: string, port: number) => HttpClients
  readonly telemetry: InboundTelemetry
  readonly log: Logger
  readonly accessLog: AccessLog | undefined
  readonly nowMs: () => number
  readonly random: () => number
}

type Hello =
  | { readonly kind: 'not-tls' }
  | { readonly kind: 'own' }
  | { readonly kind: 'foreign'; readonly sni: string }
  | { readonly kind: 'no-sni' }

/** One accepted connection on its way to being served. */
interface Accepted {
  readonly target: Address
  readonly remoteIp: Ip
  readonly policy: PortPolicy
  tls: ClientTls
  state: TlsState
}

export class InboundListener {
  readonly #config: InboundListenerConfig
  readonly #deps: InboundDeps
  readonly #server: Server
  readonly #served = new Set<ServedConnection>()
  readonly #sockets = new Set<Socket>()
  readonly #inFlight: InFlight

  constructor(config: InboundListenerConfig, deps: InboundDeps) {
    this.#config = config
    this.#deps = deps
    this.#inFlight = { count: 0, max: config.maxInFlight }
    const keepAlive =
      config.keepAliveMs === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: config.keepAliveMs }
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, ...keepAlive }, (socket) => this.#accept(socket))
  }

  get server(): Server {
    return this.#server
  }

  get connectionCount(): number {
    return this.#sockets.size
  }

  /** Stops accepting; requests in flight finish. */
  shutdown(): void {
    this.#server.close()
    for (const served of [...this.#served]) served.shutdown()
  }

  destroy(): void {
    for (const socket of [...this.#sockets]) socket.destroy()
  }

  tick(nowMs: number): void {
    for (const served of [...this.#served]) served.tick(nowMs)
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    const original = this.#deps.originalDestination(socket)
    const remoteIp = ipOf(socket.remoteAddress ?? '')
    if (original === undefined || remoteIp === undefined) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const { inboundIps, port } = this.#config
    if (inboundIps.size > 0 && !inboundIps.has(original.ip)) {
      this.#deps.log.warn(
        `inbound: a connection to ${original.ip}:${original.port} was closed: the address is none of this pod's (${[...inboundIps].join(', ')})`,
      )
      this.#deps.telemetry.tcpError(original, 'unexpected')
      socket.destroy()
      return
    }
    if (original.port === port) return this.#acceptDirect(socket, original, remoteIp)
    const policy = this.#deps.policies.acquire(original.port)
    socket.once('close', () => this.#deps.policies.release(policy))
    const accepted: Accepted = {
      target: original,
      remoteIp,
      policy,
      tls: { kind: 'none' },
      state: { kind: 'none', reason: 'no_tls_from_remote' },
    }
    if (policy.server.protocol.kind === 'opaque') {
      accepted.state = { kind: 'none', reason: 'port_skipped' }
      return this.#forward(socket, accepted)
    }
    this.#detectTls(socket, accepted)
  }

  // ── TLS ──

  #detectTls(socket: Socket, accepted: Accepted): void {
    const decide = (buf: Buffer): Hello | undefined => {
      const hello = readClientHello(buf, 0, buf.length)
      switch (hello.kind) {
        case 'partial':
          return undefined
        case 'not-tls':
          return hello
        case 'hello':
          if (hello.sni === undefined) return { kind: 'no-sni' }
          return hello.sni === this.#config.localName ? { kind: 'own' } : { kind: 'foreign', sni: hello.sni }
      }
    }
    sniff(socket, this.#config.detectTimeoutMs, decide, ({ outcome, bytes }) => {
      if (outcome.kind === 'timeout') {
        this.#deps.telemetry.tcpError(accepted.target, 'tls detection timeout')
        socket.destroy()
        return
      }
      if (outcome.kind === 'ended') {
        if (bytes === 0) socket.destroy()
        else this.#serve(socket, accepted)
        return
      }
      const hello = outcome.value
      if (hello.kind === 'own') return this.#terminate(socket, accepted)
      if (hello.kind === 'foreign') {
        accepted.state = { kind: 'opaque', sni: hello.sni }
        return this.#forward(socket, accepted)
      }
      this.#serve(socket, accepted)
    })
  }

  #terminate(socket: Socket, accepted: Accepted): void {
    this.#deps.tls.accept(
      socket,
      undefined,
      (tlsSocket, client) => {
        accepted.tls = client
        accepted.state = { kind: 'mesh', identity: client.kind === 'meshTls' ? client.identity : undefined }
        this.#serve(tlsSocket, accepted)
      },
      (error) => this.#refuseTls(accepted.target, error),
    )
  }

  #refuseTls(target: Address, error: Error): void {
    this.#deps.log.info(`inbound ${target.ip}:${target.port}: ${error.message}`)
    this.#deps.telemetry.tcpError(target, 'i/o')
  }

  // ── Direct connections: mesh TLS with a transport header ──

  #acceptDirect(socket: Socket, original: Address, remoteIp: Ip): void {
    this.#deps.directTls.accept(
      socket,
      undefined,
      (tlsSocket, client) => {
        if (client.kind !== 'meshTls') {
          this.#deps.log.info(`inbound ${original.ip}:${original.port}: a client without identity was refused`)
          this.#deps.telemetry.tcpError(original, 'unexpected')
          tlsSocket.on('error', () => {})
          tlsSocket.destroy()
          return
        }
        this.#readHeader(tlsSocket, original, remoteIp, client)
      },
      (error) => this.#refuseTls(original, error),
    )
  }

  #readHeader(
    socket: TLSSocket,
    original: Address,
    remoteIp: Ip,
    client: { readonly kind: 'meshTls'; readonly identity: string },
  ): void {
    type Parsed = { readonly header: TransportHeader; readonly consumed: number } | { readonly problem: string }
    const decide = (buf: Buffer): Parsed | undefined => {
      try {
        return parseTransportHeader(buf, 0, buf.length)
      } catch (error) {
        return { problem: (error as Error).message }
      }
    }
    socket.on('error', () => {})
    sniff<Parsed>(socket, this.#config.detectTimeoutMs, decide, ({ outcome }) => {
      const parsed =
        outcome.kind === 'decided'
          ? outcome.value
          : {
              problem:
                outcome.kind === 'timeout' ? 'no transport header in time' : 'closed before its transport header',
            }
      if ('problem' in parsed) return this.#refuseDirect(socket, original, parsed.problem)
      const { header, consumed } = parsed
      if (header.name !== undefined && header.name !== '')
        return this.#refuseDirect(
          socket,
          original,
          `the gateway target ${header.name} is refused: this proxy is no gateway`,
        )
      if (header.port === this.#config.port)
        return this.#refuseDirect(socket, original, 'the transport header names the proxy itself')
      // The header is ours; what follows belongs to the target.
      socket.read(consumed)
      const target = { ip: original.ip, port: header.port }
      const policy = this.#deps.policies.acquire(header.port)
      socket.once('close', () => this.#deps.policies.release(policy))
      const session = header.sessionProtocol
      this.#deps.telemetry.transportHeader(
        session === 'http1' ? 'http/1' : session === 'http2' ? 'http/2' : '',
        header.port,
        client.identity,
      )
      const accepted: Accepted = {
        target,
        remoteIp,
        policy,
        tls: client,
        state: { kind: 'mesh', identity: client.identity },
      }
      if (session === undefined || policy.server.protocol.kind === 'opaque' || policy.server.protocol.kind === 'tls')
        return this.#forward(socket, accepted)
      this.#serveHttp(socket, accepted, session === 'http2')
    })
  }

  #refuseDirect(socket: Socket, original: Address, problem: string): void {
    this.#deps.log.info(`inbound ${original.ip}:${original.port}: ${problem}`)
    this.#deps.telemetry.tcpError(original, 'unexpected')
    socket.destroy()
  }

  // ── Protocol ──

  #serve(socket: Socket, accepted: Accepted): void {
    const { protocol } = accepted.policy.server
    switch (protocol.kind) {
      case 'opaque':
      case 'tls':
        return this.#forward(socket, accepted)
      case 'http2':
      case 'grpc':
        return this.#serveHttp(socket, accepted, true)
      case 'http1':
        // A meshed client may have upgraded its HTTP/1 to HTTP/2.
        if (accepted.tls.kind === 'none') return this.#serveHttp(socket, accepted, false)
        return this.#detectHttp(socket, accepted, this.#config.detectTimeoutMs, false)
      case 'detect':
        return this.#detectHttp(socket, accepted, protocol.timeoutMs, true)
    }
  }

  #detectHttp(socket: Socket, accepted: Accepted, timeoutMs: number, allowsOpaque: boolean): void {
    const { telemetry, nowMs } = this.#deps
    const { server } = accepted.policy
    const startedAtMs = nowMs()
    socket.on('error', () => {})
    sniff(
      socket,
      timeoutMs,
      (buf) => decided(detectHttp(buf, 0, buf.length)),
      ({ outcome, bytes }) => {
        const seconds = (nowMs() - startedAtMs) / 1_000
        if (outcome.kind === 'decided' && outcome.value !== 'not-http') {
          telemetry.detected(server, outcome.value === 'http2' ? 'http/2' : 'http/1', seconds)
          return this.#serveHttp(socket, accepted, outcome.value === 'http2')
        }
        telemetry.detected(
          server,
          outcome.kind === 'decided' ? 'not_http' : outcome.kind === 'timeout' ? 'read_timeout' : 'error',
          seconds,
        )
        if (outcome.kind === 'ended' && bytes === 0) {
          socket.destroy()
          return
        }
        if (allowsOpaque) return this.#forward(socket, accepted)
        this.#deps.log.info(
          `inbound ${accepted.target.ip}:${accepted.target.port}: not HTTP, but ${describeMeta(server.meta)} says HTTP/1; the connection was closed`,
        )
        socket.destroy()
      },
    )
  }

  #serveHttp(socket: Socket, accepted: Accepted, isHttp2: boolean): void {
    const { target, policy, state } = accepted
    const { telemetry, appClients, nowMs, random } = this.#deps
    const transport = new SocketTransport(socket)
    telemetry.accepted(transport, target, state, policy.server)
    const http = new InboundHttp({
      policy,
      client: clientOf(accepted),
      clientAddr: `${socket.remoteAddress}:${socket.remotePort}`,
      clients: appClients(target.ip, target.port),
      recorders: telemetry.recorders(target, state),
      nowMs,
      random,
      inFlight: this.#inFlight,
      accessLog: this.#deps.accessLog,
    })
    const served = serveHttp(transport, isHttp2, http.onRequest, this.#config.http, () => this.#served.delete(served))
    this.#served.add(served)
  }

  // ── Raw bytes ──

  #forward(socket: Socket, accepted: Accepted): void {
    const { target, policy, state } = accepted
    const { telemetry, log, appConnector } = this.#deps
    const client = clientOf(accepted)
    const { server } = policy
    const authorization = authorize(server.authorizations, client)
    if (authorization === undefined) {
      telemetry.tcpDenied(target, state, server)
      log.info(
        `inbound ${target.ip}:${target.port}: ${describeMeta(server.meta)} allows no connection from ${socket.remoteAddress}`,
      )
      socket.destroy()
      return
    }
    telemetry.tcpAllowed(target, state, server, authorization)
    socket.pause()
    const transport = new SocketTransport(socket)
    transport.pause()
    telemetry.accepted(transport, target, state, server)
    const recheckable: Recheckable = {
      recheck: (updated) => {
        if (authorize(updated.authorizations, client) !== undefined) return
        telemetry.tcpTerminated(target, state, updated)
        log.info(
          `inbound ${target.ip}:${target.port}: ${describeMeta(updated.meta)} no longer allows an open connection from ${socket.remoteAddress}; it was closed`,
        )
        socket.destroy()
      },
    }
    policy.connections.add(recheckable)
    socket.once('close', () => policy.connections.delete(recheckable))
    const connecting = appConnector(target.ip, target.port).connect(
      'opaque',
      (upstream) => {
        splice(transport, upstream, { onEnd: () => {} })
        transport.resume()
      },
      (error) => {
        log.info(`inbound ${target.ip}:${target.port}: ${error.message}`)
        telemetry.tcpError(target, 'i/o')
        transport.destroy()
      },
    )
    transport.handler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose: () => connecting.cancel() }
  }
}

function clientOf({ remoteIp, tls }: Accepted): Client {
  return { ip: remoteIp, tls }
}

function decided<T extends string>(result: T | 'partial'): Exclude<T, 'partial'> | undefined {
  return result === 'partial' ? undefined : (result as Exclude<T, 'partial'>)
}
