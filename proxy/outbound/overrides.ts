/**
 * What a request says about its own timeouts and retries, where its route lets it (`l5d-…` fields; facts: behaviour 1.12, 1.13).
 *
 * Each field replaces the policy's value on its own. A value that cannot be read leaves the policy's and is counted. The
 * fields go no further; where a route does not allow them they are fields like any other.
 */
import type { RetryPolicy, Timeouts } from '../policy/outbound-policy.ts'
import { MAX_TIMER_MS } from '../policy/timer-limit.ts'
import type { Head } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import { SAFE_RETRY_BYTES } from './retry.ts'
import type { PlannedRoute } from './route-plan.ts'

const TIMEOUT = token('l5d-timeout')
const REQUEST_TIMEOUT = token('l5d-request-timeout')
const RESPONSE_TIMEOUT = token('l5d-response-timeout')
const RETRY_HTTP = token('l5d-retry-http')
const RETRY_GRPC = token('l5d-retry-grpc')
const RETRY_LIMIT = token('l5d-retry-limit')
const RETRY_TIMEOUT = token('l5d-retry-timeout')
const ALL = [TIMEOUT, REQUEST_TIMEOUT, RESPONSE_TIMEOUT, RETRY_HTTP, RETRY_GRPC, RETRY_LIMIT, RETRY_TIMEOUT]

/** What a retry field begins with where the route has no retries. */
const DEFAULT_RETRY: RetryPolicy = {
  maxRetries: 1,
  maxRequestBytes: SAFE_RETRY_BYTES,
  statuses: [],
  grpcCodes: 0,
  timeoutMs: undefined,
  backoff: { minMs: 25, maxMs: 250, jitter: 1 },
}

/** Conditions of one field; more are wrong. */
const MAX_CONDITIONS = 32
const MAX_LIMIT = 0xffff

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const GRPC_CODES: ReadonlyMap<string, number> = new Map([
  ['cancelled', 1],
  ['deadline-exceeded', 4],
  ['resource-exhausted', 8],
  ['internal', 13],
  ['unavailable', 14],
])

/** The route as this request wants it; its fields are taken out of `head`. */
export function overridden(route: PlannedRoute, head: Head): PlannedRoute {
  if (!ALL.some((field) => head.has(field))) return route
  const { plan } = route
  const reader = new FieldReader(head)
  const short = reader.read(TIMEOUT, parseDuration)
  const request = reader.read(REQUEST_TIMEOUT, parseDuration) ?? short
  const response = reader.read(RESPONSE_TIMEOUT, parseDuration)
  const timeouts: Timeouts = {
    ...plan.timeouts,
    ...(request !== undefined && { requestMs: limit(request) }),
    ...(response !== undefined && { responseMs: limit(response) }),
  }
  const statuses = reader.read(RETRY_HTTP, parseStatuses)
  const grpcCodes = reader.read(RETRY_GRPC, parseGrpcCodes)
  const maxRetries = reader.read(RETRY_LIMIT, parseLimit)
  const tryMs = reader.read(RETRY_TIMEOUT, parseDuration)
  for (const field of ALL) head.drop(field)
  const isRetried = [statuses, grpcCodes, maxRetries, tryMs].some((value) => value !== undefined)
  const own = plan.retry?.kind === 'policy' ? plan.retry.policy : DEFAULT_RETRY
  const policy: RetryPolicy = {
    ...own,
    ...(statuses && { statuses }),
    ...(grpcCodes !== undefined && { grpcCodes }),
    ...(maxRetries !== undefined && { maxRetries }),
    ...(tryMs !== undefined && { timeoutMs: limit(tryMs) }),
  }
  const retry = isRetried ? ({ kind: 'policy', policy, maxRequestBytes: policy.maxRequestBytes } as const) : plan.retry
  return { ...route, plan: { ...plan, timeouts, retry, deadlines: undefined }, ignoredFields: reader.ignored }
}

/** Reads fields and counts those, or parts of them, that make no sense. */
class FieldReader {
  readonly #head: Head
  ignored = 0

  constructor(head: Head) {
    this.#head = head
  }

  read<T>(field: number, parse: (text: string) => Parsed<T>): T | undefined {
    const text = this.#head.get(field)
    if (text === undefined) return undefined
    const { value, isWhole } = parse(text)
    if (!isWhole) this.ignored++
    return value
  }
}

interface Parsed<T> {
  /** `undefined`: nothing of it could be read. */
  readonly value: T | undefined
  /** Nothing was left out. */
  readonly isWhole: boolean
}

const WRONG = { value: undefined, isWhole: false } as const

/** As in the policy, zero is no limit. */
function limit(ms: number): number | undefined {
  return ms === 0 ? undefined : ms
}

function parseDuration(text: string): Parsed<number> {
  const [, count, unit] = /^(\d{1,15})(ms|s|m|h|d)$/.exec(text) ?? []
  if (count === undefined) return WRONG
  const ms = Number(count) * MS_PER_UNIT[unit as keyof typeof MS_PER_UNIT]
  return { value: Math.min(ms, MAX_TIMER_MS), isWhole: true }
}

function parseLimit(text: string): Parsed<number> {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return count <= MAX_LIMIT ? { value: count, isWhole: true } : WRONG
}

function parseStatuses(text: string): Parsed<RetryPolicy['statuses']> {
  return parseList(text, (condition) => {
    if (condition === '5xx') return { min: 500, max: 599 }
    if (condition === 'gateway-error') return { min: 502, max: 504 }
    const [, from, to = from] = /^(\d{3})(?:-(\d{3}))?$/.exec(condition) ?? []
    const [min, max] = [Number(from), Number(to)]
    return min >= 100 && min <= max && max <= 599 ? { min, max } : undefined
  })
}

function parseGrpcCodes(text: string): Parsed<number> {
  const { value, isWhole } = parseList(text, (condition) => GRPC_CODES.get(condition))
  return { value: value?.reduce((bits, code) => bits | (1 << code), 0), isWhole }
}

function parseList<T>(text: string, parse: (condition: string) => T | undefined): Parsed<readonly T[]> {
  const listed = text.split(',', MAX_CONDITIONS + 1)
  const known = listed
    .slice(0, MAX_CONDITIONS)
    .map((condition) => parse(condition.trim().toLowerCase()))
    .filter((condition) => condition !== undefined)
  return { value: known.length === 0 ? undefined : known, isWhole: known.length === listed.length }
}
