/**
 * Traffic annotations of Services, EgressNetworks and routes. A group with a wrong value is dropped whole and told, since half of a retry policy
 * is not what its author wrote.
 */
import { parseDurationMs } from '../../../api/duration.ts'
import { TrafficPolicy } from '../../../api/vocabulary.ts'
import {
  type FailureAccrual,
  type LoadBias,
  RETRYABLE_GRPC_CODES,
  type Retry,
  type RetryableGrpcCode,
  type RouteSettings,
  type SessionAffinity,
  type StatusRange,
  type Timeouts,
  type TrafficSettings,
} from '../model/outbound.ts'

type Annotations = Readonly<Record<string, string>>

export interface ParsedSettings {
  readonly settings: TrafficSettings
  /** One sentence for each dropped group. */
  readonly problems: readonly string[]
}

export function trafficSettings(annotations: Annotations): ParsedSettings {
  const problems: string[] = []
  const group = <T>(parse: (annotations: Annotations) => T | undefined): T | undefined => {
    try {
      return parse(annotations)
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error
      problems.push(error.message)
      return undefined
    }
  }
  const [timeouts, retry, accrual] = [group(timeoutsOf), group(retryOf), group(accrualOf)]
  const [loadBias, affinity, slowStartMs] = [group(loadBiasOf), group(affinityOf), group(slowStartOf)]
  return {
    settings: {
      ...(timeouts && { timeouts }),
      ...(retry && { retry }),
      ...(accrual && { accrual }),
      ...(loadBias && { loadBias }),
      ...(affinity && { affinity }),
      ...(slowStartMs && { slowStartMs }),
    },
    problems,
  }
}

export interface ParsedRouteSettings {
  /** A group that a route sets in any way replaces that of its parent, also when it sets it to nothing. */
  readonly settings: RouteSettings
  readonly setsTimeouts: boolean
  readonly setsRequestTimeout: boolean
  readonly setsRetry: boolean
  readonly problems: readonly string[]
}

export function routeSettings(annotations: Annotations): ParsedRouteSettings {
  const { settings, problems } = trafficSettings(
    Object.fromEntries(Object.entries(annotations).filter(([key]) => ROUTE_KEYS.includes(key))),
  )
  return {
    settings,
    setsRequestTimeout: annotations[TrafficPolicy.timeoutRequest] !== undefined,
    setsTimeouts: TIMEOUT_KEYS.some((key) => annotations[key] !== undefined),
    setsRetry: RETRY_KEYS.some((key) => annotations[key] !== undefined),
    problems,
  }
}

const TIMEOUT_KEYS: readonly string[] = [
  TrafficPolicy.timeoutRequest,
  TrafficPolicy.timeoutResponse,
  TrafficPolicy.timeoutIdle,
]
const RETRY_KEYS: readonly string[] = [
  TrafficPolicy.retryHttp,
  TrafficPolicy.retryGrpc,
  TrafficPolicy.retryLimit,
  TrafficPolicy.retryTimeout,
]
const ROUTE_KEYS = [...TIMEOUT_KEYS, ...RETRY_KEYS]

/** Zero counts as absent. */
function timeoutsOf(annotations: Annotations): Timeouts | undefined {
  const requestMs = durationMs(annotations, TrafficPolicy.timeoutRequest)
  const responseMs = durationMs(annotations, TrafficPolicy.timeoutResponse)
  const idleMs = durationMs(annotations, TrafficPolicy.timeoutIdle)
  if (!requestMs && !responseMs && !idleMs) return undefined
  return { ...(requestMs && { requestMs }), ...(responseMs && { responseMs }), ...(idleMs && { idleMs }) }
}

function retryOf(annotations: Annotations): Retry | undefined {
  const { retryHttp, retryGrpc, retryLimit, retryTimeout } = TrafficPolicy
  if (RETRY_KEYS.every((key) => annotations[key] === undefined)) return undefined
  const perTryTimeoutMs = durationMs(annotations, retryTimeout)
  const limit = number(annotations, retryLimit, 0, 65_535) ?? 0
  return {
    maxRetries: limit === 0 ? 1 : limit,
    ...(perTryTimeoutMs && { perTryTimeoutMs }),
    statuses: (annotations[retryHttp]?.split(',') ?? []).map((text) => statusRange(retryHttp, text)),
    grpcCodes: (annotations[retryGrpc]?.split(',') ?? []).map((text) => grpcCode(retryGrpc, text)),
  }
}

function grpcCode(key: string, text: string): RetryableGrpcCode {
  const code = RETRYABLE_GRPC_CODES.find((each) => each === text.toLowerCase())
  if (code !== undefined) return code
  throw new WrongValue(key, text, `one of ${RETRYABLE_GRPC_CODES.join(', ')}, separated by commas without blanks`)
}

function statusRange(key: string, text: string): StatusRange {
  const name = text.toLowerCase()
  if (name === '5xx') return { start: 500, end: 599 }
  if (name === 'gateway-error') return { start: 502, end: 504 }
  const [, from, to] = /^(\d{3})(?:-(\d{3}))?$/.exec(text) ?? []
  const start = Number(from)
  const end = to === undefined ? start : Number(to)
  if (from !== undefined && start >= 100 && start <= end && end <= 599) return { start, end }
  throw new WrongValue(
    key,
    text,
    '5xx, gateway-error, a status or a range such as 500-503, separated by commas without blanks',
  )
}

