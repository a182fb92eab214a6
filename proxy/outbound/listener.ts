/**
 * Accepts what the application sends: finds where it was going, waits for what discovery knows about that, detects the
 * protocol where it is not said, and hands over to HTTP or to raw bytes.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { ProxyError } from '../http/error-response.ts'
import { CROWDED_SHARE } from '../http/patience.ts'
import { type HttpServerConfig, type ServedConnection, serveHttp } from '../http/serve.ts'
import type { EarlyDials } from '../io/early-dial.ts'
import { sniff } from '../io/sniff.ts'
import { SocketTransport } from '../io/socket-transport.ts'
import type { Meta } from '../policy/meta.ts'
import { findTlsRoute } from '../policy/tls-route-match.ts'
import type { Logger } from '../telemetry/log.ts'
import { readClientHello } from '../wire/client-hello.ts'
import { detectHttp } from '../wire/detect.ts'
import type { Refusal } from '../wire/refusal.ts'
import type { OutboundContext } from './context.ts'
import { EarlyOpaque, type OpaqueWay } from './early-opaque.ts'
import { outboundRequests } from './http.ts'
import { MirrorLoad } from './mirror.ts'
import { forwardOpaque, type OpaqueError, openOpaque } from './opaque.ts'
import { MovableConnection, type RebalanceConfig, Rebalancer } from './rebalance.ts'
import type { OpaqueChoice, Target } from './target.ts'
import type { TargetCache } from './target-cache.ts'

export interface OutboundTelemetry {
  accepted(transport: SocketTransport, target: Target): void
  protocol(protocol: 'detect' | 'http/1' | 'http/2' | 'opaq' | 'tls', parent: Meta): void
  detected(parent: Meta, result: 'http/1' | 'http/2' | 'not_http' | 'read_timeout' | 'error', seconds: number): void
  httpError(error: ProxyError): void
  tcpError(target: Target, error: string): void
  /** Something an application sent was refused; `isFirst` on its connection. */
  refused(reason: Refusal, where: () => string, message: string, isFirst: boolean): void
}

export interface OutboundListenerConfig {
  readonly detectTimeoutMs: number
  readonly failFastTimeoutMs: number
  readonly isInformational: boolean
  readonly maxInFlight: number
  /** Accepted connections that are open; more are closed at once. */
  readonly maxConnections: number
  readonly http: HttpServerConfig
  /** `undefined`: long streams stay where they are. */
  readonly rebalance: RebalanceConfig | undefined
}

export interface OutboundDeps {
  readonly originalDestination: (socket: Socket) => { readonly ip: string; readonly port: number } | undefined
  readonly targets: TargetCache
  readonly earlyDials: EarlyDials<OpaqueError>
  readonly telemetry: OutboundTelemetry
  readonly log: Logger
  readonly nowMs: () => number
  readonly random: () => number
}

export class OutboundListener {
  readonly #config: OutboundListenerConfig
  readonly #deps: OutboundDeps
  readonly #server: Server
  readonly #served = new Set<ServedConnection>()
  readonly #sockets = new Set<Socket>()
  readonly #rebalancer: Rebalancer | undefined
  readonly #mirrors = new MirrorLoad()
  #inFlight = 0

