/**
 * What is counted per route: `route_*` for routes of service profiles, `outbound_{http,grpc}_route_*` for routes of
 * policies. One object per route and generation of its policy.
 */
import type { Classification } from '../policy/classify.ts'
import type { Meta } from '../policy/meta.ts'
import { join, outboundRouteLabels, referenceLabels } from './endpoint-labels.ts'
import type { Families, RouteFamilies } from './families.ts'
import type { Family } from './family.ts'
import { type Counter, type Histogram, joinLabels, renderLabels } from './metrics.ts'
import { RequestMetrics } from './request-metrics.ts'

/** One request or attempt that ended. */
export interface EndedRequest {
  /** 0 when no response head was seen. */
  readonly status: number
  readonly classification: Classification
  /** -1 when there was none. */
  readonly grpcStatus: number
  /** '' when it ended in order, else `timeout`, `h2(CANCEL)`, `unclassified`. */
  readonly error: string
  readonly latencyMs: number
  readonly durationMs: number
}

export class ProfileRouteMetrics {
  readonly #logical: RequestMetrics
  readonly #actual: RequestMetrics | undefined
  readonly #retries: Counter
  readonly #noBudget: Counter

  /**
   * @param dst `svc.ns.svc.domain:port`
   * @param labels of the route, without their `rt_` prefix; `undefined` for requests no route matched
   */
  constructor(
    families: Families,
    direction: 'inbound' | 'outbound',
    dst: string,
    labels: ReadonlyMap<string, string> | undefined,
  ) {
    const base = renderLabels([['direction', direction], ['dst', dst], ...routePairs(labels)])
    this.#logical = new RequestMetrics(families.profileRoute, base)
    this.#actual = direction === 'outbound' ? new RequestMetrics(families.profileRouteActual, base) : undefined
    // Made when first used: most routes are never retried, and a series without samples would be noise.
    this.#retries = lazy(families.profileRouteRetryable, base)
    this.#noBudget = lazy(families.profileRouteRetryable, joinLabels(base, 'skipped="no_budget"'))
  }

  onRequest(): void {
    this.#logical.onRequest()
  }

