/** Outbound policies of the pair tests, as the control plane would have said them. */
import { defaultMeta, type Meta } from '../../proxy/policy/meta.ts'
import {
  type BackendTarget,
  type FailureAccrualParams,
  type HttpPolicy,
  type HttpRoute,
  type HttpRule,
  NO_TIMEOUTS,
  type OutboundPolicy,
  type RetryPolicy,
  type RouteBackend,
} from '../../proxy/policy/outbound-policy.ts'
import type { RouteMatch } from '../../proxy/policy/route.ts'
import { compileRoutes } from '../../proxy/policy/route-match.ts'

export const PARENT: Meta = { group: 'core', kind: 'Service', namespace: 'shop', name: 'web', section: '', port: 80 }

export const ACCRUAL: FailureAccrualParams = {
  maxFailures: 0,
  successRate: undefined,
  backoff: { minMs: 1_000, maxMs: 60_000, jitter: 0 },
  honorsRetryAfter: false,
  minReadyEndpoints: 0,
}

const BALANCED = { seedRttMs: 30, decayMs: 10_000 } as const

/** A backend of the pair, `web` unless it is named. */
export function backend<F>(name = 'web', weight = 1, filters: readonly F[] = []): RouteBackend<F> {
  const meta = { ...PARENT, name }
  return { backend: { meta, target: { kind: 'balancer', path: `${name}:80`, ...BALANCED } }, filters, weight }
}

export function byPrefix(prefix: string): RouteMatch {
  return { kind: 'http', path: { kind: 'prefix', prefix }, headers: [], query: [], method: undefined }
}

export function retries(parts: Partial<RetryPolicy>): RetryPolicy {
  return {
    maxRetries: 2,
    maxRequestBytes: 65_536,
    statuses: [],
    grpcCodes: 0,
    timeoutMs: undefined,
    backoff: undefined,
    ...parts,
  }
}

export function rule(parts: Partial<HttpRule> = {}): HttpRule {
  return {
    matches: [],
    filters: [],
    distribution: { kind: 'firstAvailable', backends: [backend()] },
    timeouts: NO_TIMEOUTS,
    retry: undefined,
    allowL5dHeaders: false,
    ...parts,
  }
}

/** A policy whose one route has these rules; it detects HTTP/1 and HTTP/2. */
export function policyOf(...rules: HttpRule[]): OutboundPolicy {
  const http = httpOf(rules)
  const opaque = {
    route: {
      meta: defaultMeta('opaq'),
      filters: [],
      distribution: { kind: 'firstAvailable' as const, backends: [backend<never>()] },
    },
  }
  return {
    kind: 'target',
    parent: PARENT,
    protocol: { kind: 'detect', timeoutMs: 10_000, opaque, http1: http, http2: http },
  }
}

type Balancer = Extract<BackendTarget, { kind: 'balancer' }>

/** A Service with the default route, balanced over its endpoints. */
export function balancedPolicy(balancer: Partial<Balancer>, failureAccrual?: FailureAccrualParams): OutboundPolicy {
  const target: Balancer = { kind: 'balancer', path: 'web.shop:80', ...BALANCED, ...balancer }
  const backends = [{ backend: { meta: PARENT, target }, filters: [], weight: 1 }]
  const http = httpOf([rule({ distribution: { kind: 'firstAvailable', backends } })], failureAccrual)
  const opaque = { route: undefined }
  return {
    kind: 'target',
    parent: PARENT,
    protocol: { kind: 'detect', timeoutMs: 10_000, opaque, http1: http, http2: http },
  }
}

function httpOf(rules: readonly HttpRule[], failureAccrual?: FailureAccrualParams): HttpPolicy {
  const route: HttpRoute = { meta: { ...PARENT, kind: 'HTTPRoute', name: 'r', port: 0 }, hosts: [], rules }
  return { table: compileRoutes([route]), failureAccrual }
}
