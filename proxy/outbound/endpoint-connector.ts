/**
 * Connects to one endpoint the way discovery says: plain TCP, or mesh TLS to its port, or mesh TLS to its inbound proxy
 * with a transport header that names the real port.
 */
import type { SecureContext } from 'node:tls'
import type { Transport } from '../http/transport.ts'
import { connectTcp } from '../io/connect.ts'
import type { ConnectError, Connector, Session } from '../io/connector.ts'
import type { Resumption } from '../io/resumption.ts'
import { SocketTransport } from '../io/socket-transport.ts'
import { connectMeshTls } from '../io/tls.ts'
import type { EndpointMeta } from '../policy/endpoint.ts'
import type { TcpMetrics } from '../telemetry/tcp-metrics.ts'
import { encodeTransportHeader } from '../wire/transport-header.ts'

export interface EndpointConnectorConfig {
  readonly connectTimeoutMs: number
  readonly keepAliveMs: number | undefined
  readonly userTimeoutMs: number | undefined
  /** Only for tests on one machine: a peer must never make the proxy call what listens for the pod alone. */
  readonly allowLoopback?: boolean
}

/** What the proxy shows as a client of mesh TLS, and what it remembers of servers. */
export interface ClientTls {
  /** `undefined` before the first certificate. */
  readonly context: () => SecureContext | undefined
  readonly resumption: Resumption
}

/** Sets TCP_USER_TIMEOUT; separate because it needs a system call that Node has not. */
export type SetUserTimeout = (transport: SocketTransport, ms: number) => void

export class EndpointConnector implements Connector {
  readonly #meta: EndpointMeta
  readonly #isLocal: boolean
  readonly #config: EndpointConnectorConfig
  readonly #tls: ClientTls
  readonly #metrics: TcpMetrics
  readonly #setUserTimeout: SetUserTimeout

  /** `isLocal`: the endpoint is this pod itself, which is spoken to in plain text. */
  constructor(
    meta: EndpointMeta,
    isLocal: boolean,
    config: EndpointConnectorConfig,
    tls: ClientTls,
    metrics: TcpMetrics,
    setUserTimeout: SetUserTimeout,
  ) {
    this.#meta = meta
    this.#isLocal = isLocal
    this.#config = config
    this.#tls = tls
    this.#metrics = metrics
    this.#setUserTimeout = setUserTimeout
  }

  connect(
    session: Session,
    onConnected: (transport: Transport) => void,
    onFailed: (error: ConnectError) => void,
  ): { cancel(): void } {
    const { ip, port, identity, opaqueTransportPort, authorityOverride } = this.#meta
    const timeoutMs = this.#config.connectTimeoutMs
    const { keepAliveMs, allowLoopback } = this.#config
    if (identity === undefined || this.#isLocal) {
      return connectTcp({
        ip,
        port,
        timeoutMs,
        keepAliveMs,
        allowLoopback,
        onFailed,
        onConnected: (socket) => onConnected(this.#wrap(new SocketTransport(socket))),
      })
    }
    const context = this.#tls.context()
    if (context === undefined) {
      const later = setImmediate(() =>
        onFailed({ kind: 'tls', message: 'this proxy has no certificate yet; see the identity log lines' }),
      )
      return { cancel: () => clearImmediate(later) }
    }
    const isUri = identity.name.includes('://')
    return connectMeshTls({
      ip,
      port: opaqueTransportPort ?? port,
      timeoutMs,
      keepAliveMs,
      allowLoopback,
      serverName: identity.serverName,
      identity: isUri ? { kind: 'uri', uri: identity.name } : { kind: 'dns', name: identity.name },
      context,
      alpn: opaqueTransportPort !== undefined || authorityOverride !== undefined,
      // One handshake for every connection of the application; HTTP keeps its own. Where the peer's inbound port itself
      // is dialled, it gives tickets (assembly/inbound.ts).
      resumption: session === 'opaque' && opaqueTransportPort !== undefined ? this.#tls.resumption : undefined,
      onFailed,
      onConnected: (socket, isTransportHeader) => {
        const transport = this.#wrap(new SocketTransport(socket))
        if (isTransportHeader) this.#writeHeader(transport, session)
        else if (opaqueTransportPort !== undefined) {
          // Without the header the bytes would go to whatever the proxy's own port means: never.
          transport.destroy()
          return onFailed({
            kind: 'tls',
            message: `${ip}:${opaqueTransportPort}: the peer did not agree to a transport header`,
          })
        }
        onConnected(transport)
      },
    })
  }

  #wrap(transport: SocketTransport): SocketTransport {
    this.#metrics.opened(transport)
    if (this.#config.userTimeoutMs !== undefined) this.#setUserTimeout(transport, this.#config.userTimeoutMs)
    return transport
  }

  #writeHeader(transport: SocketTransport, session: Session): void {
    const { port, authorityOverride, protocolHint } = this.#meta
    const target = authorityOverride === undefined ? undefined : /^(.*):(\d+)$/.exec(authorityOverride)
    const sessionProtocol = session === 'opaque' || protocolHint === 'opaque' ? undefined : session
    const header = encodeTransportHeader({
      port: target ? Number(target[2]) : port,
      ...(target ? { name: target[1]! } : {}),
      ...(sessionProtocol === undefined ? {} : { sessionProtocol }),
    })
    transport.ensure(header.length)
    header.copy(transport.buf, transport.at)
    transport.at += header.length
    transport.flushSoon()
  }
}
