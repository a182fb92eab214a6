/**
 * Client addresses and the networks policies name, as 32-bit words, so that membership is a few integer operations.
 *
 * An IPv4 address that a dual-stack socket reports as `::ffff:10.0.0.1` is the IPv4 address.
 */
import { type Cidr, formatIp, parseCidr, parseIp } from '../../api/ip.ts'

export interface Ip {
  readonly isV4: boolean
  /** IPv4: the address in `w0`. */
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

/** One network and what is carved out of it. */
export interface Network {
  readonly cidr: CompiledCidr
  readonly except: readonly CompiledCidr[]
}

export interface CompiledCidr {
  readonly base: Ip
  readonly mask: Ip
}

/** `undefined` for what is no address. */
export function ipOf(text: string): Ip | undefined {
  const bytes = parseIp(text)
  if (bytes === undefined) return undefined
  const ip = ipOfBytes(bytes)
  const isMapped = !ip.isV4 && ip.w0 === 0 && ip.w1 === 0 && ip.w2 === 0xffff
  return isMapped ? { isV4: true, w0: ip.w3, w1: 0, w2: 0, w3: 0 } : ip
}

/** The address as text, for log lines. */
export function ipText({ isV4, w0, w1, w2, w3 }: Ip): string {
  const view = new DataView(new ArrayBuffer(isV4 ? 4 : 16))
  const words = isV4 ? [w0] : [w0, w1, w2, w3]
  words.forEach((word, at) => void view.setInt32(4 * at, word))
  return formatIp(new Uint8Array(view.buffer))
}

/** A network as text: `10.0.0.0/8 except 10.1.0.0/16`. */
export function networkText({ cidr, except }: Network): string {
  const carved = except.length === 0 ? '' : ` except ${except.map(cidrText).join(', ')}`
  return `${cidrText(cidr)}${carved}`
}

function cidrText({ base, mask }: CompiledCidr): string {
  const words = base.isV4 ? [mask.w0] : [mask.w0, mask.w1, mask.w2, mask.w3]
  // A mask is ones, then zeros.
  const prefixBits = words.reduce((sum, word) => sum + Math.clz32(~word), 0)
  return `${ipText(base)}/${prefixBits}`
}

export function compileCidr({ base, prefixBits }: Cidr): CompiledCidr {
  const mask = new Uint8Array(base.length)
  for (let bit = 0; bit < prefixBits; bit++) mask[bit >> 3]! |= 0x80 >> (bit & 7)
  return { base: ipOfBytes(base), mask: ipOfBytes(mask) }
}

/** A network written in the source; a wrong one is our own bug. */
export function network(text: string): Network {
  const cidr = parseCidr(text)
  if (cidr === undefined) throw new TypeError(`"${text}" is not a network such as 10.0.0.0/8`)
  return { cidr: compileCidr(cidr), except: [] }
}

/** Whether the address is in one of the networks and not in what that one excepts. */
export function isInNetworks(networks: readonly Network[], ip: Ip): boolean {
  for (let at = 0; at < networks.length; at++) {
    const { cidr, except } = networks[at]!
    if (contains(cidr, ip) && !isInAny(except, ip)) return true
  }
  return false
}

export function isInAny(cidrs: readonly CompiledCidr[], ip: Ip): boolean {
  for (let at = 0; at < cidrs.length; at++) if (contains(cidrs[at]!, ip)) return true
  return false
}

function contains({ base, mask }: CompiledCidr, ip: Ip): boolean {
  if (base.isV4 !== ip.isV4 || (ip.w0 & mask.w0) !== base.w0) return false
  return ip.isV4 || ((ip.w1 & mask.w1) === base.w1 && (ip.w2 & mask.w2) === base.w2 && (ip.w3 & mask.w3) === base.w3)
}

function ipOfBytes(bytes: Uint8Array): Ip {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length === 4) return { isV4: true, w0: view.getInt32(0), w1: 0, w2: 0, w3: 0 }
  return { isV4: false, w0: view.getInt32(0), w1: view.getInt32(4), w2: view.getInt32(8), w3: view.getInt32(12) }
}
