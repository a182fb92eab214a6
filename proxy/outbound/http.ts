/** HTTP from the application: finds the route of each request and starts its exchange. */
import { drained, respondError } from '../http/error-response.ts'
import type { RequestHandler, RequestListener, ServerStream } from '../http/stream.ts'
import { isGrpcContentType } from '../policy/classify.ts'
import { type Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import type { OutboundContext } from './context.ts'
import { decideRoute, isRouted } from './decision.ts'
import { errors } from './errors.ts'
import { Exchange } from './exchange.ts'
import type { Target } from './target.ts'

const CONTENT_TYPE = token('content-type')
const REQUIRE_ID = token('l5d-require-id')
const DST_CANONICAL = token('l5d-dst-canonical')
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
  const route = decideRoute(head, target.routing(isHttp2), target)
  if (!isRouted(route) || !context.tryBegin()) {
    const error = isRouted(route) ? errors.overloaded(context.maxInFlight) : route
    context.onError(error)
    const isGrpc = head.version === Version.http2 && isGrpcContentType(head.get(CONTENT_TYPE))
    respondError(stream, error, { isGrpc, isInformational: context.isInformational })
    return drained(stream)
  }
  if (route.ignoredFields !== undefined && route.ignoredFields > 0) route.plan.recorder.onIgnoredOverride()
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
