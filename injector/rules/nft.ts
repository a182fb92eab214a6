/**
 * The redirect rules in nft's language: one table of our own, `inet weft`, for both IP families.
 *
 * `nft -f` loads a file as one transaction. The text creates the table, deletes it and writes it anew, so loading it
 * twice gives the same ruleset, no packet ever meets half of it, and nothing outside the table is touched.
 */
import { formatPortSet } from '../../api/port-set.ts'
import { type Match, type RedirectConfig, type Rule, redirectRules, type Verdict } from './redirect-rules.ts'

export const NFT_TABLE = 'inet weft'

/** Before the kernel's routing decision, where DNAT belongs; `dstnat` by number, since older nft knows the name for prerouting only. */
const DSTNAT_PRIORITY = -100

export function renderNft(config: RedirectConfig): string {
  const { inbound, outbound } = redirectRules(config)
  return [
    ...replaceTable(),
    `table ${NFT_TABLE} {`,
    ...chain('inbound', 'prerouting', config, inbound),
    ...chain('outbound', 'output', config, outbound),
    '}',
    '',
  ].join('\n')
}

/** Deletes our table, also where there is none: `add` makes sure that `delete` finds it. */
export function renderNftRemoval(): string {
  return [...replaceTable(), ''].join('\n')
}

function replaceTable(): string[] {
  return [`add table ${NFT_TABLE}`, `delete table ${NFT_TABLE}`]
}

function chain(name: string, hook: string, { ipv6 }: RedirectConfig, rules: readonly Rule[]): string[] {
  const lines = rules.filter((rule) => ipv6 || !needsIpv6(rule.match)).map(nftRule)
  if (!ipv6) lines.unshift(`meta nfproto ipv6 return comment "proxy-init/ignore-ipv6"`)
  return [
    `  chain ${name} {`,
    `    type nat hook ${hook} priority ${DSTNAT_PRIORITY}; policy accept;`,
    ...lines.map((line) => `    ${line}`),
    '  }',
  ]
}

function nftRule({ name, match, verdict }: Rule): string {
  return `${nftMatch(match)} ${nftVerdict(verdict)} comment "proxy-init/${name}"`
}

function nftMatch(match: Match): string {
  switch (match.kind) {
    case 'tcp':
      return 'meta l4proto tcp'
    case 'tcpPorts':
      return `tcp dport { ${formatPortSet(match.ports)} }`
    case 'source':
      return `${match.family === 'ipv4' ? 'ip' : 'ip6'} saddr ${match.subnet}`
    case 'uid':
      return `meta skuid ${match.uid}`
    case 'gid':
      return `meta skgid ${match.gid}`
    case 'leavesThroughLoopback':
      return 'oifname "lo"'
  }
}

function nftVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'return':
      return 'return'
    case 'redirect':
      return `redirect to :${verdict.port}`
  }
}

function needsIpv6(match: Match): boolean {
  return match.kind === 'source' && match.family === 'ipv6'
}
