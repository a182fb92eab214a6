/** From a pod to what clients need to know of one of its ports. */
import type { SocketAddress } from '../../../api/ip.ts'
import type { Pod } from '../../../api/resources/pod.ts'
import { KubernetesLabel, MeshLabel, meshIdentity } from '../../../api/vocabulary.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { isOpaqueOn, isSkippedInbound, proxyPorts } from '../../cluster/ports.ts'
import { type Endpoint, type MeshPeer, ownerLabel } from '../model/endpoint.ts'

/** The endpoint without the labels that depend on who asks. */
export function podEndpoint(cluster: Cluster, pod: Pod, address: SocketAddress, zone: string): Endpoint {
  const mesh = meshPeer(cluster, pod, address.port)
  return { address, labels: podLabels(pod, zone), ...(mesh === undefined ? {} : { mesh }) }
}

function meshPeer(cluster: Cluster, pod: Pod, port: number): MeshPeer | undefined {
  const { config } = cluster
  const { metadata } = pod
  const controlPlaneNs = metadata.labels[MeshLabel.controlPlaneNs]
  if (controlPlaneNs === undefined || isSkippedInbound(pod, port)) return undefined
  const isOpaque = isOpaqueOn(cluster, pod, port)
  const { inbound, own } = proxyPorts(pod)
  const usesTransport = (isOpaque || config.transportMode === 'transport-header') && !own.includes(port)
  const hint = isOpaque ? 'opaque' : config.isH2UpgradeEnabled ? 'h2' : undefined
  const isOurs = controlPlaneNs === config.controlPlaneNs
  return {
    ...(isOurs && {
      identity: meshIdentity({
        serviceAccount: serviceAccountOf(pod),
        namespace: metadata.namespace,
        controlPlaneNs,
        trustDomain: config.trustDomain,
      }),
    }),
    ...(hint !== undefined && { hint }),
    ...(usesTransport && inbound !== undefined && { transportPort: inbound }),
  }
}

function podLabels(pod: Pod, zone: string): Readonly<Record<string, string>> {
  const { name, labels } = pod.metadata
  const owner = ownerOf(pod)
  const controlPlaneNs = labels[MeshLabel.controlPlaneNs]
  const templateHash = labels[KubernetesLabel.podTemplateHash]
  return {
    ...ownerLabel(owner),
    pod: name,
    serviceaccount: serviceAccountOf(pod),
    ...(controlPlaneNs !== undefined && { control_plane_ns: controlPlaneNs }),
    ...(templateHash !== undefined && { pod_template_hash: templateHash }),
    zone,
  }
}

function serviceAccountOf({ spec }: Pod): string {
  return spec.serviceAccountName || 'default'
}

/**
 * The top-level owner. ReplicaSets are not watched: one made by a Deployment is named after it and the hash that its
 * pods carry as a label.
 */
function ownerOf({ metadata }: Pod): { readonly kind: string; readonly name: string } {
  const { ownerReferences, labels, name } = metadata
  const owner = ownerReferences.find(({ controller }) => controller === true) ?? ownerReferences[0]
  if (owner === undefined) return { kind: 'pod', name }
  const hash = labels[KubernetesLabel.podTemplateHash]
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    return { kind: 'deployment', name: owner.name.slice(0, -hash.length - 1) }
  }
  const cronJob = labels[`${MeshLabel.ownerPrefix}cronjob`]
  if (owner.kind === 'Job' && cronJob !== undefined) return { kind: 'cronjob', name: cronJob }
  return owner
}
