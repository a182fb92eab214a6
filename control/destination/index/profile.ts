/** From an address or a name to its profile. A pure function of the cluster. */

import { hasPort } from '../../../api/port-set.ts'
import type { ExternalWorkload } from '../../../api/resources/external-workload.ts'
import type { Pod } from '../../../api/resources/pod.ts'
import type { Service } from '../../../api/resources/service.ts'
import { KubernetesLabel, serviceFqdn } from '../../../api/vocabulary.ts'
import { type Authority, parseServiceName, type ServiceRef } from '../../cluster/authority.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { isOpaqueOn, servicePort, serviceProtocol } from '../../cluster/ports.ts'
import { GrpcError } from '../../grpc/error.ts'
import { status } from '../../grpc/status.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { Profile } from '../model/profile.ts'
import { externalEndpoint } from './external-endpoint.ts'
import { podEndpoint } from './pod-endpoint.ts'

/** @throws GrpcError for what has no profile */
export function profileOf(cluster: Cluster, authority: Authority, clientNs: string): Profile {
  return authority.isIp ? profileOfIp(cluster, authority, clientNs) : profileOfName(cluster, authority, clientNs)
}

function profileOfIp(cluster: Cluster, { host: ip, port }: Authority, clientNs: string): Profile {
  const service = onlyOne(
    cluster.servicesAt(ip),
    ip,
    ({ metadata }) => `Service ${metadata.namespace}/${metadata.name}`,
  )
  if (service !== undefined) {
    const { name, namespace } = service.metadata
    return serviceProfile(cluster, service, serviceFqdn(name, namespace, cluster.config.clusterDomain), port, clientNs)
  }
  const podName = ({ metadata }: Pod) => `Pod ${metadata.namespace}/${metadata.name}`
  const pod = onlyOne(cluster.podsAt(ip), ip, podName)
  if (pod !== undefined) return podProfile(cluster, pod, ip, port)
  const external = onlyOne(
    cluster.externalWorkloadsAt(ip),
    ip,
    ({ metadata }) => `ExternalWorkload ${metadata.namespace}/${metadata.name}`,
  )
  if (external !== undefined) return externalProfile(cluster, external, ip, port)
  const hosted = onlyOne(cluster.podsAtHostPort(ip, port), `${ip}:${port}`, (each) => podName(each.pod))
  if (hosted !== undefined) return podProfile(cluster, hosted.pod, hosted.pod.status.podIP, hosted.containerPort)
  const isOpaque = hasPort(cluster.config.opaquePorts, port)
  return { kind: 'endpoint', endpoint: { address: { ip, port }, labels: {} }, isOpaque }
}

function profileOfName(cluster: Cluster, { host, port }: Authority, clientNs: string): Profile {
  const ref = parseServiceName(host, cluster.config.clusterDomain)
  if (ref === undefined) {
    throw new GrpcError(
      status.INVALID_ARGUMENT,
      `"${host}" is not a service name such as web.shop.svc.${cluster.config.clusterDomain}`,
    )
  }
  if (ref.instance !== undefined) return instanceProfile(cluster, ref, ref.instance, port)
  const service = cluster.get('Service', ref.namespace, ref.name)
  if (service === undefined) throw new GrpcError(status.UNKNOWN, `there is no Service ${ref.namespace}/${ref.name}`)
  return serviceProfile(cluster, service, host, port, clientNs)
}

function serviceProfile(cluster: Cluster, service: Service, fullName: string, port: number, clientNs: string): Profile {
  const declared = servicePort(service, port)
  if (declared === undefined) return { kind: 'undefinedPort' }
  const { name, namespace } = service.metadata
  const profileName = serviceFqdn(name, namespace, cluster.config.clusterDomain)
  return {
    kind: 'service',
    fullName,
    namespace,
    name,
    port,
    isOpaque: serviceProtocol(cluster, service, declared) === 'opaque',
    // The client's own view of a service wins over the one its owner published.
    profile:
      cluster.get('ServiceProfile', clientNs, profileName) ?? cluster.get('ServiceProfile', namespace, profileName),
  }
}

function instanceProfile(cluster: Cluster, ref: ServiceRef, instance: string, port: number): Profile {
  const { namespace, name } = ref
  const member = cluster
    .slicesOf(namespace, name)
    .flatMap(({ endpoints }) => endpoints)
    .find(({ hostname, targetRef }) => hostname === instance && targetRef?.kind === 'Pod')
  const pod =
    member === undefined
      ? undefined
      : cluster.get('Pod', member.targetRef!.namespace ?? namespace, member.targetRef!.name)
  if (pod === undefined || pod.status.podIP === '') {
    throw new GrpcError(status.NOT_FOUND, `Service ${namespace}/${name} has no pod with the host name "${instance}"`)
  }
  return podProfile(cluster, pod, pod.status.podIP, port)
}

/** A pod that does not run yet is only an address: its proxy could not answer. */
function podProfile(cluster: Cluster, pod: Pod, ip: string, port: number): Profile {
  const address = { ip, port }
  const isOpaque = isOpaqueOn(cluster, pod, port)
  if (pod.status.phase !== 'Running') return { kind: 'endpoint', endpoint: { address, labels: {} }, isOpaque }
  const described = podEndpoint(cluster, pod, address, cluster.zoneOfNode(pod.spec.nodeName ?? ''))
  const endpoint: Endpoint = {
    ...described,
    labels: { ...described.labels, namespace: pod.metadata.namespace },
  }
  return { kind: 'endpoint', endpoint, isOpaque }
}

/** Where it is not ready it is only not balanced to: its proxy may answer all the same, and is never spoken to plainly. */
function externalProfile(cluster: Cluster, workload: ExternalWorkload, ip: string, port: number): Profile {
  const zone = workload.metadata.labels[KubernetesLabel.zone] ?? ''
  const described = externalEndpoint(cluster, workload, { ip, port }, zone)
  const endpoint: Endpoint = {
    ...described,
    labels: { ...described.labels, namespace: workload.metadata.namespace },
  }
  return { kind: 'endpoint', endpoint, isOpaque: isOpaqueOn(cluster, workload, port) }
}

function onlyOne<T>(found: readonly T[], address: string, nameOf: (object: T) => string): T | undefined {
  if (found.length > 1) {
    throw new GrpcError(
      status.FAILED_PRECONDITION,
      `${address} belongs to ${found.map(nameOf).join(' and ')}; an address can have one owner only`,
    )
  }
  return found[0]
}
