/** What destination and policy have to know about the whole cluster. Values and defaults are those of Linkerd's chart. */
import { type Cidr, parseCidr } from '../../api/ip.ts'
import { type PortSet, portSetOf } from '../../api/port-set.ts'
import {
  DEFAULT_CLUSTER_DOMAIN,
  DEFAULT_CLUSTER_NETWORKS,
  DEFAULT_CONTROL_PLANE_NS,
  DEFAULT_EGRESS_NS,
  DEFAULT_OPAQUE_PORTS,
  DefaultPolicy,
} from '../../api/vocabulary.ts'

export interface ClusterConfig {
  readonly controlPlaneNs: string
  readonly clusterDomain: string
  readonly trustDomain: string
  /** EgressNetworks of this namespace apply to clients whose own namespace has none. */
  readonly egressNamespace: string
  /** What counts as inside: addresses here that nobody knows are not egress. */
  readonly clusterNetworks: readonly Cidr[]
  /** For pods and services that have no annotation. */
  readonly opaquePorts: PortSet
  readonly inboundPolicy: DefaultPolicy
  /** Where health checks come from. */
  readonly probeNetworks: readonly Cidr[]
  /** HTTP/1 between proxies travels as HTTP/2. */
  readonly isH2UpgradeEnabled: boolean
  /** `transport-header`: all meshed traffic goes to the peer's inbound port; `transparent`: only opaque ports do. */
  readonly transportMode: 'transport-header' | 'transparent'
  /** Without it the IPv6 addresses of endpoints are left out. */
  readonly isIpv6Enabled: boolean
}

export const ANY_NETWORKS: readonly Cidr[] = networks(['0.0.0.0/0', '::/0'])

export const DEFAULT_CLUSTER_CONFIG: ClusterConfig = {
  controlPlaneNs: DEFAULT_CONTROL_PLANE_NS,
  clusterDomain: DEFAULT_CLUSTER_DOMAIN,
  trustDomain: DEFAULT_CLUSTER_DOMAIN,
  egressNamespace: DEFAULT_EGRESS_NS,
  clusterNetworks: networks(DEFAULT_CLUSTER_NETWORKS),
  opaquePorts: portSetOf(DEFAULT_OPAQUE_PORTS),
  inboundPolicy: DefaultPolicy.allUnauthenticated,
  probeNetworks: ANY_NETWORKS,
  isH2UpgradeEnabled: true,
  transportMode: 'transport-header',
  isIpv6Enabled: false,
}

function networks(texts: readonly string[]): readonly Cidr[] {
  return texts.map((text) => {
    const cidr = parseCidr(text)
    if (cidr === undefined) throw new TypeError(`"${text}" is not a network such as 10.0.0.0/8`)
    return cidr
  })
}
