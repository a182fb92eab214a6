/**
 * What is decided about an inbound request before it goes to the application: route, authorization, filters. Traffic goes by
 * it, and `explain/` tells it; nothing here counts, waits or opens.
 */
import type { ProxyError } from '../http/error-response.ts'
import { type Authorization, authorize, type Client } from '../policy/authorization.ts'
import { applyRequestFilters, type FilterVerdict } from '../policy/filters.ts'
import type { InboundRoute, InboundServer } from '../policy/inbound-policy.ts'
import { describeMeta } from '../policy/meta.ts'
import { HeadView, requestUrl } from '../policy/request-view.ts'
import type { RouteHit, RouteTable } from '../policy/route.ts'
import { findHttpRule } from '../policy/route-match.ts'
import type { Head } from '../wire/head.ts'
import { errors } from './errors.ts'

export type InboundDecision =
  | { readonly kind: 'forward'; readonly hit: RouteHit<InboundRoute>; readonly authorization: Authorization }
  /** A filter answers. */
  | {
      readonly kind: 'answer'
      readonly hit: RouteHit<InboundRoute>
      readonly authorization: Authorization
      readonly error: ProxyError
      readonly fields: readonly (readonly [string, string])[] | undefined
    }
  | { readonly kind: 'denied'; readonly hit: RouteHit<InboundRoute>; readonly error: ProxyError }
  | { readonly kind: 'noRoute'; readonly error: ProxyError }

/** Decides on a head that has no fields of the connection any more, and applies to it what filters change. */
export function decideInbound(
  server: InboundServer,
  client: Client,
  head: Head,
  random: () => number,
): InboundDecision {
  const hit = findRoute(server, head)
  if (hit === undefined) return { kind: 'noRoute', error: errors.noRoute(describeMeta(server.meta)) }
  const authorization = authorize(hit.route.authorizations, client)
  if (authorization === undefined)
    return { kind: 'denied', hit, error: errors.unauthorized(describeMeta(hit.route.meta)) }
  const { filters } = hit.rule
  if (filters.length > 0) {
    const verdict = applyRequestFilters(filters, head, hit.match, () => requestUrl(head), random)
    if (verdict !== undefined) return { kind: 'answer', hit, authorization, ...answerOf(verdict, hit.route) }
  }
  return { kind: 'forward', hit, authorization }
}

/** The routes of a server; `undefined` where it does not speak HTTP. */
export function routesOf({ protocol }: InboundServer): RouteTable<InboundRoute> | undefined {
  switch (protocol.kind) {
    case 'detect':
    case 'http1':
    case 'http2':
    case 'grpc':
      return protocol.table
    case 'opaque':
    case 'tls':
      return undefined
  }
}

function findRoute(server: InboundServer, head: Head): RouteHit<InboundRoute> | undefined {
  const table = routesOf(server)
  if (table === undefined) return undefined
  return table.always ?? findHttpRule(table, new HeadView(head))
}

function answerOf(
  verdict: FilterVerdict,
  route: InboundRoute,
): Pick<InboundDecision & { kind: 'answer' }, 'error' | 'fields'> {
  switch (verdict.kind) {
    case 'redirect':
      return { error: errors.redirect(verdict.status), fields: [['location', verdict.location]] }
    case 'httpFailure':
      return { error: errors.injected(verdict.status, verdict.message), fields: undefined }
    case 'grpcFailure':
      return {
        error: { status: 200, grpcCode: verdict.code, message: verdict.message, closesConnection: false },
        fields: undefined,
      }
    case 'error':
      return { error: errors.unsupported(`${describeMeta(route.meta)}: ${verdict.message}`), fields: undefined }
  }
}
