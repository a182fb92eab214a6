/** From a destination to the policy of its clients. A pure function of the cluster. */
import { status } from '@grpc/grpc-js'
import { cidrContains, type SocketAddress } from '../../../api/ip.ts'
import type { Service } from '../../../api/resources/service.ts'
import type { Authority } from '../../cluster/authority.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { servicePort, serviceProtocol } from '../../cluster/ports.ts'
import { GrpcError } from '../../grpc/error.ts'
import type { OutboundPolicy } from '../model/outbound.ts'
import { trafficSettings } from './annotations.ts'

export interface OutboundResult {
  readonly policy: OutboundPolicy
  /** What was not understood and so is not enforced, for log and metric. */
  readonly problems: readonly string[]
}

/** @throws GrpcError NOT_FOUND for an address of the cluster that is no service */
export function outboundPolicyAt(cluster: Cluster, address: SocketAddress): OutboundResult {
  const { ip, port } = address
  const [service] = cluster.servicesAt(ip)
  if (service !== undefined) {
    const declared = servicePort(service, port)
    if (declared !== undefined) return servicePolicy(cluster, service, port)
    const { namespace, name } = service.metadata
    return { policy: { kind: 'undefinedPort', namespace, name, port }, problems: [] }
  }
  if (cluster.config.clusterNetworks.some((network) => cidrContains(network, ip))) {
    throw new GrpcError(status.NOT_FOUND, `${ip} belongs to no Service`)
  }
  return { policy: { kind: 'egressFallback', address }, problems: [] }
}

/**
 * By name, as ingresses ask: `<service>.<namespace>.svc` and anything behind it. The service need not exist yet;
 * whether it has endpoints is the destination API's matter.
 */
export function outboundPolicyOf(cluster: Cluster, { host, isIp, port }: Authority): OutboundResult {
  const [name, namespace, svc] = isIp ? [] : host.split('.')
  if (name === undefined || namespace === undefined || svc !== 'svc') {
    throw new GrpcError(status.NOT_FOUND, `"${host}" is not the name of a service`)
  }
  const service = cluster.get('Service', namespace, name)
  if (service !== undefined) return servicePolicy(cluster, service, port)
  return { policy: { kind: 'service', namespace, name, port, protocol: 'detect', traffic: {} }, problems: [] }
}

function servicePolicy(cluster: Cluster, service: Service, port: number): OutboundResult {
  const { namespace, name, annotations } = service.metadata
  const declared = servicePort(service, port)
  const protocol = declared === undefined ? 'detect' : serviceProtocol(cluster, service, declared)
  const { settings, problems } = trafficSettings(annotations)
  return {
    policy: { kind: 'service', namespace, name, port, protocol, traffic: settings },
    problems: problems.map((problem) => `Service ${namespace}/${name}: ${problem}`),
  }
}
