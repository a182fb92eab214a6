/**
 * Which machines outside the cluster answer for a Service: its selector and ExternalWorkloads in, EndpointSlices out, as
 * Linkerd's controller names and marks them. A pure function; whoever writes EndpointSlices of a cluster calls it.
 */
import { canonicalIp } from '../../../api/ip.ts'
import { isTrue } from '../../../api/resources/condition.ts'
import type { ExternalWorkload } from '../../../api/resources/external-workload.ts'
import { hasLabels, meta } from '../../../api/resources/meta.ts'
import type { EndpointSlice, EndpointSlicePort, Service, ServicePort } from '../../../api/resources/service.ts'
import { KubernetesLabel } from '../../../api/vocabulary.ts'

/** Label of slices that say who wrote them, and who keeps these. */
export const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by'
export const EXTERNAL_WORKLOADS_MANAGER = 'linkerd-external-workloads-controller'

type Family = 'IPv4' | 'IPv6'

interface Group {
  readonly family: Family
  readonly ports: readonly EndpointSlicePort[]
  readonly endpoints: EndpointSlice['endpoints'][number][]
}

/** Workloads whose named ports differ get slices of their own, and so does each family of addresses. */
export function externalSlicesOf(service: Service, workloads: readonly ExternalWorkload[]): readonly EndpointSlice[] {
  const { selector, ports, type, publishNotReadyAddresses } = service.spec
  const { name, namespace } = service.metadata
  if (selector === undefined || Object.keys(selector).length === 0 || type === 'ExternalName') return []
  const groups = new Map<string, Group>()
  for (const workload of workloads) {
    const { metadata, spec } = workload
    if (metadata.namespace !== namespace || !hasLabels(metadata.labels, selector)) continue
    const slicePorts = ports.flatMap((port) => slicePort(port, workload))
    for (const family of ['IPv4', 'IPv6'] as const) {
      const addresses = spec.workloadIPs.flatMap(({ ip }) => canonicalIp(ip) ?? [])
      const address = addresses.find((each) => familyOf(each) === family)
      if (address === undefined) continue
      const key = `${family} ${slicePorts.map(({ name, protocol, port }) => `${name}=${protocol}${port}`).join()}`
      const group: Group = groups.get(key) ?? { family, ports: slicePorts, endpoints: [] }
      groups.set(key, group)
      group.endpoints.push(endpointOf(workload, address, publishNotReadyAddresses))
    }
  }
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group], index) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: meta({
        name: `linkerd-external-${name}-${index}`,
        namespace,
        labels: { [KubernetesLabel.serviceName]: name, [MANAGED_BY_LABEL]: EXTERNAL_WORKLOADS_MANAGER },
      }),
      addressType: group.family,
      ports: group.ports,
      endpoints: group.endpoints,
    }))
}

/** What its agent says; a workload that nobody has judged yet is not ready. */
export function isWorkloadReady({ metadata, status }: ExternalWorkload): boolean {
  return metadata.deletionTimestamp === undefined && isTrue(status, 'Ready')
}

function endpointOf(workload: ExternalWorkload, address: string, publishNotReady: boolean) {
  const { name, namespace, uid, labels, deletionTimestamp } = workload.metadata
  const zone = labels[KubernetesLabel.zone]
  const isReady = isWorkloadReady(workload)
  return {
    addresses: [address],
    conditions: {
      ready: publishNotReady || isReady,
      serving: isReady,
      terminating: deletionTimestamp !== undefined,
    },
    ...(zone !== undefined && { zone }),
    targetRef: { kind: 'ExternalWorkload', namespace, name, uid },
  }
}

/** Nothing for a named port that this workload does not have. */
function slicePort(
  { name, protocol, targetPort, appProtocol }: ServicePort,
  { spec }: ExternalWorkload,
): readonly EndpointSlicePort[] {
  const port =
    typeof targetPort === 'number'
      ? targetPort
      : spec.ports.find((each) => each.name === targetPort && each.protocol === protocol)?.port
  return port === undefined ? [] : [{ name, protocol, port, ...(appProtocol !== undefined && { appProtocol }) }]
}

function familyOf(ip: string): Family {
  return ip.includes(':') ? 'IPv6' : 'IPv4'
}
