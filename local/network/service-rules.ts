/**
 * Virtual service addresses for pods without proxy: rules of the node that send each new connection to a random ready
 * endpoint. Meshed pods never get here; their proxy takes the connection before it leaves the pod.
 *
 * The whole table is replaced in one transaction, so no connection ever meets half of it.
 */
import type { EndpointSlice, Service } from '../../api/resources/service.ts'
import { SERVICE_NAME_LABEL } from '../../api/resources/service.ts'

export interface ServiceTarget {
  readonly clusterIp: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[]
  /** `shop/web:http`, for the comment of the rule. */
  readonly name: string
}

/** Ready endpoints of every port of every service with an address. */
export function serviceTargets(services: readonly Service[], slices: readonly EndpointSlice[]): ServiceTarget[] {
  const slicesOf = new Map<string, EndpointSlice[]>()
  for (const slice of slices) {
    const key = `${slice.metadata.namespace}/${slice.metadata.labels[SERVICE_NAME_LABEL] ?? ''}`
    slicesOf.set(key, [...(slicesOf.get(key) ?? []), slice])
  }
  return services.flatMap(({ metadata, spec }) => {
    if (spec.clusterIP === '' || spec.clusterIP === 'None') return []
    const name = `${metadata.namespace}/${metadata.name}`
    return spec.ports.flatMap(({ name: portName, port, protocol }): ServiceTarget[] => {
      if (protocol === 'SCTP') return []
      const endpoints = (slicesOf.get(name) ?? []).flatMap((slice) => {
        const target = slice.ports.find((each) => each.name === portName && each.protocol === protocol)?.port
        if (target === undefined) return []
        return slice.endpoints
          .filter(({ conditions }) => conditions.ready)
          .flatMap(({ addresses }) => addresses.map((ip) => ({ ip, port: target })))
      })
      const protocolName = protocol === 'TCP' ? 'tcp' : 'udp'
      return [
        { clusterIp: spec.clusterIP, port, protocol: protocolName, endpoints, name: `${name}:${portName || port}` },
      ]
    })
  })
}

const TABLE = 'weft-services'

/** Text for `nft -f -`. */
export function renderNft(targets: readonly ServiceTarget[]): string {
  const lines = [`table ip ${TABLE} {}`, `delete table ip ${TABLE}`, `table ip ${TABLE} {`]
  lines.push(
    '  chain prerouting {',
    '    type nat hook prerouting priority dstnat; policy accept;',
    ...dnatRules(targets),
    '  }',
  )
  // Probes and `exec` in the node's own namespace use service addresses as well.
  lines.push('  chain output {', '    type nat hook output priority -100; policy accept;', ...dnatRules(targets), '  }')
  const hairpins = [...new Set(targets.flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)))]
  if (hairpins.length > 0) {
    // A pod that reaches itself through a service would see an answer from its own address and drop it.
    const pairs = hairpins.map((ip) => `${ip} . ${ip}`).join(', ')
    lines.push('  chain postrouting {', '    type nat hook postrouting priority srcnat; policy accept;')
    lines.push(`    ip saddr . ip daddr { ${pairs} } masquerade`, '  }')
  }
  lines.push('}', '')
  return lines.join('\n')
}

function dnatRules(targets: readonly ServiceTarget[]): string[] {
  return targets
    .filter(({ endpoints }) => endpoints.length > 0)
    .map(({ clusterIp, port, protocol, endpoints, name }) => {
      const [only] = endpoints
      const to =
        endpoints.length === 1 && only !== undefined
          ? `${only.ip}:${only.port}`
          : `numgen random mod ${endpoints.length} map { ${endpoints.map((each, index) => `${index} : ${each.ip} . ${each.port}`).join(', ')} }`
      return `    ip daddr ${clusterIp} ${protocol} dport ${port} dnat to ${to} comment "${name}"`
    })
}

/** Text for `iptables-restore`, where there is no nft. */
export function renderIptables(targets: readonly ServiceTarget[]): string {
  const lines = [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ':WEFT-SERVICES - [0:0]',
  ]
  lines.push('-A PREROUTING -j WEFT-SERVICES', '-A OUTPUT -j WEFT-SERVICES')
  for (const { clusterIp, port, protocol, endpoints } of targets) {
    for (const [index, endpoint] of endpoints.entries()) {
      // The first takes 1/n, the second 1/(n-1) of the rest, and so on: equal shares.
      const left = endpoints.length - index
      const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(8)}`
      lines.push(
        `-A WEFT-SERVICES -d ${clusterIp}/32 -p ${protocol} -m ${protocol} --dport ${port}${chance} -j DNAT --to-destination ${endpoint.ip}:${endpoint.port}`,
      )
    }
  }
  for (const ip of new Set(targets.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.ip)))) {
    lines.push(`-A POSTROUTING -s ${ip}/32 -d ${ip}/32 -j MASQUERADE`)
  }
  lines.push('COMMIT', '')
  return lines.join('\n')
}
