/** What a client's proxy does with traffic to one destination. Plain data, in the terms of the policy API. */
import type { SocketAddress } from '../../../api/ip.ts'
import type { ServiceProtocol } from '../../cluster/ports.ts'

export type OutboundPolicy =
  | ServicePolicy
  /** A service that does not declare this port: refused. */
  | { readonly kind: 'undefinedPort'; readonly namespace: string; readonly name: string; readonly port: number }
  /** Outside the cluster: forwarded as it is. */
  | { readonly kind: 'egressFallback'; readonly address: SocketAddress }

export interface ServicePolicy {
  readonly kind: 'service'
  readonly namespace: string
  readonly name: string
  readonly port: number
  readonly protocol: ServiceProtocol
  readonly traffic: TrafficSettings
}

/** What annotations set for all requests of a service. Absent means off. */
export interface TrafficSettings {
  readonly timeouts?: Timeouts
  readonly retry?: HttpRetry
  readonly accrual?: FailureAccrual
  readonly loadBias?: LoadBias
}

export interface Timeouts {
  readonly requestMs?: number
  readonly responseMs?: number
  readonly idleMs?: number
}

export interface HttpRetry {
  readonly maxRetries: number
  readonly perTryTimeoutMs?: number
  readonly statuses: readonly StatusRange[]
}

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
