/** TLSRoutes and TCPRoutes of outbound parents, from their objects to the terms of the policy API. */
import { nameOf } from '../../../api/resources/kinds.ts'
import type { TcpRoute, TlsRoute } from '../../../api/resources/stream-route.ts'
import type { RouteBackend, StreamRoute } from '../model/outbound.ts'
import { backendName, backendOf } from './backend.ts'
import { resourceOrigin } from './origin.ts'
import type { RouteContext } from './request-route.ts'
import { hostMatch } from './route-match.ts'

/** Connections have no error answer: what cannot be served is closed, with the reason in the proxy's log. */
export function streamRoute(route: TlsRoute | TcpRoute, context: RouteContext): StreamRoute {
  const origin = resourceOrigin(route)
  const hosts = route.kind === 'TLSRoute' ? route.spec.hostnames.map(hostMatch) : []
  const invalid = (message: string): StreamRoute => {
    context.onProblem(`${nameOf(route)}: ${message}; its connections are refused`)
    return { origin, hosts, backends: [], refusal: { kind: 'invalid', message } }
  }
  const [rule] = route.spec.rules
  if (rule === undefined || route.spec.rules.length > 1)
    return invalid(`spec.rules has ${route.spec.rules.length} rules where one is needed`)
  const unknown = route.metadata.unknownFields?.[0]
  if (unknown !== undefined) return invalid(`${unknown} is not known to this version`)
  if (rule.backendRefs.length === 0)
    return { origin, hosts, backends: [{ backend: context.parentBackend, weight: 1, filters: [] }] }
  const backends = rule.backendRefs.flatMap((ref, index): readonly RouteBackend[] => {
    if (ref.weight === 0) return []
    const field = `spec.rules[0].backendRefs[${index}]`
    const given = backendOf({ ...context, route }, ref)
    const backend =
      ref.filters.length > 0 && given.kind !== 'invalid'
        ? ({ kind: 'invalid', named: backendName(route, ref), message: 'filters are for HTTP only' } as const)
        : given
    if (backend.kind === 'invalid') context.onProblem(`${nameOf(route)}: ${field}: ${backend.message}`)
    return [{ backend, weight: ref.weight, filters: [] }]
  })
  return backends.length === 0 ? invalid('all weights of spec.rules[0].backendRefs are 0') : { origin, hosts, backends }
}
