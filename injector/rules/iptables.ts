/**
 * The redirect rules for `iptables-restore --noflush`: one text per IP family, loaded as one transaction.
 *
 * Declaring a chain that exists empties it, so our own chains are refilled on every load. The two jumps sit in
 * built-in chains that are not ours to empty: those found in `iptables-save` are deleted in the same transaction
 * and written again, so loading twice gives the same ruleset.
 */
import { formatPortSet } from '../../api/port-set.ts'
import {
  type IpFamily,
  type Match,
  type RedirectConfig,
  type Rule,
  redirectRules,
  type Verdict,
} from './redirect-rules.ts'

export const INBOUND_CHAIN = 'PROXY_INIT_REDIRECT'
export const OUTBOUND_CHAIN = 'PROXY_INIT_OUTPUT'

const OUR_CHAINS = [INBOUND_CHAIN, OUTBOUND_CHAIN]

const JUMPS = [
  `-A PREROUTING -m comment --comment proxy-init/install-proxy-init-prerouting -j ${INBOUND_CHAIN}`,
  `-A OUTPUT -m comment --comment proxy-init/install-proxy-init-output -j ${OUTBOUND_CHAIN}`,
]

export interface IptablesRules {
  readonly ipv4: string
  /** For the `ip6tables` twin; absent when the mesh leaves IPv6 alone. */
  readonly ipv6?: string
}

/** What `iptables-save -t nat` printed for each family before: its jumps to our chains are replaced, not doubled. */
export type SavedRules = { readonly [family in IpFamily]?: string }

export function renderIptables(config: RedirectConfig, saved: SavedRules = {}): IptablesRules {
  const ipv4 = restoreText(config, 'ipv4', saved.ipv4 ?? '')
  return config.ipv6 ? { ipv4, ipv6: restoreText(config, 'ipv6', saved.ipv6 ?? '') } : { ipv4 }
}

/** The text that takes our chains away, or `undefined` when `saved` has none of them. */
export function renderIptablesRemoval(saved: string): string | undefined {
  const chains = OUR_CHAINS.filter((chain) => saved.split('\n').some((line) => line.startsWith(`:${chain} `)))
  if (chains.length === 0) return undefined
  return lines(
    '*nat',
    ...chains.map(declare),
    ...jumpDeletions(saved),
    ...chains.map((chain) => `-X ${chain}`),
    'COMMIT',
  )
}

function restoreText(config: RedirectConfig, family: IpFamily, saved: string): string {
  const { inbound, outbound } = redirectRules(config)
  return lines(
    '*nat',
    ...OUR_CHAINS.map(declare),
    ...jumpDeletions(saved),
    ...rulesOf(INBOUND_CHAIN, inbound, family),
    ...rulesOf(OUTBOUND_CHAIN, outbound, family),
    ...JUMPS,
    'COMMIT',
  )
}

function declare(chain: string): string {
  return `:${chain} - [0:0]`
}

/** `-A OUTPUT … -j PROXY_INIT_OUTPUT` as saved becomes `-D OUTPUT …`: the same words name the rule to delete. */
function jumpDeletions(saved: string): string[] {
  return saved
    .split('\n')
    .filter((line) => OUR_CHAINS.some((chain) => line.startsWith('-A ') && line.endsWith(` -j ${chain}`)))
    .map((line) => line.replace(/^-A /, '-D '))
}

function rulesOf(chain: string, rules: readonly Rule[], family: IpFamily): string[] {
  return rules
    .filter(({ match }) => match.kind !== 'source' || match.family === family)
    .map(
      ({ name, match, verdict }) =>
        `-A ${chain} ${iptablesMatch(match)} -m comment --comment proxy-init/${name} ${iptablesVerdict(verdict)}`,
    )
}

function iptablesMatch(match: Match): string {
  switch (match.kind) {
    case 'tcp':
      return '-p tcp'
    case 'tcpPorts':
      return `-p tcp -m multiport --dports ${formatPortSet(match.ports).replaceAll('-', ':')}`
    case 'source':
      return `-s ${match.subnet}`
    case 'uid':
      return `-m owner --uid-owner ${match.uid}`
    case 'gid':
      return `-m owner --gid-owner ${match.gid}`
    case 'leavesThroughLoopback':
      return '-o lo'
  }
}

function iptablesVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'return':
      return '-j RETURN'
    case 'redirect':
      return `-j REDIRECT --to-ports ${verdict.port}`
  }
}

function lines(...parts: readonly string[]): string {
  return `${parts.join('\n')}\n`
}
