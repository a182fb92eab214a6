/** Outbound policies as messages. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '../../../api/duration.ts'
import type { TimeoutsSchema } from '../../../api/gen/http_route_pb.js'
import type { MetadataSchema } from '../../../api/gen/meta_pb.js'
import {
  type Backend_BalanceP2cSchema,
  type BackendSchema,
  type FailureAccrualSchema,
  type HttpRoute_RetrySchema,
  type HttpRouteSchema,
  type OpaqueRouteSchema,
  type OutboundPolicy as OutboundPolicyMessage,
  OutboundPolicySchema,
  type ProxyProtocolSchema,
} from '../../../api/gen/outbound_pb.js'
import { tcpAddressToMessage } from '../../../api/ip.ts'
import { serviceFqdn } from '../../../api/vocabulary.ts'
import type { FailureAccrual, HttpRetry, OutboundPolicy, ServicePolicy, Timeouts } from '../model/outbound.ts'

type Init<K extends 'backend' | 'http' | 'opaque' | 'protocol' | 'metadata'> = MessageInitShape<
  {
    backend: typeof BackendSchema
    http: typeof HttpRouteSchema
    opaque: typeof OpaqueRouteSchema
    protocol: typeof ProxyProtocolSchema
    metadata: typeof MetadataSchema
  }[K]
>

const DETECT_TIMEOUT_MS = 10_000
// What the proxy is told to start with; it learns real latencies within the first answers.
const BALANCER = { defaultRtt: durationFromMs(30), decay: durationFromMs(10_000) } as const
const BIAS_DECAY_MS = 10_000
// Required by the API; proxies use their own settings instead.
const QUEUE = { capacity: 100, failfastTimeout: durationFromMs(3_000) } as const
const RETRY_BODY_BYTES = 65_536
const RETRY_BACKOFF = { minBackoff: durationFromMs(25), maxBackoff: durationFromMs(250), jitterRatio: 1 } as const

export function outboundMessage(policy: OutboundPolicy, clusterDomain: string): OutboundPolicyMessage {
  switch (policy.kind) {
    case 'service':
      return create(OutboundPolicySchema, {
        metadata: serviceMetadata(policy),
        protocol: serviceProtocol(policy, clusterDomain),
      })
    case 'undefinedPort':
      return create(OutboundPolicySchema, {
        metadata: serviceMetadata(policy),
        protocol: { kind: { case: 'opaque', value: { routes: [FORBIDDEN_ROUTE] } } },
      })
    case 'egressFallback': {
      const metadata = defaultMetadata('egress-fallback')
      const backend: Init<'backend'> = {
        metadata,
        queue: QUEUE,
        kind: { case: 'forward', value: { addr: tcpAddressToMessage(policy.address), weight: 1 } },
      }
      return create(OutboundPolicySchema, {
        metadata,
        protocol: detect(opaqueRoute('egress-fallback', backend), [httpRoute('egress-fallback', backend)], undefined),
      })
    }
  }
}

const FORBIDDEN_ROUTE: Init<'opaque'> = {
  metadata: defaultMetadata('undefined-port'),
  rules: [
    {
      backends: { kind: { case: 'empty', value: {} } },
      filters: [{ kind: { case: 'forbidden', value: {} } }],
    },
  ],
}

function serviceProtocol(policy: ServicePolicy, clusterDomain: string): Init<'protocol'> {
  const { accrual, retry, timeouts } = policy.traffic
  const backend = serviceBackend(policy, clusterDomain)
  const routes = [httpRoute('http', backend, timeouts, retry)]
  const http = { routes, ...(accrual && { failureAccrual: accrualMessage(accrual) }) }
  switch (policy.protocol) {
    case 'http1':
      return { kind: { case: 'http1', value: http } }
    case 'http2':
      return { kind: { case: 'http2', value: http } }
    case 'opaque':
      return { kind: { case: 'opaque', value: { routes: [opaqueRoute('opaq', backend)] } } }
    case 'detect':
      return detect(opaqueRoute('opaq', backend), routes, accrual)
  }
}

function detect(
  opaque: Init<'opaque'>,
  routes: readonly Init<'http'>[],
  accrual: FailureAccrual | undefined,
): Init<'protocol'> {
  const http = { routes: [...routes], ...(accrual && { failureAccrual: accrualMessage(accrual) }) }
  const timeout = durationFromMs(DETECT_TIMEOUT_MS)
  return { kind: { case: 'detect', value: { timeout, opaque: { routes: [opaque] }, http1: http, http2: http } } }
}

function serviceBackend(policy: ServicePolicy, clusterDomain: string): Init<'backend'> {
  const { name, namespace, port } = policy
  const path = `${serviceFqdn(name, namespace, clusterDomain)}:${port}`
  return {
    metadata: serviceMetadata(policy),
    queue: QUEUE,
    kind: {
      case: 'balancer',
      value: { discovery: { kind: { case: 'dst', value: { path } } }, load: balancerLoad(policy) },
    },
  }
}

function balancerLoad({
  traffic: { loadBias },
}: ServicePolicy): NonNullable<MessageInitShape<typeof Backend_BalanceP2cSchema>['load']> {
  if (loadBias === undefined) return { case: 'peakEwma', value: BALANCER }
  return {
    case: 'penaltyPeakEwma',
    value: {
      ...BALANCER,
      penalty: durationFromMs(loadBias.penaltyMs),
      maxRetryAfter: durationFromMs(loadBias.maxRetryAfterMs),
      penaltyDecay: durationFromMs(BIAS_DECAY_MS),
    },
  }
}

function httpRoute(name: string, backend: Init<'backend'>, timeouts?: Timeouts, retry?: HttpRetry): Init<'http'> {
  return {
    metadata: defaultMetadata(name),
    rules: [
      {
        matches: [{ path: { kind: { case: 'prefix', value: '/' } } }],
        backends: { kind: { case: 'firstAvailable', value: { backends: [{ backend }] } } },
        ...(timeouts && timeoutFields(timeouts)),
        ...(retry && { retry: retryMessage(retry) }),
      },
    ],
  }
}

function opaqueRoute(name: string, backend: Init<'backend'>): Init<'opaque'> {
  return {
    metadata: defaultMetadata(name),
    rules: [{ backends: { kind: { case: 'firstAvailable', value: { backends: [{ backend }] } } } }],
  }
}

/** The older field says the same once more, for proxies that only know that one. */
function timeoutFields({ requestMs, responseMs, idleMs }: Timeouts) {
  const request = requestMs === undefined ? undefined : durationFromMs(requestMs)
  const timeouts: MessageInitShape<typeof TimeoutsSchema> = {
    ...(request && { request }),
    ...(responseMs !== undefined && { response: durationFromMs(responseMs) }),
    ...(idleMs !== undefined && { idle: durationFromMs(idleMs) }),
  }
  return { timeouts, ...(request && { requestTimeout: request }) }
}

