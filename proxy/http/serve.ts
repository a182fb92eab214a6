/** Serves one accepted connection in its HTTP version; which requests do what is the listener's business. */
import type { OnRefused } from '../wire/refusal.ts'
import { Http1ServerConnection } from './http1-server.ts'
import type { Http2Config } from './http2-config.ts'
import { Http2Connection } from './http2-connection.ts'
import { DEFAULT_TIME_BOUNDS, type TimeBounds } from './patience.ts'
import type { RequestListener } from './stream.ts'
import type { Transport } from './transport.ts'

export interface HttpServerConfig {
  readonly http2: Http2Config
  readonly maxHeadBytes: number
  /** How long a peer may take. */
  readonly timeBounds?: TimeBounds
  /** As in `ErrorStyle`, for what is refused before it is a request. */
  readonly isInformational?: boolean
}

/** A connection being served, as its owner keeps track of it for draining. */
export interface ServedConnection {
  shutdown(): void
  /** Every second or so. `isCrowded`: those who use their connection least have to go. */
  tick(nowMs: number, isCrowded: boolean): void
}

/** Who keeps track of a connection. */
export interface ServedOwner {
  readonly onRefused: OnRefused
  /** Extended CONNECT can be served through (RFC 8441). */
  takesConnect?(): boolean
  /** Exactly once. */
  onClosed(error: Error | undefined): void
}

/** Serves `transport` until it closes. */
export function serveHttp(
  transport: Transport,
  isHttp2: boolean,
  onRequest: RequestListener,
  config: HttpServerConfig,
  { onRefused, takesConnect, onClosed }: ServedOwner,
): ServedConnection {
  const bounds = config.timeBounds ?? DEFAULT_TIME_BOUNDS
  if (isHttp2) {
    const owner = {
      onReady() {},
      onDraining() {},
      onCapacity() {},
      onRefused,
      takesConnect: () => takesConnect?.() === true,
      onClosed,
    }
    const connection = new Http2Connection(transport, config.http2, owner, onRequest)
    return {
      shutdown: () => connection.shutdown(),
      tick: (nowMs, isCrowded) => connection.tick(nowMs, bounds, isCrowded),
    }
  }
  const connection = new Http1ServerConnection(transport, config, { onRefused, onClosed }, onRequest)
  return {
    shutdown: () => connection.shutdown(),
    tick: (nowMs, isCrowded) => connection.tick(nowMs, bounds, isCrowded),
  }
}
