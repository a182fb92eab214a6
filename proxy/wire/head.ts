/**
 * The head (or the trailers) of one HTTP message, whatever version it came in or leaves in.
 *
 * A head owns its bytes: the encoded head as it came, followed by what had to be decoded. Fields are ranges of these
 * bytes, so most are never turned into strings. A field that came as HPACK (or as an HTTP/1 line) also remembers its
 * encoded form: an encoder of the same kind copies runs of untouched fields at once. Forwarding undecoded never means
 * unchecked: the parser that fills a head has checked every name and value (RFC 9113 §8.2.1, RFC 9112 §5).
 */
import { copyBytes, offsetOf, writeLatin1 } from './bytes.ts'
import { decodeHuffman } from './huffman.ts'
import { OTHER, TOKEN_NAME_BYTES, TOKEN_NAME_LENGTHS, TOKEN_NAMES, token, tokenNamed, tokenOf } from './tokens.ts'

/** Columns of one field in `Head.fields`. */
export const FIELD = {
  token: 0,
  nameStart: 1,
  nameEnd: 2,
  valueStart: 3,
  valueEnd: 4,
  flags: 5,
  encodedStart: 6,
  encodedEnd: 7,
} as const
export const FIELD_STRIDE = 8

/** Bits of the flags column. */
export const FLAG = {
  /** The value's bytes are Huffman-coded (RFC 7541 §5.2), already checked. */
  huffmanValue: 1,
  /** Removed: encoders skip it. */
  dropped: 2,
  /** Came as "never indexed" (RFC 7541 §6.2.3) and leaves so. */
  neverIndexed: 4,
  /** The name leaves over HTTP/1 in Title-Case; see http1-names.ts. */
  titleName: 8,
  /** The name leaves over HTTP/1 as its bytes are, also where a token stands for it. */
  casedName: 16,
  /** A Cookie that was a line of its own in HTTP/1 and leaves so; see http1-names.ts. */
  ownLine: 32,
} as const

export const Encoding = { none: 0, http1: 1, hpack: 2 } as const
export type Encoding = (typeof Encoding)[keyof typeof Encoding]

export const Version = { http10: 10, http11: 11, http2: 20 } as const
export type Version = (typeof Version)[keyof typeof Version]

/** How the content of an HTTP/1 message is delimited (RFC 9112 §6.3). */
export const Framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const
export type Framing = (typeof Framing)[keyof typeof Framing]

const INITIAL_BYTES = 2048
const INITIAL_FIELDS = 24

const STATUS = token(':status')
const NO_VALUES: readonly string[] = []

export class Head {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  /** Bytes in use. */
  end = 0
  fields = new Int32Array(INITIAL_FIELDS * FIELD_STRIDE)
  /** Fields in use, dropped ones included. Pseudo-fields come first. */
  count = 0
  /** A bit for every token of a field in use, and for others: most questions are about fields that are not here. */
  #tokens = 0
  /** What `encodedStart/End` mean. */
  encoding: Encoding = Encoding.none
  version: Version = Version.http11
  /** Responses: the status code; 0 in requests and trailers. */
  status = 0
  /** Size of the field list as RFC 9113 §6.5.2 counts it: name + value + 32 each. */
  listBytes = 0
  /** HTTP/1 requests in absolute-form (RFC 9112 §3.2.2); `:authority` and `:path` are taken from the target. */
  isAbsoluteForm = false
  /** HTTP/1 requests: the request target as it came. */
  targetStart = 0
  targetEnd = 0
  /** Responses that are HTTP/1, or came as such from a proxy that says so: the reason phrase's range in `bytes`. */
  reasonStart = 0
  reasonEnd = 0
  /**
   * HTTP/1: what the fields (and a response's status) say about the content. Responses to HEAD and 2xx to CONNECT have
   * none whatever this says; only the caller knows the request. HTTP/2 frames its content, so there it stays `none`.
   */
  framing: Framing = Framing.none
  /** Declared content-length in any version, -1 when there is none. */
  contentLength = -1
  /** HTTP/1: the connection may be used again after this message. */
  isKeepAlive = false
  /** HTTP/1: `connection: upgrade` with an Upgrade field, whose value is `bytes[upgradeStart, upgradeEnd)`. */
  isUpgrade = false
  upgradeStart = 0
  upgradeEnd = 0
  /** HTTP/2: a CONNECT with `:protocol`, a WebSocket for instance (RFC 8441). */
  isExtendedConnect = false
  /** HTTP/2: the row of the field that tells how HTTP/1 wrote the names in front of it, -1 when there is none. */
  namesRow = -1
  /** HTTP/2: the row of the field with the reason phrase of HTTP/1, -1 when there is none. */
  reasonRow = -1
  /** HTTP/2: why the message must be refused (RFC 9113 §8.1.1); `undefined` when it is well-formed. */
  malformed: string | undefined = undefined
  /** HTTP/2: `malformed` because of its size alone; its fields were not kept. */
  isTooLarge = false

