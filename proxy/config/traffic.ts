/** What inbound and outbound traffic have in common: their variables differ by prefix and defaults only. */
import { DEFAULT_HTTP2, type Http2Config } from '../http/http2-config.ts'
import { DEFAULT_TIME_BOUNDS, type TimeBounds } from '../http/patience.ts'
import type { EarlyDialConfig } from '../io/early-dial.ts'
import type { BackoffParams } from '../policy/backoff.ts'
import type { Env } from './env.ts'

export interface QueueConfig {
  /** Requests or connections that wait for an endpoint; more are shed. */
  readonly capacity: number
  /** Without a ready endpoint for this long everything that waits fails. */
  readonly failFastMs: number
}

export interface KeepAliveConfig {
  /** TCP keep-alive; `undefined` is off. */
  readonly keepAliveMs: number | undefined
  /** TCP_USER_TIMEOUT; `undefined` is the system's. */
  readonly userTimeoutMs: number | undefined
}

export type Prefix = 'LINKERD2_PROXY_INBOUND' | 'LINKERD2_PROXY_OUTBOUND'

/** A connection costs 5 to 30 KB: some 300 MB at most. */
const DEFAULT_MAX_CONNECTIONS = 10_000
/** Connections that an application may see more than its clients made. */
const DEFAULT_MAX_EARLY_DIALS = 100
const MAX_QUEUE = 1_000_000
/** RFC 9113 §6.5.2. */
const MAX_WINDOW_BYTES = 2 ** 31 - 1
const MIN_HEADER_BYTES = 1_024
const MAX_HEADER_BYTES = 16 * 1_048_576

/** `…_EXP_BACKOFF_{MIN,MAX,JITTER}`; the two bounds only together. */
export function readBackoff(env: Env, prefix: Prefix, fallback: BackoffParams): BackoffParams {
  const name = `${prefix}_CONNECT_EXP_BACKOFF`
  const minMs = env.optionalDurationMs(`${name}_MIN`)
  const maxMs = env.optionalDurationMs(`${name}_MAX`)
  const jitter = env.optionalRatio(`${name}_JITTER`, 100)
  if (minMs === undefined && maxMs === undefined) return { ...fallback, jitter: jitter ?? fallback.jitter }
  if (minMs === undefined || maxMs === undefined) {
    env.problem(`${name}_${minMs === undefined ? 'MIN' : 'MAX'}`, 'MIN and MAX have to be set together')
    return fallback
  }
  if (maxMs === 0 || minMs > maxMs)
    env.problem(`${name}_MAX`, `a back-off from ${minMs} ms to ${maxMs} ms is not possible`)
  return { minMs, maxMs, jitter: jitter ?? 0 }
}

/** @param kind `HTTP` or `TCP` */
export function readQueue(env: Env, prefix: Prefix, kind: 'HTTP' | 'TCP', failFastMs: number): QueueConfig {
  return {
    capacity: env.integer(`${prefix}_${kind}_QUEUE_CAPACITY`, 10_000, 1, MAX_QUEUE),
    failFastMs: env.durationMs(`${prefix}_${kind}_FAILFAST_TIMEOUT`, failFastMs),
  }
}

export function readKeepAlive(env: Env, side: string): KeepAliveConfig {
  return {
    keepAliveMs: env.optionalDurationMs(`${side}_KEEPALIVE`) || undefined,
    userTimeoutMs: env.optionalDurationMs(`${side}_USER_TIMEOUT`) || undefined,
  }
}

/** Accepted connections that may be open; `WEFT_` because Linkerd's proxy has no such bound. */
export function readMaxConnections(env: Env, prefix: Prefix): number {
  return env.integer(`${weftName(prefix)}_MAX_CONNECTIONS`, DEFAULT_MAX_CONNECTIONS, 1, 1_000_000)
}

/** When servers are dialled before their clients have spoken; a silence of 0 never does. */
export function readEarlyDials(env: Env, prefix: Prefix, silenceMs: number): EarlyDialConfig {
  const name = weftName(prefix)
  return {
    silenceMs: env.durationMs(`${name}_DETECT_SILENCE`, silenceMs),
    maxAtOnce: env.integer(`${name}_MAX_EARLY_DIALS`, DEFAULT_MAX_EARLY_DIALS, 1, 100_000),
  }
}

