/** `outbound.proto` to `OutboundPolicy`. */
import type {
  ExponentialBackoff,
  FailureAccrual,
  FailureAccrual_Unified,
  GrpcRoute,
  GrpcRoute_Filter,
  GrpcRoute_Retry,
  GrpcRoute_Retry_Conditions,
  HttpRoute,
  HttpRoute_Filter,
  HttpRoute_Retry,
  HttpRoute_Rule,
  OpaqueRoute,
  OpaqueRoute_Filter,
  OutboundPolicy as PolicyMessage,
  ProxyProtocol_Opaque,
  TlsRoute as TlsMessage,
  TlsRoute_Filter,
} from '../../../api/gen/outbound_pb.js'
import type { SniMatch as SniMessage } from '../../../api/gen/tls_route_pb.js'
import type { ConnectionFilter, Filter } from '../../policy/filter.ts'
import { describeMeta } from '../../policy/meta.ts'
import type {
  OpaqueRoute as ConnectionRoute,
  FailureAccrualParams,
  HttpPolicy,
  HttpRule,
  OpaquePolicy,
  OutboundPolicy,
  OutboundProtocol,
  RetryPolicy,
  HttpRoute as Route,
  SniMatch,
  SuccessRateParams,
  Timeouts,
  TlsRoute,
} from '../../policy/outbound-policy.ts'
import { compileRoutes } from '../../policy/route-match.ts'
import { backoffOf, type DistributionMessage, distributionOf, type FilterKind } from './distribution.ts'
import { connectionFilterOf, grpcFilterOf, httpFilterOf } from './filter.ts'
import { grpcMatchOf, hostOf, httpMatchOf, suffixOf } from './match.ts'
import { metaOf } from './meta.ts'
import { limitMs, orInvalid, Refused, required, requiredMs, within } from './refused.ts'

/** A longer request body is never kept for a retry, whatever the policy allows: 64 KiB per request in flight. */
export const MAX_REPLAY_BYTES = 65_536

/** The window of the success rate where the policy names none. */
const DEFAULT_WINDOW_MS = 10_000

const HTTP_FILTERS: FilterKind<HttpRoute_Filter, Filter> = {
  convert: httpFilterOf,
  noWeights: (message) => ({ kind: 'httpFailure', status: 500, message, ratio: 1 }),
}
const GRPC_FILTERS: FilterKind<GrpcRoute_Filter, Filter> = {
  convert: grpcFilterOf,
  noWeights: (message) => ({ kind: 'grpcFailure', code: 14, message, ratio: 1 }),
}
const CONNECTION_FILTERS: FilterKind<OpaqueRoute_Filter | TlsRoute_Filter, ConnectionFilter> = {
  convert: connectionFilterOf,
  noWeights: (message) => ({ kind: 'invalid', message }),
}

export function outboundPolicyOf(message: PolicyMessage): OutboundPolicy {
  return orInvalid(() => {
    const parent = metaOf(message.metadata, 'the policy', true)
    const protocol = within(describeMeta(parent), () => protocolOf(message, parent.namespace))
    return { kind: 'target', parent, protocol }
  })
}

/** @param namespace of the parent, whose routes are the producer's */
function protocolOf(message: PolicyMessage, namespace: string): OutboundProtocol {
  const { kind } = required(message.protocol, 'protocol')
  switch (kind.case) {
    case 'detect': {
      const { timeout, opaque, http1, http2 } = kind.value
      return {
        kind: 'detect',
        timeoutMs: requiredMs(timeout, 'detect timeout'),
        opaque: opaqueOf(required(opaque, 'opaque')),
        http1: httpOf(required(http1, 'http1'), namespace),
        http2: httpOf(required(http2, 'http2'), namespace),
      }
    }
    case 'http1':
    case 'http2':
      return { kind: kind.case, http: httpOf(kind.value, namespace) }
    case 'grpc':
      return { kind: 'grpc', http: policyOf(kind.value.routes.map(grpcRouteOf), kind.value.failureAccrual, namespace) }
    case 'opaque':
      return { kind: 'opaque', opaque: opaqueOf(kind.value) }
    case 'tls':
      return { kind: 'tls', routes: kind.value.routes.map(tlsRouteOf) }
    case undefined:
      throw new Refused('the protocol is of a kind this version does not know')
  }
}

