/**
 * Who answers for a service: services, pods and machines outside in, EndpointSlices out. A pure function, as in any index.
 */
import type { ExternalWorkload } from '../../api/resources/external-workload.ts'
import { hasLabels, meta } from '../../api/resources/meta.ts'
import type { Pod } from '../../api/resources/pod.ts'
import {
  type EndpointSlice,
  type EndpointSliceEndpoint,
  type EndpointSlicePort,
  SERVICE_NAME_LABEL,
  type Service,
  type ServicePort,
} from '../../api/resources/service.ts'
import {
  EXTERNAL_WORKLOADS_MANAGER,
  externalSlicesOf,
  MANAGED_BY_LABEL,
} from '../../control/destination/index/external-slices.ts'
import { NODE_NAME } from '../network/addresses.ts'

const MANAGER = 'weft-local'

/**
 * All slices of all services with a selector. Pods whose named ports differ get slices of their own, and so do
 * machines outside.
 */
export function endpointSlicesOf(
  services: readonly Service[],
  pods: readonly Pod[],
  workloads: readonly ExternalWorkload[] = [],
): EndpointSlice[] {
  const byNamespace = new Map<string, Pod[]>()
  for (const pod of pods) {
    const { namespace } = pod.metadata
    byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), pod])
  }
  return services.flatMap((service) => [
    ...slicesOf(service, byNamespace.get(service.metadata.namespace) ?? []),
    ...externalSlicesOf(service, workloads),
  ])
}

/** Whether `endpointSlicesOf` made it; slices of others are left alone. */
export function isOwnSlice({ metadata }: EndpointSlice): boolean {
  const manager = metadata.labels[MANAGED_BY_LABEL]
  return manager === MANAGER || manager === EXTERNAL_WORKLOADS_MANAGER
}

export function isPodReady(pod: Pod): boolean {
  return pod.status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined
}

function slicesOf(service: Service, pods: readonly Pod[]): EndpointSlice[] {
  const { selector, ports, publishNotReadyAddresses, type } = service.spec
  if (selector === undefined || Object.keys(selector).length === 0 || type === 'ExternalName') return []
  const groups = new Map<string, { ports: EndpointSlicePort[]; endpoints: EndpointSliceEndpoint[] }>()
  for (const pod of pods) {
    if (!hasLabels(pod.metadata.labels, selector) || pod.status.podIP === '' || isFinished(pod)) continue
    const slicePorts = ports.flatMap((port) => slicePort(port, pod))
    const key = slicePorts.map(({ name, port }) => `${name}=${port}`).join()
    const group = groups.get(key) ?? { ports: slicePorts, endpoints: [] }
    group.endpoints.push(endpointOf(pod, service, publishNotReadyAddresses))
    groups.set(key, group)
  }
  // An empty slice says that the service is known and has nobody, which is not the same as unknown.
  if (groups.size === 0) groups.set('', { ports: [], endpoints: [] })
  const { name, namespace } = service.metadata
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group], index) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: meta({
        name: index === 0 ? name : `${name}-${index}`,
        namespace,
        labels: { [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MANAGER },
      }),
      addressType: 'IPv4',
      endpoints: group.endpoints,
      ports: group.ports,
    }))
}

function endpointOf(pod: Pod, service: Service, publishNotReady: boolean): EndpointSliceEndpoint {
  const serving = isPodReady(pod)
  const { name, namespace, uid } = pod.metadata
  const { hostname, subdomain } = pod.spec
  return {
    addresses: [pod.status.podIP],
    conditions: {
      ready: publishNotReady || (serving && !isTerminating(pod)),
      serving,
      terminating: isTerminating(pod),
    },
    ...(hostname !== undefined && subdomain === service.metadata.name ? { hostname } : {}),
    nodeName: NODE_NAME,
    targetRef: { kind: 'Pod', namespace, name, uid },
  }
}

/** Nothing for a named port that this pod does not have. */
function slicePort({ name, protocol, targetPort, appProtocol }: ServicePort, pod: Pod): EndpointSlicePort[] {
  const all = [
    ...pod.spec.containers,
    ...pod.spec.initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always'),
  ]
  const port =
    typeof targetPort === 'number'
      ? targetPort
      : all.flatMap(({ ports }) => ports).find((each) => each.name === targetPort && each.protocol === protocol)
          ?.containerPort
  if (port === undefined) return []
  return [{ name, protocol, port, ...(appProtocol === undefined ? {} : { appProtocol }) }]
}

function isFinished({ status }: Pod): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed'
}
