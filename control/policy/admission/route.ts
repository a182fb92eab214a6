/** Admission of routes: what the controller would have to answer with an error, found before it is in force. */
import type { Path } from '../../../api/resources/check.ts'
import type { GrpcRoute } from '../../../api/resources/grpc-route.ts'
import type { HttpRoute, HttpRouteRule } from '../../../api/resources/http-route.ts'
import { POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import type { BackendRef, RouteFilter } from '../../../api/resources/route.ts'
import type { TcpRoute, TlsRoute } from '../../../api/resources/stream-route.ts'
import { routeSettings } from '../index/annotations.ts'
import { type AnyRoute, parentKindOf } from '../index/route-attachment.ts'
import { routeFilters } from '../index/route-filter.ts'
import { grpcMatch, httpMatch } from '../index/route-match.ts'
import { timeoutMs } from '../index/timeout.ts'
import type { Problem } from '../model/route.ts'
import type { Refuse } from './admit.ts'

/** @param isGateway of the Gateway API's group, whose Service backends have to name their port */
export function admitHttpRoute(route: HttpRoute, isGateway: boolean, refuse: Refuse): void {
  admitParents(route, refuse)
  admitAnnotations(route, refuse)
  for (const [index, rule] of route.spec.rules.entries()) {
    const path = ['spec', 'rules', index] as const
    for (const [at, match] of rule.matches.entries()) {
      httpMatch(match, '', (problem) => refuse([...path, 'matches', at, ...fieldPath(problem)], problem.message))
    }
    admitFilters(rule.filters, [...path, 'filters'], refuse)
    admitBackends(rule.backendRefs, [...path, 'backendRefs'], isGateway, refuse)
    admitTimeouts(rule, path, refuse)
  }
}

export function admitGrpcRoute(route: GrpcRoute, refuse: Refuse): void {
  admitParents(route, refuse)
  admitAnnotations(route, refuse)
  for (const [index, rule] of route.spec.rules.entries()) {
    const path = ['spec', 'rules', index] as const
    for (const [at, match] of rule.matches.entries()) {
      grpcMatch(match, '', (problem) => refuse([...path, 'matches', at, ...fieldPath(problem)], problem.message))
    }
    admitFilters(rule.filters, [...path, 'filters'], refuse)
    admitBackends(rule.backendRefs, [...path, 'backendRefs'], true, refuse)
  }
}

export function admitStreamRoute(route: TlsRoute | TcpRoute, refuse: Refuse): void {
  admitParents(route, refuse)
  const { rules } = route.spec
  if (rules.length !== 1) refuse(['spec', 'rules'], `has ${rules.length} rules; a ${route.kind} has exactly one`)
  for (const [index, { backendRefs }] of rules.entries()) {
    const path = ['spec', 'rules', index, 'backendRefs'] as const
    admitBackends(backendRefs, path, true, refuse)
    for (const [at, { filters }] of backendRefs.entries())
      if (filters.length > 0)
        refuse([...path, at, 'filters'], `filters are for HTTP only; remove them from a ${route.kind}`)
  }
}

function admitParents({ spec }: AnyRoute, refuse: Refuse): void {
  for (const [index, ref] of spec.parentRefs.entries()) {
    if (refersTo(ref, POLICY_GROUP, 'EgressNetwork') && ref.port === undefined)
      refuse(['spec', 'parentRefs', index, 'port'], 'is missing; an EgressNetwork parent needs a port')
  }
}

/** Annotations count where a client's proxy acts on them. */
function admitAnnotations({ metadata, spec }: HttpRoute | GrpcRoute, refuse: Refuse): void {
  const isOutbound = spec.parentRefs.some((ref) => ['Service', 'EgressNetwork'].includes(parentKindOf(ref) ?? ''))
  if (!isOutbound) return
  for (const problem of routeSettings(metadata.annotations).problems) {
    const [, key = '', message = problem] =
      /^annotation (\S+): (.*?)(?:; the settings of this group.*)?$/s.exec(problem) ?? []
    refuse(['metadata', 'annotations', key], message)
  }
}

function admitFilters(filters: readonly RouteFilter[], path: Path, refuse: Refuse): void {
  // The backends of mirrors are looked up when the policy is made.
  routeFilters(filters, '', {
    mirror: () => undefined,
    onProblem: ({ field, message }) => refuse([...path, Number(/^\[(\d+)\]/.exec(field)?.[1] ?? 0)], message),
  })
}

function admitBackends(backends: readonly BackendRef[], path: Path, needsPort: boolean, refuse: Refuse): void {
  for (const [index, ref] of backends.entries()) {
    if (needsPort && refersTo(ref, '', 'Service') && ref.port === undefined)
      refuse([...path, index, 'port'], 'is missing; a Service backend needs a port')
    admitFilters(ref.filters, [...path, index, 'filters'], refuse)
  }
}

function admitTimeouts({ timeouts, retry }: HttpRouteRule, path: Path, refuse: Refuse): void {
  const ms = (text: string | undefined, field: Path): number | undefined => {
    return timeoutMs(text, (message) => refuse(field, message))
  }
  const requestMs = ms(timeouts?.request, [...path, 'timeouts', 'request'])
  const backendMs = ms(timeouts?.backendRequest, [...path, 'timeouts', 'backendRequest'])
  // Zero is no timeout.
  if (requestMs && backendMs && backendMs > requestMs)
    refuse(
      [...path, 'timeouts', 'backendRequest'],
      `${timeouts?.backendRequest} is longer than request, ${timeouts?.request}`,
    )
  ms(retry?.backoff, [...path, 'retry', 'backoff'])
}

/** `.headers[1].value` as a path. */
function fieldPath({ field }: Problem): Path {
  return [...field.matchAll(/\.(\w+)|\[(\d+)\]/g)].map(([, name, index]) => name ?? Number(index))
}
