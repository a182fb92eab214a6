/**
 * The ready endpoints of one port of one service.
 *
 * A snapshot is shared by all clients that watch the same port; what differs per client (its node, its zone) is
 * computed once per variant and kept with the snapshot.
 */
import { canonicalIp, formatSocketAddress } from '../../../api/ip.ts'
import type { Pod } from '../../../api/resources/pod.ts'
import type { EndpointSlice, EndpointSliceEndpoint, Service } from '../../../api/resources/service.ts'
import type { ServiceRef } from '../../cluster/authority.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { portsNamed, servicePort } from '../../cluster/ports.ts'
import { type ClientTopology, forClient, type ServiceEndpoint, zoneLocality } from '../model/endpoint.ts'
import { podEndpoint } from './pod-endpoint.ts'

export interface ServiceEndpoints {
  readonly service: ServiceRef
  /** Whether the service itself is known. */
  readonly exists: boolean
  readonly traffic: 'Cluster' | 'Local'
  /** By `ip:port`. An unchanged endpoint is the same object as in the snapshot before. */
  readonly endpoints: ReadonlyMap<string, ServiceEndpoint>
  /** By client; filled on demand. */
  readonly variants: Map<string, ClientEndpoints>
  /** The objects it was computed from. While they are the same ones, so is the answer. */
  sources: readonly unknown[]
}

/** What one kind of client gets, by `ip:port`. */
export type ClientEndpoints = ReadonlyMap<string, ClientEndpoint>
export interface ClientEndpoint {
  readonly endpoint: ServiceEndpoint
  readonly locality: 'local' | 'remote' | 'unknown'
}

/** Nodes and zones come from clients; beyond this many a variant is computed for each client. */
const MAX_VARIANTS = 1_000

export function serviceEndpoints(
  cluster: Cluster,
  ref: ServiceRef,
  port: number,
  previous: ServiceEndpoints | undefined,
): ServiceEndpoints {
  const service = cluster.get('Service', ref.namespace, ref.name)
  // With 5,000 pods most refreshes end here for nearly every service.
  const sources = sourcesOf(cluster, ref, service)
  if (previous !== undefined && isSameList(previous.sources, sources)) return previous

  const endpoints = new Map<string, ServiceEndpoint>()
  for (const endpoint of service === undefined ? [] : listEndpoints(cluster, service, port, ref.instance)) {
    const key = formatSocketAddress(endpoint.address)
    const before = previous?.endpoints.get(key)
    endpoints.set(key, before !== undefined && isEqual(before, endpoint) ? before : endpoint)
  }
  const exists = service !== undefined
  const traffic = service?.spec.internalTrafficPolicy ?? 'Cluster'
  if (previous?.exists === exists && previous.traffic === traffic && isSameMap(previous.endpoints, endpoints)) {
    previous.sources = sources
    return previous
  }
  return { service: ref, exists, traffic, endpoints, variants: new Map(), sources }
}

export function endpointsForClient(snapshot: ServiceEndpoints, client: ClientTopology): ClientEndpoints {
  const key = snapshot.traffic === 'Local' ? `${client.zone}/${client.nodeName}` : client.zone
  let variant = snapshot.variants.get(key)
  if (variant === undefined) {
    const usable = forClient([...snapshot.endpoints.values()], snapshot.traffic, client)
    variant = new Map(
      usable.map((endpoint) => [
        formatSocketAddress(endpoint.address),
        { endpoint, locality: zoneLocality(endpoint.zone, client.zone) },
      ]),
    )
    if (snapshot.variants.size < MAX_VARIANTS) snapshot.variants.set(key, variant)
  }
  return variant
}

function sourcesOf(
  cluster: Cluster,
  { namespace, name }: ServiceRef,
  service: Service | undefined,
): readonly unknown[] {
  const slices = cluster.slicesOf(namespace, name)
  const targets = slices.flatMap(({ endpoints }) => endpoints.map((endpoint) => podOf(cluster, namespace, endpoint)))
  const namespaces = new Set([namespace, ...targets.flatMap((pod) => pod?.metadata.namespace ?? [])])
  return [service, ...slices, ...targets, ...[...namespaces].map((each) => cluster.get('Namespace', '', each))]
}

