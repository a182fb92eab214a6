/** ReferenceGrant (gateway.networking.k8s.io): a namespace lets routes of other namespaces use its Services. */
import { array, type Check, dnsLabel, object, optional, required, string, withDefault } from './check.ts'
import { type ObjectMeta, objectMeta } from './meta.ts'
import { groupName, kindName, objectName } from './reference.ts'

export interface ReferenceGrant {
  readonly apiVersion: string
  readonly kind: 'ReferenceGrant'
  readonly metadata: ObjectMeta
  readonly spec: {
    readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
    /** Without a name: all objects of that kind. */
    readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[]
  }
}

export const referenceGrant: Check<ReferenceGrant> = object<ReferenceGrant>({
  apiVersion: required(string),
  kind: required((value) => value as 'ReferenceGrant'),
  metadata: required(objectMeta),
  spec: required(
    object<ReferenceGrant['spec']>(
      {
        from: required(
          array(
            object<ReferenceGrant['spec']['from'][number]>(
              { group: withDefault(groupName, () => ''), kind: required(kindName), namespace: required(dnsLabel) },
              { unknown: 'refuse' },
            ),
          ),
        ),
        to: required(
          array(
            object<ReferenceGrant['spec']['to'][number]>(
              { group: withDefault(groupName, () => ''), kind: required(kindName), name: optional(objectName) },
              { unknown: 'refuse' },
            ),
          ),
        ),
      },
      { unknown: 'refuse' },
    ),
  ),
})