function retryMessage({
  maxRetries,
  perTryTimeoutMs,
  statuses,
}: HttpRetry): MessageInitShape<typeof HttpRoute_RetrySchema> {
  return {
    maxRetries,
    maxRequestBytes: RETRY_BODY_BYTES,
    conditions: { statusRanges: statuses.map(({ start, end }) => ({ start, end })) },
    backoff: RETRY_BACKOFF,
    ...(perTryTimeoutMs !== undefined && { timeout: durationFromMs(perTryTimeoutMs) }),
  }
}

function accrualMessage(accrual: FailureAccrual): MessageInitShape<typeof FailureAccrualSchema> {
  const { maxFailures, minPenaltyMs, maxPenaltyMs, jitterRatio, successRate } = accrual
  const backoff = { minBackoff: durationFromMs(minPenaltyMs), maxBackoff: durationFromMs(maxPenaltyMs), jitterRatio }
  if (successRate === undefined) return { kind: { case: 'consecutiveFailures', value: { maxFailures, backoff } } }
  const { threshold, windowMs, minRequests, honorsRetryAfter } = successRate
  return {
    kind: {
      case: 'unified',
      value: {
        successRateThreshold: threshold,
        decay: durationFromMs(windowMs),
        minRequests,
        maxConsecutiveFailures: maxFailures,
        backoff: { ...backoff, respectRetryAfterHint: honorsRetryAfter },
      },
    },
  }
}

function serviceMetadata({
  name,
  namespace,
  port,
}: {
  name: string
  namespace: string
  port: number
}): Init<'metadata'> {
  return { kind: { case: 'resource', value: { group: 'core', kind: 'Service', name, namespace, port } } }
}

function defaultMetadata(name: string): Init<'metadata'> {
  return { kind: { case: 'default', value: name } }
}
