/** Service and EndpointSlice: a name and a virtual address for a set of pods, and which of them answer right now. */
import {
  array,
  boolean,
  type Check,
  dnsLabel,
  object,
  oneOf,
  optional,
  port,
  portName,
  portOrName,
  required,
  type StringMap,
  string,
  stringMap,
  withDefault,
} from './check.ts'
import { type ObjectMeta, objectMeta } from './meta.ts'

export type TransportProtocol = 'TCP' | 'UDP' | 'SCTP'

export interface Service {
  readonly apiVersion: string
  readonly kind: 'Service'
  readonly metadata: ObjectMeta
  readonly spec: ServiceSpec
}
export interface ServiceSpec {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** `None` for a headless service, empty until one is assigned. */
  readonly clusterIP: string
  readonly clusterIPs: readonly string[]
  readonly selector?: StringMap
  readonly ports: readonly ServicePort[]
  readonly externalName?: string
  readonly publishNotReadyAddresses: boolean
  readonly internalTrafficPolicy: 'Cluster' | 'Local'
}
export interface ServicePort {
  /** Empty when a service has one port only. */
  readonly name: string
  readonly protocol: TransportProtocol
  readonly port: number
  /** Number, or name of a container port, which may be another number in every pod. */
  readonly targetPort: number | string
  readonly appProtocol?: string
}

export interface EndpointSlice {
  readonly apiVersion: string
  readonly kind: 'EndpointSlice'
  /** Label `kubernetes.io/service-name` names the service. */
  readonly metadata: ObjectMeta
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly endpoints: readonly EndpointSliceEndpoint[]
  readonly ports: readonly EndpointSlicePort[]
}
export interface EndpointSliceEndpoint {
  readonly addresses: readonly string[]
  readonly conditions: EndpointConditions
  readonly hostname?: string
  readonly nodeName?: string
  readonly zone?: string
  readonly targetRef?: {
    readonly kind: string
    readonly namespace?: string
    readonly name: string
    readonly uid?: string
  }
  readonly hints?: { readonly forZones?: readonly { readonly name: string }[] }
}
export interface EndpointConditions {
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
}
export interface EndpointSlicePort {
  readonly name: string
  readonly protocol: TransportProtocol
  /** Absent means every port of the endpoint. */
  readonly port?: number
  readonly appProtocol?: string
}

/** Label of an EndpointSlice that names its service. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

export const transportProtocol: Check<TransportProtocol> = oneOf('TCP', 'UDP', 'SCTP')

type GivenPort = Omit<ServicePort, 'targetPort'> & { readonly targetPort?: number | string }
const givenPort: Check<GivenPort> = object<GivenPort>({
  name: withDefault(dnsLabel, () => ''),
  protocol: withDefault(transportProtocol, () => 'TCP' as const),
  port: required(port),
  targetPort: optional(portOrName),
  appProtocol: optional(string),
})
const servicePort: Check<ServicePort> = (value, path, report) => {
  const given = givenPort(value, path, report)
  return given === undefined ? undefined : { ...given, targetPort: given.targetPort ?? given.port }
}

const serviceSpec: Check<ServiceSpec> = object<ServiceSpec>(
  {
    type: withDefault(oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'), () => 'ClusterIP' as const),
    clusterIP: withDefault(string, () => ''),
    clusterIPs: withDefault(array(string), () => []),
    selector: optional(stringMap),
    ports: withDefault(array(servicePort), () => []),
    externalName: optional(string),
    publishNotReadyAddresses: withDefault(boolean, () => false),
    internalTrafficPolicy: withDefault(oneOf('Cluster', 'Local'), () => 'Cluster' as const),
  },
  {
    also({ ports, type, clusterIP, externalName }, path, report) {
      const portsPath = [...path, 'ports']
      if (type === 'ExternalName' && externalName === undefined)
        report.problem([...path, 'externalName'], 'is missing; a service of type ExternalName needs it')
      if (ports.length === 0 && type !== 'ExternalName' && clusterIP !== 'None')
        report.problem(portsPath, 'is missing; a service needs at least one port')
      const names = new Set<string>()
      const numbers = new Set<string>()
      for (const [index, each] of ports.entries()) {
        if (ports.length > 1 && each.name === '')
          report.problem([...portsPath, index, 'name'], 'is missing; with several ports each needs a name')
        if (each.name !== '' && names.has(each.name))
          report.problem(
            [...portsPath, index, 'name'],
            `${each.name} is the name of another port already; names must differ`,
          )
        const number = `${each.port}/${each.protocol}`
        if (numbers.has(number)) report.problem([...portsPath, index, 'port'], `${number} is listed twice; remove one`)
        names.add(each.name)
        numbers.add(number)
      }
    },
  },
)

export const service: Check<Service> = object<Service>(
  {
    apiVersion: required(string),
    kind: required((value) => value as 'Service'),
    metadata: required(objectMeta),
    spec: required(serviceSpec),
  },
  {
    also({ metadata }, path, report) {
      dnsLabel(metadata.name, [...path, 'metadata', 'name'], report)
    },
  },
)

const endpoint: Check<EndpointSliceEndpoint> = object<EndpointSliceEndpoint>({
  addresses: required(array(string, { min: 1 })),
  // Kubernetes: an unknown `ready` counts as ready, `serving` follows it, `terminating` is false.
  conditions: withDefault(
    (value, path, report) => {
      const given = givenConditions(value, path, report)
      if (given === undefined) return undefined
      const ready = given.ready ?? true
      return { ready, serving: given.serving ?? ready, terminating: given.terminating ?? false }
    },
    () => ({ ready: true, serving: true, terminating: false }),
  ),
  hostname: optional(string),
  nodeName: optional(string),
  zone: optional(string),
  targetRef: optional(
    object<NonNullable<EndpointSliceEndpoint['targetRef']>>(
      { kind: required(string), namespace: optional(string), name: required(string), uid: optional(string) },
      { unknown: 'ignore' },
    ),
  ),
  hints: optional(
    object<NonNullable<EndpointSliceEndpoint['hints']>>(
      { forZones: optional(array(object<{ readonly name: string }>({ name: required(string) }))) },
      { unknown: 'ignore' },
    ),
  ),
})
const givenConditions: Check<Partial<EndpointConditions>> = object<Partial<EndpointConditions>>({
  ready: optional(boolean),
  serving: optional(boolean),
  terminating: optional(boolean),
})

export const endpointSlice: Check<EndpointSlice> = object<EndpointSlice>({
  apiVersion: required(string),
  kind: required((value) => value as 'EndpointSlice'),
  metadata: required(objectMeta),
  addressType: required(oneOf('IPv4', 'IPv6', 'FQDN')),
  endpoints: withDefault(array(endpoint), () => []),
  ports: withDefault(
    array(
      object<EndpointSlicePort>({
        name: withDefault(
          (value, path, report) => (value === '' ? '' : portName(value, path, report)),
          () => '',
        ),
        protocol: withDefault(transportProtocol, () => 'TCP' as const),
        port: optional(port),
        appProtocol: optional(string),
      }),
    ),
    () => [],
  ),
})