function accrualOf(annotations: Annotations): FailureAccrual | undefined {
  const kind = annotations[TrafficPolicy.failureAccrual]
  if (kind === undefined) return undefined
  if (kind !== 'consecutive' && kind !== 'unified') {
    throw new WrongValue(TrafficPolicy.failureAccrual, kind, 'consecutive or unified')
  }
  const minPenaltyMs = durationMs(annotations, TrafficPolicy.consecutiveMinPenalty) ?? 1_000
  const maxPenaltyMs = durationMs(annotations, TrafficPolicy.consecutiveMaxPenalty) ?? 60_000
  if (maxPenaltyMs === 0 || minPenaltyMs > maxPenaltyMs) {
    const given = annotations[TrafficPolicy.consecutiveMaxPenalty] ?? '60s'
    throw new WrongValue(TrafficPolicy.consecutiveMaxPenalty, given, 'above zero and not below the minimal penalty')
  }
  const minReadyEndpoints = number(annotations, TrafficPolicy.minReadyEndpoints, 0, 1_000_000)
  return {
    kind,
    ...(minReadyEndpoints && { minReadyEndpoints }),
    maxFailures: number(annotations, TrafficPolicy.consecutiveMaxFailures, 0, 2 ** 32 - 1) ?? 7,
    minPenaltyMs,
    maxPenaltyMs,
    jitterRatio: fraction(annotations, TrafficPolicy.consecutiveJitterRatio, 100) ?? 0.5,
    ...(kind === 'unified' && { successRate: successRateOf(annotations) }),
  }
}

function successRateOf(annotations: Annotations): NonNullable<FailureAccrual['successRate']> {
  const windowMs = durationMs(annotations, TrafficPolicy.successRateWindow) ?? 10_000
  if (windowMs < 10) {
    throw new WrongValue(
      TrafficPolicy.successRateWindow,
      annotations[TrafficPolicy.successRateWindow]!,
      'at least 10ms',
    )
  }
  return {
    threshold: fraction(annotations, TrafficPolicy.successRateThreshold, 1) ?? 0.8,
    windowMs,
    minRequests: number(annotations, TrafficPolicy.successRateMinRequests, 0, 1_000_000) ?? 5,
    honorsRetryAfter: boolean(annotations, TrafficPolicy.honorRetryAfter) ?? false,
  }
}

function loadBiasOf(annotations: Annotations): LoadBias | undefined {
  if (!boolean(annotations, TrafficPolicy.penalizeFailures)) return undefined
  return {
    penaltyMs: durationMs(annotations, TrafficPolicy.loadBiaserPenalty) ?? 5_000,
    maxRetryAfterMs: durationMs(annotations, TrafficPolicy.loadBiaserMaxRetryAfter) ?? 300_000,
  }
}

function affinityOf(annotations: Annotations): SessionAffinity | undefined {
  const { affinityHeader, affinityCookie, affinityCookiePath, affinityCookieTtl, affinityMaxLoad } = TrafficPolicy
  const header = annotations[affinityHeader]
  const cookie = annotations[affinityCookie]
  if (header === undefined && cookie === undefined) return undefined
  if (header !== undefined && cookie !== undefined) {
    throw new WrongValue(affinityCookie, cookie, `possible beside ${affinityHeader}; remove one of the two`)
  }
  for (const [key, name] of [
    [affinityHeader, header],
    [affinityCookie, cookie],
  ] as const) {
    if (name !== undefined && !/^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,128}$/.test(name)) {
      throw new WrongValue(key, name, 'a name of letters, digits and -_.')
    }
  }
  const maxLoad = fraction(annotations, affinityMaxLoad, 100) ?? 1.25
  if (maxLoad < 1) throw new WrongValue(affinityMaxLoad, annotations[affinityMaxLoad]!, 'a number from 1 to 100')
  if (header !== undefined) return { key: { kind: 'header', name: header.toLowerCase() }, maxLoad }
  const path = annotations[affinityCookiePath] ?? '/'
  if (!/^\/[!-:<-~]*$/.test(path)) throw new WrongValue(affinityCookiePath, path, 'a path such as /shop')
  const ttlMs = durationMs(annotations, affinityCookieTtl)
  return { key: { kind: 'cookie', name: cookie!, path, ...(ttlMs && { ttlMs }) }, maxLoad }
}

function slowStartOf(annotations: Annotations): number | undefined {
  const ms = durationMs(annotations, TrafficPolicy.slowStartWindow)
  if (ms !== undefined && ms > MAX_SLOW_START_MS) {
    throw new WrongValue(TrafficPolicy.slowStartWindow, annotations[TrafficPolicy.slowStartWindow]!, 'at most 1h')
  }
  return ms
}

const MAX_SLOW_START_MS = 3_600_000

class WrongValue extends Error {
  constructor(key: string, value: string, expected: string) {
    super(`annotation ${key}: "${value.slice(0, 100)}" is not ${expected}; the settings of this group are not applied`)
  }
}

function durationMs(annotations: Annotations, key: string): number | undefined {
  const text = annotations[key]
  if (text === undefined) return undefined
  const ms = parseDurationMs(text)
  if (ms === undefined) throw new WrongValue(key, text, 'a duration such as 300ms, 10s or 5m')
  return ms
}

function number(annotations: Annotations, key: string, min: number, max: number): number | undefined {
  const text = annotations[key]
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new WrongValue(key, text, `a whole number from ${min} to ${max}`)
}

function fraction(annotations: Annotations, key: string, max: number): number | undefined {
  const text = annotations[key]
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^(\d+\.?\d*|\.\d+)$/.test(text) && value <= max) return value
  throw new WrongValue(key, text, `a number from 0 to ${max}`)
}

function boolean(annotations: Annotations, key: string): boolean | undefined {
  const text = annotations[key]
  if (text === undefined) return undefined
  if (text === 'true') return true
  if (text === 'false') return false
  throw new WrongValue(key, text, 'true or false')
}
