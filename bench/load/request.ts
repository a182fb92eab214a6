/**
 * The request every benchmark sends: 15 fields as a browser behind a gateway sends them, of which the path, the
 * request id and the trace id are different in every request, so that no cache of whole heads helps anybody.
 *
 * Requests are made by copying a template and overwriting digits in place. HTTP/2 field values are Huffman-coded, as
 * real clients do. That works in place because the ten digits used here are hexadecimal digits whose Huffman codes
 * have 6 bits each: four of them are exactly three bytes. All literals are "without indexing" (RFC 7541 §6.2.2): the
 * bytes are the same whatever table size a proxy announces.
 */
import { CODE_LENGTHS, CODES } from '../../proxy/wire/huffman-tables.ts'

/** Ten hexadecimal digits of 6 bits each in HPACK's Huffman code. */
const DIGITS = '3456789bdf'
const GROUP = 4
const GROUP_VALUES = 10 ** GROUP

/** Stands for one digit that differs between requests; always in groups of four. */
const SLOT = '#'

export interface RequestOptions {
  readonly kind: 'web' | 'grpc'
  readonly authority: string
  /** Length of the content; 0 is a GET without any. */
  readonly bodyBytes: number
}

type Field = readonly [name: string, value: string]

function fieldsOf(options: RequestOptions): readonly Field[] {
  return options.kind === 'web' ? webFields(options) : grpcFields(options)
}

function webFields({ authority, bodyBytes }: RequestOptions): readonly Field[] {
  return [
    [':method', bodyBytes > 0 ? 'POST' : 'GET'],
    [':scheme', 'http'],
    [':authority', authority],
    [':path', '/api/v1/products/####/reviews?expand=author,photos'],
    ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'],
    ['accept', 'application/json, text/plain, */*'],
    ['accept-encoding', 'gzip, deflate, br'],
    ['accept-language', 'en-GB,en;q=0.9,de;q=0.8'],
    ['authorization', `Bearer ${TOKEN}`],
    ['cookie', 'session=7f3c1d94a5e84b0f9a6d2c71; theme=dark'],
    ['referer', 'https://shop.example.com/catalog/books?page=3'],
    ['x-request-id', '########-####-####-####-############'],
    ['traceparent', '00-################################-00f067aa0ba902b7-01'],
    ['tracestate', 'vendor=t61rcWkgMzE'],
    bodyBytes > 0 ? ['content-length', String(bodyBytes)] : ['cache-control', 'no-cache'],
  ]
}

/** A call of a generated client behind an interceptor for credentials and tracing. The path is the method's: it stays. */
function grpcFields({ authority }: RequestOptions): readonly Field[] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', authority],
    [':path', '/shop.inventory.v1.Inventory/WatchStock'],
    ['content-type', 'application/grpc+proto'],
    ['te', 'trailers'],
    ['user-agent', 'grpc-node-js/1.14.7'],
    ['accept-encoding', 'identity'],
    ['grpc-accept-encoding', 'identity,deflate,gzip'],
    ['grpc-timeout', '29999m'],
    ['authorization', `Bearer ${TOKEN}`],
    ['x-request-id', '########-####-####-####-############'],
    ['traceparent', '00-################################-00f067aa0ba902b7-01'],
    ['tracestate', 'vendor=t61rcWkgMzE'],
    ['x-tenant', 'eu-books'],
  ]
}

const GRPC_PREFIX_BYTES = 5

/** One uncompressed message of `bytes` altogether: a prefix that says the length, then a protobuf nobody reads. */
export function grpcMessage(bytes: number): Buffer {
  const message = Buffer.alloc(bytes, 0x0a)
  message[0] = 0
  message.writeUInt32BE(bytes - GRPC_PREFIX_BYTES, 1)
  return message
}

/** A JSON web token of ordinary length that nobody signed. */
const TOKEN = [
  'eyJhbGciOiJFUzI1NiIsImtpZCI6IjIwMjYtMDEifQ',
  'eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwic3ViIjoiMTIzNDU2Nzg5MCIsImF1ZCI6InNob3AiLCJleHAiOjE3OTM1NjgwMDB9',
  'c2lnbmF0dXJlLXRoYXQtbm9ib2R5LXdpbGwtZXZlci1jaGVjay1idXQtb2Ytb3JkaW5hcnktbGVuZ3Ro',
].join('.')

/** Bytes to copy, and where in them the digits of request number `n` go. */
export interface RequestTemplate {
  readonly bytes: Buffer
  /** Writes the digits of request `n` into a copy of `bytes` that begins at `at` of `target`. */
  stamp(target: Uint8Array, at: number, n: number): void
}

/** An HTTP/1.1 request head. */
export function http1Request(options: RequestOptions): RequestTemplate {
  const fields = fieldsOf(options)
  const value = (name: string) => fields.find(([each]) => each === name)?.[1] ?? ''
  const lines = [`${value(':method')} ${value(':path')} HTTP/1.1`, `host: ${value(':authority')}`]
  for (const [name, text] of fields) if (!name.startsWith(':')) lines.push(`${name}: ${text}`)
  const text = `${lines.join('\r\n')}\r\n\r\n`

  const slots: Slot[] = []
  let line = 0
  for (let at = text.indexOf(SLOT); at !== -1; at = text.indexOf(SLOT, at + GROUP)) {
    const lineStart = text.lastIndexOf('\n', at) + 1
    const isFirst = slots.length === 0 || lineStart !== line
    slots.push({ at, rank: isFirst ? 0 : slots.at(-1)!.rank + 1 })
    line = lineStart
  }
  const groups = Buffer.alloc(GROUP_VALUES * GROUP)
  for (let value = 0; value < GROUP_VALUES; value++) groups.write(digitsOf(value), value * GROUP, 'latin1')
  return template(Buffer.from(text.replaceAll(SLOT, DIGITS[0]!), 'latin1'), slots, groups, GROUP)
}

