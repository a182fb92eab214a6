/** Server (policy.linkerd.io): one port of some pods, what it speaks and who may use it by default. */
import { type Check, object, optional, portOrName, required, string, withDefault } from './check.ts'
import { type LabelSelector, labelSelector, type ObjectMeta, objectMeta } from './meta.ts'

export interface Server {
  readonly apiVersion: string
  readonly kind: 'Server'
  readonly metadata: ObjectMeta
  readonly spec: ServerSpec
}
export interface ServerSpec {
  /** Exactly one of the two selectors. An empty one selects all of the namespace. */
  readonly podSelector?: LabelSelector
  readonly externalWorkloadSelector?: LabelSelector
  readonly port: number | string
  /** One of `PROXY_PROTOCOLS`; what else it may say is refused at admission and denied by the controller. */
  readonly proxyProtocol: string
  /** One of `ACCESS_POLICIES`, likewise. */
  readonly accessPolicy: string
}

export const PROXY_PROTOCOLS = ['unknown', 'HTTP/1', 'HTTP/2', 'gRPC', 'opaque', 'TLS'] as const
export type ProxyProtocol = (typeof PROXY_PROTOCOLS)[number]

const spec: Check<ServerSpec> = object<ServerSpec>(
  {
    podSelector: optional(labelSelector),
    externalWorkloadSelector: optional(labelSelector),
    port: required(portOrName),
    proxyProtocol: withDefault(string, () => 'unknown'),
    accessPolicy: withDefault(string, () => 'deny'),
  },
  {
    also({ podSelector, externalWorkloadSelector }, path, report) {
      if ((podSelector === undefined) === (externalWorkloadSelector === undefined))
        report.problem(path, 'has to have exactly one of podSelector and externalWorkloadSelector')
    },
  },
)

export const server: Check<Server> = object<Server>({
  apiVersion: required(string),
  kind: required((value) => value as 'Server'),
  metadata: required(objectMeta),
  spec: required(spec),
})
