/** Traffic that the pod receives. */
import type { SocketAddress } from '../../api/ip.ts'
import type { PortSet } from '../../api/port-set.ts'
import { DefaultPolicy } from '../../api/vocabulary.ts'
import type { Http2Config } from '../http/http2-config.ts'
import type { TimeBounds } from '../http/patience.ts'
import type { EarlyDialConfig } from '../io/early-dial.ts'
import { HANDSHAKE_BOUNDS } from '../io/handshake-gate.ts'
import type { BackoffParams } from '../policy/backoff.ts'
import { compileCidr, type Network } from '../policy/network.ts'
import type { AccessLogFormat } from '../telemetry/access-log.ts'
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

const PREFIX = 'LINKERD2_PROXY_INBOUND'

/** The client is another machine: what it says first may be lost, and comes again after 200 ms. */
const SILENCE_MS = 250

export interface InboundConfig {
  readonly listen: SocketAddress
  readonly listenBacklog: number | undefined
  readonly accept: KeepAliveConfig
  /** The pod's own addresses; connections to others are closed. Empty: any. */
  readonly ips: ReadonlySet<string>
  /** Ports whose policy is watched from the start. */
  readonly ports: readonly number[]
  /** Holds until the controller has answered. */
  readonly defaultPolicy: DefaultPolicy
  readonly clusterNetworks: readonly Network[]
  /** Ports that are opaque until the controller has answered. */
  readonly opaquePorts: PortSet
  readonly detectTimeoutMs: number
  readonly earlyDials: EarlyDialConfig
  readonly connectTimeoutMs: number
  readonly connectBackoff: BackoffParams
  /** Policies of ports that were not watched from the start go this long after their last use. */
  readonly discoveryIdleMs: number
  readonly httpQueue: QueueConfig
  readonly maxInFlight: number
  readonly maxConnections: number
  /** TLS handshakes at once. */
  readonly maxHandshakes: number
  readonly timeBounds: TimeBounds
  readonly http1PoolIdleMs: number
  readonly maxIdlePerEndpoint: number
  readonly http2Server: Http2Config
  readonly http2Client: Http2Config
  readonly accessLog: AccessLogFormat | undefined
  /** Whether metrics carry the label `authority`, which clients choose freely. */
  readonly hasAuthorityLabels: boolean
}

/** Named one by one from the start; a range over everything is a mistake. */
const MAX_WATCHED_PORTS = 1_000

export function readInbound(env: Env): InboundConfig {
  const defaultPolicy = env.oneOf(`${PREFIX}_DEFAULT_POLICY`, Object.values(DefaultPolicy))
  const clusterNetworks = env.networks('LINKERD2_PROXY_POLICY_CLUSTER_NETWORKS')
  const needsNetworks = defaultPolicy?.startsWith('cluster-') || defaultPolicy === 'audit'
  if (needsNetworks && clusterNetworks.length === 0) {
    env.problem(
      'LINKERD2_PROXY_POLICY_CLUSTER_NETWORKS',
      `is not set, but the default policy ${defaultPolicy} needs it`,
    )
  }
  return {
    listen: env.socketAddress(`${PREFIX}_LISTEN_ADDR`, '0.0.0.0:4143'),
    listenBacklog: env.optionalInteger(`${PREFIX}_TCP_LISTEN_BACKLOG`, 1, 65_535),
    accept: readKeepAlive(env, `${PREFIX}_ACCEPT`),
    ips: env.ips(`${PREFIX}_IPS`),
    ports: readPorts(env),
    defaultPolicy: defaultPolicy ?? DefaultPolicy.allUnauthenticated,
    clusterNetworks: clusterNetworks.map((cidr) => ({ cidr: compileCidr(cidr), except: [] })),
    opaquePorts: env.ports(`${PREFIX}_PORTS_DISABLE_PROTOCOL_DETECTION`),
    detectTimeoutMs: env.durationMs(`${PREFIX}_DETECT_TIMEOUT`, 10_000),
    earlyDials: readEarlyDials(env, PREFIX, SILENCE_MS),
    connectTimeoutMs: env.durationMs(`${PREFIX}_CONNECT_TIMEOUT`, 300),
    connectBackoff: readBackoff(env, PREFIX, { minMs: 100, maxMs: 10_000, jitter: 0.1 }),
    discoveryIdleMs: env.durationMs(`${PREFIX}_DISCOVERY_IDLE_TIMEOUT`, 90_000),
    httpQueue: readQueue(env, PREFIX, 'HTTP', 1_000),
    maxInFlight: env.integer(`${PREFIX}_MAX_IN_FLIGHT`, 100_000, 1, 10_000_000),
    maxConnections: readMaxConnections(env, PREFIX),
    maxHandshakes: env.integer('WEFT_PROXY_INBOUND_MAX_HANDSHAKES', HANDSHAKE_BOUNDS.maxRunning, 1, 100_000),
    timeBounds: readTimeBounds(env, PREFIX),
    http1PoolIdleMs: env.durationMs(`${PREFIX}_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT`, 3_000),
    maxIdlePerEndpoint: env.integer('LINKERD2_PROXY_MAX_IDLE_CONNS_PER_ENDPOINT', 10_000, 0, 1_000_000),
    http2Server: readHttp2Server(env, PREFIX),
    http2Client: readHttp2Client(env),
    accessLog: env.oneOf('LINKERD2_PROXY_ACCESS_LOG', ['apache', 'json']),
    hasAuthorityLabels: env.oneOf(`${PREFIX}_METRICS_AUTHORITY_LABELS`, ['unsafe']) !== undefined,
  }
}

function readPorts(env: Env): readonly number[] {
  const ports = new Set<number>()
  for (const { first, last } of env.ports(`${PREFIX}_PORTS`)) {
    for (let port = first; port <= last && ports.size <= MAX_WATCHED_PORTS; port++) ports.add(port)
  }
  if (ports.size > MAX_WATCHED_PORTS) env.problem(`${PREFIX}_PORTS`, `names more than ${MAX_WATCHED_PORTS} ports`)
  return [...ports]
}