/** An HTTP/2 field block (RFC 7541), without its frame header. */
export function http2Request(options: RequestOptions): RequestTemplate {
  const bytes: number[] = []
  const slots: Slot[] = []
  for (const [name, value] of fieldsOf(options)) {
    const indexed = STATIC_FIELDS.get(`${name}: ${value}`)
    if (indexed !== undefined) {
      bytes.push(0x80 | indexed)
      continue
    }
    const nameIndex = STATIC_NAMES.get(name)
    if (nameIndex === undefined) bytes.push(0x00, ...huffmanString(name, []))
    else bytes.push(...integer(nameIndex, 4, 0x00))
    const slotsInValue: number[] = []
    const encoded = huffmanString(value, slotsInValue)
    if (value.includes(SLOT) && slotsInValue.length === 0)
      throw new Error(`${name}: no digit begins a byte in "${value}"`)
    for (const [rank, slot] of slotsInValue.entries()) slots.push({ at: bytes.length + slot, rank })
    bytes.push(...encoded)
  }
  const groups = Buffer.alloc(GROUP_VALUES * 3)
  for (let value = 0; value < GROUP_VALUES; value++) groups.set(huffman(digitsOf(value), []), value * 3)
  return template(Buffer.from(bytes), slots, groups, 3)
}

/** The whole entries and the names of HPACK's static table that these requests use (RFC 7541 Appendix A). */
const STATIC_FIELDS = new Map([
  [':method: GET', 2],
  [':method: POST', 3],
  [':scheme: http', 6],
])
const STATIC_NAMES = new Map([
  [':authority', 1],
  [':path', 4],
  ['accept-encoding', 16],
  ['accept-language', 17],
  ['accept', 19],
  ['authorization', 23],
  ['cache-control', 24],
  ['content-length', 28],
  ['content-type', 31],
  ['cookie', 32],
  ['referer', 51],
  ['user-agent', 58],
])

/** Where a group of digits stands, and the how-manieth of its field it is. */
interface Slot {
  readonly at: number
  readonly rank: number
}

function template(bytes: Buffer, slots: readonly Slot[], groups: Buffer, groupBytes: number): RequestTemplate {
  return {
    bytes,
    stamp(target, at, n) {
      // The first two groups of a field count, so every field is unique for 10^8 requests (the path, which has one
      // group, for 10^4); the others only look random.
      const high = Math.floor(n / GROUP_VALUES) % GROUP_VALUES
      for (let i = 0; i < slots.length; i++) {
        const { at: offset, rank } = slots[i]!
        const value = rank === 0 ? n % GROUP_VALUES : rank === 1 ? high : (n * (rank * 7_919 + 31)) % GROUP_VALUES
        const from = value * groupBytes
        const to = at + offset
        for (let k = 0; k < groupBytes; k++) target[to + k] = groups[from + k]!
      }
    },
  }
}

function digitsOf(value: number): string {
  let text = ''
  for (let rest = value, i = 0; i < GROUP; i++, rest = Math.floor(rest / 10)) text = DIGITS[rest % 10]! + text
  return text
}

/** A Huffman-coded string literal (RFC 7541 §5.2). `slots` is given the offsets of its groups. */
function huffmanString(text: string, slots: number[]): number[] {
  const inside: number[] = []
  const coded = huffman(text, inside)
  const length = integer(coded.length, 7, 0x80)
  for (const slot of inside) slots.push(length.length + slot)
  return [...length, ...coded]
}

function huffman(text: string, slots: number[]): number[] {
  const bits: number[] = []
  for (let at = 0; at < text.length; at++) {
    if (text[at] === SLOT && text.slice(at, at + GROUP) === SLOT.repeat(GROUP) && isGroupStart(text, at)) {
      // Groups of one field follow each other or a dash of 6 bits, so not each begins a byte: those stay fixed.
      if (bits.length % 8 === 0) slots.push(bits.length / 8)
    }
    const symbol = text.charCodeAt(at) === SLOT.charCodeAt(0) ? DIGITS.charCodeAt(0) : text.charCodeAt(at)
    for (let bit = CODE_LENGTHS[symbol]! - 1; bit >= 0; bit--) bits.push((CODES[symbol]! >>> bit) & 1)
  }
  // The padding is the beginning of EOS: ones.
  while (bits.length % 8 !== 0) bits.push(1)
  const bytes: number[] = []
  for (let at = 0; at < bits.length; at += 8) bytes.push(Number.parseInt(bits.slice(at, at + 8).join(''), 2))
  return bytes
}

function isGroupStart(text: string, at: number): boolean {
  let run = 0
  while (text[at - run - 1] === SLOT) run++
  return run % GROUP === 0
}

/** An HPACK integer (RFC 7541 §5.1). */
function integer(value: number, prefixBits: number, first: number): number[] {
  const max = 2 ** prefixBits - 1
  if (value < max) return [first | value]
  const bytes = [first | max]
  let rest = value - max
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  return bytes
}
