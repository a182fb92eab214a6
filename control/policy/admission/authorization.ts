/** Admission of Servers and of who may use them. */
import type { AuthorizationPolicy, MeshTlsAuthentication } from '../../../api/resources/authorization-policy.ts'
import { formatKind, GATEWAY_GROUP, POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import { PROXY_PROTOCOLS, type Server } from '../../../api/resources/server.ts'
import type { ServerAuthorization } from '../../../api/resources/server-authorization.ts'
import { DefaultPolicy } from '../../../api/vocabulary.ts'
import { identitiesNamed } from '../index/identities.ts'
import type { Refuse } from './admit.ts'

export function admitServer({ spec }: Server, refuse: Refuse): void {
  const { proxyProtocol, accessPolicy } = spec
  if (!(PROXY_PROTOCOLS as readonly string[]).includes(proxyProtocol))
    refuse(['spec', 'proxyProtocol'], `"${proxyProtocol}" is not one of ${PROXY_PROTOCOLS.join(', ')}`)
  const policies: readonly string[] = Object.values(DefaultPolicy)
  if (!policies.includes(accessPolicy))
    refuse(['spec', 'accessPolicy'], `"${accessPolicy}" is not one of ${policies.join(', ')}`)
}

export function admitServerAuthorization({ spec }: ServerAuthorization, refuse: Refuse): void {
  const { unauthenticated, meshTLS } = spec.client
  if (meshTLS === undefined) {
    if (!unauthenticated)
      refuse(
        ['spec', 'client'],
        'names no clients; set unauthenticated: true, or meshTLS with identities or serviceAccounts',
      )
    return
  }
  if (unauthenticated)
    refuse(
      ['spec', 'client', 'unauthenticated'],
      'is true beside meshTLS, which it would make meaningless; remove one of them',
    )
  const { unauthenticatedTLS, identities, serviceAccounts } = meshTLS
  const path = ['spec', 'client', 'meshTLS'] as const
  const names = identities.length + serviceAccounts.length
  if (unauthenticatedTLS && names > 0)
    refuse(
      [...path, 'unauthenticatedTLS'],
      'is true beside identities, which it would make meaningless; remove one of them',
    )
  if (!unauthenticatedTLS && names === 0)
    refuse(path, 'names no clients; add identities or serviceAccounts, "*" is any identity of the mesh')
  admitIdentities(identities, [...path, 'identities'], refuse)
}

const AUTHENTICATIONS = 'MeshTLSAuthentication and NetworkAuthentication (policy.linkerd.io) and ServiceAccount'
const TARGETS =
  'Server and HTTPRoute (policy.linkerd.io), HTTPRoute and GRPCRoute (gateway.networking.k8s.io) and the own Namespace'

export function admitAuthorizationPolicy({ metadata, spec }: AuthorizationPolicy, refuse: Refuse): void {
  const { targetRef, requiredAuthenticationRefs } = spec
  const isNamespace = refersTo(targetRef, '', 'Namespace')
  const isKnown =
    isNamespace ||
    refersTo(targetRef, POLICY_GROUP, 'Server') ||
    refersTo(targetRef, POLICY_GROUP, 'HTTPRoute') ||
    refersTo(targetRef, GATEWAY_GROUP, 'HTTPRoute') ||
    refersTo(targetRef, GATEWAY_GROUP, 'GRPCRoute')
  if (!isKnown) refuse(['spec', 'targetRef'], `${formatKind(targetRef)} cannot be a target; possible are ${TARGETS}`)
  if (isNamespace && targetRef.name !== metadata.namespace)
    refuse(['spec', 'targetRef', 'name'], `"${targetRef.name}" is not the policy's own namespace ${metadata.namespace}`)

  let identityRefs = 0
  let networkRefs = 0
  for (const [index, ref] of requiredAuthenticationRefs.entries()) {
    const path = ['spec', 'requiredAuthenticationRefs', index] as const
    if (refersTo(ref, POLICY_GROUP, 'MeshTLSAuthentication') || refersTo(ref, '', 'ServiceAccount')) {
      if (++identityRefs === 2)
        refuse(
          path,
          'is a second requirement for identities, and no client can have two; name them in one MeshTLSAuthentication',
        )
    } else if (refersTo(ref, POLICY_GROUP, 'NetworkAuthentication')) {
      if (++networkRefs === 2) refuse(path, 'is a second NetworkAuthentication; put the networks into one')
    } else refuse(path, `${formatKind(ref)} is no authentication; possible are ${AUTHENTICATIONS}`)
  }
}

export function admitMeshTlsAuthentication({ spec }: MeshTlsAuthentication, refuse: Refuse): void {
  admitIdentities(spec.identities ?? [], ['spec', 'identities'], refuse)
  for (const [index, ref] of (spec.identityRefs ?? []).entries()) {
    const path = ['spec', 'identityRefs', index] as const
    if (refersTo(ref, '', 'Namespace')) {
      if (ref.namespace !== undefined)
        refuse([...path, 'namespace'], 'a Namespace is in no namespace; remove the field')
    } else if (!refersTo(ref, '', 'ServiceAccount'))
      refuse(path, `${formatKind(ref)} has no identity; possible are ServiceAccount and Namespace`)
  }
}

function admitIdentities(identities: readonly string[], path: readonly (string | number)[], refuse: Refuse): void {
  for (const [index, identity] of identities.entries()) {
    const problem = identitiesNamed([identity])
    if (typeof problem === 'string') refuse([...path, index], problem)
  }
}