interface HttpMessage {
  readonly routes: readonly HttpRoute[]
  readonly failureAccrual?: FailureAccrual | undefined
}

function httpOf({ routes, failureAccrual }: HttpMessage, namespace: string): HttpPolicy {
  return policyOf(routes.map(httpRouteOf), failureAccrual, namespace)
}

function policyOf(routes: readonly Route[], accrual: FailureAccrual | undefined, namespace: string): HttpPolicy {
  return { table: compileRoutes(routes, namespace), failureAccrual: accrual && failureAccrualOf(accrual) }
}

function httpRouteOf({ metadata, hosts, rules }: HttpRoute): Route {
  const meta = metaOf(metadata, 'a route', true)
  return within(describeMeta(meta), () => ({
    meta,
    hosts: hosts.map(hostOf),
    rules: rules.map((rule) => ({
      matches: rule.matches.map(httpMatchOf),
      ...ruleOf(rule, HTTP_FILTERS, describeMeta(meta)),
      retry: rule.retry && httpRetryOf(rule.retry),
    })),
  }))
}

function grpcRouteOf({ metadata, hosts, rules }: GrpcRoute): Route {
  const meta = metaOf(metadata, 'a route', true)
  return within(describeMeta(meta), () => ({
    meta,
    hosts: hosts.map(hostOf),
    rules: rules.map((rule) => ({
      matches: rule.matches.map(grpcMatchOf),
      ...ruleOf(rule, GRPC_FILTERS, describeMeta(meta)),
      retry: rule.retry && grpcRetryOf(rule.retry),
    })),
  }))
}

interface RuleMessage<M> extends TimeoutsMessage {
  readonly backends?: DistributionMessage<M> | undefined
  readonly filters: readonly M[]
  readonly allowL5dRequestHeaders: boolean
}

/** Only HTTPRoutes have the last of them. */
type TimeoutsMessage = Pick<HttpRoute_Rule, 'timeouts' | 'requestTimeout'> &
  Partial<Pick<HttpRoute_Rule, 'backendRequestTimeout'>>

function ruleOf<M>(
  rule: RuleMessage<M>,
  kind: FilterKind<M, Filter>,
  route: string,
): Omit<HttpRule, 'matches' | 'retry'> {
  const { distribution, filters } = distributionOf(rule.backends, kind, route)
  const own = rule.filters.map((filter) => kind.convert(filter))
  return {
    filters: [...own, ...filters],
    distribution,
    timeouts: timeoutsOf(rule),
    allowL5dHeaders: rule.allowL5dRequestHeaders,
  }
}

function timeoutsOf({ timeouts, requestTimeout, backendRequestTimeout }: TimeoutsMessage): Timeouts {
  return {
    // The older field counts where the newer one is absent.
    requestMs: limitMs(timeouts?.request ?? requestTimeout, 'request timeout'),
    responseMs: limitMs(timeouts?.response, 'response timeout'),
    backendRequestMs: limitMs(backendRequestTimeout, 'backend request timeout'),
    idleMs: limitMs(timeouts?.idle, 'idle timeout'),
  }
}

function httpRetryOf(retry: HttpRoute_Retry): RetryPolicy {
  const { statusRanges } = required(retry.conditions, 'the conditions of a retry')
  const statuses = statusRanges.map(({ start, end }) => {
    if (start === 0 || start > end || end > 599) throw new Refused(`${start} to ${end} is not a range of statuses`)
    return { min: start, max: end }
  })
  return { ...retryOf(retry), statuses, grpcCodes: retry.grpcConditions ? grpcCodesOf(retry.grpcConditions) : 0 }
}

function grpcRetryOf(retry: GrpcRoute_Retry): RetryPolicy {
  const conditions = required(retry.conditions, 'the conditions of a retry')
  return { ...retryOf(retry), statuses: [], grpcCodes: grpcCodesOf(conditions) }
}

