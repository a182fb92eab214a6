/** From an ExternalWorkload to what clients need to know of one of its ports. */
import type { SocketAddress } from '../../../api/ip.ts'
import type { ExternalWorkload } from '../../../api/resources/external-workload.ts'
import { Port } from '../../../api/vocabulary.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { isOpaqueOn, portsNamed } from '../../cluster/ports.ts'
import { type Endpoint, type MeshPeer, ownerLabel } from '../model/endpoint.ts'

/** Its port of this name is where the proxy listens. */
const PROXY_PORT_NAME = 'linkerd-proxy'

/** The endpoint without the labels that depend on who asks. */
export function externalEndpoint(
  cluster: Cluster,
  workload: ExternalWorkload,
  address: SocketAddress,
  zone: string,
): Endpoint {
  const { name, ownerReferences } = workload.metadata
  const owner = ownerReferences.find(({ controller }) => controller === true) ?? ownerReferences[0]
  return {
    address,
    labels: { ...(owner && ownerLabel(owner)), external_workload: name, zone },
    mesh: meshPeer(cluster, workload, address.port),
  }
}

/** A machine outside the cluster is always meshed: plain text would leave the cluster's network. */
function meshPeer(cluster: Cluster, workload: ExternalWorkload, port: number): MeshPeer {
  const { isH2UpgradeEnabled, transportMode } = cluster.config
  const { identity, serverName } = workload.spec.meshTLS
  const isOpaque = isOpaqueOn(cluster, workload, port)
  const hint = isOpaque ? 'opaque' : isH2UpgradeEnabled ? 'h2' : undefined
  const usesTransport = isOpaque || transportMode === 'transport-header'
  return {
    identity,
    serverName,
    ...(hint !== undefined && { hint }),
    ...(usesTransport && { transportPort: portsNamed(workload, PROXY_PORT_NAME)?.[0] ?? Port.inbound }),
  }
}
