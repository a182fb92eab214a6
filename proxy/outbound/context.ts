/** What exchanges and routings of one target need from the assembly around them. */
import type { ProxyError } from '../http/error-response.ts'
import type { MirrorLoad } from './mirror.ts'
import type { MovableStream } from './rebalance.ts'

export interface OutboundContext {
  /** The target for messages: `Service web.shop:80` or an address. */
  readonly parentName: string
  readonly failFastTimeoutMs: number
  /** Requests in flight through one listener; more are shed. */
  readonly maxInFlight: number
  /** Copies of requests in flight through the listener. */
  readonly mirrors: MirrorLoad
  /** Whether `l5d-proxy-error` and `l5d-proxy-connection` go to the application. */
  readonly isInformational: boolean
  /** Requests in flight on an HTTP/2 connection, where long ones may be moved; `undefined` where they stay. */
  readonly streams: Set<MovableStream> | undefined
  readonly nowMs: () => number
  readonly random: () => number
  /** Counts a request in; false when too many are in flight, and then it does not count. `onEnded` counts it out. */
  tryBegin(): boolean
  /** An answer of the proxy itself is about to be sent. */
  onError(error: ProxyError): void
  /** An exchange ended, however it did. */
  onEnded(): void
}
