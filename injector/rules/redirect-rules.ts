/**
 * What the redirect does to a pod's TCP connections, as data: two ordered lists of rules.
 *
 * nft and iptables are two spellings of these lists, so a rule is added, ordered and named here and nowhere else.
 * The names are the comments a reader finds in `nft list ruleset` or `iptables-save`.
 */
import { formatPortSet, type PortRange, type PortSet } from '../../api/port-set.ts'

export interface RedirectConfig {
  /** Where connections that reach the pod go: the proxy's inbound listener. */
  readonly inboundPort: number
  /** Where connections that leave the pod go: the proxy's outbound listener, on loopback. */
  readonly outboundPort: number
  /** Connections of this user go out untouched, or the proxy would talk to itself for ever. */
  readonly proxyUid: number
  readonly proxyGid?: number
  readonly inboundPortsToIgnore: PortSet
  readonly outboundPortsToIgnore: PortSet
  /** Networks whose hosts reach the pod without the proxy: the *source* of inbound connections only. */
  readonly subnetsToIgnore: readonly string[]
  /** When given, only these inbound ports go to the proxy; otherwise all do. */
  readonly portsToRedirect?: PortSet
  readonly ipv6: boolean
}

export type Match =
  | { readonly kind: 'tcp' }
  | { readonly kind: 'tcpPorts'; readonly ports: PortSet }
  | { readonly kind: 'source'; readonly family: IpFamily; readonly subnet: string }
  | { readonly kind: 'uid'; readonly uid: number }
  | { readonly kind: 'gid'; readonly gid: number }
  | { readonly kind: 'leavesThroughLoopback' }

export type Verdict = { readonly kind: 'return' } | { readonly kind: 'redirect'; readonly port: number }

export type IpFamily = 'ipv4' | 'ipv6'

export interface Rule {
  readonly name: string
  readonly match: Match
  readonly verdict: Verdict
}

export interface RedirectRules {
  /** Connections that come from outside, at the prerouting hook. */
  readonly inbound: readonly Rule[]
  /** Connections that a process of the pod opens, at the output hook. */
  readonly outbound: readonly Rule[]
}

/** iptables takes 15 slots per multiport match, a range fills two. nft has no such bound, but one grouping serves both. */
const MAX_PORT_SLOTS = 15

const RETURN: Verdict = { kind: 'return' }

export function redirectRules(config: RedirectConfig): RedirectRules {
  const toInbound: Verdict = { kind: 'redirect', port: config.inboundPort }
  const toOutbound: Verdict = { kind: 'redirect', port: config.outboundPort }
  return {
    inbound: [
      ...ignoredPorts(config.inboundPortsToIgnore),
      ...config.subnetsToIgnore.map(ignoredSubnet),
      ...(config.portsToRedirect === undefined
        ? [rule('redirect-all-incoming-to-proxy-port', { kind: 'tcp' }, toInbound)]
        : config.portsToRedirect.map((range) =>
            rule(
              `redirect-port-${formatPortSet([range])}-to-proxy-port`,
              { kind: 'tcpPorts', ports: [range] },
              toInbound,
            ),
          )),
    ],
    outbound: [
      // Root and group 0 are never exempt: a container that runs as root would slip past the mesh.
      ...(config.proxyUid > 0 ? [rule('ignore-proxy-user-id', { kind: 'uid', uid: config.proxyUid }, RETURN)] : []),
      ...(config.proxyGid !== undefined && config.proxyGid > 0
        ? [rule('ignore-proxy-group-id', { kind: 'gid', gid: config.proxyGid }, RETURN)]
        : []),
      // Decided by interface, not by address: a pod that calls its own service IP still goes to the proxy, since
      // that packet is routed out of eth0; only what the kernel itself keeps local is left alone.
      rule('ignore-loopback', { kind: 'leavesThroughLoopback' }, RETURN),
      ...ignoredPorts(config.outboundPortsToIgnore),
      rule('redirect-all-outgoing-to-proxy-port', { kind: 'tcp' }, toOutbound),
    ],
  }
}

export function familyOf(subnet: string): IpFamily {
  return subnet.includes(':') ? 'ipv6' : 'ipv4'
}

function rule(name: string, match: Match, verdict: Verdict): Rule {
  return { name, match, verdict }
}

function ignoredSubnet(subnet: string): Rule {
  return rule(`ignore-subnet-${subnet}`, { kind: 'source', family: familyOf(subnet), subnet }, RETURN)
}

function ignoredPorts(ranges: PortSet): Rule[] {
  return groupsOf(withoutOverlaps(ranges)).map((ports) =>
    rule(`ignore-port-${formatPortSet(ports)}`, { kind: 'tcpPorts', ports }, RETURN),
  )
}

function groupsOf(ranges: PortSet): PortRange[][] {
  const groups: PortRange[][] = []
  let freeSlots = 0
  for (const range of ranges) {
    const slots = range.first === range.last ? 1 : 2
    if (slots > freeSlots) {
      groups.push([])
      freeSlots = MAX_PORT_SLOTS
    }
    groups.at(-1)!.push(range)
    freeSlots -= slots
  }
  return groups
}

/**
 * The same ports, sorted, without overlaps. nft refuses overlapping intervals in one set, and people write
 * `4567,4560-4570`. Neighbours stay apart, so that a list reads as it was written.
 */
function withoutOverlaps(ranges: PortSet): PortSet {
  const merged: PortRange[] = []
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const last = merged.at(-1)
    if (last !== undefined && range.first <= last.last) {
      merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, range.last) }
    } else merged.push(range)
  }
  return merged
}
