/**
 * Which routes a Service, EgressNetwork or Server takes: the one judgement that policies are made by and that the
 * status of routes reports.
 */
import { kindOf, type ResourceOf } from '../../../api/resources/kinds.ts'
import { formatKind, POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import type { ParentRef } from '../../../api/resources/route.ts'
import type { ProxyProtocol } from '../../../api/resources/server.ts'
import type { Service } from '../../../api/resources/service.ts'
import { type Cluster, grouped } from '../../cluster/cluster.ts'
import { olderFirst } from './age.ts'
import { egressAcceptance } from './egress.ts'

/** By rank: where two kinds name the same parent and port, the first one has it. */
export const ROUTE_KINDS = ['GRPCRoute', 'HTTPRoute', 'HTTPRoute.policy.linkerd.io', 'TLSRoute', 'TCPRoute'] as const
export type RouteKind = (typeof ROUTE_KINDS)[number]
export type AnyRoute = ResourceOf<RouteKind>

/** What a route is attached to. */
export interface ParentName {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

export type Acceptance =
  | { readonly isAccepted: true }
  | {
      readonly isAccepted: false
      readonly reason: 'NoMatchingParent' | 'RouteReasonConflicted'
      readonly message: string
    }

const ACCEPTED: Acceptance = { isAccepted: true }

/** What may be a parent here; routes of other parents (Gateways) are other controllers' business. */
export type ParentKind = 'Service' | 'EgressNetwork' | 'Server'

export function parentKindOf(ref: ParentRef): ParentKind | undefined {
  if (refersTo(ref, '', 'Service')) return 'Service'
  if (refersTo(ref, POLICY_GROUP, 'EgressNetwork')) return 'EgressNetwork'
  if (refersTo(ref, POLICY_GROUP, 'Server')) return 'Server'
  return undefined
}

/**
 * The accepted routes of one port of a parent, oldest first.
 *
 * @param port absent for parents without ports (Server)
 * @param clientNamespace whose consumer routes count: routes of another namespace than the parent's are its own
 *   namespace's business only
 */
export function routesOf(
  cluster: Cluster,
  parent: ParentName,
  port: number | undefined,
  clientNamespace: string | undefined,
): readonly AnyRoute[] {
  const isVisible = ({ metadata }: AnyRoute) =>
    metadata.namespace === parent.namespace || metadata.namespace === clientNamespace
  return routesNaming(cluster, parent)
    .filter(
      (route) =>
        isVisible(route) &&
        route.spec.parentRefs.some(
          (ref) =>
            isSame(route, ref, parent) &&
            (portOf(cluster, route, ref) ?? port) === port &&
            acceptanceOf(cluster, route, ref).isAccepted,
        ),
    )
    .sort(olderFirst)
}

/** Whether the parent takes this route. Ask only for parents of a `ParentKind`. */
export function acceptanceOf(cluster: Cluster, route: AnyRoute, ref: ParentRef): Acceptance {
  switch (parentKindOf(ref)) {
    case 'Service':
      return serviceAcceptance(cluster, route, ref)
    case 'EgressNetwork':
      return egressParentAcceptance(cluster, route, ref)
    case 'Server':
      return serverAcceptance(cluster, route, ref)
    case undefined:
      return noParent(`${ref.kind} is no parent in a mesh; use a Service, an EgressNetwork or a Server`)
  }
}

const ROUTES_BY_PARENT = ROUTE_KINDS.map((kind) =>
  grouped<RouteKind>(kind, ({ metadata, spec }) =>
    spec.parentRefs.map((ref) => parentKey({ ...ref, namespace: ref.namespace ?? metadata.namespace })),
  ),
)

/** All routes that name this parent, whether or not it takes them. */
export function routesNaming(cluster: Cluster, parent: ParentName): readonly AnyRoute[] {
  const key = parentKey(parent)
  return ROUTES_BY_PARENT.flatMap((routes) => cluster.derived(routes).get(key) ?? [])
}

function parentKey({ group, kind, namespace, name }: ParentName): string {
  return `${formatKind({ group, kind }).toLowerCase()} ${namespace}/${name}`
}

function serviceAcceptance(cluster: Cluster, route: AnyRoute, ref: ParentRef): Acceptance {
  const namespace = ref.namespace ?? route.metadata.namespace
  const service = cluster.get('Service', namespace, ref.name)
  if (service === undefined) return noParent(`there is no Service ${namespace}/${ref.name}`)
  if (!hasClusterIp(service)) return noParent('parent service must have a ClusterIP')
  const { sectionName } = ref
  if (sectionName !== undefined && portNamed(service, sectionName) === undefined)
    return noParent(`Service ${namespace}/${ref.name} has no port named ${sectionName}`)
  if (ref.port !== undefined && !service.spec.ports.some(({ port }) => port === ref.port))
    return noParent(`Service ${namespace}/${ref.name} has no port ${ref.port}`)
  return conflictOf(cluster, route, ref) ?? ACCEPTED
}

function egressParentAcceptance(cluster: Cluster, route: AnyRoute, ref: ParentRef): Acceptance {
  const namespace = ref.namespace ?? route.metadata.namespace
  const network = cluster.get('EgressNetwork', namespace, ref.name)
  if (network === undefined) return noParent(`there is no EgressNetwork ${namespace}/${ref.name}`)
  if (ref.port === undefined) return noParent('an EgressNetwork parent needs a port; add parentRefs[].port')
  if (!egressAcceptance(cluster, network).isAccepted) return noParent('EgressNetwork parent has not been accepted')
  return conflictOf(cluster, route, ref) ?? ACCEPTED
}

function serverAcceptance(cluster: Cluster, route: AnyRoute, ref: ParentRef): Acceptance {
  const { namespace } = route.metadata
  if (route.kind !== 'HTTPRoute' && route.kind !== 'GRPCRoute')
    return noParent(`a Server takes HTTPRoutes and GRPCRoutes, no ${route.kind}`)
  if ((ref.namespace ?? namespace) !== namespace) return noParent('a Server takes routes of its own namespace only')
  if (ref.port !== undefined || ref.sectionName !== undefined)
    return noParent('a Server is one port; remove port and sectionName')
  const server = cluster.get('Server', namespace, ref.name)
  if (server === undefined) return noParent(`there is no Server ${namespace}/${ref.name}`)
  const { proxyProtocol } = server.spec
  const protocols = ROUTED_PROTOCOLS[route.kind]
  if ((protocols as readonly string[]).includes(proxyProtocol)) return ACCEPTED
  const spoken = proxyProtocol.slice(0, 100)
  return noParent(`proxyProtocol of the Server is ${spoken}, and a ${route.kind} applies to ${protocols.join(', ')}`)
}

/** Routes that a Server's protocol has no place for would be accepted and never applied. */
const ROUTED_PROTOCOLS: { readonly [K in 'HTTPRoute' | 'GRPCRoute']: readonly ProxyProtocol[] } = {
  HTTPRoute: ['unknown', 'HTTP/1', 'HTTP/2'],
  GRPCRoute: ['gRPC'],
}

function noParent(message: string): Acceptance {
  return { isAccepted: false, reason: 'NoMatchingParent', message }
}

/**
 * A route of a higher kind (GRPCRoute, HTTPRoute, TLSRoute, TCPRoute) has the same parent and port. Only routes count
 * that all clients of this one see as well: nobody else's namespace can take a route out of service.
 */
function conflictOf(cluster: Cluster, route: AnyRoute, ref: ParentRef): Acceptance | undefined {
  const parent = { ...ref, namespace: ref.namespace ?? route.metadata.namespace }
  const port = portOf(cluster, route, ref)
  const rank = rankOf(route)
  for (const other of routesNaming(cluster, parent)) {
    if (rankOf(other) >= rank) continue
    const { namespace } = other.metadata
    if (namespace !== parent.namespace && namespace !== route.metadata.namespace) continue
    const isConflict = other.spec.parentRefs.some(
      (each) => isSame(other, each, parent) && portOf(cluster, other, each) === port,
    )
    if (isConflict) {
      const message = `${other.kind} ${namespace}/${other.metadata.name} has the same parent and port, and goes before a ${route.kind}`
      return { isAccepted: false, reason: 'RouteReasonConflicted', message }
    }
  }
  return undefined
}

function rankOf(route: AnyRoute): number {
  const kind = kindOf(route)
  // The two HTTPRoutes are one rank.
  return ROUTE_KINDS.findIndex((each) => each === (kind === 'HTTPRoute.policy.linkerd.io' ? 'HTTPRoute' : kind))
}

/** Whether a reference of the route means this parent. */
export function isSame(route: AnyRoute, ref: ParentRef, parent: ParentName): boolean {
  return (
    refersTo(ref, parent.group, parent.kind) &&
    ref.name === parent.name &&
    (ref.namespace ?? route.metadata.namespace) === parent.namespace
  )
}

/** The one port of the parent that the reference means, or `undefined` for all of them. */
function portOf(cluster: Cluster, route: AnyRoute, ref: ParentRef): number | undefined {
  if (ref.port !== undefined || ref.sectionName === undefined) return ref.port
  const service = cluster.get('Service', ref.namespace ?? route.metadata.namespace, ref.name)
  return service && portNamed(service, ref.sectionName)
}

function portNamed({ spec }: Service, name: string): number | undefined {
  return spec.ports.find((port) => port.name === name)?.port
}

function hasClusterIp({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && spec.clusterIP !== '' && spec.clusterIP !== 'None'
}
