/** Routes of outbound policies as messages. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '../../../api/duration.ts'
import type { TimeoutsSchema } from '../../../api/gen/http_route_pb.js'
import type {
  GrpcRoute_FilterSchema,
  GrpcRoute_Retry_ConditionsSchema,
  GrpcRoute_RetrySchema,
  GrpcRoute_RuleSchema,
  GrpcRouteSchema,
  HttpRoute_FilterSchema,
  HttpRoute_RetrySchema,
  HttpRoute_RuleSchema,
  HttpRouteSchema,
  OpaqueRouteSchema,
  TlsRouteSchema,
} from '../../../api/gen/outbound_pb.js'
import type { Backend, GrpcRoute, HttpRoute, Retry, RouteBackend, StreamRoute, Timeouts } from '../model/outbound.ts'
import type { Failure, RouteFilter } from '../model/route.ts'
import { backendMessage, type MessageContext } from './backend-message.ts'
import {
  failureMessage,
  grpcMatchMessage,
  headersMessage,
  hostMessage,
  httpMatchMessage,
  metadataMessage,
  pathEditMessage,
  ratioMessage,
  redirectMessage,
} from './route-message.ts'

const RETRY_BODY_BYTES = 65_536
const RETRY_BACKOFF_MS = { min: 25, max: 250 } as const

export function httpRouteMessage(route: HttpRoute, context: MessageContext): MessageInitShape<typeof HttpRouteSchema> {
  return {
    metadata: metadataMessage(route.origin),
    hosts: route.hosts.map(hostMessage),
    rules: route.rules.map((rule): MessageInitShape<typeof HttpRoute_RuleSchema> => {
      const { timeouts, retry } = rule
      const backendRequestMs = context.hasExtensions ? timeouts?.backendRequestMs : undefined
      return {
        matches: rule.matches.map(httpMatchMessage),
        filters: rule.filters.map((filter) => httpFilterMessage(filter, context)),
        backends: {
          kind: distributionMessage(rule, ({ backend, filters }) => ({
            backend: backendMessage(backend, context),
            filters: filters.map((filter) => httpFilterMessage(filter, context)),
          })),
        },
        ...(timeouts && timeoutFields(timeouts)),
        ...(retry && { retry: httpRetryMessage(retry, context) }),
        ...(backendRequestMs !== undefined && { backendRequestTimeout: durationFromMs(backendRequestMs) }),
      }
    }),
  }
}

export function grpcRouteMessage(route: GrpcRoute, context: MessageContext): MessageInitShape<typeof GrpcRouteSchema> {
  return {
    metadata: metadataMessage(route.origin),
    hosts: route.hosts.map(hostMessage),
    rules: route.rules.map((rule): MessageInitShape<typeof GrpcRoute_RuleSchema> => {
      const { timeouts, retry } = rule
      return {
        matches: rule.matches.map(grpcMatchMessage),
        filters: rule.filters.map((filter) => grpcFilterMessage(filter, context)),
        backends: {
          kind: distributionMessage(rule, ({ backend, filters }) => ({
            backend: backendMessage(backend, context),
            filters: filters.map((filter) => grpcFilterMessage(filter, context)),
          })),
        },
        ...(timeouts && timeoutFields(timeouts)),
        ...(retry && { retry: grpcRetryMessage(retry) }),
      }
    }),
  }
}

export function tlsRouteMessage(route: StreamRoute, context: MessageContext): MessageInitShape<typeof TlsRouteSchema> {
  return {
    metadata: metadataMessage(route.origin),
    snis: route.hosts.map(hostMessage),
    rules: [streamRuleMessage(route, context)],
  }
}

export function opaqueRouteMessage(
  route: StreamRoute,
  context: MessageContext,
): MessageInitShape<typeof OpaqueRouteSchema> {
  return { metadata: metadataMessage(route.origin), rules: [streamRuleMessage(route, context)] }
}

/** Opaque and TLS routes have rules of one shape. */
function streamRuleMessage({ backends, refusal }: StreamRoute, context: MessageContext) {
  return {
    backends: {
      kind: distributionMessage({ backends }, ({ backend }) => ({
        backend: backendMessage(backend, context),
        filters: backend.kind === 'invalid' ? [refusalMessage(backend)] : [],
      })),
    },
    filters: refusal === undefined ? [] : [refusalMessage(refusal)],
  }
}

type RefusalKind = { case: 'invalid'; value: { message: string } } | { case: 'forbidden'; value: Record<never, never> }

function refusalMessage(refusal: NonNullable<StreamRoute['refusal']>): { kind: RefusalKind } {
  if (refusal.kind === 'forbidden') return { kind: { case: 'forbidden', value: {} } }
  return { kind: { case: 'invalid', value: { message: refusal.message } } }
}

type DistributionKind<B> =
  | { case: 'empty'; value: Record<never, never> }
  | { case: 'firstAvailable'; value: { backends: B[] } }
  | { case: 'randomAvailable'; value: { backends: { backend: B; weight: number }[] } }

