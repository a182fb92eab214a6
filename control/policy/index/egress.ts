/** Which EgressNetwork decides over an address outside the cluster, for clients of a namespace. */
import { type Cidr, cidrContains, parseCidr } from '../../../api/ip.ts'
import type { EgressNetwork } from '../../../api/resources/egress-network.ts'
import { contains } from '../../../api/resources/network.ts'
import { type Cluster, grouped } from '../../cluster/cluster.ts'
import { olderFirst } from './age.ts'

const BY_NAMESPACE = grouped('EgressNetwork', ({ metadata }) => [metadata.namespace])

export type EgressAcceptance =
  | { readonly isAccepted: true }
  | { readonly isAccepted: false; readonly reason: 'EgressReasonNetworkOverlap'; readonly message: string }

/** An EgressNetwork must not claim addresses of the cluster itself. */
export function egressAcceptance({ config }: Cluster, { spec }: EgressNetwork): EgressAcceptance {
  for (const { cidr, except } of spec.networks ?? []) {
    const network = parseCidr(cidr)!
    const exceptions = except.map((text) => parseCidr(text)!)
    const overlapping = config.clusterNetworks.find(
      (own) => overlaps(network, own) && !exceptions.some((exception) => contains(exception, own)),
    )
    if (overlapping !== undefined) {
      const message = `${cidr} overlaps the networks of the cluster; except them`
      return { isAccepted: false, reason: 'EgressReasonNetworkOverlap', message }
    }
  }
  return { isAccepted: true }
}

/**
 * The EgressNetwork for `ip`, which is none of the cluster's addresses. Those of the client's namespace, if it has
 * any, otherwise those of the global one; of several the one with the smallest matching network, then the oldest.
 */
export function egressNetworkFor(cluster: Cluster, clientNamespace: string, ip: string): EgressNetwork | undefined {
  const networks = cluster.derived(BY_NAMESPACE)
  const candidates = networks.get(clientNamespace) ?? networks.get(cluster.config.egressNamespace) ?? []
  let best: EgressNetwork | undefined
  let bestSize = Number.POSITIVE_INFINITY
  for (const candidate of [...candidates].sort(olderFirst)) {
    const size = matchingSize(candidate, ip)
    if (size === undefined || size >= bestSize) continue
    best = candidate
    bestSize = size
  }
  return best
}

/** The number of addresses of the smallest network that has `ip`, exceptions deducted. */
function matchingSize({ spec }: EgressNetwork, ip: string): number | undefined {
  if (spec.networks === undefined) return Number.MAX_VALUE
  let smallest: number | undefined
  for (const { cidr, except } of spec.networks) {
    const network = parseCidr(cidr)!
    const exceptions = except.map((text) => parseCidr(text)!)
    if (!cidrContains(network, ip) || exceptions.some((exception) => cidrContains(exception, ip))) continue
    const size = exceptions.reduce((rest, exception) => rest - sizeOf(exception), sizeOf(network))
    if (smallest === undefined || size < smallest) smallest = size
  }
  return smallest
}

function sizeOf({ base, prefixBits }: Cidr): number {
  return 2 ** (base.length * 8 - prefixBits)
}

function overlaps(a: Cidr, b: Cidr): boolean {
  return a.base.length === b.base.length && (contains(a, b) || contains(b, a))
}
