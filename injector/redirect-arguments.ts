/**
 * The arguments of `weft redirect`: the names of linkerd2-proxy-init, read strictly. A rule set from a misread
 * argument would leave ports open in silence, so every wrong value is a sentence and nothing is applied.
 */

import { parseGoDurationMs } from '../api/duration.ts'
import { parseCidr, parseSocketAddress, type SocketAddress } from '../api/ip.ts'
import { type PortSet, parsePortSet } from '../api/port-set.ts'
import { Port, PROXY_UID } from '../api/vocabulary.ts'
import type { CommandOptions, CommandValues } from '../cli/command.ts'
import { FIREWALLS, type Firewall } from './rules/firewall.ts'
import type { RedirectConfig } from './rules/redirect-rules.ts'
import type { VerifyOptions } from './rules/verify.ts'

export const REDIRECT_OPTIONS = {
  'incoming-proxy-port': { type: 'string', default: String(Port.inbound) },
  'outgoing-proxy-port': { type: 'string', default: String(Port.outbound) },
  'proxy-uid': { type: 'string', default: String(PROXY_UID) },
  'proxy-gid': { type: 'string' },
  'inbound-ports-to-ignore': { type: 'string', default: '' },
  'outbound-ports-to-ignore': { type: 'string', default: '' },
  'subnets-to-ignore': { type: 'string', default: '' },
  'ports-to-redirect': { type: 'string', default: '' },
  ipv6: { type: 'string', default: 'true' },
  /** Which program to try first; the others follow. */
  'firewall-bin-path': { type: 'string' },
  /** Follows from the one above; read so that a manifest with both is understood. */
  'firewall-save-bin-path': { type: 'string' },
  'iptables-mode': { type: 'string' },
  'timeout-close-wait-secs': { type: 'string', default: '0' },
  simulate: { type: 'boolean', default: false },
  /** We always wait for the lock. */
  'use-wait-flag': { type: 'boolean', short: 'w', default: false },
  'log-format': { type: 'string', default: 'plain' },
  'log-level': { type: 'string', default: 'info' },
  /** Of `verify` only: an address nobody has, and where its connection must arrive. */
  'connect-addr': { type: 'string', default: '1.1.1.1:20001' },
  'listen-addr': { type: 'string', default: `0.0.0.0:${Port.outbound}` },
  timeout: { type: 'string', default: '10s' },
} as const satisfies CommandOptions

export interface RedirectArguments {
  readonly config: RedirectConfig
  readonly which: Firewall | undefined
  /** 0 leaves the kernel's value. */
  readonly closeWaitTimeoutSecs: number
  readonly isSimulated: boolean
  readonly verify: VerifyOptions
}

