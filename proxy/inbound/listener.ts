/**
 * Accepts what the pod receives: finds where it was going, terminates mesh TLS, detects the protocol where the port's
 * policy does not say it, and hands over to HTTP or to raw bytes.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { HOP_HEADER_BYTES, meshHop } from '../http/http2-config.ts'
import { CROWDED_SHARE } from '../http/patience.ts'
import { type HttpServerConfig, type ServedConnection, serveHttp } from '../http/serve.ts'
import type { ConnectError } from '../io/connector.ts'
import type { EarlyDials } from '../io/early-dial.ts'
import { HandshakeLimit, type TlsAcceptor } from '../io/handshake-gate.ts'
import type { HttpClients } from '../io/http-clients.ts'
import { type Sniffing, sniff } from '../io/sniff.ts'
import { SocketTransport } from '../io/socket-transport.ts'
import { authorize } from '../policy/authorization.ts'
import { type InboundServer, isHttpOnly } from '../policy/inbound-policy.ts'
import { describeMeta } from '../policy/meta.ts'
import { type Ip, ipOf, ipText } from '../policy/network.ts'
import { detectHttp } from '../wire/detect.ts'
import type { Refusal } from '../wire/refusal.ts'
import type { AccessLog } from './access-log.ts'
import { type Accepted, type Address, clientAddrOf, clientOf, type TlsState } from './connection.ts'
import { DirectConnections, type DirectDeps, type DirectTelemetry } from './direct.ts'
import { type ForwardDeps, type ForwardTelemetry, forward, openApp } from './forward.ts'
import { type Hello, helloIn } from './hello.ts'
import { InboundHttp, type InboundRecorders, type InFlight } from './http.ts'

export interface InboundTelemetry extends DirectTelemetry, ForwardTelemetry {
  /** Counters of HTTP requests to one address from one kind of client. */
  recorders(target: Address, tls: TlsState, clientAddr: string): InboundRecorders
  detected(
    server: InboundServer,
    result: 'http/1' | 'http/2' | 'not_http' | 'read_timeout' | 'error',
    seconds: number,
  ): void
}

export interface InboundListenerConfig {
  readonly port: number
  readonly localName: string
  readonly detectTimeoutMs: number
  /** A client that has sent nothing for so long is taken for one that waits for the server. */
  readonly silenceMs: number
  /** TCP keep-alive of accepted connections; `undefined` is off. */
  readonly keepAliveMs: number | undefined
  readonly maxInFlight: number
  /** Accepted connections that are open; more are closed at once. */
  readonly maxConnections: number
  /** Empty: any. */
  readonly inboundIps: ReadonlySet<string>
  readonly http: HttpServerConfig
}

export interface InboundDeps extends DirectDeps, ForwardDeps {
  readonly originalDestination: (socket: Socket) => Address | undefined
  readonly earlyDials: EarlyDials<ConnectError>
  readonly tls: TlsAcceptor
  /** HTTP clients of the application on one of the pod's own addresses. */
  readonly appClients: (ip: string, port: number) => HttpClients
  readonly telemetry: InboundTelemetry
  readonly accessLog: AccessLog | undefined
  readonly nowMs: () => number
  readonly random: () => number
}

export class InboundListener {
  readonly #config: InboundListenerConfig
  readonly #deps: InboundDeps
  /** Of connections whose other end has proved to be a proxy of the mesh. */
  readonly #meshHttp: HttpServerConfig
  readonly #server: Server
  readonly #served = new Set<ServedConnection>()
  readonly #sockets = new Set<Socket>()
  readonly #inFlight: InFlight
  readonly #direct: DirectConnections

