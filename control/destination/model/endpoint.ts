/** An endpoint as discovery describes it to a client proxy. Plain data; equal endpoints have equal JSON. */
import type { SocketAddress } from '../../../api/ip.ts'

export interface Endpoint {
  readonly address: SocketAddress
  /** Become `dst_*` labels of the client's metrics. */
  readonly labels: Readonly<Record<string, string>>
  /** The proxy in front of it; absent for an unmeshed endpoint. */
  readonly mesh?: MeshPeer
}

export interface MeshPeer {
  /**
   * What its certificate must say: a DNS name or a SPIFFE URI. Absent when another control plane issued it, which is not
   * trusted here.
   */
  readonly identity?: string
  /** The name to ask it by; absent when that is the identity. */
  readonly serverName?: string
  readonly hint?: 'h2' | 'opaque'
  /** Its inbound port, when connections go there and start with a transport header. */
  readonly transportPort?: number
}

/** An endpoint of a service, with what decides which clients may use it. */
export interface ServiceEndpoint extends Endpoint {
  readonly nodeName: string
  /** Empty when unknown. */
  readonly zone: string
  /** Zones whose clients should use it; absent when Kubernetes gave no hints. */
  readonly forZones?: readonly string[]
}

export interface ClientTopology {
  readonly nodeName: string
  readonly zone: string
}

/**
 * The endpoints that a client may use. `Local` keeps those of its node, perhaps none. Hints count only when every
 * endpoint has them, and never leave a client with nothing.
 */
export function forClient(
  endpoints: readonly ServiceEndpoint[],
  traffic: 'Cluster' | 'Local',
  client: ClientTopology,
): readonly ServiceEndpoint[] {
  if (traffic === 'Local') return endpoints.filter(({ nodeName }) => nodeName !== '' && nodeName === client.nodeName)
  if (client.zone === '' || endpoints.some(({ forZones }) => forZones === undefined)) return endpoints
  const near = endpoints.filter(({ forZones }) => forZones!.includes(client.zone))
  return near.length === 0 ? endpoints : near
}

export function zoneLocality(endpointZone: string, clientZone: string): 'local' | 'remote' | 'unknown' {
  if (endpointZone === '' || clientZone === '') return 'unknown'
  return endpointZone === clientZone ? 'local' : 'remote'
}

/** Kinds whose label would clash with the label `job` that Prometheus sets itself. */
const RENAMED_KINDS: ReadonlyMap<string, string> = new Map([['job', 'k8s_job']])

/** The label that tells what an endpoint belongs to, such as `deployment="web"`. */
export function ownerLabel({ kind, name }: { readonly kind: string; readonly name: string }): {
  readonly [kind: string]: string
} {
  const lower = kind.toLowerCase()
  return { [RENAMED_KINDS.get(lower) ?? lower]: name }
}
