/**
 * What makes an HTTP/2 message malformed beyond single bytes (RFC 9113 §8.2.2, §8.3; RFC 8441 §4): which pseudo-fields it
 * has, and fields that concern one connection only.
 *
 * The decoder asks `RULES` for every field; most have rule 0 and need no call. The first problem is the one reported.
 */
import { isAuthority, isHostAndPort, isScheme, isTargetText, isToken, parseDigits } from './field-chars.ts'
import { FIELD, FIELD_STRIDE, FLAG, type Head } from './head.ts'
import { decodeHuffmanInto, maxDecodedBytes } from './huffman.ts'
import { TOKEN_NAMES, token } from './tokens.ts'

export type MessageKind = 'request' | 'response' | 'trailers'

const METHOD = token(':method')
const SCHEME = token(':scheme')
const AUTHORITY = token(':authority')
const PATH = token(':path')
const STATUS = token(':status')
const PROTOCOL = token(':protocol')
const TE = token('te')
const CONTENT_LENGTH = token('content-length')
const HOST = token('host')
const NAMES = token('weft-names')
const REASON = token('weft-reason')

export const Rule = {
  none: 0,
  pseudo: 1,
  connectionSpecific: 2,
  te: 3,
  contentLength: 4,
  internal: 5,
  host: 6,
} as const
/** `Rule` by token. */
export const RULES = new Uint8Array(TOKEN_NAMES.length)
for (const known of [METHOD, SCHEME, AUTHORITY, PATH, STATUS, PROTOCOL]) RULES[known] = Rule.pseudo
for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'] as const) {
  RULES[token(name)] = Rule.connectionSpecific
}
RULES[TE] = Rule.te
RULES[CONTENT_LENGTH] = Rule.contentLength
RULES[HOST] = Rule.host
RULES[NAMES] = Rule.internal
RULES[REASON] = Rule.internal

/** Bits of pseudo-fields: tokens of pseudo-fields are small enough to be bit numbers. */
const bit = (known: number) => 1 << known
/** Above those of pseudo-fields. */
const HOST_SEEN = 1 << 30
const REQUEST_PSEUDO = bit(METHOD) | bit(SCHEME) | bit(AUTHORITY) | bit(PATH) | bit(PROTOCOL)

/** What is known of the message being decoded. One per decoder, begun anew for each block. */
export class MessageCheck {
  #kind: MessageKind = 'request'
  #seen = 0

  begin(kind: MessageKind): void {
    this.#kind = kind
    this.#seen = 0
  }

