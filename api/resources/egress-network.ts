/** EgressNetwork (policy.linkerd.io): what happens to traffic that leaves the cluster. */
import { type Check, object, oneOf, optional, required, string } from './check.ts'
import { type ConditionStatus, conditionStatus } from './condition.ts'
import { type ObjectMeta, objectMeta } from './meta.ts'
import { type Network, networks } from './network.ts'

export interface EgressNetwork {
  readonly apiVersion: string
  readonly kind: 'EgressNetwork'
  readonly metadata: ObjectMeta
  readonly spec: {
    /** For traffic that no route matches. */
    readonly trafficPolicy: 'Allow' | 'Deny'
    /** Absent: everything outside the cluster. */
    readonly networks?: readonly Network[]
  }
  readonly status?: ConditionStatus
}

export const egressNetwork: Check<EgressNetwork> = object<EgressNetwork>({
  apiVersion: required(string),
  kind: required((value) => value as 'EgressNetwork'),
  metadata: required(objectMeta),
  spec: required(
    object<EgressNetwork['spec']>({
      trafficPolicy: required(oneOf('Allow', 'Deny')),
      networks: optional(networks),
    }),
  ),
  status: optional(conditionStatus),
})