  constructor(config: InboundListenerConfig, deps: InboundDeps) {
    this.#config = config
    this.#deps = deps
    this.#meshHttp = meshHttp(config.http)
    this.#inFlight = { count: 0, max: config.maxInFlight }
    this.#direct = new DirectConnections(config, deps, {
      forward: (socket, accepted) => forward(socket, accepted, deps),
      serve: (socket, accepted) => this.#serve(socket, accepted),
      serveHttp: (socket, accepted, isHttp2) => this.#serveHttp(socket, accepted, isHttp2),
      refuseTls: (original, remoteIp, error) => this.#refuseTls(original, remoteIp, error),
    })
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
    const isCrowded = this.#sockets.size > this.#config.maxConnections * CROWDED_SHARE
    for (const served of [...this.#served]) served.tick(nowMs, isCrowded)
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    const original = this.#deps.originalDestination(socket)
    const remoteIp = ipOf(socket.remoteAddress ?? '')
    if (original === undefined || remoteIp === undefined) {
      socket.destroy()
      return
    }
    const { inboundIps, port, maxConnections } = this.#config
    if (this.#sockets.size >= maxConnections) {
      const message = `${maxConnections} connections are open (WEFT_PROXY_INBOUND_MAX_CONNECTIONS)`
      return this.#refuse(socket, original, remoteIp, 'connection_limit', message)
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (inboundIps.size > 0 && !inboundIps.has(original.ip)) {
      const message = `the address is none of this pod's (${[...inboundIps].join(', ')})`
      this.#deps.telemetry.tcpError(original, 'unexpected')
      return this.#refuse(socket, original, remoteIp, 'destination', message)
    }
    if (original.port === port) return this.#direct.accept(socket, original, remoteIp)
    const policy = this.#deps.policies.acquire(original.port)
    socket.once('close', () => this.#deps.policies.release(policy))
    const accepted: Accepted = {
      target: original,
      remoteIp,
      policy,
      tls: { kind: 'none' },
      state: { kind: 'none', reason: 'no_tls_from_remote' },
      early: undefined,
    }
    if (policy.server.protocol.kind === 'opaque') {
      accepted.state = { kind: 'none', reason: 'port_skipped' }
      return forward(socket, accepted, this.#deps)
    }
    this.#detectTls(socket, accepted)
  }

  // ── TLS ──

  #detectTls(socket: Socket, accepted: Accepted): void {
    const decide = (buf: Buffer): Hello | undefined => helloIn(buf, this.#config.localName)
    const sniffing = sniff(socket, this.#config.detectTimeoutMs, decide, ({ outcome, bytes }) => {
      if (outcome.kind === 'timeout') {
        this.#deps.telemetry.tcpError(accepted.target, 'tls detection timeout')
        const message = `its first bytes decided nothing within ${this.#config.detectTimeoutMs} ms`
        return this.#refuse(socket, accepted.target, accepted.remoteIp, bytes === 0 ? 'silent' : 'slow_head', message)
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
        return this.#forwardUnread(socket, accepted, 'not_http', 'TLS for somebody else')
      }
      this.#serve(socket, accepted)
    })
    // The beginning of a ClientHello may have been lost and come again: what the application says waits for that.
    this.#watchServer(socket, accepted, sniffing, this.#config.silenceMs)
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
      (error) => this.#refuseTls(accepted.target, accepted.remoteIp, error),
    )
  }

  #refuseTls(target: Address, remoteIp: Ip, error: Error): void {
    const reason = error instanceof HandshakeLimit ? 'handshake_limit' : 'tls'
    this.#deps.telemetry.refused(reason, whereOf(target, remoteIp), error.message, true)
    this.#deps.telemetry.tcpError(target, 'i/o')
  }

  #refuse(socket: Socket, target: Address, remoteIp: Ip, reason: Refusal, message: string): void {
    this.#deps.telemetry.refused(reason, whereOf(target, remoteIp), message, true)
    socket.destroy()
  }

  // ── Protocol ──

  #serve(socket: Socket, accepted: Accepted): void {
    const { protocol } = accepted.policy.server
    switch (protocol.kind) {
      case 'opaque':
      case 'tls':
        return forward(socket, accepted, this.#deps)
      case 'http2':
      case 'grpc':
        return this.#serveHttp(socket, accepted, true)
      case 'http1':
        // A meshed client may have upgraded its HTTP/1 to HTTP/2.
        if (accepted.tls.kind === 'none') return this.#serveHttp(socket, accepted, false)
        return this.#detectHttp(socket, accepted, this.#config.detectTimeoutMs)
      case 'detect':
        return this.#detectHttp(socket, accepted, protocol.timeoutMs)
    }
  }

  #detectHttp(socket: Socket, accepted: Accepted, timeoutMs: number): void {
    const { telemetry, nowMs } = this.#deps
    const { server } = accepted.policy
    const startedAtMs = nowMs()
    socket.on('error', () => {})
    const sniffing = sniff(
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
        if (outcome.kind !== 'timeout') return this.#forwardUnread(socket, accepted, 'not_http', 'no HTTP')
        const problem = `nothing that is HTTP within ${timeoutMs} ms`
        this.#forwardUnread(socket, accepted, bytes === 0 ? 'silent' : 'slow_head', problem)
      },
    )
    this.#watchServer(socket, accepted, sniffing, 0)
  }

  // ── Servers that speak first ──

  /**
   * Dials the application while the client is silent, where raw bytes may reach it from this client. An application that
   * speaks first gets raw bytes.
   */
  #watchServer(socket: Socket, accepted: Accepted, sniffing: Sniffing, holdMs: number): void {
    const { target } = accepted
    const { earlyDials, appConnector, log, nowMs } = this.#deps
    const startedAtMs = nowMs()
    if (!mayGetRawBytes(accepted)) return accepted.early?.drop()
    if (accepted.early === undefined) {
      accepted.early = earlyDials.begin(`${target.ip} ${target.port}`, openApp(target, appConnector))
      dropWhenClosed(socket, accepted)
    }
    accepted.early?.watch(sniffing, holdMs, () => {
      // The policy may have changed meanwhile: then detection goes on under the new one.
      if (!mayGetRawBytes(accepted)) return accepted.early?.drop()
      sniffing.stop()
      const ms = nowMs() - startedAtMs
      this.#deps.telemetry.detected(accepted.policy.server, 'not_http', ms / 1_000)
      log.debug(
        `inbound ${target.ip}:${target.port}: the application spoke first, after ${ms.toFixed(0)} ms: raw bytes`,
      )
      forward(socket, accepted, this.#deps)
    })
  }

  /**
   * Forwards what was not recognised as HTTP, as Linkerd does, unless the port's policy is about HTTP: routes and filters
   * must not be passed by with bytes that only the application reads as a request.
   */
  #forwardUnread(socket: Socket, accepted: Accepted, reason: Refusal, problem: string): void {
    const { server } = accepted.policy
    if (!isHttpOnly(server)) return forward(socket, accepted, this.#deps)
    const message = `${problem}, but ${describeMeta(server.meta)} or its routes are about HTTP`
    this.#refuse(socket, accepted.target, accepted.remoteIp, reason, message)
  }

  #serveHttp(socket: Socket, accepted: Accepted, isHttp2: boolean): void {
    accepted.early?.drop()
    accepted.early = undefined
    const { target, policy, state } = accepted
    const { telemetry, appClients, nowMs, random } = this.#deps
    const transport = new SocketTransport(socket)
    telemetry.accepted(transport, target, state, policy.server)
    const clients = appClients(target.ip, target.port)
    const clientAddr = clientAddrOf(socket)
    const http = new InboundHttp({
      policy,
      client: clientOf(accepted),
      clientAddr,
      clients,
      recorders: telemetry.recorders(target, state, clientAddr),
      nowMs,
      random,
      inFlight: this.#inFlight,
      accessLog: this.#deps.accessLog,
    })
    const config = accepted.tls.kind === 'meshTls' ? this.#meshHttp : this.#config.http
    const where = whereOf(target, accepted.remoteIp)
    const served = serveHttp(transport, isHttp2, http.onRequest, config, {
      onRefused: (reason, message, isFirst) => telemetry.refused(reason, where, message, isFirst),
      takesConnect: () => clients.takesConnect,
      onClosed: () => void this.#served.delete(served),
    })
    this.#served.add(served)
  }
}

