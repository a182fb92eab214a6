/** What annotations and `appProtocol` say about the ports of pods and services. */

import { parseSocketAddress } from '../../api/ip.ts'
import { hasPort, parsePortSet } from '../../api/port-set.ts'
import type { ExternalWorkload } from '../../api/resources/external-workload.ts'
import type { Pod } from '../../api/resources/pod.ts'
import type { Service, ServicePort } from '../../api/resources/service.ts'
import { AppProtocol, ContainerName, DEFAULT_SKIP_PORTS, ProxyConfig } from '../../api/vocabulary.ts'
import { allContainers, type Cluster } from './cluster.ts'

/** What runs a proxy beside its application. */
export type Workload = Pod | ExternalWorkload

export type ServiceProtocol = 'detect' | 'http1' | 'http2' | 'opaque'

/** The declared TCP port of a service. */
export function servicePort({ spec }: Service, port: number): ServicePort | undefined {
  return spec.ports.find((each) => each.port === port && each.protocol === 'TCP')
}

/** How clients treat a declared port of a service: `appProtocol` beats the annotation, which replaces the defaults. */
export function serviceProtocol(cluster: Cluster, service: Service, port: ServicePort): ServiceProtocol {
  const appProtocol = port.appProtocol?.toLowerCase()
  if (appProtocol === AppProtocol.http) return 'http1'
  if (appProtocol === AppProtocol.h2c) return 'http2'
  if (appProtocol !== undefined && appProtocol !== '') return 'opaque'
  const list = opaqueAnnotation(cluster, service)
  const opaque = list === undefined ? cluster.config.opaquePorts : parsePortSet(list).ports
  return hasPort(opaque, port.port) ? 'opaque' : 'detect'
}

/** Whether connections to this port carry no protocol that a proxy should detect. */
export function isOpaqueOn(cluster: Cluster, workload: Workload, port: number): boolean {
  const list = opaqueAnnotation(cluster, workload)
  const opaque =
    list === undefined ? cluster.config.opaquePorts : parsePortSet(list, (name) => portsNamed(workload, name)).ports
  return hasPort(opaque, port)
}

/** Whether the redirect rules of a pod leave this port to the application. */
export function isSkippedInbound(pod: Pod, port: number): boolean {
  const list = pod.metadata.annotations[ProxyConfig.skipInboundPorts]
  return list === undefined ? DEFAULT_SKIP_PORTS.includes(port) : hasPort(parsePortSet(list).ports, port)
}

/** The numbers of a port name; several containers of a pod may use one name. */
export function portsNamed(workload: Workload, name: string): readonly number[] | undefined {
  const ports = declaredPorts(workload).filter((port) => port.name === name)
  return ports.length === 0 ? undefined : ports.map(({ number }) => number)
}

function declaredPorts(workload: Workload): readonly { readonly name?: string; readonly number: number }[] {
  if (workload.kind === 'Pod')
    return allContainers(workload).flatMap(({ ports }) =>
      ports.map(({ name, containerPort }) => ({ ...(name !== undefined && { name }), number: containerPort })),
    )
  return workload.spec.ports.map(({ name, port }) => ({ ...(name !== undefined && { name }), number: port }))
}

/** Ports of the sidecar itself, as its environment configures them. */
export interface ProxyPorts {
  readonly inbound: number | undefined
  readonly own: readonly number[]
}

export function proxyPorts(pod: Pod): ProxyPorts {
  const proxy = allContainers(pod).find(({ name }) => name === ContainerName.proxy)
  const portOf = (variable: string): number | undefined => {
    const value = proxy?.env.find(({ name }) => name === `LINKERD2_PROXY_${variable}`)?.value
    return value === undefined ? undefined : parseSocketAddress(value)?.port
  }
  const own = [portOf('ADMIN_LISTEN_ADDR'), portOf('CONTROL_LISTEN_ADDR')].filter((port) => port !== undefined)
  return { inbound: portOf('INBOUND_LISTEN_ADDR'), own }
}

// The webhook copies a namespace's list onto new services and pods. Reading the namespace as well gives the same
// answer, and also where objects were created without the webhook.
function opaqueAnnotation(cluster: Cluster, { metadata }: Workload | Service): string | undefined {
  const { annotations, namespace } = metadata
  return (
    annotations[ProxyConfig.opaquePorts] ??
    cluster.get('Namespace', '', namespace)?.metadata.annotations[ProxyConfig.opaquePorts]
  )
}