  /** Empties the head for its next message; keeps the memory. */
  reset(): void {
    this.end = 0
    this.count = 0
    this.#tokens = 0
    this.encoding = Encoding.none
    this.version = Version.http11
    this.status = 0
    this.listBytes = 0
    this.isAbsoluteForm = false
    this.targetStart = 0
    this.targetEnd = 0
    this.reasonStart = 0
    this.reasonEnd = 0
    this.framing = Framing.none
    this.contentLength = -1
    this.isKeepAlive = false
    this.isUpgrade = false
    this.upgradeStart = 0
    this.upgradeEnd = 0
    this.isExtendedConnect = false
    this.namesRow = -1
    this.reasonRow = -1
    this.malformed = undefined
    this.isTooLarge = false
  }

  /** Makes room for `bytes` more bytes behind `end`. */
  ensure(bytes: number): void {
    if (this.bytes.length - this.end >= bytes) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.end + bytes))
    this.bytes.copy(grown, 0, 0, this.end)
    this.bytes = grown
  }

  /** Appends one field row and returns its index; ranges as in `FIELD`, `-1` where a field has no encoded form. */
  push(
    token: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    flags: number,
    encodedStart: number,
    encodedEnd: number,
  ): number {
    const index = this.count++
    this.#tokens |= 1 << token
    let at = index * FIELD_STRIDE
    if (at + FIELD_STRIDE > this.fields.length) {
      const grown = new Int32Array(this.fields.length * 2)
      grown.set(this.fields)
      this.fields = grown
    }
    const fields = this.fields
    fields[at++] = token
    fields[at++] = nameStart
    fields[at++] = nameEnd
    fields[at++] = valueStart
    fields[at++] = valueEnd
    fields[at++] = flags
    fields[at++] = encodedStart
    fields[at] = encodedEnd
    return index
  }

  tokenAt(index: number): number {
    return this.fields[index * FIELD_STRIDE]!
  }

  isDropped(index: number): boolean {
    return (this.fields[index * FIELD_STRIDE + FIELD.flags]! & FLAG.dropped) !== 0
  }

  /** Index of the first field with this token that was not dropped, or -1. */
  find(wanted: number): number {
    // A shift counts modulo 32, so tokens share bits.
    if ((this.#tokens & (1 << wanted)) === 0) return -1
    const fields = this.fields
    for (let index = 0, at = 0; index < this.count; index++, at += FIELD_STRIDE) {
      if (fields[at] === wanted && (fields[at + FIELD.flags]! & FLAG.dropped) === 0) return index
    }
    return -1
  }

  has(wanted: number): boolean {
    return this.find(wanted) !== -1
  }

  /** Value of the field at `index`, decoded, as latin1 text. */
  valueAt(index: number): string {
    const at = index * FIELD_STRIDE
    const start = this.fields[at + FIELD.valueStart]!
    const end = this.fields[at + FIELD.valueEnd]!
    if ((this.fields[at + FIELD.flags]! & FLAG.huffmanValue) !== 0) return decodeHuffman(this.bytes, start, end)
    return this.bytes.toString('latin1', start, end)
  }

  /** The same in front of the first `char`, a byte; all of it where that does not occur. */
  valueUntil(index: number, char: number): string {
    const at = index * FIELD_STRIDE
    const start = this.fields[at + FIELD.valueStart]!
    const end = this.fields[at + FIELD.valueEnd]!
    if ((this.fields[at + FIELD.flags]! & FLAG.huffmanValue) !== 0) return decodeHuffman(this.bytes, start, end, char)
    return this.bytes.toString('latin1', start, offsetOf(char, this.bytes, start, end))
  }

  /** Name of the field at `index` in lower case; an HTTP/1 head keeps the original case in its bytes. */
  nameAt(index: number): string {
    const at = index * FIELD_STRIDE
    const known = this.fields[at]!
    if (known !== OTHER) return TOKEN_NAMES[known]!
    return this.bytes
      .toString('latin1', this.fields[at + FIELD.nameStart]!, this.fields[at + FIELD.nameEnd]!)
      .toLowerCase()
  }

  /** Value of the first field with this token. */
  get(wanted: number): string | undefined {
    const index = this.find(wanted)
    return index === -1 ? undefined : this.valueAt(index)
  }

  /** Whether the value at `index` is `text` as it stands; false also where it is coded. No string is made of it. */
  isAt(index: number, text: Uint8Array): boolean {
    const at = index * FIELD_STRIDE
    const start = this.fields[at + FIELD.valueStart]!
    if (this.fields[at + FIELD.valueEnd]! - start !== text.length) return false
    if ((this.fields[at + FIELD.flags]! & FLAG.huffmanValue) !== 0) return false
    for (let i = 0; i < text.length; i++) if (this.bytes[start + i] !== text[i]) return false
    return true
  }

  /** All values of a field by its lower-case name, in order: for policies that name fields freely. */
  valuesOf(name: string): readonly string[] {
    const wanted = tokenNamed(name)
    if ((this.#tokens & (1 << wanted)) === 0) return NO_VALUES
    let values: string[] | undefined
    for (let index = 0; index < this.count; index++) {
      if (!this.#isNamed(index, wanted, name) || this.isDropped(index)) continue
      values ??= []
      values.push(this.valueAt(index))
    }
    return values ?? NO_VALUES
  }

  /** Whether the field at `index` has the lower-case `name`, whose token is `wanted`. No string is made of it. */
  #isNamed(index: number, wanted: number, name: string): boolean {
    const { fields, bytes } = this
    const at = index * FIELD_STRIDE
    if (fields[at] !== wanted) return false
    if (wanted !== OTHER) return true
    const start = fields[at + FIELD.nameStart]!
    const length = fields[at + FIELD.nameEnd]! - start
    if (length !== name.length) return false
    for (let i = 0; i < length; i++) {
      const char = bytes[start + i]!
      // HTTP/1 keeps the case it was written in.
      const lower = char >= 0x41 && char <= 0x5a ? char | 0x20 : char
      if (lower !== name.charCodeAt(i)) return false
    }
    return true
  }

  /** Removes every field with this token. */
  drop(wanted: number): void {
    if ((this.#tokens & (1 << wanted)) === 0) return
    const fields = this.fields
    for (let index = 0, at = 0; index < this.count; index++, at += FIELD_STRIDE) {
      if (fields[at] === wanted) fields[at + FIELD.flags]! |= FLAG.dropped
    }
  }

  dropAt(index: number): void {
    this.fields[index * FIELD_STRIDE + FIELD.flags]! |= FLAG.dropped
  }

  /** Removes every field with this lower-case name. */
  dropName(name: string): void {
    const wanted = tokenNamed(name)
    if (wanted !== OTHER) return this.drop(wanted)
    if ((this.#tokens & (1 << OTHER)) === 0) return
    for (let index = 0; index < this.count; index++) if (this.#isNamed(index, OTHER, name)) this.dropAt(index)
  }

  /** Appends a field; `name` in lower case, `value` latin1, both already checked by the caller. */
  add(name: string, value: string): void {
    const bytes = name.length + value.length
    this.ensure(bytes)
    const nameStart = this.end
    const nameEnd = writeLatin1(name, this.bytes, nameStart)
    this.end = writeLatin1(value, this.bytes, nameEnd)
    this.push(tokenOf(this.bytes, nameStart, nameEnd), nameStart, nameEnd, nameEnd, this.end, 0, -1, -1)
    this.listBytes += bytes + 32
  }

  /** Replaces every value of a known field by one, checked by the caller: bytes, since many heads get the same. */
  set(known: number, value: Uint8Array): void {
    this.drop(known)
    this.ensure(value.length)
    const start = this.end
    this.end = copyBytes(value, 0, value.length, this.bytes, start)
    this.push(known, -1, -1, start, this.end, 0, -1, -1)
    this.listBytes += TOKEN_NAME_LENGTHS[known]! + value.length + 32
  }

  /** Replaces the value of a pseudo-field in place, so that pseudo-fields stay in front (RFC 9113 §8.3). */
  replace(index: number, value: string): void {
    this.ensure(value.length)
    const start = this.end
    this.end = writeLatin1(value, this.bytes, start)
    const at = index * FIELD_STRIDE
    this.fields[at + FIELD.valueStart] = start
    this.fields[at + FIELD.valueEnd] = this.end
    this.fields[at + FIELD.flags]! &= ~FLAG.huffmanValue
    this.fields[at + FIELD.encodedStart] = -1
    this.fields[at + FIELD.encodedEnd] = -1
  }

  /** Changes the status of a response, and its reason phrase to the standard one. */
  setStatus(status: number): void {
    this.status = status
    this.reasonStart = 0
    this.reasonEnd = 0
    const index = this.find(STATUS)
    if (index !== -1) this.replace(index, String(status))
  }

  /** Makes this head an independent copy of `other`. */
  copyFrom(other: Head): void {
    this.reset()
    this.ensure(other.end)
    other.bytes.copy(this.bytes, 0, 0, other.end)
    this.end = other.end
    if (this.fields.length < other.count * FIELD_STRIDE) this.fields = new Int32Array(other.fields.length)
    // Unused rows cost less than a view that leaves them out; heads that grew differ.
    if (this.fields.length === other.fields.length) this.fields.set(other.fields)
    else this.fields.set(other.fields.subarray(0, other.count * FIELD_STRIDE))
    this.count = other.count
    this.#tokens = other.#tokens
    this.encoding = other.encoding
    this.version = other.version
    this.status = other.status
    this.listBytes = other.listBytes
    this.isAbsoluteForm = other.isAbsoluteForm
    this.targetStart = other.targetStart
    this.targetEnd = other.targetEnd
    this.reasonStart = other.reasonStart
    this.reasonEnd = other.reasonEnd
    this.framing = other.framing
    this.contentLength = other.contentLength
    this.isKeepAlive = other.isKeepAlive
    this.isUpgrade = other.isUpgrade
    this.upgradeStart = other.upgradeStart
    this.upgradeEnd = other.upgradeEnd
    this.isExtendedConnect = other.isExtendedConnect
    this.namesRow = other.namesRow
    this.reasonRow = other.reasonRow
    this.malformed = other.malformed
    this.isTooLarge = other.isTooLarge
  }
}

/** Name bytes of the field at row `at` (= index × FIELD_STRIDE) when its token is known. */
export function knownName(fields: Int32Array, at: number): Buffer | undefined {
  const known = fields[at]!
  return known === OTHER ? undefined : TOKEN_NAME_BYTES[known]
}
