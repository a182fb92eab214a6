/** HTTP from the application: finds the route of each request and starts its exchange. */
import { drained, respondError } from '../http/error-response.ts'
import type { RequestHandler, RequestListener, ServerStream } from '../http/stream.ts'
import { isGrpcContentType } from '../policy/classify.ts'
import { type Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import type { OutboundContext } from './context.ts'
import { errors } from './errors.ts'
import { Exchange } from './exchange.ts'
import type { Target } from './target.ts'

const CONTENT_TYPE = token('content-type')
const REQUIRE_ID = token('l5d-require-id')
const DST_CANONICAL = token('l5d-dst-canonical')
/** Honoured only where a route allows it; this version refuses them there instead of ignoring them. */
const OVERRIDES = [
  'l5d-timeout',
  'l5d-request-timeout',
  'l5d-response-timeout',
  'l5d-retry-http',
  'l5d-retry-grpc',
  'l5d-retry-limit',
  'l5d-retry-timeout',
] as const

/** Takes the requests of one connection to `target`. */
export function outboundRequests(isHttp2: boolean, target: Target, context: OutboundContext): RequestListener {
  return (head, endStream, stream) => startExchange(head, endStream, stream, isHttp2, target, context)
}

function startExchange(
  head: Head,
  endStream: boolean,
  stream: ServerStream,
  isHttp2: boolean,
  target: Target,
  context: OutboundContext,
): RequestHandler {
  const routing = target.routing(isHttp2)
  const route = routing?.find(head)
  if (route === undefined) {
    const protocol = target.protocol
    const isGrpc = head.version === Version.http2 && isGrpcContentType(head.get(CONTENT_TYPE))
    const error =
      routing !== undefined
        ? errors.noRoute(context.parentName)
        : errors.invalidPolicy(
            protocol.kind === 'invalid' ? protocol.reason : `${context.parentName} does not serve HTTP`,
          )
    context.onError(error)
    respondError(stream, error, { isGrpc, isInformational: context.isInformational })
    return drained(stream)
  }
  const { allowsOverrides } = route.plan
  const override = allowsOverrides ? OVERRIDES.find((field) => head.has(token(field))) : undefined
  if (override !== undefined || !context.tryBegin()) {
    const error = override === undefined ? errors.overloaded(context.maxInFlight) : errors.unsupportedHeader(override)
    context.onError(error)
    const isGrpc = head.version === Version.http2 && isGrpcContentType(head.get(CONTENT_TYPE))
    respondError(stream, error, { isGrpc, isInformational: context.isInformational })
    return drained(stream)
  }
  const requiredId = head.get(REQUIRE_ID)
  if (requiredId !== undefined) head.drop(REQUIRE_ID)
  const exchange = new Exchange(context, route, head, endStream, stream, requiredId)
  // Behind the fields that Connection named, which are gone now.
  const { canonicalName } = route.plan
  if (canonicalName !== undefined) head.set(DST_CANONICAL, canonicalName)
  stream.handler = exchange
  exchange.start(head, endStream)
  return exchange
}