/** How long a peer may take, each of them. */
export function readTimeBounds(env: Env, prefix: Prefix): TimeBounds {
  const duration = (what: string, fallbackMs: number): number => {
    const name = `${weftName(prefix)}_HTTP_${what}_TIMEOUT`
    const ms = env.durationMs(name, fallbackMs)
    if (ms === 0) env.problem(name, 'is 0, which would end every connection')
    return ms
  }
  return {
    headMs: duration('HEAD', DEFAULT_TIME_BOUNDS.headMs),
    contentMs: duration('CONTENT', DEFAULT_TIME_BOUNDS.contentMs),
    unreadMs: duration('UNREAD', DEFAULT_TIME_BOUNDS.unreadMs),
    idleMs: duration('IDLE', DEFAULT_TIME_BOUNDS.idleMs),
  }
}

function weftName(prefix: Prefix): string {
  return prefix.replace('LINKERD2_', 'WEFT_')
}

/** The serving side of HTTP/2. */
export function readHttp2Server(env: Env, prefix: Prefix): Http2Config {
  const name = `${prefix}_SERVER_HTTP2`
  const interval = env.optionalDurationMs(`${name}_KEEP_ALIVE_INTERVAL`)
  const timeout = env.optionalDurationMs(`${name}_KEEP_ALIVE_TIMEOUT`)
  const hasKeepAlive = interval !== undefined && timeout !== undefined && interval > 0 && timeout > 0
  for (const setting of ['MAX_FRAME_SIZE', 'MAX_PENDING_ACCEPT_RESET_STREAMS', 'MAX_SEND_BUF_SIZE']) {
    const ignored = env.optionalInteger(`${name}_${setting}`, 0, MAX_WINDOW_BYTES)
    if (ignored !== undefined) env.warn(`${name}_${setting}`, 'has no effect: the engine uses its own bound')
  }
  if (env.boolean(`${name}_ADAPTIVE_FLOW_CONTROL`, false)) {
    env.warn(`${name}_ADAPTIVE_FLOW_CONTROL`, 'has no effect: windows are fixed')
  }
  const client = readHttp2Client(env)
  return {
    ...DEFAULT_HTTP2,
    initialStreamWindowBytes: env.integer(
      `${name}_INITIAL_STREAM_WINDOW_SIZE`,
      client.initialStreamWindowBytes,
      1,
      MAX_WINDOW_BYTES,
    ),
    initialConnectionWindowBytes: env.integer(
      `${name}_INITIAL_CONNECTION_WINDOW_SIZE`,
      client.initialConnectionWindowBytes,
      65_535,
      MAX_WINDOW_BYTES,
    ),
    maxConcurrentStreams: env.integer(
      `${name}_MAX_CONCURRENT_STREAMS`,
      DEFAULT_HTTP2.maxConcurrentStreams,
      1,
      MAX_WINDOW_BYTES,
    ),
    maxHeaderListBytes: env.integer(
      `${name}_MAX_HEADER_LIST_SIZE`,
      client.maxHeaderListBytes,
      MIN_HEADER_BYTES,
      MAX_HEADER_BYTES,
    ),
    keepAliveIntervalMs: hasKeepAlive ? interval : 0,
    keepAliveTimeoutMs: hasKeepAlive ? timeout : 0,
  }
}

/** The connecting side of HTTP/2; discovery may override it per endpoint. */
export function readHttp2Client(env: Env): Http2Config {
  const { initialStreamWindowBytes, initialConnectionWindowBytes } = DEFAULT_HTTP2
  const stream = 'LINKERD2_PROXY_HTTP2_INITIAL_STREAM_WINDOW_SIZE'
  const connection = 'LINKERD2_PROXY_HTTP2_INITIAL_CONNECTION_WINDOW_SIZE'
  return {
    ...DEFAULT_HTTP2,
    maxHeaderListBytes: env.integer(
      'LINKERD2_PROXY_MAX_HEADER_BYTES',
      DEFAULT_HTTP2.maxHeaderListBytes,
      MIN_HEADER_BYTES,
      MAX_HEADER_BYTES,
    ),
    initialStreamWindowBytes: env.integer(stream, initialStreamWindowBytes, 1, MAX_WINDOW_BYTES),
    initialConnectionWindowBytes: env.integer(connection, initialConnectionWindowBytes, 65_535, MAX_WINDOW_BYTES),
  }
}
