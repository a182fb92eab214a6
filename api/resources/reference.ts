/** How policy objects name other objects. */
import { type Check, dnsLabel, matching, object, optional, required, withDefault } from './check.ts'

export const POLICY_GROUP = 'policy.linkerd.io'
export const GATEWAY_GROUP = 'gateway.networking.k8s.io'

/** An object of the same namespace. */
export interface TargetRef {
  /** Empty or `core` is Kubernetes' own group. */
  readonly group: string
  readonly kind: string
  readonly name: string
}

/** An object of any namespace; absent means that of who refers to it. */
export interface ObjectRef extends TargetRef {
  readonly namespace?: string
}

export const groupName = matching(
  /^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  'an API group such as policy.linkerd.io, or empty',
)
export const kindName = matching(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/, 'a kind such as Service', 63)
export const objectName = matching(/^[^\s/]+$/, 'the name of an object')

export const targetRef: Check<TargetRef> = object<TargetRef>(
  {
    group: withDefault(groupName, () => ''),
    kind: required(kindName),
    name: required(objectName),
  },
  { unknown: 'refuse' },
)

export const objectRef: Check<ObjectRef> = object<ObjectRef>(
  {
    group: withDefault(groupName, () => ''),
    kind: required(kindName),
    name: required(objectName),
    namespace: optional(dnsLabel),
  },
  { unknown: 'refuse' },
)

/** Whether a reference means this group and kind: both compare without case, and `core` is the empty group. */
export function refersTo(ref: { readonly group: string; readonly kind: string }, group: string, kind: string): boolean {
  return coreless(ref.group) === coreless(group) && ref.kind.toLowerCase() === kind.toLowerCase()
}

function coreless(group: string): string {
  const lower = group.toLowerCase()
  return lower === 'core' ? '' : lower
}

/** `Service`, `Server.policy.linkerd.io`: a kind as messages name it. */
export function formatKind({ group, kind }: { readonly group: string; readonly kind: string }): string {
  return coreless(group) === '' ? kind : `${kind}.${group}`
}
