/** ExternalWorkload (workload.linkerd.io): a meshed process outside the cluster, such as one on a virtual machine. */

import { canonicalIp } from '../ip.ts'
import {
  array,
  type Check,
  describe,
  fail,
  isMap,
  matching,
  object,
  oneOf,
  optional,
  port,
  portName,
  required,
  string,
  withDefault,
} from './check.ts'
import { type ConditionStatus, conditionStatus } from './condition.ts'
import { type ObjectMeta, objectMeta } from './meta.ts'

export interface ExternalWorkload {
  readonly apiVersion: string
  readonly kind: 'ExternalWorkload'
  readonly metadata: ObjectMeta
  readonly spec: ExternalWorkloadSpec
  /** It counts as ready when its condition `Ready` is true. */
  readonly status?: ConditionStatus
}
export interface ExternalWorkloadSpec {
  readonly meshTLS: { readonly identity: string; readonly serverName: string }
  readonly ports: readonly {
    readonly name?: string
    readonly port: number
    readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  }[]
  readonly workloadIPs: readonly { readonly ip: string }[]
}

const identity = matching(/^\S+$/, 'an identity such as vm.shop.serviceaccount.identity.linkerd.cluster.local')
const address: Check<string> = (value, path, report) =>
  typeof value === 'string' && canonicalIp(value) !== undefined
    ? value
    : fail(report, path, `${describe(value)} is not an IP address`)

const spec: Check<ExternalWorkloadSpec> = object<ExternalWorkloadSpec>({
  meshTLS: required(
    object<ExternalWorkloadSpec['meshTLS']>({ identity: required(identity), serverName: required(identity) }),
  ),
  ports: withDefault(
    array(
      object<ExternalWorkloadSpec['ports'][number]>({
        name: optional(portName),
        port: required(port),
        protocol: withDefault(oneOf('TCP', 'UDP', 'SCTP'), () => 'TCP' as const),
      }),
    ),
    () => [],
  ),
  workloadIPs: withDefault(array(object<{ readonly ip: string }>({ ip: required(address) })), () => []),
})

export const externalWorkload: Check<ExternalWorkload> = object<ExternalWorkload>({
  apiVersion: required(string),
  kind: required((value) => value as 'ExternalWorkload'),
  metadata: required(objectMeta),
  spec: required((value, path, report) => spec(renamed(value), path, report)),
  status: optional(conditionStatus),
})

/** v1alpha1 writes `meshTls`. */
function renamed(value: unknown): unknown {
  if (!isMap(value) || value.meshTls === undefined || value.meshTLS !== undefined) return value
  const { meshTls, ...rest } = value
  return { ...rest, meshTLS: meshTls }
}
