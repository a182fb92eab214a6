/**
 * What one AuthorizationPolicy or ServerAuthorization grants.
 *
 * These objects open doors, so one with anything that is not understood, not there or contradictory opens none: the
 * result is then the sentence that says so.
 */
import { parseCidr } from '../../../api/ip.ts'
import type { AuthorizationPolicy, MeshTlsAuthentication } from '../../../api/resources/authorization-policy.ts'
import type { Network } from '../../../api/resources/network.ts'
import { formatKind, type ObjectRef, POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import type { ServerAuthorization } from '../../../api/resources/server-authorization.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { ClusterConfig } from '../../cluster/config.ts'
import type { Authorization, AuthorizedNetwork, Clients, Identities } from '../model/inbound.ts'
import type { Origin } from '../model/route.ts'
import { ANYONE, clusterNetworks, EVERYWHERE } from './default-policy.ts'
import { identitiesNamed, namespaceSuffix, serviceAccountIdentity } from './identities.ts'
import { unknownBelow } from './unknown-fields.ts'

/** `field: what is wrong`. */
export type Refusal = string

/** All required authentications hold at once: identities from one of them, networks from another. */
export function policyGrant(cluster: Cluster, policy: AuthorizationPolicy): Authorization | Refusal {
  const [unknown] = unknownBelow(policy, 'spec')
  if (unknown !== undefined) return notKnown(unknown)
  let identities: Identities | undefined
  let networks: readonly AuthorizedNetwork[] | undefined
  for (const [index, ref] of policy.spec.requiredAuthenticationRefs.entries()) {
    const field = `spec.requiredAuthenticationRefs[${index}]`
    const part = authentication(cluster, ref, policy.metadata.namespace)
    if (typeof part === 'string') return `${field}: ${part}`
    if ('networks' in part) {
      if (networks !== undefined) return `${field}: a second NetworkAuthentication; name one`
      networks = part.networks
    } else {
      if (identities !== undefined)
        return `${field}: a second MeshTLSAuthentication or ServiceAccount; name one, which may list several identities`
      identities = part.identities
    }
  }
  return {
    origin: originOf('authorizationpolicy', policy),
    networks: networks ?? EVERYWHERE,
    clients: identities === undefined ? ANYONE : { kind: 'identities', identities },
  }
}

export function serverAuthorizationGrant(
  config: ClusterConfig,
  authorization: ServerAuthorization,
): Authorization | Refusal {
  const [unknown] = unknownBelow(authorization, 'spec')
  if (unknown !== undefined) return notKnown(unknown)
  const { client } = authorization.spec
  const clients = clientsOf(config, authorization)
  if (typeof clients === 'string') return clients
  const networks = client.networks === undefined ? clusterNetworks(config) : authorizedNetworks(client.networks)
  if (typeof networks === 'string') return `spec.client.networks${networks}`
  return { origin: originOf('serverauthorization', authorization), networks, clients }
}

function clientsOf(config: ClusterConfig, { metadata, spec }: ServerAuthorization): Clients | Refusal {
  const { unauthenticated, meshTLS } = spec.client
  if (unauthenticated)
    return meshTLS === undefined ? ANYONE : 'spec.client: unauthenticated and meshTLS contradict each other; remove one'
  if (meshTLS === undefined) return 'spec.client: names no clients; add meshTLS or unauthenticated'
  const { unauthenticatedTLS, identities: names, serviceAccounts } = meshTLS
  if (unauthenticatedTLS) {
    if (names.length === 0 && serviceAccounts.length === 0) return { kind: 'tls' }
    return 'spec.client.meshTLS: unauthenticatedTLS and identities contradict each other; remove one'
  }
  if (names.length === 0 && serviceAccounts.length === 0)
    return 'spec.client.meshTLS: names no clients; add identities or serviceAccounts'
  const identities = identitiesNamed(names)
  if (typeof identities === 'string') return `spec.client.meshTLS.identities: ${identities}`
  const exact = [...identities.exact]
  for (const [index, { name, namespace = metadata.namespace }] of serviceAccounts.entries()) {
    const account = serviceAccountIdentity(config, namespace, name)
    if (typeof account === 'string') return `spec.client.meshTLS.serviceAccounts[${index}]: ${account}`
    exact.push(account.identity)
  }
  return { kind: 'identities', identities: { exact, suffixes: identities.suffixes } }
}

type Authentication = { readonly identities: Identities } | { readonly networks: readonly AuthorizedNetwork[] }

function authentication(cluster: Cluster, ref: ObjectRef, ownNamespace: string): Authentication | Refusal {
  const { name, namespace = ownNamespace } = ref
  const named = (kind: string) => `${kind} ${namespace}/${name}`
  if (refersTo(ref, '', 'ServiceAccount')) {
    const account = serviceAccountIdentity(cluster.config, namespace, name)
    return typeof account === 'string' ? account : { identities: { exact: [account.identity], suffixes: [] } }
  }
  if (refersTo(ref, POLICY_GROUP, 'MeshTLSAuthentication')) {
    const object = cluster.get('MeshTLSAuthentication', namespace, name)
    if (object === undefined) return missing(named('MeshTLSAuthentication'))
    const identities = meshIdentities(cluster.config, object)
    return typeof identities === 'string' ? `${named('MeshTLSAuthentication')}: ${identities}` : { identities }
  }
  if (refersTo(ref, POLICY_GROUP, 'NetworkAuthentication')) {
    const object = cluster.get('NetworkAuthentication', namespace, name)
    if (object === undefined) return missing(named('NetworkAuthentication'))
    const [unknown] = unknownBelow(object, 'spec')
    if (unknown !== undefined) return `${named('NetworkAuthentication')}: ${notKnown(unknown)}`
    const networks = authorizedNetworks(object.spec.networks)
    return typeof networks === 'string' ? `${named('NetworkAuthentication')}: spec.networks${networks}` : { networks }
  }
  return `${formatKind(ref)} is no authentication; use MeshTLSAuthentication, NetworkAuthentication or ServiceAccount`
}

function meshIdentities(config: ClusterConfig, object: MeshTlsAuthentication): Identities | Refusal {
  const [unknown] = unknownBelow(object, 'spec')
  if (unknown !== undefined) return notKnown(unknown)
  const { identities: names = [], identityRefs = [] } = object.spec
  const identities = identitiesNamed(names)
  if (typeof identities === 'string') return `spec.identities: ${identities}`
  const exact = [...identities.exact]
  const suffixes = [...identities.suffixes]
  for (const [index, ref] of identityRefs.entries()) {
    const field = `spec.identityRefs[${index}]`
    if (refersTo(ref, '', 'ServiceAccount')) {
      const account = serviceAccountIdentity(config, ref.namespace ?? object.metadata.namespace, ref.name)
      if (typeof account === 'string') return `${field}: ${account}`
      exact.push(account.identity)
    } else if (refersTo(ref, '', 'Namespace')) {
      if (ref.namespace !== undefined) return `${field}: a Namespace has no namespace; remove it`
      const all = namespaceSuffix(config, ref.name)
      if (typeof all === 'string') return `${field}: ${all}`
      suffixes.push(all.suffix)
    } else return `${field}: ${formatKind(ref)} has no identity; use ServiceAccount or Namespace`
  }
  if (exact.length === 0 && suffixes.length === 0) return 'spec: names no identities'
  return { exact, suffixes }
}

/** @returns or `[1].cidr: what is wrong` */
function authorizedNetworks(networks: readonly Network[]): readonly AuthorizedNetwork[] | Refusal {
  if (networks.length === 0) return ': names no network'
  const authorized: AuthorizedNetwork[] = []
  for (const [index, { cidr, except }] of networks.entries()) {
    const net = parseCidr(cidr)
    if (net === undefined) return `[${index}].cidr: "${cidr.slice(0, 100)}" is not a network such as 10.0.0.0/8`
    const holes = []
    for (const text of except) {
      const hole = parseCidr(text)
      if (hole === undefined) return `[${index}].except: "${text.slice(0, 100)}" is not a network such as 10.0.0.0/8`
      holes.push(hole)
    }
    authorized.push({ net, except: holes })
  }
  return authorized
}

function originOf(kind: string, { metadata }: AuthorizationPolicy | ServerAuthorization): Origin {
  const { name, generation } = metadata
  return { kind: 'resource', resource: { group: POLICY_GROUP, kind, namespace: '', name, generation } }
}

function missing(object: string): Refusal {
  return `${object} does not exist`
}

function notKnown(field: string): Refusal {
  return `${field}: this version does not know the field`
}