/** As bits. */
function grpcCodesOf(conditions: GrpcRoute_Retry_Conditions): number {
  const { cancelled, deadineExceeded, resourceExhausted, internal, unavailable } = conditions
  const codes = [cancelled && 1, deadineExceeded && 4, resourceExhausted && 8, internal && 13, unavailable && 14]
  let grpcCodes = 0
  for (const code of codes) if (code !== false) grpcCodes |= 1 << code
  return grpcCodes
}

function retryOf(retry: HttpRoute_Retry | GrpcRoute_Retry): Omit<RetryPolicy, 'statuses' | 'grpcCodes'> {
  if (retry.maxRetries > 0xffff) throw new Refused(`${retry.maxRetries} retries are more than 65535`)
  return {
    maxRetries: retry.maxRetries,
    maxRequestBytes: Math.min(retry.maxRequestBytes, MAX_REPLAY_BYTES),
    timeoutMs: limitMs(retry.timeout, 'retry timeout'),
    backoff: retry.backoff && within('retry', () => backoffOf(retry.backoff!)),
  }
}

/** `undefined` when nothing would ever trip it. */
function failureAccrualOf({ kind, ejection }: FailureAccrual): FailureAccrualParams | undefined {
  const minReadyEndpoints = ejection?.minReadyEndpoints ?? 0
  switch (kind.case) {
    case 'consecutiveFailures': {
      const { maxFailures, backoff } = kind.value
      const params = { maxFailures, successRate: undefined, ...ejectionOf(backoff), minReadyEndpoints }
      return maxFailures === 0 ? undefined : params
    }
    case 'unified': {
      const { maxConsecutiveFailures: maxFailures, backoff } = kind.value
      const successRate = successRateOf(kind.value)
      const params = { maxFailures, successRate, ...ejectionOf(backoff), minReadyEndpoints }
      return maxFailures === 0 && successRate === undefined ? undefined : params
    }
    case undefined:
      throw new Refused('failure accrual is of a kind this version does not know')
  }
}

function ejectionOf(message: ExponentialBackoff | undefined) {
  const backoff = required(message, 'the backoff of failure accrual')
  return { backoff: backoffOf(backoff), honorsRetryAfter: backoff.respectRetryAfterHint }
}

function successRateOf(message: FailureAccrual_Unified): SuccessRateParams | undefined {
  const { successRateThreshold: threshold, decay, minRequests } = message
  const windowMs = decay === undefined ? DEFAULT_WINDOW_MS : requiredMs(decay, 'the window of failure accrual')
  if (!(threshold >= 0 && threshold <= 1)) throw new Refused(`the success rate ${threshold} is not in 0 to 1`)
  if (threshold > 0 && windowMs < 10) throw new Refused(`a window of ${windowMs} ms is below 10 ms`)
  if (minRequests > 1_000_000) throw new Refused(`min_requests ${minRequests} is above 1000000`)
  return threshold === 0 ? undefined : { threshold, windowMs, minRequests }
}

function opaqueOf({ routes }: ProxyProtocol_Opaque): OpaquePolicy {
  if (routes.length > 1) throw new Refused(`${routes.length} opaque routes where one is allowed`)
  const route = routes[0]
  return { route: route && connectionRouteOf(route) }
}

function tlsRouteOf(message: TlsMessage): TlsRoute {
  return { ...connectionRouteOf(message), snis: message.snis.map(sniOf) }
}

function connectionRouteOf({ metadata, rules }: OpaqueRoute | TlsMessage): ConnectionRoute {
  const meta = metaOf(metadata, 'a route', true)
  return within(describeMeta(meta), () => {
    const rule = rules[0]
    if (rule === undefined || rules.length > 1) throw new Refused(`${rules.length} rules where one is needed`)
    const { distribution, filters } = distributionOf(rule.backends, CONNECTION_FILTERS, describeMeta(meta))
    return { meta, distribution, filters: [...rule.filters.map(connectionFilterOf), ...filters] }
  })
}

function sniOf({ match }: SniMessage): SniMatch {
  switch (match.case) {
    case 'exact':
      return { kind: 'exact', name: match.value }
    case 'suffix':
      return { kind: 'suffix', suffix: suffixOf(match.value.reverseLabels) }
    case undefined:
      throw new Refused('an SNI match is neither exact nor a suffix')
  }
}
