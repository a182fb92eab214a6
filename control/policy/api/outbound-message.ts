/** Outbound policies as messages. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '../../../api/duration.ts'
import {
  type FailureAccrualSchema,
  type OutboundPolicy as OutboundPolicyMessage,
  OutboundPolicySchema,
  type ProxyProtocolSchema,
} from '../../../api/gen/outbound_pb.js'
import type { FailureAccrual, HttpRoute, OutboundPolicy, OutboundProtocol } from '../model/outbound.ts'
import type { MessageContext } from './backend-message.ts'
import { grpcRouteMessage, httpRouteMessage, opaqueRouteMessage, tlsRouteMessage } from './outbound-route-message.ts'
import { metadataMessage } from './route-message.ts'

const DETECT_TIMEOUT_MS = 10_000

export function outboundMessage(
  { parent, protocol, traffic }: OutboundPolicy,
  options: Omit<MessageContext, 'traffic'>,
): OutboundPolicyMessage {
  return create(OutboundPolicySchema, {
    metadata: metadataMessage(parent),
    protocol: { kind: protocolMessage(protocol, { ...options, traffic }) },
  })
}

function protocolMessage(
  protocol: OutboundProtocol,
  context: MessageContext,
): NonNullable<MessageInitShape<typeof ProxyProtocolSchema>['kind']> {
  const { accrual } = context.traffic
  const failureAccrual = accrual && { failureAccrual: accrualMessage(accrual) }
  const http = (routes: readonly HttpRoute[]) => ({
    routes: routes.map((route) => httpRouteMessage(route, context)),
    ...failureAccrual,
  })
  switch (protocol.kind) {
    case 'detect': {
      const opaque = { routes: [opaqueRouteMessage(protocol.opaque, context)] }
      const routes = http(protocol.http)
      const timeout = durationFromMs(DETECT_TIMEOUT_MS)
      return { case: 'detect', value: { timeout, opaque, http1: routes, http2: routes } }
    }
    case 'http1':
    case 'http2':
      return { case: protocol.kind, value: http(protocol.http) }
    case 'grpc':
      return {
        case: 'grpc',
        value: { routes: protocol.routes.map((route) => grpcRouteMessage(route, context)), ...failureAccrual },
      }
    case 'tls':
      return { case: 'tls', value: { routes: protocol.routes.map((route) => tlsRouteMessage(route, context)) } }
    case 'opaque':
      return { case: 'opaque', value: { routes: [opaqueRouteMessage(protocol.route, context)] } }
  }
}

function accrualMessage(accrual: FailureAccrual): MessageInitShape<typeof FailureAccrualSchema> {
  const { maxFailures, minPenaltyMs, maxPenaltyMs, jitterRatio, minReadyEndpoints, successRate } = accrual
  const backoff = { minBackoff: durationFromMs(minPenaltyMs), maxBackoff: durationFromMs(maxPenaltyMs), jitterRatio }
  const ejection = minReadyEndpoints !== undefined && { ejection: { minReadyEndpoints } }
  if (successRate === undefined) {
    return { kind: { case: 'consecutiveFailures', value: { maxFailures, backoff } }, ...ejection }
  }
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
    ...ejection,
  }
}
