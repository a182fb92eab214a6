/**
 * The ready endpoints of one port of one service.
 *
 * A snapshot is shared by all clients that watch the same port; what differs per client (its node, its zone) is
 * computed once per variant and kept with the snapshot.
 */
import { canonicalIp, formatSocketAddress, type SocketAddress } from '../../../api/ip.ts'
import type { EndpointSlice, EndpointSliceEndpoint, Service } from '../../../api/resources/service.ts'
import type { ServiceRef } from '../../cluster/authority.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { portsNamed, servicePort, type Workload } from '../../cluster/ports.ts'
import { type ClientTopology, type Endpoint, forClient, type ServiceEndpoint, zoneLocality } from '../model/endpoint.ts'
import { externalEndpoint } from './external-endpoint.ts'
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
  const targets = slices.flatMap(({ endpoints }) =>
    endpoints.map((endpoint) => workloadOf(cluster, namespace, endpoint)),
  )
  const namespaces = new Set([namespace, ...targets.flatMap((workload) => workload?.metadata.namespace ?? [])])
  return [service, ...slices, ...targets, ...[...namespaces].map((each) => cluster.get('Namespace', '', each))]
}

function workloadOf(cluster: Cluster, namespace: string, { targetRef }: EndpointSliceEndpoint): Workload | undefined {
  if (targetRef?.kind !== 'Pod' && targetRef?.kind !== 'ExternalWorkload') return undefined
  return cluster.get(targetRef.kind, targetRef.namespace ?? namespace, targetRef.name)
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
  const workload = workloadOf(cluster, service.metadata.namespace, endpoint)
  // Before the workload itself is known nobody can tell whether it is meshed, and plain text to a meshed one is wrong.
  const isUnknown = workload === undefined && (targetRef?.kind === 'Pod' || targetRef?.kind === 'ExternalWorkload')
  if (ip === undefined || isUnknown) return undefined
  const target = targetPort(service, port, slice, workload)
  if (target === undefined) return undefined
  const address = { ip, port: target }
  const zones = hints?.forZones?.map((hint) => hint.name)
  return {
    ...describedEndpoint(cluster, workload, address, zone),
    nodeName,
    zone,
    ...(zones !== undefined && zones.length > 0 && { forZones: zones }),
  }
}

function describedEndpoint(
  cluster: Cluster,
  workload: Workload | undefined,
  address: SocketAddress,
  zone: string,
): Endpoint {
  switch (workload?.kind) {
    case 'Pod':
      return podEndpoint(cluster, workload, address, zone)
    case 'ExternalWorkload':
      return externalEndpoint(cluster, workload, address, zone)
    case undefined:
      return { address, labels: { zone } }
  }
}

/**
 * The number behind a service port. The slice has it under the port's name; a slice that leaves it out means "as the
 * service says", where a name is one of the workload's own ports. A port that the service does not declare is taken
 * as the workload's own, which is how members of headless services are reached.
 */
function targetPort(service: Service, port: number, slice: EndpointSlice, workload?: Workload): number | undefined {
  const declared = servicePort(service, port)
  if (declared === undefined) return port
  const sliced = slice.ports.find(({ name, protocol }) => name === declared.name && protocol === 'TCP')
  if (sliced?.port !== undefined) return sliced.port
  if (sliced === undefined && slice.ports.length > 0) return undefined
  if (typeof declared.targetPort === 'number') return declared.targetPort
  return workload === undefined ? undefined : portsNamed(workload, declared.targetPort)?.[0]
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
