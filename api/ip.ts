/**
 * IP addresses in the three forms that meet in a mesh: text, bytes and the messages of `net.proto`.
 *
 * Text is always canonical (RFC 5952), so equal addresses are equal strings and can be keys of a Map.
 */
import { isIPv4 } from 'node:net'
import type { IPAddress, IPNetwork, TcpAddress } from './gen/net_pb.js'

/** Messages are plain objects that name their type; made here by hand, since proxies do without the library (messages/). */
const NET = 'io.linkerd.proxy.net'

export interface SocketAddress {
  readonly ip: string
  readonly port: number
}

export interface Cidr {
  /** The address with all bits behind the prefix cleared: 4 or 16 bytes. */
  readonly base: Uint8Array
  readonly prefixBits: number
}

/** The 4 or 16 bytes of an address; `undefined` for anything else, also for an IPv6 address with a zone. */
export function parseIp(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number)
  return parseIpv6(text)
}

/** Canonical text of 4 or 16 bytes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: number[] = []
  for (let at = 0; at < 16; at += 2) groups.push((bytes[at]! << 8) | bytes[at + 1]!)
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`
  const { start, length } = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  // RFC 5952 §4.2.2: a single zero group is not shortened.
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

/**
 * Canonical text of an address as sockets report it: a dual-stack listener sees IPv4 peers as `::ffff:10.0.0.1`,
 * which here is `10.0.0.1`. `undefined` for what is no address.
 */
export function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(text)
  if (bytes === undefined) return undefined
  return formatIp(bytes.length === 16 && isMapped(bytes) ? bytes.subarray(12) : bytes)
}

/** `10.0.0.1:80` or `[::1]:80`. */
export function formatSocketAddress({ ip, port }: SocketAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** Reverse of `formatSocketAddress`; the port is required and is 0 to 65535. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  if (digits === undefined) return undefined
  const port = Number(digits)
  const bytes = parseIp(bracketed ?? plain!)
  if (bytes === undefined || port > 65_535) return undefined
  if ((bytes.length === 16) !== (bracketed !== undefined)) return undefined
  return { ip: formatIp(bytes), port }
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(ip: string): boolean {
  const bytes = parseIp(ip)
  return bytes?.length === 4 ? bytes[0] === 127 : bytes !== undefined && formatIp(bytes) === '::1'
}

/** Parses `10.0.0.0/8`, `fd00::/8`, or an address alone, which is a network of one. */
export function parseCidr(text: string): Cidr | undefined {
  const [, address, digits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const bytes = address === undefined ? undefined : parseIp(address)
  if (bytes === undefined) return undefined
  const prefixBits = digits === undefined ? bytes.length * 8 : Number(digits)
  if (prefixBits > bytes.length * 8) return undefined
  const base = bytes.map((byte, at) => byte & maskByte(prefixBits, at))
  return { base, prefixBits }
}

/** Whether `ip` (text or bytes) lies in the network. Addresses of the other family never do. */
export function cidrContains({ base, prefixBits }: Cidr, ip: string | Uint8Array): boolean {
  const bytes = typeof ip === 'string' ? parseIp(ip) : ip
  if (bytes?.length !== base.length) return false
  for (let at = 0; at * 8 < prefixBits; at++) {
    if ((bytes[at]! & maskByte(prefixBits, at)) !== base[at]) return false
  }
  return true
}

export function formatCidr({ base, prefixBits }: Cidr): string {
  return `${formatIp(base)}/${prefixBits}`
}

/** The message of an address. An unparsable one is a bug of the caller: text from outside goes through `parseIp` first. */
export function ipToMessage(ip: string | Uint8Array): IPAddress {
  const bytes = typeof ip === 'string' ? parseIp(ip) : ip
  if (bytes === undefined) throw new TypeError(`"${ip}" is not an IP address`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length === 4) return { $typeName: `${NET}.IPAddress`, ip: { case: 'ipv4', value: view.getUint32(0) } }
  const value = { $typeName: `${NET}.IPv6`, first: view.getBigUint64(0), last: view.getBigUint64(8) } as const
  return { $typeName: `${NET}.IPAddress`, ip: { case: 'ipv6', value } }
}

/** Canonical text of a message; `undefined` when the peer left the oneof unset. */
export function ipFromMessage(message: IPAddress | undefined): string | undefined {
  const ip = message?.ip
  switch (ip?.case) {
    case 'ipv4': {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, ip.value)
      return formatIp(bytes)
    }
    case 'ipv6': {
      const bytes = new Uint8Array(16)
      const view = new DataView(bytes.buffer)
      view.setBigUint64(0, ip.value.first)
      view.setBigUint64(8, ip.value.last)
      return formatIp(bytes)
    }
    case undefined:
      return undefined
  }
}

export function tcpAddressToMessage({ ip, port }: SocketAddress): TcpAddress {
  return { $typeName: `${NET}.TcpAddress`, ip: ipToMessage(ip), port }
}

/** `undefined` without an address. The port keeps its low 16 bits, as every proxy reads it. */
export function tcpAddressFromMessage(message: TcpAddress | undefined): SocketAddress | undefined {
  const ip = ipFromMessage(message?.ip)
  return ip === undefined ? undefined : { ip, port: message!.port & 0xffff }
}

export function cidrToMessage({ base, prefixBits }: Cidr): IPNetwork {
  return { $typeName: `${NET}.IPNetwork`, ip: ipToMessage(base), prefixLen: prefixBits }
}

/** `undefined` without an address or with a prefix longer than it. */
export function cidrFromMessage(message: IPNetwork | undefined): Cidr | undefined {
  const ip = ipFromMessage(message?.ip)
  return ip === undefined ? undefined : parseCidr(`${ip}/${message!.prefixLen}`)
}

/**
 * RFC 4291 §2.2. `net.isIPv6` would do, but its regular expression takes 7 ms to compile, of the 150 that a sidecar may take to start.
 */
function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > MAX_IPV6_CHARS) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(groupsOf)
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  // IPv4 in the last 32 bits is only allowed at the end of the whole address.
  if (halves.length === 2 && halves[0]!.includes('.')) return undefined
  const count = head.length + (tail?.length ?? 0)
  // `::` stands for at least one group.
  if (tail === undefined ? count !== 8 : count > 7) return undefined
  const bytes = new Uint8Array(16)
  const groups = [...head, ...Array<number>(8 - count).fill(0), ...(tail ?? [])]
  groups.forEach((group, at) => {
    bytes[at * 2] = group >> 8
    bytes[at * 2 + 1] = group & 0xff
  })
  return bytes
}

/** Longest text: six groups and an IPv4 address. */
const MAX_IPV6_CHARS = 45

/** The 16-bit groups of one side of `::`, which may be empty; `undefined` where something else stands in it. */
function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else if (at === parts.length - 1 && isIPv4(part)) {
      const [a, b, c, d] = part.split('.').map(Number) as [number, number, number, number]
      groups.push((a << 8) | b, (c << 8) | d)
    } else return undefined
  }
  return groups
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
  }
  return best
}

/** The bits of byte `at` that belong to a prefix of `prefixBits`. */
function maskByte(prefixBits: number, at: number): number {
  const bits = Math.min(8, Math.max(0, prefixBits - at * 8))
  return (0xff << (8 - bits)) & 0xff
}
