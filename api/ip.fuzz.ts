/** IP addresses, socket addresses and networks, against node:net and the URL parser. */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { below, mutateText, pick, textOf } from '../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../test/fuzz/fuzzer.ts'
import {
  canonicalIp,
  cidrContains,
  cidrFromMessage,
  cidrToMessage,
  formatCidr,
  formatIp,
  formatSocketAddress,
  ipFromMessage,
  ipToMessage,
  parseCidr,
  parseIp,
  parseSocketAddress,
} from './ip.ts'

const ADDRESSES = [
  '10.0.0.1',
  '255.255.255.255',
  '0.0.0.0',
  '127.0.0.1',
  '::',
  '::1',
  'fd00::1',
  '1:2:3:4:5:6:7:8',
  '::ffff:10.0.0.1',
  '64:ff9b::1.2.3.4',
  'fe80::1%eth0',
  '1::8',
  '0:0:1::',
  '2001:db8:0:0:1:0:0:1',
]
const PIECES = [
  '.',
  ':',
  '::',
  '0',
  '00',
  '1',
  'f',
  'F',
  '256',
  'ffff',
  '%',
  '/',
  '/8',
  '/33',
  '/129',
  '[',
  ']',
  ']:80',
  ':80',
  ':65536',
  ' ',
  '-',
  'x',
  '\0',
  '::ffff:',
]

export const ipFuzzer = fuzzer<string>({
  name: 'ip',
  checks: 'IP and socket addresses, networks: node:net says the same, the text is canonical, messages carry it',
  cases: 2_500,
  generate: (random) => {
    const address = random() < 0.5 ? pick(random, ADDRESSES) : random() < 0.5 ? ipv6(random) : ipv4(random)
    return pick(random, [address, `${address}:80`, `[${address}]:80`, `${address}/${below(random, 131)}`])
  },
  mutate: (random, text) => mutateText(random, text, PIECES, 2, 128),
  run: check,
})

function ipv4(random: Random): string {
  return [0, 0, 0, 0].map(() => pick(random, [0, 1, 10, 127, 255, below(random, 256), 256])).join('.')
}

function ipv6(random: Random): string {
  const groups = Array.from({ length: pick(random, [8, 8, 7, 9]) }, () =>
    pick(random, ['0', '0', '1', 'ffff', '00a', below(random, 65_536).toString(16), textOf(random, 1, 128)]),
  )
  if (random() < 0.5) groups.splice(below(random, groups.length), below(random, 5), '')
  return groups.join(':')
}

function check(text: string): void {
  const family = isIP(text)
  const bytes = parseIp(text)
  equal(bytes?.length, text.includes('%') || family === 0 ? undefined : family === 4 ? 4 : 16)
  if (bytes !== undefined) {
    const canonical = formatIp(bytes)
    deepEqual(parseIp(canonical), bytes, 'canonical text is the same address')
    equal(formatIp(parseIp(canonical)!), canonical)
    // The URL parser shows mapped addresses in hexadecimal (RFC 5952 §5 leaves it open).
    const host = family === 4 ? new URL(`http://${text}/`).hostname : new URL(`http://[${text}]/`).hostname.slice(1, -1)
    if (!canonical.includes('.') || family === 4) equal(canonical, host)
    equal(ipFromMessage(ipToMessage(bytes)), canonical)
    ok(canonicalIp(text) !== undefined)
  } else equal(canonicalIp(text), undefined)

  const socketAddress = parseSocketAddress(text)
  if (socketAddress !== undefined) {
    deepEqual(parseSocketAddress(formatSocketAddress(socketAddress)), socketAddress)
    const url = new URL(`tcp://${text}/`)
    equal(Number(url.port === '' ? Number.NaN : url.port), socketAddress.port, text)
  }

  const cidr = parseCidr(text)
  if (cidr === undefined) return
  deepEqual(parseCidr(formatCidr(cidr)), cidr)
  deepEqual(cidrFromMessage(cidrToMessage(cidr)), cidr)
  const base = formatIp(cidr.base)
  const type = cidr.base.length === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(base, cidr.prefixBits, type)
  const others = [...ADDRESSES, base, neighbour(cidr.base, cidr.prefixBits), neighbour(cidr.base, cidr.prefixBits - 1)]
  for (const other of others) {
    const parsed = parseIp(other)
    if (parsed === undefined || (parsed.length === 4) !== (type === 'ipv4')) continue
    equal(cidrContains(cidr, other), list.check(other, type), `${formatCidr(cidr)} and ${other}`)
  }
}

/** The address that differs in the bit at `place`. */
function neighbour(base: Uint8Array, place: number): string {
  const copy = Uint8Array.from(base)
  if (place >= 0 && place < base.length * 8) copy[place >> 3]! ^= 0x80 >> (place & 7)
  return formatIp(copy)
}
