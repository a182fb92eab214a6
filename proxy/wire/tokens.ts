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

// A perfect hash would save little: names differ by length and first letter first, so the buckets hold one or two.
const buckets: number[][] = []
for (let at = 1; at < NAMES.length; at++) {
  const bytes = TOKEN_NAME_BYTES[at]!
  const key = bucketOf(bytes.length, bytes[0]!, bytes[bytes.length - 1]!)
  const bucket = buckets[key]
  if (bucket === undefined) buckets[key] = [at]
  else bucket.push(at)
}
for (let key = 0; key < 1024; key++) buckets[key] ??= []

function bucketOf(length: number, first: number, last: number): number {
  return ((length * 5) ^ (first << 3) ^ last) & 1023
}

/** The token of the lower-case name in `buf[start, end)`, `OTHER` when nobody asks for it. */
export function tokenOf(buf: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length === 0) return OTHER
  const bucket = buckets[bucketOf(length, buf[start]!, buf[end - 1]!)]!
  next: for (let b = 0; b < bucket.length; b++) {
    const name = TOKEN_NAME_BYTES[bucket[b]!]!
    if (name.length !== length) continue
    for (let i = 1; i < length; i++) if (name[i] !== buf[start + i]) continue next
    if (name[0] !== buf[start]) continue
    return bucket[b]!
  }
  return OTHER
}

/** The token of the name in `buf[start, end)` in any case; its bytes are token characters (RFC 9110 §5.6.2). */
export function tokenOfAnyCase(buf: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length === 0) return OTHER
  // Bit 5 makes a letter lower case and leaves digits and `-` as they are; the few characters it changes besides
  // become such that no name here has.
  const bucket = buckets[bucketOf(length, buf[start]! | 0x20, buf[end - 1]! | 0x20)]!
  next: for (let b = 0; b < bucket.length; b++) {
    const name = TOKEN_NAME_BYTES[bucket[b]!]!
    if (name.length !== length) continue
    for (let i = 0; i < length; i++) if (name[i] !== (buf[start + i]! | 0x20)) continue next
    return bucket[b]!
  }
  return OTHER
}
