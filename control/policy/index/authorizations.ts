/** Which authorizations apply where: to a Server, to all Servers of a namespace, to a route. */
import type { AuthorizationPolicy } from '../../../api/resources/authorization-policy.ts'
import type { Kind } from '../../../api/resources/kinds.ts'
import { selects } from '../../../api/resources/meta.ts'
import { formatKind, GATEWAY_GROUP, POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import type { Server } from '../../../api/resources/server.ts'
import type { ServerAuthorization } from '../../../api/resources/server-authorization.ts'
import type { Cluster, Derived } from '../../cluster/cluster.ts'
import type { Authorization } from '../model/inbound.ts'
import { policyGrant, serverAuthorizationGrant } from './grants.ts'

export interface Authorizations {
  readonly authorizations: readonly Authorization[]
  readonly problems: readonly string[]
}

/** The kinds that `serverAuthorizations` and `routeAuthorizations` read. */
export const AUTHORIZATION_KINDS: readonly Kind[] = [
  'ServerAuthorization',
  'AuthorizationPolicy',
  'MeshTLSAuthentication',
  'NetworkAuthentication',
]

/** Any of them admits: those that name the Server first, so that metrics tell the closest one. */
export function serverAuthorizations(cluster: Cluster, { metadata }: Server): Authorizations {
  const { namespace, name, labels } = metadata
  const byServer = cluster.derived(SERVER_AUTHORIZATIONS).get(namespace) ?? []
  const grants = [
    ...byServer
      .filter(({ server }) =>
        server.name === undefined
          ? server.selector !== undefined && selects(server.selector, labels)
          : server.name === name,
      )
      .map(({ grant }) => grant),
    ...policiesFor(cluster, serverTarget(namespace, name)),
    ...policiesFor(cluster, namespaceTarget(namespace)),
    ...policiesFor(cluster, unknownTarget(namespace)),
  ]
  return collect(grants)
}

/** @param group of the route, since two groups have an HTTPRoute */
export function routeAuthorizations(
  cluster: Cluster,
  group: string,
  kind: string,
  namespace: string,
  name: string,
): Authorizations {
  return collect(policiesFor(cluster, routeTarget(group, kind, namespace, name)))
}

/** An authorization, or the sentence that says why there is none. */
type Grant = Authorization | string

function collect(grants: readonly Grant[]): Authorizations {
  return {
    authorizations: grants.filter((grant) => typeof grant !== 'string'),
    problems: grants.filter((grant) => typeof grant === 'string'),
  }
}

const SERVER_AUTHORIZATIONS: Derived<
  ReadonlyMap<string, readonly { readonly server: ServerAuthorization['spec']['server']; readonly grant: Grant }[]>
> = {
  kinds: ['ServerAuthorization'],
  compute: (cluster) =>
    Map.groupBy(
      cluster.list('ServerAuthorization').map((authorization) => ({
        namespace: authorization.metadata.namespace,
        server: authorization.spec.server,
        grant: orSentence(authorization, serverAuthorizationGrant(cluster.config, authorization)),
      })),
      ({ namespace }) => namespace,
    ),
}

const POLICIES_BY_TARGET: Derived<ReadonlyMap<string, readonly Grant[]>> = {
  kinds: ['AuthorizationPolicy', 'MeshTLSAuthentication', 'NetworkAuthentication'],
  compute(cluster) {
    const policies = new Map<string, Grant[]>()
    for (const policy of cluster.list('AuthorizationPolicy')) {
      const { target, problem } = targetOf(policy)
      const grant = orSentence(policy, problem ?? policyGrant(cluster, policy))
      const list = policies.get(target)
      if (list === undefined) policies.set(target, [grant])
      else list.push(grant)
    }
    return policies
  },
}

function policiesFor(cluster: Cluster, target: string): readonly Grant[] {
  return cluster.derived(POLICIES_BY_TARGET).get(target) ?? []
}

function orSentence({ kind, metadata }: AuthorizationPolicy | ServerAuthorization, grant: Grant): Grant {
  if (typeof grant !== 'string') return grant
  return `${kind} ${metadata.namespace}/${metadata.name}: ${grant}; it grants nothing until that is corrected`
}

const ROUTE_KINDS = [
  [POLICY_GROUP, 'HTTPRoute'],
  [GATEWAY_GROUP, 'HTTPRoute'],
  [GATEWAY_GROUP, 'GRPCRoute'],
] as const

function targetOf({ metadata, spec }: AuthorizationPolicy): { readonly target: string; readonly problem?: string } {
  const { namespace } = metadata
  const { targetRef } = spec
  if (refersTo(targetRef, POLICY_GROUP, 'Server')) return { target: serverTarget(namespace, targetRef.name) }
  if (refersTo(targetRef, '', 'Namespace')) {
    if (targetRef.name === namespace) return { target: namespaceTarget(namespace) }
    return {
      target: unknownTarget(namespace),
      problem: `spec.targetRef: Namespace ${targetRef.name} is not its own; a policy applies to its namespace only`,
    }
  }
  for (const [group, kind] of ROUTE_KINDS) {
    if (refersTo(targetRef, group, kind)) return { target: routeTarget(group, kind, namespace, targetRef.name) }
  }
  return {
    target: unknownTarget(namespace),
    problem: `spec.targetRef: ${formatKind(targetRef)} cannot be authorized; use Server, HTTPRoute, GRPCRoute or the own Namespace`,
  }
}

function serverTarget(namespace: string, name: string): string {
  return `Server ${namespace}/${name}`
}
function namespaceTarget(namespace: string): string {
  return `Namespace ${namespace}`
}
/** Policies that apply to nothing: they are told beside every Server of their namespace. */
function unknownTarget(namespace: string): string {
  return `unknown ${namespace}`
}
/** Linkerd compares the names of routes without case. */
function routeTarget(group: string, kind: string, namespace: string, name: string): string {
  return `${kind}.${group} ${namespace}/${name.toLowerCase()}`
}
