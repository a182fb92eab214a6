/** HTTPRoutes and GRPCRoutes of a Server, in the order that decides between equals: the oldest first. */
import type { GrpcRoute } from '../../../api/resources/grpc-route.ts'
import type { HttpRoute } from '../../../api/resources/http-route.ts'
import { nameOf } from '../../../api/resources/kinds.ts'
import { POLICY_GROUP } from '../../../api/resources/reference.ts'
import type { RouteFilter as RouteFilterObject } from '../../../api/resources/route.ts'
import type { Server } from '../../../api/resources/server.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type {
  GrpcInboundFilter,
  GrpcInboundRoute,
  HttpInboundFilter,
  HttpInboundRoute,
  InboundRoute,
  InboundRule,
} from '../model/inbound.ts'
import type { Failure, Problem, RouteFilter } from '../model/route.ts'
import { compareText, olderFirst } from './age.ts'
import { routeAuthorizations } from './authorizations.ts'
import { type AnyRoute, acceptanceOf, isSame, type ParentName, routesNaming } from './route-attachment.ts'
import { failure, routeFilters } from './route-filter.ts'
import { grpcMatch, hostMatch, httpMatch, type OnProblem } from './route-match.ts'
import { unknownBelow } from './unknown-fields.ts'

type ServerRoute = HttpRoute | GrpcRoute

export interface ServerRoutes {
  readonly http: readonly HttpInboundRoute[]
  readonly grpc: readonly GrpcInboundRoute[]
  readonly problems: readonly string[]
}

/** A Server cares about all kinds of `ROUTE_KINDS`: also to say which it does not take. */
export function serverRoutes(cluster: Cluster, { metadata }: Server): ServerRoutes {
  const { namespace, name } = metadata
  const parent: ParentName = { group: POLICY_GROUP, kind: 'Server', namespace, name }
  const http: HttpInboundRoute[] = []
  const grpc: GrpcInboundRoute[] = []
  const problems: string[] = []
  const tell = (sentence: string) => problems.push(sentence)
  for (const route of [...routesNaming(cluster, parent)].sort(inOrder)) {
    const verdicts = route.spec.parentRefs
      .filter((ref) => isSame(route, ref, parent))
      .map((ref) => acceptanceOf(cluster, route, ref))
    if (!verdicts.some(({ isAccepted }) => isAccepted)) {
      for (const verdict of verdicts)
        if (!verdict.isAccepted) tell(`${nameOf(route)}: ${verdict.message}; Server ${name} does not use the route`)
    } else if (route.kind === 'GRPCRoute') grpc.push(inboundRoute(cluster, route, isGrpcFilter, grpcMatch, tell))
    else if (route.kind === 'HTTPRoute') http.push(inboundRoute(cluster, route, isHttpFilter, httpMatch, tell))
  }
  return { http, grpc, problems }
}

function inOrder(a: AnyRoute, b: AnyRoute): number {
  return olderFirst(a, b) || compareText(groupOf(a), groupOf(b)) || compareText(a.kind, b.kind)
}

function groupOf({ apiVersion }: AnyRoute): string {
  return apiVersion.split('/')[0]!
}

/** What of a route is not enforced as it was written, wherever it is attached. */
export function serverRouteProblems(cluster: Cluster, route: ServerRoute): readonly string[] {
  const problems: string[] = []
  const tell = (sentence: string) => problems.push(sentence)
  if (route.kind === 'GRPCRoute') inboundRoute(cluster, route, isGrpcFilter, grpcMatch, tell)
  else inboundRoute(cluster, route, isHttpFilter, httpMatch, tell)
  return problems
}

const isHttpFilter = (filter: RouteFilter<never>): filter is HttpInboundFilter =>
  filter.kind === 'redirect' || isGrpcFilter(filter)
const isGrpcFilter = (filter: RouteFilter<never>): filter is GrpcInboundFilter =>
  filter.kind === 'requestHeaders' || filter.kind === 'failure'

function inboundRoute<M, Match, Filter>(
  cluster: Cluster,
  route: ServerRoute & { readonly spec: { readonly rules: readonly RuleObject<M>[] } },
  isPossible: (filter: RouteFilter<never>) => filter is RouteFilter<never> & Filter,
  matchOf: (match: M, field: string, onProblem: OnProblem) => Match,
  tell: (sentence: string) => void,
): InboundRoute<Match, Filter | Failure> {
  const { namespace, name, generation } = route.metadata
  const group = groupOf(route)
  const rules = route.spec.rules.map((rule, index): InboundRule<Match, Filter | Failure> => {
    const problems: Problem[] = []
    const onProblem: OnProblem = (problem) => problems.push(problem)
    const field = `spec.rules[${index}]`
    const matches = rule.matches.map((match, at) => matchOf(match, `${field}.matches[${at}]`, onProblem))
    const filters = inboundFilters(rule.filters, `${field}.filters`, isPossible, onProblem)
    for (const part of ['matches', 'filters'])
      for (const unknown of unknownBelow(route, `${field}.${part}`)) onProblem(notKnown(unknown))
    // A rule that is not understood must not match or do less than its author meant: it answers for itself.
    const sentences = problems.map((problem) => `${nameOf(route)}: ${problem.field}: ${problem.message}`)
    for (const sentence of sentences) tell(`${sentence}; requests of this rule fail until that is corrected`)
    return { matches, filters: sentences.length === 0 ? filters : [failure(sentences[0]!)] }
  })
  for (const unknown of unknownBelow(route, 'spec')) {
    if (/^spec\.rules\[\d+\]\.(matches|filters)\b/.test(unknown)) continue
    tell(`${nameOf(route)}: ${unknown}: this version does not know the field and does without it`)
  }
  const { authorizations, problems } = routeAuthorizations(cluster, group, route.kind, namespace, name)
  for (const problem of problems) tell(problem)
  return {
    origin: { kind: 'resource', resource: { group, kind: route.kind, namespace: '', name, generation } },
    hosts: route.spec.hostnames.map(hostMatch),
    authorizations,
    rules,
  }
}

interface RuleObject<M> {
  readonly matches: readonly M[]
  readonly filters: readonly RouteFilterObject[]
}

function inboundFilters<Filter>(
  objects: readonly RouteFilterObject[],
  field: string,
  isPossible: (filter: RouteFilter<never>) => filter is RouteFilter<never> & Filter,
  onProblem: OnProblem,
): readonly Filter[] {
  return routeFilters<never>(objects, field, { onProblem }).flatMap((filter, index) => {
    if (isPossible(filter)) return [filter]
    onProblem({
      field: `${field}[${index}]`,
      message: `a filter of type ${objects[index]!.type} is not possible on the inbound side`,
    })
    return []
  })
}

function notKnown(field: string): Problem {
  return { field, message: 'this version does not know the field' }
}
