/** The static table of HPACK (RFC 7541 Appendix A), and known names as their Huffman code. */
import { encodeHuffman } from './huffman.ts'
import { type FieldName, OTHER, TOKEN_NAMES, token } from './tokens.ts'

// biome-ignore format: by index, as the RFC's appendix is read
const ENTRIES: readonly (readonly [FieldName, string])[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''],
  ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''],
  ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''],
  ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''],
  ['www-authenticate', ''],
]

/** Entries 1 to 61; an index above names the dynamic table. */
export const STATIC_LENGTH = ENTRIES.length
/** By index; entry 0 does not exist. */
export const STATIC_TOKENS = Uint8Array.from([OTHER, ...ENTRIES.map(([name]) => token(name))])
export const STATIC_VALUES: readonly Buffer[] = ['', ...ENTRIES.map(([, value]) => value)].map((value) =>
  Buffer.from(value, 'latin1'),
)
/** First index whose name is a token's, 0 where the static table has no such name. */
export const STATIC_NAME_INDEX = new Uint8Array(TOKEN_NAMES.length)
/** How many entries from there on have the name and a value. */
export const STATIC_VALUE_COUNT = new Uint8Array(TOKEN_NAMES.length)
for (let index = STATIC_LENGTH; index > 0; index--) {
  STATIC_NAME_INDEX[STATIC_TOKENS[index]!] = index
  if (STATIC_VALUES[index]!.length > 0) STATIC_VALUE_COUNT[STATIC_TOKENS[index]!]!++
}

const CODED_NAMES: readonly Buffer[] = TOKEN_NAMES.map((name) => encodeHuffman(name))
const HASH_MASK = 1023
const MAX_CODED_NAME_BYTES = Math.max(...CODED_NAMES.map((coded) => coded.length))
/** Tokens by hash of their coded name: chains of one or two, in slots that follow one another. */
const SLOTS = new Uint8Array(HASH_MASK + 1)
for (let known = 1; known < CODED_NAMES.length; known++) {
  const coded = CODED_NAMES[known]!
  let slot = hashOf(coded, 0, coded.length)
  while (SLOTS[slot] !== OTHER) slot = (slot + 1) & HASH_MASK
  SLOTS[slot] = known
}

function hashOf(buf: Uint8Array, start: number, end: number): number {
  const middle = buf[(start + end) >> 1]!
  return (Math.imul((buf[start]! << 16) | (middle << 8) | buf[end - 1]!, 0x9e3779b1) >>> 22) ^ (end - start)
}

/**
 * The token of the Huffman-coded name in `buf[start, end)`, `OTHER` when it is not a known name. A string has one valid
 * code only, so equal bytes are equal names, and most names need no decoding.
 */
export function tokenOfCodedName(buf: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length === 0 || length > MAX_CODED_NAME_BYTES) return OTHER
  let slot = hashOf(buf, start, end)
  next: for (let known = SLOTS[slot]!; known !== OTHER; slot = (slot + 1) & HASH_MASK, known = SLOTS[slot]!) {
    const coded = CODED_NAMES[known]!
    if (coded.length !== length) continue
    for (let i = 0; i < length; i++) if (coded[i] !== buf[start + i]) continue next
    return known
  }
  return OTHER
}