/** The arguments, or one sentence for each that is wrong. */
export function readRedirectArguments(values: CommandValues): RedirectArguments | { readonly problems: string[] } {
  const reader = new ArgumentReader(values)
  const proxyGid = reader.optionalInteger('proxy-gid', -1, MAX_ID)
  const portsToRedirect = reader.ports('ports-to-redirect')
  const config: RedirectConfig = {
    inboundPort: reader.integer('incoming-proxy-port', 1, MAX_PORT),
    outboundPort: reader.integer('outgoing-proxy-port', 1, MAX_PORT),
    proxyUid: reader.integer('proxy-uid', 0, MAX_ID),
    ...(proxyGid === undefined || proxyGid < 0 ? {} : { proxyGid }),
    inboundPortsToIgnore: reader.ports('inbound-ports-to-ignore'),
    outboundPortsToIgnore: reader.ports('outbound-ports-to-ignore'),
    subnetsToIgnore: reader.subnets('subnets-to-ignore'),
    ...(portsToRedirect.length === 0 ? {} : { portsToRedirect }),
    ipv6: reader.oneOf('ipv6', ['true', 'false']) === 'true',
  }
  const read = {
    config,
    which: reader.firewall(),
    closeWaitTimeoutSecs: reader.integer('timeout-close-wait-secs', 0, MAX_SECONDS),
    isSimulated: values.simulate === true,
    verify: {
      connect: reader.address('connect-addr'),
      listen: reader.address('listen-addr'),
      timeoutMs: reader.durationMs('timeout'),
    },
  }
  reader.oneOf('log-format', ['plain', 'json'])
  reader.oneOf('log-level', ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'])
  return reader.problems.length === 0 ? read : { problems: reader.problems }
}

/** The modes of linkerd2-proxy-init. Our `nft` is nft itself, with iptables-nft behind it. */
const FIREWALL_OF_MODE = new Map<string, Firewall>([
  ['nft', 'nft'],
  ['plain', 'iptables'],
  ['legacy', 'iptables-legacy'],
])

const MAX_PORT = 65_535
const MAX_ID = 2 ** 31 - 1
const MAX_SECONDS = 2 ** 31 - 1

/** Takes values by option name and gathers what is wrong with them, so that all is said in one round. */
class ArgumentReader {
  readonly problems: string[] = []
  readonly #values: CommandValues

  constructor(values: CommandValues) {
    this.#values = values
  }

  integer(option: keyof typeof REDIRECT_OPTIONS, least: number, most: number): number {
    const text = this.#text(option)
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    return this.#wrong(option, text, `a whole number from ${least} to ${most}`, least)
  }

  optionalInteger(option: keyof typeof REDIRECT_OPTIONS, least: number, most: number): number | undefined {
    return this.#values[option] === undefined ? undefined : this.integer(option, least, most)
  }

  ports(option: keyof typeof REDIRECT_OPTIONS): PortSet {
    const text = this.#text(option)
    const { ports, wrong } = parsePortSet(text)
    if (wrong.length === 0) return ports
    return this.#wrong(option, wrong.join(','), 'a list of ports and ranges such as 25,4567-4568', [])
  }

  subnets(option: keyof typeof REDIRECT_OPTIONS): readonly string[] {
    const subnets = this.#text(option)
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
    const wrong = subnets.filter((subnet) => parseCidr(subnet) === undefined)
    if (wrong.length === 0) return subnets
    return this.#wrong(option, wrong.join(','), 'a list of networks such as 10.0.0.0/8,fd00::/8', [])
  }

  address(option: keyof typeof REDIRECT_OPTIONS): SocketAddress {
    const text = this.#text(option)
    const none = { ip: '', port: 0 }
    return parseSocketAddress(text) ?? this.#wrong(option, text, 'an address such as 0.0.0.0:4140 or [::]:4140', none)
  }

  durationMs(option: keyof typeof REDIRECT_OPTIONS): number {
    const text = this.#text(option)
    const ms = parseGoDurationMs(text)
    return ms !== undefined && ms > 0 ? ms : this.#wrong(option, text, 'a duration such as 10s', 0)
  }

  oneOf<Value extends string>(option: keyof typeof REDIRECT_OPTIONS, allowed: readonly Value[]): Value {
    const text = this.#text(option)
    const value = allowed.find((candidate) => candidate === text)
    return value ?? this.#wrong(option, text, `one of ${allowed.join(', ')}`, allowed[0]!)
  }

  firewall(): Firewall | undefined {
    const path = this.#values['firewall-bin-path']
    // A path is welcome (`/usr/sbin/iptables-nft`); which program it is, its last part says.
    if (path !== undefined)
      return this.#firewallNamed('firewall-bin-path', String(path), String(path).split('/').at(-1)!)
    const mode = this.#values['iptables-mode']
    if (mode === undefined) return undefined
    return this.#firewallNamed('iptables-mode', String(mode), FIREWALL_OF_MODE.get(String(mode)))
  }

  #firewallNamed(
    option: 'firewall-bin-path' | 'iptables-mode',
    text: string,
    name: string | undefined,
  ): Firewall | undefined {
    const firewall = FIREWALLS.find((candidate) => candidate === name)
    const expected = option === 'iptables-mode' ? 'one of nft, plain, legacy' : `one of ${FIREWALLS.join(', ')}`
    return firewall ?? this.#wrong(option, text, expected, undefined)
  }

  #text(option: keyof typeof REDIRECT_OPTIONS): string {
    return String(this.#values[option] ?? (REDIRECT_OPTIONS[option] as { default?: string }).default ?? '')
  }

  #wrong<Value>(option: string, text: string, expected: string, instead: Value): Value {
    this.problems.push(`redirect: --${option} is "${text}"; give ${expected}`)
    return instead
  }
}