  constructor(config: OutboundListenerConfig, deps: OutboundDeps) {
    this.#config = config
    this.#deps = deps
    this.#rebalancer = config.rebalance && new Rebalancer(config.rebalance)
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  get server(): Server {
    return this.#server
  }

  get connectionCount(): number {
    return this.#sockets.size
  }

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
    this.#rebalancer?.tick(nowMs)
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    const original = this.#deps.originalDestination(socket)
    if (original === undefined || isOwnListener(socket, original)) {
      socket.destroy()
      return
    }
    if (this.#sockets.size >= this.#config.maxConnections) {
      const where = (): string => `${original.ip}:${original.port}`
      const message = `${this.#config.maxConnections} connections are open (WEFT_PROXY_OUTBOUND_MAX_CONNECTIONS)`
      this.#deps.telemetry.refused('connection_limit', where, message, true)
      socket.destroy()
      return
    }
    const target = this.#deps.targets.acquire(original.ip, original.port)
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#deps.targets.release(target)
    })
    target.whenReady(() => {
      if (!socket.destroyed) this.#serve(socket, target)
    })
  }

  #serve(socket: Socket, target: Target): void {
    const { protocol } = target
    const { telemetry, log } = this.#deps
    switch (protocol.kind) {
      case 'refused':
        log.info(
          `outbound ${target.ip}:${target.port}: the control plane refused the destination (${protocol.reason}); the connection was closed`,
        )
        telemetry.tcpError(target, 'unexpected')
        socket.destroy()
        return
      case 'opaque':
        telemetry.protocol('opaq', target.parent)
        return this.#forwardTo(socket, target, target.chooseOpaque())
      case 'tls':
        telemetry.protocol('tls', target.parent)
        return this.#detectTls(socket, target)
      case 'http1':
        telemetry.protocol('http/1', target.parent)
        return this.#serveHttp(socket, target, false)
      case 'http2':
        telemetry.protocol('http/2', target.parent)
        return this.#serveHttp(socket, target, true)
      case 'detect':
      case 'invalid':
        telemetry.protocol('detect', target.parent)
        return this.#detectHttp(socket, target)
    }
  }

  #detectHttp(socket: Socket, target: Target): void {
    const { telemetry, log, earlyDials, nowMs } = this.#deps
    const startedAtMs = nowMs()
    const early = new EarlyOpaque(earlyDials, target, nowMs)
    const drop = () => early.drop()
    socket.once('close', drop)
    const sniffing = sniff(
      socket,
      this.#config.detectTimeoutMs,
      (buf) => {
        const result = detectHttp(buf, 0, buf.length)
        return result === 'partial' ? undefined : result
      },
      ({ outcome, bytes }) => {
        const seconds = (nowMs() - startedAtMs) / 1_000
        if (outcome.kind === 'decided' && outcome.value !== 'not-http') {
          drop()
          socket.off('close', drop)
          telemetry.detected(target.parent, outcome.value === 'http2' ? 'http/2' : 'http/1', seconds)
          return this.#serveHttp(socket, target, outcome.value === 'http2')
        }
        telemetry.detected(
          target.parent,
          outcome.kind === 'decided' ? 'not_http' : outcome.kind === 'timeout' ? 'read_timeout' : 'error',
          seconds,
        )
        if (outcome.kind === 'ended' && bytes === 0) {
          socket.destroy()
          return
        }
        this.#forwardEarly(socket, target, early)
      },
    )
    early.watch(sniffing, () => {
      const way = early.take()
      // The policy has changed meanwhile: detection goes on under the new one.
      if (way === undefined) return
      sniffing.stop()
      const ms = nowMs() - startedAtMs
      telemetry.detected(target.parent, 'not_http', ms / 1_000)
      log.debug(`outbound ${target.parentName}: the server spoke first, after ${ms.toFixed(0)} ms: raw bytes`)
      this.#forward(socket, target, way)
    })
  }

  #detectTls(socket: Socket, target: Target): void {
    sniff(
      socket,
      this.#config.detectTimeoutMs,
      (buf) => {
        const hello = readClientHello(buf, 0, buf.length)
        return hello.kind === 'partial' ? undefined : hello
      },
      ({ outcome }) => {
        const sni = outcome.kind === 'decided' && outcome.value.kind === 'hello' ? outcome.value.sni : undefined
        if (sni === undefined) {
          this.#deps.log.info(
            `outbound ${target.parentName}: a connection without a TLS server name was closed; its policy routes by SNI`,
          )
          this.#deps.telemetry.tcpError(target, 'unexpected')
          socket.destroy()
          return
        }
        this.#forwardTo(socket, target, target.chooseTls(findTlsRoute(target.tlsRoutes, sni.toLowerCase())))
      },
    )
  }

  #serveHttp(socket: Socket, target: Target, isHttp2: boolean): void {
    const { telemetry, nowMs, random } = this.#deps
    const transport = new SocketTransport(socket)
    telemetry.accepted(transport, target)
    const movable = isHttp2 && this.#rebalancer ? new MovableConnection(() => served.shutdown()) : undefined
    const context: OutboundContext = {
      streams: movable?.streams,
      get parentName() {
        return target.parentName
      },
      failFastTimeoutMs: this.#config.failFastTimeoutMs,
      isInformational: this.#config.isInformational,
      maxInFlight: this.#config.maxInFlight,
      mirrors: this.#mirrors,
      nowMs,
      random,
      onError: (error) => telemetry.httpError(error),
      tryBegin: () => {
        if (this.#inFlight >= this.#config.maxInFlight) return false
        this.#inFlight++
        return true
      },
      onEnded: () => {
        this.#inFlight--
      },
    }
    const onRequest = outboundRequests(isHttp2, target, context)
    const where = (): string => target.parentName
    const served = serveHttp(transport, isHttp2, onRequest, this.#config.http, {
      onRefused: (reason, message, isFirst) => telemetry.refused(reason, where, message, isFirst),
      takesConnect: () => target.routing(true)?.takesConnect() === true,
      onClosed: () => {
        this.#served.delete(served)
        if (movable !== undefined) this.#rebalancer?.delete(movable)
      },
    })
    this.#served.add(served)
    if (movable !== undefined) this.#rebalancer?.add(movable)
  }

  /** Over the connection that was opened early, if there is one. */
  #forwardEarly(socket: Socket, target: Target, early: EarlyOpaque): void {
    const way = early.take()
    if (way === undefined) this.#forwardTo(socket, target, target.chooseOpaque())
    else this.#forward(socket, target, way)
  }

  #forwardTo(socket: Socket, target: Target, choice: OpaqueChoice): void {
    if (choice.kind === 'backend') {
      const { backend } = choice
      return this.#forward(socket, target, { backend, open: openOpaque(backend, this.#deps.nowMs) })
    }
    this.#deps.log.info(`outbound ${target.parentName}: ${choice.reason}; the connection was closed`)
    this.#deps.telemetry.tcpError(target, choice.error)
    socket.destroy()
  }

  #forward(socket: Socket, target: Target, { backend, open }: OpaqueWay): void {
    const { telemetry, log } = this.#deps
    const transport = new SocketTransport(socket)
    telemetry.accepted(transport, target)
    forwardOpaque(transport, open, {
      onEnd: (error) => {
        if (error === '') return
        log.info(`outbound ${target.parentName}: ${backend.reason()}; the connection was closed (${error})`)
        telemetry.tcpError(target, error)
      },
    })
  }
}

/** Somebody dialled the proxy itself: forwarding that would be a loop. */
function isOwnListener(socket: Socket, original: { readonly ip: string; readonly port: number }): boolean {
  return original.port === socket.localPort && original.ip === socket.localAddress
}
