/** What every load generator is: connections with places for requests, and a pacing that says when one starts. */
import type { Recorder } from './recorder.ts'

export interface LoadOptions {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** Requests at a time on each connection; only HTTP/2 has more than one. */
  readonly streams: number
  /** Content of every request; 0 is none. For gRPC the length of a message. */
  readonly bodyBytes: number
  /** gRPC: messages each way on one stream. */
  readonly messages: number
  /** gRPC: whether a stream ends after its messages; otherwise it stays open and counts as answered. */
  readonly endsStreams: boolean
  /** What the requests call their host; the address by default. */
  readonly authority?: string
  /** Mesh TLS from the client itself. */
  readonly tls?: ClientTls
}

export interface ClientTls {
  /** PEM files: certificate chain and key in one, and trust anchors. */
  readonly certFile: string
  readonly caFile: string
  readonly serverName: string
  /** Offer the sessions that earlier connections were given. */
  readonly resumes: boolean
  /** The connection is for this port: ask for `transport.l5d.io/v1`, and begin with a transport header. */
  readonly headerPort?: number
}

/** A place for one request at a time. */
export interface Slot {
  /** Sends a request whose latency counts from `startedAtMs`. */
  start(startedAtMs: number): void
}

export interface Pacing {
  /** `slot` has room for a request: when its connection is up, and after every answer. */
  onFree(slot: Slot, nowMs: number): void
}

/** A new request as soon as one is answered. */
export const CLOSED_LOOP: Pacing = { onFree: (slot, nowMs) => slot.start(nowMs) }

export interface RunningLoad {
  /** Sends what `start` left in buffers; within `onFree` that happens by itself. */
  flush(): void
  stop(): void
  /** The handshakes of the client's own TLS. */
  tls?(): { readonly handshakes: number; readonly resumed: number }
}

export type Load = (options: LoadOptions, recorder: Recorder, pacing: Pacing) => RunningLoad

/** The result of one run, as the process prints it. */
export interface LoadResult {
  readonly requests: number
  readonly failures: number
  readonly firstFailure: string
  readonly contentBytes: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** CPU that each watched process used meanwhile, in the order they were named. */
  readonly cpuSeconds: readonly number[]
  /** TLS connections of the client itself: how many of them resumed a session. */
  readonly tls?: { readonly handshakes: number; readonly resumed: number }
}

/** One turn of a load that takes turns: what began in it was also answered in it. `seconds` last until that answer. */
export type Turn = Pick<LoadResult, 'requests' | 'contentBytes' | 'seconds' | 'cpuSeconds'>

export function authorityOf({ authority, host, port }: LoadOptions): string {
  return authority ?? `${host}:${port}`
}
