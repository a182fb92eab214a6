/**
 * What the policy API says about one destination, as read-only data. Discovery replaces it whole, so no request ever
 * sees half an update. Everything in the message is here or is an `unsupported` filter.
 */
import type { BackoffParams } from './backoff.ts'
import type { PenaltyParams } from './balance/penalty.ts'
import type { SessionAffinity } from './balance/session-affinity.ts'
import type { EndpointMeta } from './endpoint.ts'
import type { ConnectionFilter, Filter } from './filter.ts'
import { type InvalidPolicy, isDefault, type Meta } from './meta.ts'
import type { Route, RouteTable, Rule } from './route.ts'

export type OutboundPolicy = OutboundTarget | InvalidPolicy

export interface OutboundTarget {
  readonly kind: 'target'
  /** The Service, EgressNetwork … that the address belongs to. */
  readonly parent: Meta
  readonly protocol: OutboundProtocol
}

export type OutboundProtocol =
  | {
      readonly kind: 'detect'
      /** As sent; the proxy uses its own setting. */
      readonly timeoutMs: number
      readonly opaque: OpaquePolicy
      readonly http1: HttpPolicy
      readonly http2: HttpPolicy
    }
  | { readonly kind: 'http1'; readonly http: HttpPolicy }
  | { readonly kind: 'http2'; readonly http: HttpPolicy }
  | { readonly kind: 'grpc'; readonly http: HttpPolicy }
  | { readonly kind: 'opaque'; readonly opaque: OpaquePolicy }
  | { readonly kind: 'tls'; readonly routes: readonly TlsRoute[] }

/** Whether the policy says more about HTTP than the route that a controller makes up by itself. */
export function hasHttpRoutes(protocol: OutboundProtocol): boolean {
  switch (protocol.kind) {
    case 'detect':
      return [protocol.http1, protocol.http2].some(({ table }) =>
        table.routes.some(({ meta, rules }) => !isDefault(meta) || rules.some(({ filters }) => filters.length > 0)),
      )
    case 'http1':
    case 'http2':
    case 'grpc':
      return true
    case 'opaque':
    case 'tls':
      return false
  }
}

export interface HttpPolicy {
  readonly table: RouteTable<HttpRoute>
  readonly failureAccrual: FailureAccrualParams | undefined
}

/** HTTPRoute or GRPCRoute. */
export type HttpRoute = Route<HttpRule>

export interface HttpRule extends Rule {
  readonly filters: readonly Filter[]
  readonly distribution: Distribution<Filter>
  readonly timeouts: Timeouts
  readonly retry: RetryPolicy | undefined
  /** The request's own `l5d-retry-…` and `l5d-…timeout` headers override what the policy says. */
  readonly allowL5dHeaders: boolean
}

/** One route at most; without one no connection can be served. */
export interface OpaquePolicy {
  readonly route: OpaqueRoute | undefined
}

export interface OpaqueRoute {
  readonly meta: Meta
  readonly filters: readonly ConnectionFilter[]
  readonly distribution: Distribution<ConnectionFilter>
}

/** Suffixes begin with a dot. Without SNI matches a route takes every connection. */
export interface TlsRoute extends OpaqueRoute {
  readonly snis: readonly SniMatch[]
}

export type SniMatch =
  | { readonly kind: 'exact'; readonly name: string }
  | { readonly kind: 'suffix'; readonly suffix: string }

/** Which backend gets a request. */
export type Distribution<F> =
  | { readonly kind: 'empty' }
  /** The first one that is ready. */
  | { readonly kind: 'firstAvailable'; readonly backends: readonly RouteBackend<F>[] }
  /** By weight among those that are ready. At least two, and the weights do not sum to zero. */
  | { readonly kind: 'randomAvailable'; readonly backends: readonly RouteBackend<F>[]; readonly totalWeight: number }

export interface RouteBackend<F> {
  readonly backend: Backend
  /** Applied after the rule's own. */
  readonly filters: readonly F[]
  readonly weight: number
}

export interface Backend {
  readonly meta: Meta
  readonly target: BackendTarget
}

export type BackendTarget =
  /** Balanced over the endpoints of `name:port`. */
  | {
      readonly kind: 'balancer'
      readonly path: string
      readonly seedRttMs: number
      readonly decayMs: number
      /** Failures count as slow answers; HTTP and gRPC only, opaque bytes have no status. */
      readonly penalty?: PenaltyParams | undefined
      /** Requests of one session stay at one endpoint; HTTP and gRPC only. */
      readonly affinity?: SessionAffinity | undefined
      /** New endpoints get their share in a ramp of this length. */
      readonly slowStartMs?: number | undefined
    }
  /** One fixed endpoint. */
  | { readonly kind: 'forward'; readonly endpoint: EndpointMeta }
  /** Named but not resolvable: 502 unless a filter answers first. */
  | { readonly kind: 'none' }

export interface Timeouts {
  /** The whole exchange, retries included. */
  readonly requestMs: number | undefined
  /** From the end of the request to the end of the response. */
  readonly responseMs: number | undefined
  /** The same of one attempt: when it passes before anything was answered, the attempt fails and may be repeated. */
  readonly backendRequestMs: number | undefined
  /** Longest time without a frame in either direction. */
  readonly idleMs: number | undefined
}

export const NO_TIMEOUTS: Timeouts = {
  requestMs: undefined,
  responseMs: undefined,
  backendRequestMs: undefined,
  idleMs: undefined,
}

export interface RetryPolicy {
  /** Attempts after the first. */
  readonly maxRetries: number
  /** A longer request body is not kept for a retry. */
  readonly maxRequestBytes: number
  /** Inclusive ranges of HTTP status codes. */
  readonly statuses: readonly { readonly min: number; readonly max: number }[]
  /** Bit n is set when grpc-status n is retried. */
  readonly grpcCodes: number
  /** Per attempt, up to the response head. */
  readonly timeoutMs: number | undefined
  /** `undefined` retries at once. */
  readonly backoff: BackoffParams | undefined
}

/** When an endpoint is ejected, and for how long. */
export interface FailureAccrualParams {
  /** Failures in a row; 0 looks at the success rate alone. */
  readonly maxFailures: number
  readonly successRate: SuccessRateParams | undefined
  readonly backoff: BackoffParams
  /** The endpoint's own Retry-After counts where it is longer than the back-off. */
  readonly honorsRetryAfter: boolean
  /** No endpoint is ejected that would leave fewer ready ones. */
  readonly minReadyEndpoints: number
}

export interface SuccessRateParams {
  /** Below this share of successes, 0 to 1, */
  readonly threshold: number
  /** over this time, */
  readonly windowMs: number
  /** among at least so many requests. */
  readonly minRequests: number
}

export function isRetryableStatus({ statuses }: RetryPolicy, status: number): boolean {
  for (let at = 0; at < statuses.length; at++) {
    const { min, max } = statuses[at]!
    if (status >= min && status <= max) return true
  }
  return false
}

export function isRetryableGrpcStatus({ grpcCodes }: RetryPolicy, code: number): boolean {
  return code >= 0 && code <= 31 && (grpcCodes & (1 << code)) !== 0
}
