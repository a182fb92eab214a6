/** Serves one accepted connection in its HTTP version; which requests do what is the listener's business. */
import { Http1ServerConnection } from './http1-server.ts'
import type { Http2Config } from './http2-config.ts'
import { Http2Connection } from './http2-connection.ts'
import type { RequestListener } from './stream.ts'
import type { Transport } from './transport.ts'

export interface HttpServerConfig {
  readonly http2: Http2Config
  readonly maxHeadBytes: number
}

/** A connection being served, as its owner keeps track of it for draining. */
export interface ServedConnection {
  shutdown(): void
  tick(nowMs: number): void
}

/** Serves `transport` until it closes; `onClosed` is called once. */
export function serveHttp(
  transport: Transport,
  isHttp2: boolean,
  onRequest: RequestListener,
  config: HttpServerConfig,
  onClosed: (error: Error | undefined) => void,
): ServedConnection {
  if (isHttp2) {
    const owner = { onReady() {}, onDraining() {}, onCapacity() {}, onClosed }
    return new Http2Connection(transport, config.http2, owner, onRequest)
  }
  const connection = new Http1ServerConnection(transport, config, { onBadRequest() {}, onClosed }, onRequest)
  return { shutdown: () => connection.shutdown(), tick() {} }
}