/** One backend takes all; several are drawn by weight. */
function distributionMessage<B>(
  { backends }: { readonly backends: readonly RouteBackend[] },
  message: (backend: RouteBackend) => B,
): DistributionKind<B> {
  const [first] = backends
  if (first === undefined) return { case: 'empty', value: {} }
  if (backends.length === 1) return { case: 'firstAvailable', value: { backends: [message(first)] } }
  const weighted = backends.map((backend) => ({ backend: message(backend), weight: backend.weight }))
  return { case: 'randomAvailable', value: { backends: weighted } }
}

type Filter = RouteFilter<Backend>

function httpFilterMessage(given: Filter, context: MessageContext): MessageInitShape<typeof HttpRoute_FilterSchema> {
  const filter = sayable(given, context)
  switch (filter.kind) {
    case 'requestHeaders':
      return { kind: { case: 'requestHeaderModifier', value: headersMessage(filter.edits) } }
    case 'responseHeaders':
      return { kind: { case: 'responseHeaderModifier', value: headersMessage(filter.edits) } }
    case 'redirect':
      return { kind: { case: 'redirect', value: redirectMessage(filter) } }
    case 'rewrite': {
      const { host = '', path } = filter
      return { kind: { case: 'urlRewrite', value: { host, ...(path && { path: pathEditMessage(path) }) } } }
    }
    case 'mirror':
      return { kind: { case: 'requestMirror', value: mirrorMessage(filter, context) } }
    case 'failure':
      return { kind: { case: 'failureInjector', value: failureMessage(filter) } }
  }
}

function grpcFilterMessage(given: Filter, context: MessageContext): MessageInitShape<typeof GrpcRoute_FilterSchema> {
  const filter = sayable(given, context)
  switch (filter.kind) {
    case 'requestHeaders':
      return { kind: { case: 'requestHeaderModifier', value: headersMessage(filter.edits) } }
    case 'responseHeaders':
      return context.hasExtensions
        ? { kind: { case: 'responseHeaderModifier', value: headersMessage(filter.edits) } }
        : grpcFailure(needsWeft('a response header modifier of a GRPCRoute'))
    case 'mirror':
      return { kind: { case: 'requestMirror', value: mirrorMessage(filter, context) } }
    case 'redirect':
    case 'rewrite':
      return grpcFailure({ ...needsWeft(''), message: `a GRPCRoute has no ${filter.kind}` })
    case 'failure':
      return grpcFailure(filter)
  }
}

function grpcFailure({ grpcCode, message }: Failure): MessageInitShape<typeof GrpcRoute_FilterSchema> {
  return { kind: { case: 'failureInjector', value: { code: grpcCode, message } } }
}

function mirrorMessage({ backend, ratio }: Extract<Filter, { kind: 'mirror' }>, context: MessageContext) {
  return { backend: backendMessage(backend, context), ...(ratio && { ratio: ratioMessage(ratio) }) }
}

/** What Linkerd's API cannot say must not be left out: a proxy that knows only that one answers with a failure. */
function sayable(filter: Filter, { hasExtensions }: MessageContext): Filter {
  if (hasExtensions || (filter.kind !== 'rewrite' && filter.kind !== 'mirror')) return filter
  return needsWeft(filter.kind === 'rewrite' ? 'URLRewrite' : 'RequestMirror')
}

function needsWeft(what: string): Failure {
  return { kind: 'failure', status: 500, grpcCode: 13, message: `${what} needs a proxy of Weft` }
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

function retryFields({ maxRetries, perTryTimeoutMs, backoffMs = RETRY_BACKOFF_MS.min }: Retry) {
  return {
    maxRetries,
    maxRequestBytes: RETRY_BODY_BYTES,
    backoff: {
      minBackoff: durationFromMs(backoffMs),
      maxBackoff: durationFromMs(Math.max(backoffMs, RETRY_BACKOFF_MS.max)),
      jitterRatio: 1,
    },
    ...(perTryTimeoutMs !== undefined && { timeout: durationFromMs(perTryTimeoutMs) }),
  }
}

function httpRetryMessage(
  retry: Retry,
  { hasExtensions }: MessageContext,
): MessageInitShape<typeof HttpRoute_RetrySchema> {
  return {
    ...retryFields(retry),
    conditions: { statusRanges: retry.statuses.map(({ start, end }) => ({ start, end })) },
    ...(hasExtensions && retry.grpcCodes.length > 0 && { grpcConditions: grpcConditions(retry) }),
  }
}

function grpcRetryMessage(retry: Retry): MessageInitShape<typeof GrpcRoute_RetrySchema> {
  return { ...retryFields(retry), conditions: grpcConditions(retry) }
}

function grpcConditions({ grpcCodes }: Retry): MessageInitShape<typeof GrpcRoute_Retry_ConditionsSchema> {
  return {
    cancelled: grpcCodes.includes('cancelled'),
    // So misspelled in the API.
    deadineExceeded: grpcCodes.includes('deadline-exceeded'),
    internal: grpcCodes.includes('internal'),
    resourceExhausted: grpcCodes.includes('resource-exhausted'),
    unavailable: grpcCodes.includes('unavailable'),
  }
}
