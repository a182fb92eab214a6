/** HTTPRoutes and GRPCRoutes of a Server, in the order that decides between equals: the oldest first. */
import type { GrpcRoute } from '../../../api/resources/grpc-route.ts'
import type { HttpRoute } from '../../../api/resources/http-route.ts'
import { nameOf } from '../../../api/resources/kinds.ts'
import { POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import type { ParentRef, RouteFilter as RouteFilterObject } from '../../../api/resources/route.ts'
import type { ProxyProtocol, Server } from '../../../api/resources/server.ts'
import type { Cluster, Derived } from '../../cluster/cluster.ts'
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
import { failure, routeFilters } from './route-filter.ts'
import { grpcMatch, hostMatch, httpMatch, type OnProblem } from './route-match.ts'
import { unknownBelow } from './unknown-fields.ts'

/** Kinds of routes that may have a Server as their parent. */
export type ServerRoute = HttpRoute | GrpcRoute

export const SERVER_ROUTE_KINDS = ['HTTPRoute', 'HTTPRoute.policy.linkerd.io', 'GRPCRoute'] as const

/** Whether a reference names a Server at all. */
export function isServerRef(ref: ParentRef): boolean {
  return refersTo(ref, POLICY_GROUP, 'Server')
}

/**
 * Why a route does not count at the Server that `ref` names; `undefined` when it does. What is written into the status
 * of routes and what is sent to proxies both come from here.
 */
export function serverParentProblem(cluster: Cluster, route: ServerRoute, ref: ParentRef): string | undefined {
  const { namespace } = route.metadata
  if (ref.namespace !== undefined && ref.namespace !== namespace)
    return `a Server takes routes of its own namespace only, not of ${namespace}`
  if (ref.port !== undefined) return 'a Server is one port; remove port from the parentRef'
  if (ref.sectionName !== undefined) return 'a Server has no sections; remove sectionName from the parentRef'
  const server = cluster.get('Server', namespace, ref.name)
  if (server === undefined) return 'there is no such Server'
  const { proxyProtocol } = server.spec
  const protocols = ROUTED_PROTOCOLS[route.kind]
  if ((protocols as readonly string[]).includes(proxyProtocol)) return undefined
  return `its proxyProtocol is ${proxyProtocol.slice(0, 100)}, and a ${route.kind} applies to ${protocols.join(', ')}`
}

const ROUTED_PROTOCOLS: { readonly [K in ServerRoute['kind']]: readonly ProxyProtocol[] } = {
  HTTPRoute: ['unknown', 'HTTP/1', 'HTTP/2'],
  GRPCRoute: ['gRPC'],
}

export interface ServerRoutes {
  readonly http: readonly HttpInboundRoute[]
  readonly grpc: readonly GrpcInboundRoute[]
  readonly problems: readonly string[]
}

export function routesOf(cluster: Cluster, { metadata }: Server): ServerRoutes {
  const http: HttpInboundRoute[] = []
  const grpc: GrpcInboundRoute[] = []
  const problems: string[] = []
  for (const { route, ref } of cluster.derived(ROUTES_BY_SERVER).get(`${metadata.namespace}/${metadata.name}`) ?? []) {
    const refused = serverParentProblem(cluster, route, ref)
    if (refused !== undefined) {
      problems.push(`${nameOf(route)}: Server ${metadata.name}: ${refused}; the route is not used there`)
      continue
    }
    const tell = (sentence: string) => problems.push(sentence)
    if (route.kind === 'GRPCRoute') grpc.push(inboundRoute(cluster, route, isGrpcFilter, grpcMatch, tell))
    else http.push(inboundRoute(cluster, route, isHttpFilter, httpMatch, tell))
  }
  return { http, grpc, problems }
}

interface Attached {
  readonly route: ServerRoute
  readonly ref: ParentRef
}

/** By the Server as it is named, wherever the reference turns out to lead. */
const ROUTES_BY_SERVER: Derived<ReadonlyMap<string, readonly Attached[]>> = {
  kinds: SERVER_ROUTE_KINDS,
  compute(cluster) {
    const attached = new Map<string, Attached[]>()
    const routes = SERVER_ROUTE_KINDS.flatMap((kind): readonly ServerRoute[] => cluster.list(kind)).sort(inOrder)
    for (const route of routes) {
      const servers = new Set<string>()
      for (const ref of route.spec.parentRefs.filter(isServerRef)) {
        const key = `${ref.namespace ?? route.metadata.namespace}/${ref.name}`
        if (servers.has(key)) continue
        servers.add(key)
        const list = attached.get(key)
        if (list === undefined) attached.set(key, [{ route, ref }])
        else list.push({ route, ref })
      }
    }
    return attached
  },
}

function inOrder(a: ServerRoute, b: ServerRoute): number {
  return olderFirst(a, b) || compareText(groupOf(a), groupOf(b)) || compareText(a.kind, b.kind)
}

function groupOf({ apiVersion }: ServerRoute): string {
  return apiVersion.split('/')[0]!
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
