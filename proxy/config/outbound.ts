/** Traffic that leaves the pod. */
import type { SocketAddress } from '../../api/ip.ts'
import type { Http2Config } from '../http/http2-config.ts'
import type { TimeBounds } from '../http/patience.ts'
import type { EarlyDialConfig } from '../io/early-dial.ts'
import type { BackoffParams } from '../policy/backoff.ts'
import type { Env } from './env.ts'
import {
  type KeepAliveConfig,
  type QueueConfig,
  readBackoff,
  readEarlyDials,
  readHttp2Client,
  readHttp2Server,
  readKeepAlive,
  readMaxConnections,
  readQueue,
  readTimeBounds,
} from './traffic.ts'

const PREFIX = 'LINKERD2_PROXY_OUTBOUND'

/** The application is on this machine: what it has to say is here at once. */
const SILENCE_MS = 100

export interface OutboundConfig {
  /** One address, or one of each family. */
  readonly listen: readonly SocketAddress[]
  readonly listenBacklog: number | undefined
  /** TCP, TLS and transport header together. */
  readonly connectTimeoutMs: number
  readonly connectBackoff: BackoffParams
  readonly connect: KeepAliveConfig
  readonly detectTimeoutMs: number
  readonly earlyDials: EarlyDialConfig
  /** Discovery, balancers and their connections go this long after their last use. */
  readonly discoveryIdleMs: number
  readonly tcpQueue: QueueConfig
  readonly httpQueue: QueueConfig
  readonly maxInFlight: number
  readonly maxConnections: number
  readonly timeBounds: TimeBounds
  readonly http1PoolIdleMs: number
  readonly maxIdlePerEndpoint: number
  /** Whether applications see `l5d-proxy-error` and `l5d-proxy-connection`. */
  readonly isInformational: boolean
  /** When long streams are moved to other replicas; `undefined`: never. */
  readonly rebalance: { readonly afterMs: number; readonly graceMs: number } | undefined
  readonly http2Server: Http2Config
  readonly http2Client: Http2Config
}

export function readOutbound(env: Env): OutboundConfig {
  const one = env.socketAddress(`${PREFIX}_LISTEN_ADDR`, '127.0.0.1:4140')
  return {
    listen: env.socketAddresses(`${PREFIX}_LISTEN_ADDRS`) ?? [one],
    listenBacklog: env.optionalInteger(`${PREFIX}_TCP_LISTEN_BACKLOG`, 1, 65_535),
    connectTimeoutMs: env.durationMs(`${PREFIX}_CONNECT_TIMEOUT`, 1_000),
    connectBackoff: readBackoff(env, PREFIX, { minMs: 100, maxMs: 60_000, jitter: 0.1 }),
    connect: readKeepAlive(env, `${PREFIX}_CONNECT`),
    detectTimeoutMs: env.durationMs(`${PREFIX}_DETECT_TIMEOUT`, 10_000),
    earlyDials: readEarlyDials(env, PREFIX, SILENCE_MS),
    discoveryIdleMs: env.durationMs(`${PREFIX}_DISCOVERY_IDLE_TIMEOUT`, 5_000),
    tcpQueue: readQueue(env, PREFIX, 'TCP', 3_000),
    httpQueue: readQueue(env, PREFIX, 'HTTP', 3_000),
    maxInFlight: env.integer(`${PREFIX}_MAX_IN_FLIGHT`, 100_000, 1, 10_000_000),
    maxConnections: readMaxConnections(env, PREFIX),
    timeBounds: readTimeBounds(env, PREFIX),
    http1PoolIdleMs: env.durationMs(`${PREFIX}_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT`, 3_000),
    maxIdlePerEndpoint: env.integer(`${PREFIX}_MAX_IDLE_CONNS_PER_ENDPOINT`, 10_000, 0, 1_000_000),
    isInformational: !env.boolean(`${PREFIX}_DISABLE_INFORMATIONAL_HEADERS`, false),
    rebalance: readRebalance(env),
    http2Server: readHttp2Server(env, PREFIX),
    http2Client: readHttp2Client(env),
  }
}

/** `WEFT_` because Linkerd's proxy has nothing like it. */
function readRebalance(env: Env): OutboundConfig['rebalance'] {
  const afterMs = env.optionalDurationMs('WEFT_PROXY_OUTBOUND_REBALANCE_AFTER')
  const graceMs = env.durationMs('WEFT_PROXY_OUTBOUND_REBALANCE_GRACE', 30_000)
  return afterMs === undefined || afterMs === 0 ? undefined : { afterMs, graceMs }
}