function podOf(cluster: Cluster, namespace: string, { targetRef }: EndpointSliceEndpoint): Pod | undefined {
  return targetRef?.kind === 'Pod' ? cluster.get('Pod', targetRef.namespace ?? namespace, targetRef.name) : undefined
}

function* listEndpoints(
  cluster: Cluster,
  service: Service,
  port: number,
  instance: string | undefined,
): Generator<ServiceEndpoint> {
  const { namespace, name } = service.metadata
  const families = new Map<string, ServiceEndpoint>()
  for (const slice of cluster.slicesOf(namespace, name)) {
    if (slice.addressType === 'FQDN' || (slice.addressType === 'IPv6' && !cluster.config.isIpv6Enabled)) continue
    for (const each of slice.endpoints) {
      if (!each.conditions.ready || (instance !== undefined && each.hostname !== instance)) continue
      const endpoint = endpointOf(cluster, service, port, slice, each)
      if (endpoint === undefined) continue
      // A pod with addresses of both families is one endpoint; the IPv6 one is preferred.
      const key = each.targetRef === undefined ? formatSocketAddress(endpoint.address) : targetKey(each)
      if (!families.has(key) || slice.addressType === 'IPv6') families.set(key, endpoint)
    }
  }
  yield* families.values()
}

function endpointOf(
  cluster: Cluster,
  service: Service,
  port: number,
  slice: EndpointSlice,
  endpoint: EndpointSliceEndpoint,
): ServiceEndpoint | undefined {
  const { addresses, targetRef, nodeName = '', zone = '', hints } = endpoint
  // Kubernetes: several addresses of one endpoint are interchangeable, and consumers use the first.
  const ip = addresses[0] === undefined ? undefined : canonicalIp(addresses[0])
  // Without knowing the workload its identity is unknown, and it must not be spoken to in plain text.
  if (targetRef?.kind === 'ExternalWorkload') return undefined
  const pod = podOf(cluster, service.metadata.namespace, endpoint)
  // Before the pod itself is known nobody can tell whether it is meshed, and plain text to a meshed pod is wrong.
  if (ip === undefined || (targetRef?.kind === 'Pod' && pod === undefined)) return undefined
  const target = targetPort(service, port, slice, pod)
  if (target === undefined) return undefined
  const address = { ip, port: target }
  const zones = hints?.forZones?.map((hint) => hint.name)
  return {
    ...(pod === undefined ? { address, labels: { zone } } : podEndpoint(cluster, pod, address, zone)),
    nodeName,
    zone,
    ...(zones !== undefined && zones.length > 0 && { forZones: zones }),
  }
}

/**
 * The number behind a service port. The slice has it under the port's name; a slice that leaves it out means "as the
 * service says", where a name is one of the pod's container ports. A port that the service does not declare is taken
 * as the pod's own, which is how members of headless services are reached.
 */
function targetPort(service: Service, port: number, slice: EndpointSlice, pod: Pod | undefined): number | undefined {
  const declared = servicePort(service, port)
  if (declared === undefined) return port
  const sliced = slice.ports.find(({ name, protocol }) => name === declared.name && protocol === 'TCP')
  if (sliced?.port !== undefined) return sliced.port
  if (sliced === undefined && slice.ports.length > 0) return undefined
  if (typeof declared.targetPort === 'number') return declared.targetPort
  return pod === undefined ? undefined : portsNamed(pod, declared.targetPort)?.[0]
}

function targetKey({ targetRef }: EndpointSliceEndpoint): string {
  return `${targetRef!.kind}/${targetRef!.namespace ?? ''}/${targetRef!.name}`
}

function isEqual(a: ServiceEndpoint, b: ServiceEndpoint): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at])
}

function isSameMap<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (b.get(key) !== value) return false
  return true
}
