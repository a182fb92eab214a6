/** Finds the TLS route of a connection by its SNI: exact beats suffix beats any, longer beats shorter, then the first. */
import type { TlsRoute } from './outbound-policy.ts'

/** @param sni in lower case, as clients' names are compared */
export function findTlsRoute(routes: readonly TlsRoute[], sni: string): TlsRoute | undefined {
  let found: TlsRoute | undefined
  let foundRank = -1
  for (const route of routes) {
    const rank = rankSni(route, sni)
    if (rank <= foundRank) continue
    found = route
    foundRank = rank
  }
  return found
}

function rankSni({ snis }: TlsRoute, sni: string): number {
  if (snis.length === 0) return 0
  let rank = -1
  for (const match of snis) {
    if (match.kind === 'exact') {
      if (match.name === sni) rank = Math.max(rank, (1 << 20) + sni.length)
    } else if (sni.length > match.suffix.length && sni.endsWith(match.suffix)) {
      rank = Math.max(rank, 1 + match.suffix.length)
    }
  }
  return rank
}