/** Whether what the application says may be sent before the client has spoken. */
function mayGetRawBytes(accepted: Accepted): boolean {
  const { server } = accepted.policy
  if (server.protocol.kind !== 'detect' || isHttpOnly(server)) return false
  return authorize(server.authorizations, clientOf(accepted)) !== undefined
}

/** For log lines; an address is only rendered for those. */
function whereOf({ ip, port }: Address, remoteIp: Ip): () => string {
  return () => `${ip}:${port} from ${ipText(remoteIp)}`
}

/**
 * Serving a proxy of the mesh: it may learn why it is refused, and what it has let pass does not fail here by what it added
 * or by how HTTP/2 counts.
 */
function meshHttp(config: HttpServerConfig): HttpServerConfig {
  return {
    ...config,
    maxHeadBytes: config.maxHeadBytes + HOP_HEADER_BYTES,
    isInformational: true,
    http2: meshHop({ ...config.http2, isInformational: true }),
  }
}

function decided<T extends string>(result: T | 'partial'): Exclude<T, 'partial'> | undefined {
  return result === 'partial' ? undefined : (result as Exclude<T, 'partial'>)
}

/** By itself, so that the listener holds nothing else of the look at the client. */
function dropWhenClosed(socket: Socket, accepted: Accepted): void {
  socket.once('close', () => accepted.early?.drop())
}