  /**
   * A pseudo-field whose decoded value is `bytes[start, end)`; `isLate` when a regular field came before it, `isVetted`
   * when the characters of a path or an authority were checked already.
   * @returns what is wrong with it
   */
  pseudo(
    head: Head,
    known: number,
    isLate: boolean,
    isVetted: boolean,
    start: number,
    end: number,
  ): string | undefined {
    const name = TOKEN_NAMES[known]!
    const allowed = this.#kind === 'request' ? REQUEST_PSEUDO : this.#kind === 'response' ? bit(STATUS) : 0
    if ((allowed & bit(known)) === 0)
      return `${name} does not belong into ${this.#kind === 'trailers' ? 'trailers' : `a ${this.#kind}`}`
    if (isLate) return `${name} came behind a regular field`
    if ((this.#seen & bit(known)) !== 0) return `${name} came twice`
    this.#seen |= bit(known)
    return isPseudoValue(head, known, isVetted, start, end) ? undefined : `${name} has an illegal value`
  }

  /** A regular field with a rule; its value may still be coded. Returns what is wrong with it. */
  regular(head: Head, index: number): string | undefined {
    const known = head.tokenAt(index)
    if (RULES[known] === Rule.connectionSpecific) return `${TOKEN_NAMES[known]} does not exist in HTTP/2`
    if (RULES[known] === Rule.internal) {
      // Ours alone: whoever sent it, nobody behind this proxy sees it.
      head.dropAt(index)
      if (known === NAMES && head.namesRow === -1) head.namesRow = index
      if (known === REASON && this.#kind === 'response' && head.reasonRow === -1) head.reasonRow = index
      return undefined
    }
    const end = this.#decode(head, index)
    const at = index * FIELD_STRIDE
    const isCoded = (head.fields[at + FIELD.flags]! & FLAG.huffmanValue) !== 0
    const start = isCoded ? head.end : head.fields[at + FIELD.valueStart]!
    if (known === TE) {
      return isText(head.bytes, start, end, 'trailers') ? undefined : 'te has a value other than trailers'
    }
    if (known === HOST) return this.#kind === 'request' ? this.#host(head, index, start, end) : undefined
    const length = parseDigits(head.bytes, start, end)
    if (length < 0) return 'content-length is not a number'
    if (head.contentLength !== -1) return 'content-length came twice'
    head.contentLength = length
    return undefined
  }

  /**
   * RFC 9113 §8.3.1: a Host beside `:authority` must mean the same. Where it spells it in another way it is dropped: HTTP/1
   * gets the spelling of `:authority`. Without that it is held to what HTTP/1 asks of a Host.
   */
  #host(head: Head, index: number, start: number, end: number): string | undefined {
    // A field that was read before in another block is decided upon anew.
    head.fields[index * FIELD_STRIDE + FIELD.flags]! &= ~FLAG.dropped
    if ((this.#seen & HOST_SEEN) !== 0) return 'host came twice'
    this.#seen |= HOST_SEEN
    if (!isAuthority(head.bytes, start, end)) return 'host has an illegal value'
    const authority = head.find(AUTHORITY)
    if (authority === -1) return undefined
    const at = authority * FIELD_STRIDE
    const otherStart = head.fields[at + FIELD.valueStart]!
    const otherEnd = head.fields[at + FIELD.valueEnd]!
    if (isSame(head.bytes, start, end, otherStart, otherEnd, 0)) return undefined
    const port = isValue(head, SCHEME, 'https') ? ':443' : isValue(head, SCHEME, 'http') ? ':80' : ':'
    const hostEnd = withoutPort(head.bytes, start, end, port)
    // Bit 5 makes letters alike; the other characters it changes are none of an authority's.
    if (!isSame(head.bytes, start, hostEnd, otherStart, withoutPort(head.bytes, otherStart, otherEnd, port), 0x20))
      return 'host differs from :authority'
    head.dropAt(index)
    return undefined
  }

  /** After the last field: what is missing. */
  finish(head: Head): string | undefined {
    if (this.#kind === 'trailers') return undefined
    if (this.#kind === 'response') return (this.#seen & bit(STATUS)) === 0 ? 'a response needs :status' : undefined
    const seen = this.#seen
    if ((seen & bit(METHOD)) === 0) return 'a request needs :method'
    const isConnect = isValue(head, METHOD, 'CONNECT')
    // What follows a CONNECT is no content (RFC 9110 §9.3.6).
    if (isConnect && head.contentLength > 0) return 'CONNECT must not have a content-length'
    if ((seen & bit(PROTOCOL)) !== 0 && !isConnect) return ':protocol belongs to CONNECT only'
    head.isExtendedConnect = (seen & bit(PROTOCOL)) !== 0
    if (isConnect && (seen & bit(PROTOCOL)) === 0) {
      if ((seen & (bit(SCHEME) | bit(PATH))) !== 0) return 'CONNECT must not have :scheme or :path'
      return (seen & bit(AUTHORITY)) === 0 ? 'CONNECT needs :authority' : undefined
    }
    if ((seen & bit(SCHEME)) === 0) return 'a request needs :scheme'
    if ((seen & bit(PATH)) === 0) return 'a request needs :path'
    if (isValue(head, PATH, '*') && !isValue(head, METHOD, 'OPTIONS')) return ':path * belongs to OPTIONS only'
    return undefined
  }

  /** Decodes a coded value behind `head.end`, where it stays until something is appended; returns its end. */
  #decode(head: Head, index: number): number {
    const at = index * FIELD_STRIDE
    const start = head.fields[at + FIELD.valueStart]!
    const end = head.fields[at + FIELD.valueEnd]!
    if ((head.fields[at + FIELD.flags]! & FLAG.huffmanValue) === 0) return end
    head.ensure(maxDecodedBytes(end - start) + 1)
    return decodeHuffmanInto(head.bytes, start, end, head.bytes, head.end)
  }
}

function isPseudoValue(head: Head, known: number, isVetted: boolean, start: number, end: number): boolean {
  const bytes = head.bytes
  switch (known) {
    case PATH: {
      const first = bytes[start]
      const isPath = start < end && (first === 0x2f || (first === 0x2a && end - start === 1))
      return isPath && (isVetted || isTargetText(bytes, start, end))
    }
    case AUTHORITY:
      return isVetted ? isHostAndPort(bytes, start, end) : isAuthority(bytes, start, end)
    case SCHEME:
      return isScheme(bytes, start, end)
    case STATUS: {
      const status = end - start === 3 ? parseDigits(bytes, start, end) : -1
      head.status = Math.max(status, 0)
      // RFC 9113 §8.6: HTTP/2 has no 101.
      return status >= 100 && status !== 101
    }
    default:
      return isToken(bytes, start, end)
  }
}

/** Whether two ranges are the same but for the bits of `ignored` in each byte. */
function isSame(
  bytes: Uint8Array,
  start: number,
  end: number,
  other: number,
  otherEnd: number,
  ignored: number,
): boolean {
  if (end - start !== otherEnd - other) return false
  for (let i = 0; i < end - start; i++) if (((bytes[start + i]! ^ bytes[other + i]!) & ~ignored) !== 0) return false
  return true
}

/** The end of an authority without `port` of its scheme, and without an empty one (RFC 3986 §6.2.3). */
function withoutPort(bytes: Uint8Array, start: number, end: number, port: string): number {
  if (end > start && bytes[end - 1] === COLON) return end - 1
  return end - start > port.length && isText(bytes, end - port.length, end, port) ? end - port.length : end
}

const COLON = 0x3a

function isValue(head: Head, known: number, text: string): boolean {
  const index = head.find(known)
  if (index === -1) return false
  const at = index * FIELD_STRIDE
  return isText(head.bytes, head.fields[at + FIELD.valueStart]!, head.fields[at + FIELD.valueEnd]!, text)
}

function isText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}
