/** Outbound policies for the pair tests, as discovery would have read them. */
import { defaultMeta, type Meta } from '../../proxy/policy/meta.ts'
import {
  type BackendTarget,
  type FailureAccrualParams,
  type HttpPolicy,
  NO_TIMEOUTS,
  type OutboundPolicy,
} from '../../proxy/policy/outbound-policy.ts'
import { compileRoutes } from '../../proxy/policy/route-match.ts'

type Balancer = Extract<BackendTarget, { kind: 'balancer' }>

const parent: Meta = { group: 'core', kind: 'Service', namespace: 'shop', name: 'web', section: '', port: 80 }

export const ACCRUAL: FailureAccrualParams = {
  maxFailures: 0,
  successRate: undefined,
  backoff: { minMs: 1_000, maxMs: 60_000, jitter: 0 },
  honorsRetryAfter: false,
  minReadyEndpoints: 0,
}

/** A Service with the default route, balanced over its endpoints. */
export function balancedPolicy(balancer: Partial<Balancer>, failureAccrual?: FailureAccrualParams): OutboundPolicy {
  const target: Balancer = { kind: 'balancer', path: 'web.shop:80', seedRttMs: 30, decayMs: 10_000, ...balancer }
  const backends = [{ backend: { meta: parent, target }, filters: [], weight: 1 }]
  const rule = {
    matches: [],
    filters: [],
    distribution: { kind: 'firstAvailable' as const, backends },
    timeouts: NO_TIMEOUTS,
    retry: undefined,
    allowL5dHeaders: false,
  }
  const http: HttpPolicy = {
    table: compileRoutes([{ meta: defaultMeta('http'), hosts: [], rules: [rule] }]),
    failureAccrual,
  }
  const opaque = { route: undefined }
  return { kind: 'target', parent, protocol: { kind: 'detect', timeoutMs: 10_000, opaque, http1: http, http2: http } }
}