  onResponse(ended: EndedRequest): void {
    record(this.#logical, ended)
  }

  onAttempt(): void {
    this.#actual?.onRequest()
  }

  onAttemptResponse(ended: EndedRequest): void {
    if (this.#actual !== undefined) record(this.#actual, ended)
  }

  onRetry(): void {
    this.#retries.value++
  }

  onNoBudget(): void {
    this.#noBudget.value++
  }

  onRetrySuccess(): void {}
  onRetryLimit(): void {}
  onRetryOverflow(): void {}
  /** Only routes of policies allow any. */
  onIgnoredOverride(): void {}
}

export class PolicyRouteMetrics {
  readonly #families: RouteFamilies
  readonly #isGrpc: boolean = false
  readonly #labels: string
  readonly #duration: Histogram
  readonly #statuses: StatusCounters
  #retries: Counter | undefined = undefined
  #successes: Counter | undefined = undefined
  #limits: Counter | undefined = undefined
  #overflows: Counter | undefined = undefined
  readonly #ignoredOverrides: Family<Counter>
  #ignored: Counter | undefined = undefined

  /** @param isGrpc the route is a GRPCRoute: `grpc_status` instead of `http_status` */
  constructor(families: Families, isGrpc: boolean, parent: Meta, route: Meta) {
    this.#families = isGrpc ? families.outboundRoute.grpc : families.outboundRoute.http
    this.#isGrpc = isGrpc
    this.#ignoredOverrides = families.ignoredOverrides
    this.#labels = join(referenceLabels('parent', parent), outboundRouteLabels(route), 'hostname=""')
    this.#duration = this.#families.requestDuration.child(this.#labels)
    this.#statuses = new StatusCounters(this.#families.requestStatuses, this.#labels, isGrpc)
  }

  onRequest(): void {}

  onResponse(ended: EndedRequest): void {
    this.#duration.observe(ended.durationMs / 1_000)
    this.#statuses.count(ended)
  }

  onAttempt(): void {}
  onAttemptResponse(_ended: EndedRequest): void {}

  onRetry(): void {
    this.#retries ??= this.#families.retryRequests.child(this.#labels)
    this.#retries.value++
  }

  onRetrySuccess(): void {
    this.#successes ??= this.#families.retrySuccesses.child(this.#labels)
    this.#successes.value++
  }

  onRetryLimit(): void {
    this.#limits ??= this.#families.retryLimitExceeded.child(this.#labels)
    this.#limits.value++
  }

  onRetryOverflow(): void {
    this.#overflows ??= this.#families.retryOverflow.child(this.#labels)
    this.#overflows.value++
  }

  /** The same family: a retry was due, and not made. */
  onNoBudget(): void {
    this.onRetryOverflow()
  }

  onIgnoredOverride(): void {
    this.#ignored ??= this.#ignoredOverrides.child(this.#labels)
    this.#ignored.value++
  }

  /** The counters of one of this route's backends. */
  backend(backend: Meta, parent: Meta, route: Meta): RouteBackendMetrics {
    const labels = join(
      referenceLabels('parent', parent),
      outboundRouteLabels(route),
      referenceLabels('backend', backend),
    )
    return new RouteBackendMetrics(this.#families, labels, this.#isGrpc)
  }
}

export class RouteBackendMetrics {
  readonly #requests: Counter
  readonly #duration: Histogram
  readonly #statuses: StatusCounters

  constructor(families: RouteFamilies, labels: string, isGrpc: boolean) {
    this.#requests = families.backendRequests.child(labels)
    this.#duration = families.backendResponseDuration.child(labels)
    this.#statuses = new StatusCounters(families.backendResponseStatuses, labels, isGrpc)
  }

  onRequest(): void {
    this.#requests.value++
  }

  onResponse(ended: EndedRequest): void {
    this.#duration.observe(ended.durationMs / 1_000)
    this.#statuses.count(ended)
  }
}

const GRPC_NAMES = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS',
  'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED',
  'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
] // biome-ignore format: one glance

/** How the new families name an error of the legacy ones. */
export function routeError(error: string): string {
  switch (error) {
    case '':
      return ''
    case 'timeout':
      return 'REQUEST_TIMEOUT'
    case 'h2(CANCEL)':
      return 'CANCEL'
    case 'h2(REFUSED_STREAM)':
      return 'REFUSED'
    case 'h2(ENHANCE_YOUR_CALM)':
      return 'ENHANCE_YOUR_CALM'
    default:
      return error.startsWith('h2(') ? 'RESET' : 'UNKNOWN'
  }
}

/** Different statuses of one route; what a peer invents beyond is counted as one of them. */
const MAX_STATUSES = 100

class StatusCounters {
  readonly #family: Family<Counter>
  readonly #labels: string
  readonly #isGrpc: boolean = false
  readonly #ended = new Map<number, Counter>()
  readonly #failed = new Map<string, Counter>()

  constructor(family: Family<Counter>, labels: string, isGrpc: boolean) {
    this.#family = family
    this.#labels = labels
    this.#isGrpc = isGrpc
  }

  count({ status, grpcStatus, error }: EndedRequest): void {
    const key = this.#isGrpc ? grpcStatus : status
    const counter = error === '' ? this.#ended.get(key) : this.#failed.get(error)
    if (counter !== undefined) counter.value++
    else this.#first(key, error).value++
  }

  #first(key: number, error: string): Counter {
    const known = error === '' ? this.#ended : this.#failed
    if (known.size >= MAX_STATUSES) return known.values().next().value!
    const status = this.#statusLabel(key, error)
    const name = this.#isGrpc ? 'grpc_status' : 'http_status'
    const labels = renderLabels([
      [name, status],
      ['error', routeError(error)],
    ])
    const made = this.#family.child(joinLabels(this.#labels, labels))
    if (error === '') this.#ended.set(key, made)
    else this.#failed.set(error, made)
    return made
  }

  #statusLabel(key: number, error: string): string {
    if (this.#isGrpc) return error === '' ? (GRPC_NAMES[key] ?? 'UNKNOWN') : ''
    return error === '' && key !== 0 ? `${key}` : ''
  }
}

function record(metrics: RequestMetrics, ended: EndedRequest): void {
  metrics.onResponse(ended.status, ended.classification, ended.grpcStatus, ended.error, ended.latencyMs)
}

function routePairs(labels: ReadonlyMap<string, string> | undefined): [string, string][] {
  return [...(labels ?? [])].map(([name, value]) => [`rt_${name.replace(/[^a-zA-Z0-9_]/g, '_')}`, value])
}

/** A counter that joins its family with the first count. */
function lazy(family: Family<Counter>, labels: string): Counter {
  let counter: Counter | undefined
  return {
    get value() {
      return counter?.value ?? 0
    },
    set value(value: number) {
      counter ??= family.child(labels)
      counter.value += value - counter.value
    },
  }
}
