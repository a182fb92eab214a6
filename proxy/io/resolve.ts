/**
 * Addresses of the control plane (facts: DNS and IPv6). Nothing else is ever resolved by the proxy.
 *
 * A headless service is asked for by SRV first, because its answer names the port of every replica; the first label of
 * each SRV target is the replica's IP with dashes, so no second question is needed.
 */
import { isIPv4 } from 'node:net'
import { formatSocketAddress, isLoopback, parseIp, type SocketAddress } from '../../api/ip.ts'

/** Where a control-plane client goes, as written in `LINKERD2_PROXY_…_SVC_ADDR`. */
export interface Target {
  /** A name with its final dot, if it has one, or an address. */
  readonly host: string
  readonly port: number
  /** Reached in plain text at 127.0.0.1 (or the address written) and without stream limits. */
  readonly isLoopback: boolean
  /** What `:authority` and log lines say. */
  readonly authority: string
}

/** What is asked of DNS; `node:dns/promises` in the proxy, values in tests. */
export interface Lookup {
  srv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>
  a(name: string): Promise<readonly string[]>
  aaaa(name: string): Promise<readonly string[]>
  /** The system's own resolver, which also knows /etc/hosts. */
  system(name: string): Promise<readonly string[]>
}

export type RecordType = 'A/AAAA' | 'SRV'
export type OnResolution = (recordType: RecordType, result: 'ok' | 'not_found') => void

/** Replicas of a control plane that are remembered from one answer. */
const MAX_ADDRESSES = 64

/** `host:port`; `undefined` when it is neither a name nor an address with a port. */
export function parseTarget(text: string): Target | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9_.-]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port < 1 || port > 65_535) return undefined
  if (bracketed !== undefined && (!bracketed.includes(':') || parseIp(bracketed) === undefined)) return undefined
  // Only the absolute name means this host; `localhost` without the dot is a name like any other (facts: 5.1).
  const isLocal = host === 'localhost.' || isLoopback(host)
  const shown = bracketed === undefined ? host.replace(/\.$/, '') : `[${bracketed}]`
  // The root has no address.
  if (shown === '') return undefined
  return { host, port, isLoopback: isLocal, authority: port === 80 ? shown : `${shown}:${port}` }
}

/** Whether anybody has to be asked for the addresses of a target. */
export function needsLookup({ host }: Target): boolean {
  return host !== 'localhost.' && parseIp(host) === undefined
}

/**
 * All addresses of a target, in the order of the answer.
 *
 * @throws Error with one sentence when there is none
 */
export async function resolveTarget(
  target: Target,
  lookup: Lookup,
  onResolution?: OnResolution,
): Promise<readonly SocketAddress[]> {
  const { host, port } = target
  if (host === 'localhost.') return [{ ip: '127.0.0.1', port }]
  if (parseIp(host) !== undefined) return [{ ip: host, port }]

  const srv = await orNothing(lookup.srv(host))
  const replicas = addressesOfSrv(srv.found, port)
  onResolution?.('SRV', replicas.length > 0 ? 'ok' : 'not_found')
  if (replicas.length > 0) return replicas

  const failures = [`SRV ${srv.failure ?? 'without addresses'}`]
  for (const [type, ask] of [
    ['A', lookup.a],
    ['AAAA', lookup.aaaa],
    ['/etc/hosts', lookup.system],
  ] as const) {
    const { found, failure } = await orNothing(ask(host))
    const ips = found.filter((ip) => parseIp(ip) !== undefined).slice(0, MAX_ADDRESSES)
    if (ips.length > 0) {
      onResolution?.('A/AAAA', 'ok')
      return ips.map((ip) => ({ ip, port }))
    }
    failures.push(`${type} ${failure ?? 'without addresses'}`)
  }
  onResolution?.('A/AAAA', 'not_found')
  throw new Error(`${host} does not resolve (${failures.join(', ')}); is the control plane installed there?`)
}

/** The lookup of the proxy. Loaded when a name is resolved for the first time: an address needs no DNS code. */
export function systemLookup(): Lookup {
  // Not by `import()`: that first loads all of Node's loader of ES modules.
  const { Resolver, lookup } = process.getBuiltinModule('node:dns/promises')
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  return {
    srv: (name) => resolver.resolveSrv(name),
    a: (name) => resolver.resolve4(name),
    aaaa: (name) => resolver.resolve6(name),
    system: async (name) =>
      (await lookup(name.replace(/\.$/, ''), { all: true, order: 'ipv4first' })).map(({ address }) => address),
  }
}

function addressesOfSrv(
  records: readonly { readonly name: string; readonly port: number }[],
  port: number,
): SocketAddress[] {
  const unique = new Map<string, SocketAddress>()
  // A service may have more ports than ours; if ours is among them, the others are not meant.
  const isOurs = records.some((record) => record.port === port)
  for (const record of records) {
    if (isOurs && record.port !== port) continue
    const ip = ipOfLabel(record.name)
    if (ip === undefined || record.port === 0 || unique.size >= MAX_ADDRESSES) continue
    const address = { ip, port: record.port }
    unique.set(formatSocketAddress(address), address)
  }
  return [...unique.values()]
}

/** `10-1-2-3.linkerd-dst-headless…` is 10.1.2.3, `fd00--1.…` is fd00::1. */
function ipOfLabel(name: string): string | undefined {
  const label = name.split('.', 1)[0]!
  const v4 = label.replaceAll('-', '.')
  if (isIPv4(v4)) return v4
  const v6 = label.replaceAll('-', ':')
  return v6.includes(':') && parseIp(v6) !== undefined ? v6 : undefined
}

async function orNothing<T>(
  answer: Promise<readonly T[]>,
): Promise<{ found: readonly T[]; failure: string | undefined }> {
  try {
    return { found: await answer, failure: undefined }
  } catch (error) {
    return { found: [], failure: (error as NodeJS.ErrnoException).code ?? String(error) }
  }
}
