/**
 * Field names the engine or a policy looks at, as small numbers.
 *
 * A name is turned into its token once, where it is parsed; every later question ("is there a content-length?") compares
 * numbers. Names nobody asks for are `Token.other` and stay bytes. All names of the HPACK static table (RFC 7541
 * Appendix A) are here, so an indexed name never needs its bytes.
 */
const NAMES = [
  '',
  ':method',
  ':scheme',
  ':authority',
  ':path',
  ':status',
  ':protocol',
  // The rest of the HPACK static table.
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'access-control-allow-origin',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referer',
  'refresh',
  'retry-after',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'user-agent',
  'vary',
  'via',
  'www-authenticate',
  // Hop-by-hop and framing (RFC 9110 §7.6.1).
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  // gRPC over HTTP/2.
  'grpc-status',
  'grpc-message',
  'grpc-timeout',
  'grpc-encoding',
  'grpc-retry-pushback-ms',
  // Linkerd.
  'l5d-client-id',
  'l5d-dst-canonical',
  'l5d-dst-override',
  'l5d-require-id',
  'l5d-orig-proto',
  'l5d-proxy-error',
  'l5d-proxy-connection',
  'l5d-timeout',
  'l5d-request-timeout',
  'l5d-response-timeout',
  'l5d-retry-http',
  'l5d-retry-grpc',
  'l5d-retry-limit',
  'l5d-retry-timeout',
  // Between two Weft proxies, see http1-names.ts and http1-reason.ts.
  'weft-names',
  'weft-reason',
  // Tracing and logs.
  'traceparent',
  'tracestate',
  'forwarded',
  'x-request-id',
  'b3',
  'x-b3-traceid',
] as const

export type FieldName = Exclude<(typeof NAMES)[number], ''>

/** The name of a token in lower case; '' for `OTHER`. */
export const TOKEN_NAMES: readonly string[] = NAMES
export const TOKEN_NAME_BYTES: readonly Buffer[] = NAMES.map((name) => Buffer.from(name, 'latin1'))

/** The token of names nobody asks for. */
export const OTHER = 0

const byName = new Map<string, number>(NAMES.map((name, token) => [name, token]))

/** The token of a lower-case name. Not for the hot path: see `tokenOf`. */
export function token(name: FieldName): number {
  return byName.get(name)!
}

/** The token of a lower-case name that policies give, `OTHER` when nobody else asks for it. */
export function tokenNamed(name: string): number {
  return byName.get(name) ?? OTHER
}

/** Length of each name. */
export const TOKEN_NAME_LENGTHS = Uint8Array.from(NAMES, (name) => name.length)

// All names in one array, and an open hash table over length and two characters: most names are the first in their slot.
const NAME_STARTS = new Uint16Array(NAMES.length)
for (let at = 1; at < NAMES.length; at++) NAME_STARTS[at] = NAME_STARTS[at - 1]! + NAMES[at - 1]!.length
const NAME_CHARS = Buffer.from(NAMES.join(''), 'latin1')
const SLOT_MASK = 1023
const SLOTS = new Uint8Array(SLOT_MASK + 1)
for (let at = 1; at < NAMES.length; at++) {
  const bytes = TOKEN_NAME_BYTES[at]!
  let slot = slotOf(bytes.length, bytes[0]!, bytes[bytes.length - 1]!)
  while (SLOTS[slot] !== OTHER) slot = (slot + 1) & SLOT_MASK
  SLOTS[slot] = at
}

function slotOf(length: number, first: number, last: number): number {
  return (Math.imul((length << 16) | (first << 8) | last, 0x9e3779b1) >>> 22) & SLOT_MASK
}

/** The token of the lower-case name in `buf[start, end)`, `OTHER` when nobody asks for it. */
export function tokenOf(buf: Uint8Array, start: number, end: number): number {
  return end === start ? OTHER : lookUp(buf, start, end, 0)
}

/** The token of the name in `buf[start, end)` in any case; its bytes are token characters (RFC 9110 §5.6.2). */
export function tokenOfAnyCase(buf: Uint8Array, start: number, end: number): number {
  // Bit 5 makes a letter lower case and leaves digits and `-` as they are; the few characters it changes besides
  // become such that no name here has.
  return end === start ? OTHER : lookUp(buf, start, end, 0x20)
}

function lookUp(buf: Uint8Array, start: number, end: number, caseBit: number): number {
  const length = end - start
  let slot = slotOf(length, buf[start]! | caseBit, buf[end - 1]! | caseBit)
  next: for (let known = SLOTS[slot]!; known !== OTHER; slot = (slot + 1) & SLOT_MASK, known = SLOTS[slot]!) {
    if (TOKEN_NAME_LENGTHS[known] !== length) continue
    const name = NAME_STARTS[known]!
    for (let i = 0; i < length; i++) if (NAME_CHARS[name + i] !== (buf[start + i]! | caseBit)) continue next
    return known
  }
  return OTHER
}
