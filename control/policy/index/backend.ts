/** What a route's `backendRefs` mean. A reference that cannot be followed stays in the split and fails its share. */
import type { SocketAddress } from '../../../api/ip.ts'
import { kindOf } from '../../../api/resources/kinds.ts'
import { formatKind, GATEWAY_GROUP, type ObjectRef, POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import { type Cluster, grouped } from '../../cluster/cluster.ts'
import type { Backend } from '../model/outbound.ts'
import type { ResourceName } from '../model/route.ts'
import { resourceName, resourceOrigin } from './origin.ts'
import type { AnyRoute, ParentName } from './route-attachment.ts'

export type BackendProblem = 'BackendNotFound' | 'InvalidKind' | 'RefNotPermitted'

export type ResolvedBackend =
  | { readonly isResolved: true; readonly backend: Exclude<Backend, { kind: 'invalid' }> }
  | { readonly isResolved: false; readonly reason: BackendProblem; readonly message: string }

export interface BackendRefs {
  readonly cluster: Cluster
  readonly route: AnyRoute
  readonly parent: ParentName
  /** Where traffic to the parent was going, if that is an EgressNetwork. */
  readonly address?: SocketAddress
}

const GRANTS_BY_NAMESPACE = grouped('ReferenceGrant', ({ metadata }) => [metadata.namespace])

/** A namespace left out is that of the route (Gateway API). */
export function resolveBackend(
  { cluster, route, parent, address }: BackendRefs,
  ref: ObjectRef & { readonly port?: number },
): ResolvedBackend {
  const namespace = ref.namespace ?? route.metadata.namespace
  if (refersTo(ref, POLICY_GROUP, 'EgressNetwork')) {
    const isParent =
      refersTo(parent, POLICY_GROUP, 'EgressNetwork') && parent.name === ref.name && parent.namespace === namespace
    if (!isParent) return unresolved('InvalidKind', 'an EgressNetwork can be the backend of its own routes only')
    const network = cluster.get('EgressNetwork', namespace, ref.name)
    if (network === undefined)
      return unresolved('BackendNotFound', `there is no EgressNetwork ${namespace}/${ref.name}`)
    // Status is asked for without any connection; then the address does not matter.
    return {
      isResolved: true,
      backend: {
        kind: 'forward',
        origin: resourceOrigin(network, address?.port),
        address: address ?? { ip: '0.0.0.0', port: 0 },
      },
    }
  }
  if (!refersTo(ref, '', 'Service'))
    return unresolved('InvalidKind', `${formatKind(ref)} is no backend; use a Service, or the EgressNetwork itself`)
  const isParent = refersTo(parent, '', 'Service') && parent.name === ref.name && parent.namespace === namespace
  if (!isParent && !isGranted(cluster, route, namespace, ref.name)) {
    const message = `Service ${namespace}/${ref.name} is in another namespace, which has no ReferenceGrant for this route`
    return unresolved('RefNotPermitted', message)
  }
  const service = cluster.get('Service', namespace, ref.name)
  if (service === undefined) return unresolved('BackendNotFound', `there is no Service ${namespace}/${ref.name}`)
  if (service.spec.type === 'ExternalName')
    return unresolved('InvalidKind', `Service ${namespace}/${ref.name} is an ExternalName, which has no endpoints`)
  if (ref.port === undefined)
    return unresolved('BackendNotFound', `the port of Service ${namespace}/${ref.name} is missing`)
  if (!service.spec.ports.some(({ port }) => port === ref.port))
    return unresolved('BackendNotFound', `Service ${namespace}/${ref.name} has no port ${ref.port}`)
  return { isResolved: true, backend: { kind: 'service', service: resourceName(service), port: ref.port } }
}

/** The backend as policies name it, a failing one included. */
export function backendOf(refs: BackendRefs, ref: ObjectRef & { readonly port?: number }): Backend {
  const resolved = resolveBackend(refs, ref)
  if (resolved.isResolved) return resolved.backend
  return { kind: 'invalid', named: backendName(refs.route, ref), message: resolved.message }
}

function unresolved(reason: BackendProblem, message: string): ResolvedBackend {
  return { isResolved: false, reason, message }
}

export function backendName(route: AnyRoute, { group, kind, name, namespace }: ObjectRef): ResourceName {
  return {
    group: refersTo({ group, kind }, '', kind) ? 'core' : group,
    kind,
    namespace: namespace ?? route.metadata.namespace,
    name,
    generation: 0,
  }
}

/** Linkerd's own routes need no grants: that is what their group has always meant. */
function isGranted(cluster: Cluster, route: AnyRoute, namespace: string, name: string): boolean {
  if (namespace === route.metadata.namespace || kindOf(route) === 'HTTPRoute.policy.linkerd.io') return true
  return cluster
    .group(GRANTS_BY_NAMESPACE, namespace)
    .some(
      ({ spec }) =>
        spec.from.some(
          (from) => refersTo(from, GATEWAY_GROUP, route.kind) && from.namespace === route.metadata.namespace,
        ) && spec.to.some((to) => refersTo(to, '', 'Service') && (to.name === undefined || to.name === name)),
    )
}
