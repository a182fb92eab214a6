/**
 * The configuration of a proxy: `LINKERD2_PROXY_*`, read once at start. Behind this line every value has its type, its
 * unit and its default (facts: behaviour 0, vocabulary F.5).
 */
import { availableParallelism } from 'node:os'
import type { SocketAddress } from '../../api/ip.ts'
import type { LogFormat } from '../telemetry/log.ts'
import { DEFAULT_LOG_FILTER, type LogFilter, parseLogFilter } from '../telemetry/log-filter.ts'
import { type ControlConfig, readControl } from './control.ts'
import { Env, type Variables } from './env.ts'
import { type InboundConfig, readInbound } from './inbound.ts'
import { type OutboundConfig, readOutbound } from './outbound.ts'

export interface Config {
  readonly outbound: OutboundConfig
  readonly inbound: InboundConfig
  readonly control: ControlConfig
  readonly admin: {
    readonly listen: SocketAddress
    readonly isShutdownEnabled: boolean
  }
  readonly tap: {
    readonly listen: SocketAddress
    /** The identity that may tap; without one nothing listens. */
    readonly serviceName: string | undefined
  }
  readonly log: { readonly filter: LogFilter; readonly format: LogFormat }
  readonly metrics: { readonly retainIdleMs: number }
  readonly shutdownGraceMs: number
  /** Worker threads that may be used. */
  readonly cores: number
  /** What was set and has no effect, for the log. */
  readonly warnings: readonly string[]
}

export type ConfigResult = { readonly config: Config } | { readonly problems: readonly string[] }

export function readConfig(vars: Variables): ConfigResult {
  const env = new Env(vars)
  const config = {
    outbound: readOutbound(env),
    inbound: readInbound(env),
    control: readControl(env),
    admin: {
      listen: env.socketAddress('LINKERD2_PROXY_ADMIN_LISTEN_ADDR', '127.0.0.1:4191'),
      isShutdownEnabled: env.boolean('LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED', false),
    },
    tap: {
      listen: env.socketAddress('LINKERD2_PROXY_CONTROL_LISTEN_ADDR', '0.0.0.0:4190'),
      serviceName: env.optionalText('LINKERD2_PROXY_TAP_SVC_NAME'),
    },
    log: readLog(env),
    metrics: { retainIdleMs: env.durationMs('LINKERD2_PROXY_METRICS_RETAIN_IDLE', 600_000) },
    shutdownGraceMs: env.durationMs('LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD', 120_000),
    cores: readCores(env),
  }
  refuseUnsupported(env)
  warnIneffective(env)
  for (const name of env.unknownNames()) env.warn(name, 'this version does not know it')
  return env.problems.length > 0 ? { problems: env.problems } : { config: { ...config, warnings: env.warnings } }
}

/** All problems as one message for standard error. */
export function describeProblems(problems: readonly string[]): string {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  return `The proxy cannot start: its environment has ${count}.\n${problems.map((problem) => `  ${problem}\n`).join('')}`
}

function readLog(env: Env): Config['log'] {
  const text = env.optionalText('LINKERD2_PROXY_LOG') ?? DEFAULT_LOG_FILTER
  const filter = parseLogFilter(text)
  const format = env.oneOf('LINKERD2_PROXY_LOG_FORMAT', ['plain', 'json']) ?? 'plain'
  if (!('problem' in filter)) return { filter, format }
  env.problem('LINKERD2_PROXY_LOG', filter.problem)
  return { filter: { text, directives: [] }, format }
}

function readCores(env: Env): number {
  const available = availableParallelism()
  const max = env.optionalInteger('LINKERD2_PROXY_CORES_MAX', 1, 65_535)
  const ratio = env.optionalRatio('LINKERD2_PROXY_CORES_MAX_RATIO', 1)
  const legacy = env.optionalInteger('LINKERD2_PROXY_CORES', 0, 65_535)
  const min = env.optionalInteger('LINKERD2_PROXY_CORES_MIN', 0, 65_535) ?? legacy ?? 1
  const wanted = max ?? (ratio === undefined ? 1 : Math.round(available * ratio))
  return Math.min(Math.max(wanted, min, 1), available)
}

/** What changes where traffic goes or who is trusted must not be ignored: the proxy does not start. */
function refuseUnsupported(env: Env): void {
  if (env.boolean('LINKERD2_PROXY_INGRESS_MODE', false)) {
    env.problem('LINKERD2_PROXY_INGRESS_MODE', 'ingress mode is not supported by this version; inject with "enabled"')
  }
  const refused = {
    LINKERD2_PROXY_INBOUND_GATEWAY_SUFFIXES: 'the gateway role is not supported by this version',
    LINKERD2_PROXY_IDENTITY_DISABLED: 'a proxy without identity is not possible; unset it',
    LINKERD2_PROXY_IDENTITY_SPIRE_WORKLOAD_API_ADDRESS: 'identities from SPIRE are not supported by this version',
    LINKERD2_PROXY_IDENTITY_SPIRE_SOCKET: 'identities from SPIRE are not supported by this version',
    LINKERD2_PROXY_IDENTITY_SERVER_ID: 'identities from SPIRE are not supported by this version',
    LINKERD2_PROXY_IDENTITY_SERVER_NAME: 'identities from SPIRE are not supported by this version',
  }
  for (const [name, sentence] of Object.entries(refused)) {
    if (env.optionalText(name) !== undefined) env.problem(name, sentence)
  }
}

/** Known to Linkerd's proxy and of no use here. */
const INEFFECTIVE = {
  /** Set by every injector, or the default: silence. */
  quietly: [
    'LINKERD2_PROXY_IDENTITY_DIR',
    'LINKERD2_PROXY_INBOUND_PORTS_REQUIRE_IDENTITY',
    'LINKERD2_PROXY_INBOUND_PORTS_REQUIRE_TLS',
    'LINKERD2_PROXY_TRACE_ATTRIBUTES_PATH',
    'LINKERD2_PROXY_TRACE_ANNOTATIONS_PATH',
    'LINKERD2_PROXY_TRACE_PROTOCOL',
    'LINKERD2_PROXY_TRACE_SERVICE_NAME',
    'LINKERD2_PROXY_TRACE_COLLECTOR_SVC_NAME',
    'LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES',
  ],
  loudly: {
    LINKERD2_PROXY_TRACE_COLLECTOR_SVC_ADDR: 'traces are not exported by this version',
  },
} as const

function warnIneffective(env: Env): void {
  for (const name of INEFFECTIVE.quietly) env.optionalText(name)
  for (const [name, sentence] of Object.entries(INEFFECTIVE.loudly)) {
    if (env.optionalText(name) !== undefined) env.warn(name, sentence)
  }
  if (env.boolean('LINKERD2_PROXY_OUTBOUND_METRICS_HOSTNAME_LABELS', false)) {
    env.warn('LINKERD2_PROXY_OUTBOUND_METRICS_HOSTNAME_LABELS', 'the label "hostname" stays empty in this version')
  }
}
