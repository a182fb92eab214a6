/**
 * The environment, read with types: every method checks one variable and gathers what is wrong with it, so an operator
 * fixes all of it in one round. Empty variables count as unset, as they do for Linkerd's proxy.
 */

import { parseDurationMs } from '../../api/duration.ts'
import { type Cidr, canonicalIp, parseCidr, parseSocketAddress, type SocketAddress } from '../../api/ip.ts'
import { type PortSet, parsePortSet } from '../../api/port-set.ts'
import { ENV_PREFIX } from '../../api/vocabulary.ts'
import { MAX_TIMER_MS } from '../policy/timer-limit.ts'

export type Variables = { readonly [name: string]: string | undefined }

export class Env {
  readonly #vars: Variables
  readonly #read = new Set<string>()
  readonly problems: string[] = []
  readonly warnings: string[] = []

  constructor(vars: Variables) {
    this.#vars = vars
  }

  /** `undefined` when the variable is unset or empty. */
  optionalText(name: string): string | undefined {
    this.#read.add(name)
    const text = this.#vars[name]
    return text === undefined || text.trim() === '' ? undefined : text
  }

  /** What has to be set; `remedy` says where it comes from. */
  requiredText(name: string, remedy: string): string {
    const text = this.optionalText(name)
    if (text === undefined) this.problem(name, `is not set; ${remedy}`)
    return text ?? ''
  }

  optionalDurationMs(name: string): number | undefined {
    const text = this.optionalText(name)
    if (text === undefined) return undefined
    const ms = parseDurationMs(text)
    if (ms === undefined) this.problem(name, `"${text}" is not a duration such as 300ms, 10s, 5m or 1h`)
    return Math.min(ms ?? 0, MAX_TIMER_MS)
  }

  durationMs(name: string, fallbackMs: number): number {
    return this.optionalDurationMs(name) ?? fallbackMs
  }

  optionalInteger(name: string, min: number, max: number): number | undefined {
    const text = this.optionalText(name)
    if (text === undefined) return undefined
    const value = /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    this.problem(name, `"${text}" is not a whole number from ${min} to ${max}`)
    return min
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    return this.optionalInteger(name, min, max) ?? fallback
  }

  optionalRatio(name: string, max: number): number | undefined {
    const text = this.optionalText(name)
    if (text === undefined) return undefined
    const value = /^\s*\d*\.?\d+\s*$/.test(text) ? Number(text) : Number.NaN
    if (value >= 0 && value <= max) return value
    this.problem(name, `"${text}" is not a number from 0 to ${max}`)
    return 0
  }

  boolean(name: string, fallback: boolean): boolean {
    const text = this.optionalText(name)?.trim().toLowerCase()
    if (text === undefined) return fallback
    if (text === 'true' || text === 'false') return text === 'true'
    this.problem(name, `"${text}" is neither true nor false`)
    return fallback
  }

  /** One of a few words. */
  oneOf<T extends string>(name: string, words: readonly T[]): T | undefined {
    const text = this.optionalText(name)?.trim()
    if (text === undefined) return undefined
    const word = words.find((it) => it === text)
    if (word === undefined) this.problem(name, `"${text}" is not one of ${words.join(', ')}`)
    return word
  }

  socketAddress(name: string, fallback: string): SocketAddress {
    return this.#socketAddress(name, this.optionalText(name)?.trim() ?? fallback)
  }

  /** One or two addresses: IPv4 and IPv6. */
  socketAddresses(name: string): readonly SocketAddress[] | undefined {
    const items = this.#list(name)
    if (items.length > 2) this.problem(name, `names ${items.length} addresses where at most two are possible`)
    return items.length === 0 ? undefined : items.map((item) => this.#socketAddress(name, item))
  }

  networks(name: string): readonly Cidr[] {
    return this.#each(name, parseCidr, 'a network such as 10.0.0.0/8')
  }

  /** Canonical text. */
  ips(name: string): ReadonlySet<string> {
    return new Set(this.#each(name, canonicalIp, 'an IP address'))
  }

  ports(name: string): PortSet {
    const { ports, wrong } = parsePortSet(this.optionalText(name) ?? '')
    for (const element of wrong) this.problem(name, `"${element}" is not a port or a range such as 3000-3999`)
    return ports
  }

  /** Names such as `svc.cluster.local.`, in lower case and without the final dot; the root is the empty one. */
  nameSuffixes(name: string, fallback: string): readonly string[] {
    const items = this.#list(name, fallback)
    for (const item of items) {
      const isName = item === '.' || /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$/i.test(item)
      if (!isName) this.problem(name, `"${item}" is not a DNS name`)
    }
    return items.map((item) => item.toLowerCase().replace(/\.$/, ''))
  }

  /** A variable that both directions read is wrong once. */
  problem(name: string, sentence: string): void {
    const problem = `${name}: ${sentence}`
    if (!this.problems.includes(problem)) this.problems.push(problem)
  }

  warn(name: string, sentence: string): void {
    this.warnings.push(`${name}: ${sentence}`)
  }

  /** Variables of the proxy that nothing has asked for: misspelled, or of another version. */
  unknownNames(): readonly string[] {
    return Object.keys(this.#vars)
      .filter((name) => name.startsWith(ENV_PREFIX) && !this.#read.has(name))
      .sort()
  }

  #socketAddress(name: string, text: string): SocketAddress {
    const address = parseSocketAddress(text)
    if (address === undefined) this.problem(name, `"${text}" is not an address such as 0.0.0.0:4143 or [::]:4143`)
    return address ?? { ip: '0.0.0.0', port: 0 }
  }

  #each<T>(name: string, parse: (item: string) => T | undefined, what: string): T[] {
    const parsed: T[] = []
    for (const item of this.#list(name)) {
      const value = parse(item)
      if (value === undefined) this.problem(name, `"${item}" is not ${what}`)
      else parsed.push(value)
    }
    return parsed
  }

  #list(name: string, fallback = ''): string[] {
    const items = (this.optionalText(name) ?? fallback).split(',').map((item) => item.trim())
    return items.filter((item) => item !== '')
  }
}
