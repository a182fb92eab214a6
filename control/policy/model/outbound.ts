/** What a client's proxy does with traffic to one destination. Plain data, in the terms of the policy API. */
import type { SocketAddress } from '../../../api/ip.ts'
import type { GrpcMatch, HostMatch, HttpMatch, Origin, ResourceName, RouteFilter } from './route.ts'

export interface OutboundPolicy {
  /** The Service or EgressNetwork that the destination belongs to. */
  readonly parent: Origin
  readonly protocol: OutboundProtocol
  readonly traffic: TrafficSettings
}

/** Routes are in the order of their age, default routes included. */
export type OutboundProtocol =
  | { readonly kind: 'detect'; readonly http: readonly HttpRoute[]; readonly opaque: StreamRoute }
  | { readonly kind: 'http1' | 'http2'; readonly http: readonly HttpRoute[] }
  | { readonly kind: 'grpc'; readonly routes: readonly GrpcRoute[] }
  | { readonly kind: 'tls'; readonly routes: readonly StreamRoute[] }
  | { readonly kind: 'opaque'; readonly route: StreamRoute }

export interface HttpRoute {
  readonly origin: Origin
  readonly hosts: readonly HostMatch[]
  readonly rules: readonly RequestRule<HttpMatch>[]
}
export interface GrpcRoute {
  readonly origin: Origin
  readonly hosts: readonly HostMatch[]
  readonly rules: readonly RequestRule<GrpcMatch>[]
}
export interface RequestRule<Match> {
  /** Any of them; none matches everything. */
  readonly matches: readonly Match[]
  readonly filters: readonly RouteFilter<Backend>[]
  /** Drawn by weight; none is a rule that answers by a filter. */
  readonly backends: readonly RouteBackend[]
  readonly timeouts?: Timeouts
  readonly retry?: Retry
}

/** TLSRoute (hosts are server names) or TCPRoute (without). */
export interface StreamRoute {
  readonly origin: Origin
  readonly hosts: readonly HostMatch[]
  readonly backends: readonly RouteBackend[]
  /** Why connections are refused. */
  readonly refusal?: { readonly kind: 'forbidden' } | { readonly kind: 'invalid'; readonly message: string }
}

export interface RouteBackend {
  readonly backend: Backend
  readonly weight: number
  /** Behind those of the rule. */
  readonly filters: readonly RouteFilter<Backend>[]
}

export type Backend =
  /** Balanced over the endpoints of a service. */
  | { readonly kind: 'service'; readonly service: ResourceName; readonly port: number }
  /** To where the application was going. */
  | { readonly kind: 'forward'; readonly origin: Origin; readonly address: SocketAddress }
  /** Keeps its share of requests and answers them with an error. */
  | { readonly kind: 'invalid'; readonly named: ResourceName; readonly message: string }

/** What annotations of a Service or EgressNetwork set for all its requests. Absent means off. */
export interface TrafficSettings extends RouteSettings {
  readonly accrual?: FailureAccrual
  readonly loadBias?: LoadBias
  readonly affinity?: SessionAffinity
  readonly slowStartMs?: number
}

/** What annotations of a route set as well, and then instead of the parent's. */
export interface RouteSettings {
  readonly timeouts?: Timeouts
  readonly retry?: Retry
}

export interface Timeouts {
  readonly requestMs?: number
  readonly responseMs?: number
  readonly idleMs?: number
  /** From the end of the request of one attempt to the end of its response. */
  readonly backendRequestMs?: number
}

export interface Retry {
  readonly maxRetries: number
  readonly perTryTimeoutMs?: number
  /** Delay before the first retry; absent: the default. */
  readonly backoffMs?: number
  /** Of HTTP routes. */
  readonly statuses: readonly StatusRange[]
  /** Of gRPC routes. */
  readonly grpcCodes: readonly RetryableGrpcCode[]
}

export const RETRYABLE_GRPC_CODES = [
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const
export type RetryableGrpcCode = (typeof RETRYABLE_GRPC_CODES)[number]

/** Inclusive. */
export interface StatusRange {
  readonly start: number
  readonly end: number
}

export interface FailureAccrual {
  readonly kind: 'consecutive' | 'unified'
  readonly maxFailures: number
  readonly minPenaltyMs: number
  readonly maxPenaltyMs: number
  readonly jitterRatio: number
  /** So many endpoints stay in use however they fail. */
  readonly minReadyEndpoints?: number
  readonly successRate?: {
    readonly threshold: number
    readonly windowMs: number
    readonly minRequests: number
    readonly honorsRetryAfter: boolean
  }
}

/** Failing endpoints look slower to the balancer. */
export interface LoadBias {
  readonly penaltyMs: number
  readonly maxRetryAfterMs: number
}

/** Requests of one session stay with one endpoint while it is there. */
export interface SessionAffinity {
  readonly key:
    | { readonly kind: 'header'; readonly name: string }
    | { readonly kind: 'cookie'; readonly name: string; readonly path: string; readonly ttlMs?: number }
  /** An endpoint takes at most this many times the mean load. */
  readonly maxLoad: number
}
