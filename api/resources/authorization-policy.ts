/**
 * AuthorizationPolicy, MeshTLSAuthentication and NetworkAuthentication (policy.linkerd.io): who may use a Server, a
 * route or a namespace.
 *
 * Unknown fields are refused: these objects grant, and a condition that was not understood would grant more.
 */
import { array, type Check, object, optional, required, string } from './check.ts'
import { type ObjectMeta, objectMeta } from './meta.ts'
import { type Network, networks } from './network.ts'
import { groupName, kindName, type ObjectRef, objectName, objectRef, type TargetRef, targetRef } from './reference.ts'

export interface AuthorizationPolicy {
  readonly apiVersion: string
  readonly kind: 'AuthorizationPolicy'
  readonly metadata: ObjectMeta
  readonly spec: {
    /** A Server, an HTTPRoute or GRPCRoute, or the policy's own namespace. */
    readonly targetRef: TargetRef
    /** All of them have to hold; none of them admits everybody. */
    readonly requiredAuthenticationRefs: readonly ObjectRef[]
  }
}

export interface MeshTlsAuthentication {
  readonly apiVersion: string
  readonly kind: 'MeshTLSAuthentication'
  readonly metadata: ObjectMeta
  /** Exactly one of the two. */
  readonly spec: {
    /** DNS names, `*` for any, `*.suffix`, or SPIFFE ids. */
    readonly identities?: readonly string[]
    /** ServiceAccounts, or Namespaces for all of theirs. */
    readonly identityRefs?: readonly IdentityRef[]
  }
}
export interface IdentityRef {
  readonly group: string
  readonly kind: string
  /** Absent is refused: it would mean all of a namespace in some versions and nothing in others. */
  readonly name: string
  readonly namespace?: string
}

export interface NetworkAuthentication {
  readonly apiVersion: string
  readonly kind: 'NetworkAuthentication'
  readonly metadata: ObjectMeta
  readonly spec: { readonly networks: readonly Network[] }
}

export const authorizationPolicy: Check<AuthorizationPolicy> = object<AuthorizationPolicy>({
  apiVersion: required(string),
  kind: required((value) => value as 'AuthorizationPolicy'),
  metadata: required(objectMeta),
  spec: required(
    object<AuthorizationPolicy['spec']>(
      { targetRef: required(targetRef), requiredAuthenticationRefs: required(array(objectRef)) },
      { unknown: 'refuse' },
    ),
  ),
})

const identityRef: Check<IdentityRef> = object<IdentityRef>(
  {
    group: { check: groupName, presence: 'default', fallback: () => '' },
    kind: required(kindName),
    name: required(objectName),
    namespace: optional(string),
  },
  { unknown: 'refuse' },
)

export const meshTlsAuthentication: Check<MeshTlsAuthentication> = object<MeshTlsAuthentication>({
  apiVersion: required(string),
  kind: required((value) => value as 'MeshTLSAuthentication'),
  metadata: required(objectMeta),
  spec: required(
    object<MeshTlsAuthentication['spec']>(
      { identities: optional(array(string, { min: 1 })), identityRefs: optional(array(identityRef, { min: 1 })) },
      {
        unknown: 'refuse',
        also({ identities, identityRefs }, path, report) {
          if ((identities === undefined) === (identityRefs === undefined))
            report.problem(path, 'has to have exactly one of identities and identityRefs')
        },
      },
    ),
  ),
})

export const networkAuthentication: Check<NetworkAuthentication> = object<NetworkAuthentication>({
  apiVersion: required(string),
  kind: required((value) => value as 'NetworkAuthentication'),
  metadata: required(objectMeta),
  spec: required(object<NetworkAuthentication['spec']>({ networks: required(networks) }, { unknown: 'refuse' })),
})
