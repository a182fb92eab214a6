/**
 * HPACK decoder (RFC 7541): a field block in, a checked `Head` out.
 *
 * The block is copied into the head once and fields are ranges of it. Values stay coded as they came (and checked), since
 * most are only passed on; names and pseudo-fields are decoded, since decisions read them. What is wrong with the coding
 * ends the connection (COMPRESSION_ERROR); what is wrong with the message is told in `head.malformed`, and decoding goes
 * on, so that the dynamic table stays in step with the peer's.
 */
import { copyBytes } from './bytes.ts'
import { ConnectionError, ErrorCode } from './connection-error.ts'
import { isFieldValue, isLowerToken } from './field-chars.ts'
import { FieldMemo } from './field-memo.ts'
import { Encoding, FLAG, type Head, Version } from './head.ts'
import { type DynamicEntry, DynamicTable } from './hpack-dynamic.ts'
import { STATIC_LENGTH, STATIC_TOKENS, STATIC_VALUES, tokenOfCodedName } from './hpack-static.ts'
import { checkHuffmanValue, decodeHuffmanInto, HUFFMAN_INVALID, maxDecodedBytes } from './huffman.ts'
import { STEP_NOT_AUTHORITY, STEP_NOT_NAME, STEP_NOT_TARGET } from './huffman-tables.ts'
import { MessageCheck, type MessageKind, RULES, Rule } from './message-check.ts'
import { OTHER, TOKEN_NAME_BYTES, TOKEN_NAME_LENGTHS, TOKEN_NAMES, token, tokenOf } from './tokens.ts'

const FIELD_OVERHEAD_BYTES = 32
/** Room for decoded names and pseudo-fields that most blocks need, beside the block itself. */
const DECODED_SLACK_BYTES = 256
const DEFAULT_MAX_LIST_BYTES = 65_536
/** By token: what a decoded pseudo-field must not have; the others are short and checked afterwards. */
const FORBIDDEN = new Uint8Array(TOKEN_NAME_LENGTHS.length)
FORBIDDEN[token(':path')] = STEP_NOT_TARGET
FORBIDDEN[token(':authority')] = STEP_NOT_AUTHORITY
/** In front of one block: the smallest size since the last one, and the one that holds (RFC 7541 §4.2). More do nothing, and cost. */
const MAX_SIZE_UPDATES = 2
const HUFFMAN_BIT = 0x80
/** Of a name, in an error. */
const MAX_SHOWN_CHARS = 64

export class HpackDecoder {
  readonly #table: DynamicTable
  readonly #check = new MessageCheck()
  readonly #maxListBytes: number
  /** Made when a connection carries a second message. */
  #memo: FieldMemo | undefined = undefined
  #wellFormed = 0
  /** Largest table the peer may choose. */
  #maxTableBytes = 0
  /** Where the integer or string read last ended. */
  #at = 0
  /** The name read last, as in a field row. */
  #token = 0
  #nameStart = 0
  #nameEnd = 0
  #hasRegular = false
  /** The characters of the value read last were looked at while it was decoded. */
  #isVetted = false
  #blockBytes = 0

  /**
   * @param maxTableBytes the SETTINGS_HEADER_TABLE_SIZE the peer goes by; 4096 until it acknowledged another
   * @param maxListBytes a larger field list (RFC 9113 §6.5.2) is malformed, and its fields are not kept
   */
  constructor(maxTableBytes: number, maxListBytes = DEFAULT_MAX_LIST_BYTES) {
    this.#maxTableBytes = maxTableBytes
    this.#maxListBytes = maxListBytes
    this.#table = new DynamicTable(maxTableBytes)
  }

  /**
   * Our SETTINGS_HEADER_TABLE_SIZE, once the peer has acknowledged it. The table itself shrinks when the peer says so in
   * a size update, as RFC 7541 §4.2 obliges it to; a peer that never does is still understood, within the old size.
   */
  setMaxTableBytes(maxTableBytes: number): void {
    this.#maxTableBytes = maxTableBytes
  }

  /**
   * Fills `head` with the whole field block in `buf[start, end)`.
   * @throws ConnectionError COMPRESSION_ERROR when the coding is wrong
   */
  decode(head: Head, buf: Uint8Array, start: number, end: number, kind: MessageKind): void {
    head.reset()
    head.encoding = Encoding.hpack
    head.version = Version.http2
    head.ensure(end - start + DECODED_SLACK_BYTES)
    head.end = copyBytes(buf, start, end, head.bytes, 0)
    this.#blockBytes = head.end
    this.#check.begin(kind)
    this.#hasRegular = false
    // Trailers are short, and would take the places of the heads they alternate with.
    const memo = kind === 'trailers' ? undefined : this.#memo
    memo?.begin()
    let isBlockStart = true
    let sizeUpdates = 0
    for (let at = start; at < end; at = this.#at) {
      const first = buf[at]!
      const repeated = memo === undefined ? 0 : memo.match(head.count, buf, at, end)
      if (repeated > 0) {
        this.#repeat(head, memo!, at - start)
        this.#at = at + repeated
      } else if (first >= 0x80) {
        this.#indexed(head, this.#integer(buf, at, end, 0x7f), at - start)
      } else if ((first & 0xe0) === 0x20) {
        if (++sizeUpdates > MAX_SIZE_UPDATES) throw compressionError('a third table size update in one block (§4.2)')
        this.#resize(this.#integer(buf, at, end, 0x1f), isBlockStart)
        continue
      } else {
        const listBytes = head.listBytes
        const isAlike = this.#literal(head, buf, at, end, start)
        if (isAlike && memo !== undefined && head.malformed === undefined)
          memo.learn(head, head.count - 1, head.listBytes - listBytes)
      }
      isBlockStart = false
    }
    if (head.malformed !== undefined) return
    const problem = this.#check.finish(head)
    if (problem !== undefined) malformed(head, problem)
    else if (kind !== 'trailers' && memo === undefined && ++this.#wellFormed > 1) this.#memo = new FieldMemo()
  }

  /** A field that was read and checked in the block before. */
  #repeat(head: Head, memo: FieldMemo, encodedStart: number): void {
    const place = head.count
    const size = memo.sizeAt(place)
    head.listBytes += size
    const index = memo.repeat(head, place, encodedStart)
    if (head.listBytes > this.#maxListBytes) this.#tooLarge(head, head.nameAt(index))
    else this.#checkRegular(head, index)
  }

  #indexed(head: Head, index: number, encodedStart: number): void {
    if (index > STATIC_LENGTH || index === 0) {
      this.#dynamic(head, this.#entryAt(index))
      return
    }
    const known = STATIC_TOKENS[index]!
    const value = STATIC_VALUES[index]!
    this.#isVetted = true
    // Entries of the static table are at most 126 behind the first byte, so an indexed one is always a single byte.
    head.ensure(value.length)
    const valueStart = head.end
    head.end = copyBytes(value, 0, value.length, head.bytes, valueStart)
    this.#push(head, known, -1, -1, valueStart, head.end, 0, value.length, encodedStart, encodedStart + 1)
  }

  /** A field of the dynamic table: other connections have other tables, so it has no encoded form to pass on. */
  #dynamic(head: Head, entry: DynamicEntry): void {
    if (head.listBytes + entry.name.length + entry.value.length > this.#maxListBytes) {
      // The name is told once: a block may name a large entry ten thousand times.
      this.#tooLarge(head, head.isTooLarge ? '' : entry.name.toString('latin1'))
      return
    }
    this.#appendName(head, entry)
    this.#isVetted = false
    head.ensure(entry.value.length)
    const valueStart = head.end
    head.end = copyBytes(entry.value, 0, entry.value.length, head.bytes, valueStart)
    if (!isFieldValue(head.bytes, valueStart, head.end)) malformed(head, ILLEGAL_VALUE_TEXT)
    this.#push(head, entry.token, this.#nameStart, this.#nameEnd, valueStart, head.end, 0, entry.value.length, -1, -1)
  }

  /** Returns whether the same bytes mean the same field in every block: they touch no table and are no pseudo-field. */
  #literal(head: Head, buf: Uint8Array, encodedStart: number, end: number, start: number): boolean {
    const first = buf[encodedStart]!
    const isIndexing = first >= 0x40
    const nameIndex = this.#integer(buf, encodedStart, end, isIndexing ? 0x3f : 0x0f)
    let isCopyable = true
    if (nameIndex === 0) {
      this.#literalName(head, buf, end, start)
    } else if (nameIndex <= STATIC_LENGTH) {
      this.#token = STATIC_TOKENS[nameIndex]!
      this.#nameStart = -1
      this.#nameEnd = -1
    } else {
      this.#appendName(head, this.#entryAt(nameIndex))
      isCopyable = false
    }
    const lengthAt = this.#at
    const valueLength = this.#length(buf, end)
    const from = this.#at
    const to = from + valueLength
    this.#at = to
    const isCoded = (buf[lengthAt]! & HUFFMAN_BIT) !== 0
    let flags = !isIndexing && (first & 0x10) !== 0 ? FLAG.neverIndexed : 0
    let valueStart = from - start
    let valueEnd = to - start
    let decodedLength = valueLength
    this.#isVetted = isCoded
    if (!isCoded) {
      if (!isFieldValue(buf, from, to)) malformed(head, ILLEGAL_VALUE_TEXT)
    } else if (RULES[this.#token] === Rule.pseudo) {
      valueStart = head.end
      valueEnd = this.#decodeInto(head, buf, from, to, FORBIDDEN[this.#token]!)
      decodedLength = valueEnd - valueStart
      head.end = valueEnd
    } else {
      decodedLength = checkHuffmanValue(buf, from, to)
      if (decodedLength === HUFFMAN_INVALID) throw compressionError(INVALID_CODE_TEXT)
      if (decodedLength < 0) malformed(head, ILLEGAL_VALUE_TEXT)
      flags |= FLAG.huffmanValue
    }
    if (isIndexing && this.#table.maxBytes > 0) this.#insert(head, buf, from, to, isCoded)
    const encodedFrom = isCopyable ? encodedStart - start : -1
    const encodedTo = isCopyable ? to - start : -1
    this.#push(
      head,
      this.#token,
      this.#nameStart,
      this.#nameEnd,
      valueStart,
      valueEnd,
      flags,
      decodedLength,
      encodedFrom,
      encodedTo,
    )
    return isCopyable && !isIndexing && RULES[this.#token] !== Rule.pseudo
  }

  /** Reads a literal name into `#token`, `#nameStart`, `#nameEnd`. */
  #literalName(head: Head, buf: Uint8Array, end: number, start: number): void {
    const isCoded = this.#at < end && (buf[this.#at]! & HUFFMAN_BIT) !== 0
    const length = this.#length(buf, end)
    const from = this.#at
    const to = from + length
    this.#at = to
    if (isCoded) {
      this.#token = tokenOfCodedName(buf, from, to)
      this.#nameStart = -1
      this.#nameEnd = -1
      if (this.#token !== OTHER) return
      this.#nameStart = head.end
      this.#nameEnd = this.#decodeInto(head, buf, from, to, STEP_NOT_NAME)
      head.end = this.#nameEnd
      if (length === 0) checkName(head, 0, 0)
    } else {
      this.#nameStart = from - start
      this.#nameEnd = to - start
      this.#token = tokenOf(buf, from, to)
      if (this.#token === OTHER) checkName(head, this.#nameStart, this.#nameEnd)
    }
  }

  /** Decodes a string behind `head.end` and returns its end; `forbidden` characters make the message malformed. */
  #decodeInto(head: Head, buf: Uint8Array, from: number, to: number, forbidden: number): number {
    head.ensure(maxDecodedBytes(to - from) + 1)
    let end = decodeHuffmanInto(buf, from, to, head.bytes, head.end, forbidden)
    if (end >= 0) return end
    if (end === HUFFMAN_INVALID) throw compressionError(INVALID_CODE_TEXT)
    end = decodeHuffmanInto(buf, from, to, head.bytes, head.end)
    if (forbidden === STEP_NOT_NAME) checkName(head, head.end, end)
    else malformed(head, `${TOKEN_NAMES[this.#token]} has an illegal character`)
    return end
  }

  /** Takes the name of an entry, with bytes of its own in the head when no token stands for it. */
  #appendName(head: Head, entry: DynamicEntry): void {
    this.#token = entry.token
    this.#nameStart = -1
    this.#nameEnd = -1
    if (entry.token !== OTHER) return
    head.ensure(entry.name.length)
    this.#nameStart = head.end
    this.#nameEnd = copyBytes(entry.name, 0, entry.name.length, head.bytes, head.end)
    head.end = this.#nameEnd
    checkName(head, this.#nameStart, this.#nameEnd)
  }

  #push(
    head: Head,
    known: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    flags: number,
    decodedLength: number,
    encodedStart: number,
    encodedEnd: number,
  ): void {
    const nameLength = known === OTHER ? nameEnd - nameStart : TOKEN_NAME_LENGTHS[known]!
    head.listBytes += nameLength + decodedLength + FIELD_OVERHEAD_BYTES
    if (head.listBytes > this.#maxListBytes) {
      const isTold = head.isTooLarge || known !== OTHER
      const name = !isTold ? head.bytes.toString('latin1', nameStart, nameEnd) : (TOKEN_NAMES[known] ?? '')
      this.#tooLarge(head, name)
      return
    }
    const index = head.push(known, nameStart, nameEnd, valueStart, valueEnd, flags, encodedStart, encodedEnd)
    if (RULES[known] === Rule.pseudo) {
      const problem = this.#check.pseudo(head, known, this.#hasRegular, this.#isVetted, valueStart, valueEnd)
      if (problem !== undefined) malformed(head, problem)
      return
    }
    this.#checkRegular(head, index)
  }

  #checkRegular(head: Head, index: number): void {
    this.#hasRegular = true
    if (RULES[head.tokenAt(index)] === Rule.none || head.malformed !== undefined) return
    const problem = this.#check.regular(head, index)
    if (problem !== undefined) malformed(head, problem)
  }

  /** From here on only the table matters: fields are read but not kept. */
  #tooLarge(head: Head, name: string): void {
    head.listBytes = this.#maxListBytes + 1
    // The block stays: names not read yet are ranges of it.
    head.end = this.#blockBytes
    head.count = 0
    head.isTooLarge = true
    head.malformed ??= `the field list is larger than ${this.#maxListBytes} bytes (RFC 9113 §6.5.2); ${name.slice(0, MAX_SHOWN_CHARS)} crossed that limit`
  }

  #insert(head: Head, buf: Uint8Array, from: number, to: number, isCoded: boolean): void {
    const known = this.#token
    const name =
      known === OTHER ? Buffer.from(head.bytes.subarray(this.#nameStart, this.#nameEnd)) : TOKEN_NAME_BYTES[known]!
    this.#table.add({
      token: known,
      name,
      value: isCoded ? decoded(buf, from, to) : Buffer.from(buf.subarray(from, to)),
    })
  }

  #entryAt(index: number): DynamicEntry {
    const entry = index > STATIC_LENGTH ? this.#table.at(index - STATIC_LENGTH) : undefined
    if (entry === undefined) throw compressionError(`index ${index} names no entry (§2.3.3)`)
    return entry
  }

  #resize(bytes: number, isBlockStart: boolean): void {
    if (!isBlockStart) throw compressionError('a table size update came behind a field (§4.2)')
    if (bytes > this.#maxTableBytes)
      throw compressionError(`a table of ${bytes} bytes is larger than the ${this.#maxTableBytes} allowed (§6.3)`)
    this.#table.resize(bytes)
  }

  /** The length of the string at `#at`; moves `#at` to its first byte. */
  #length(buf: Uint8Array, end: number): number {
    const at = this.#at
    if (at >= end) throw compressionError('the block ends inside a field (§5.2)')
    const length = this.#integer(buf, at, end, 0x7f)
    if (length > end - this.#at) throw compressionError('the block ends inside a string (§5.2)')
    return length
  }

  /** The integer at `at` (RFC 7541 §5.1), `prefix` being the mask of its bits in the first byte; moves `#at` behind it. */
  #integer(buf: Uint8Array, at: number, end: number, prefix: number): number {
    const value = buf[at]! & prefix
    this.#at = at + 1
    return value < prefix ? value : this.#longInteger(buf, end, prefix)
  }

  #longInteger(buf: Uint8Array, end: number, prefix: number): number {
    let value = prefix
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= end) throw compressionError('the block ends inside an integer (§5.1)')
      const byte = buf[this.#at++]!
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    // 2^28 is more than any index, length or table size here can be.
    throw compressionError('an integer is too large (§5.1)')
  }
}

const INVALID_CODE_TEXT = 'a string has an invalid Huffman code (§5.2)'
const ILLEGAL_VALUE_TEXT = 'a field value has a control character, or a space at its end'

function checkName(head: Head, start: number, end: number): void {
  if (isLowerToken(head.bytes, start, end)) return
  malformed(
    head,
    head.bytes[start] === 0x3a ? 'an unknown pseudo-field' : 'a field name is empty or has an illegal character',
  )
}

/** The first problem is the one that is told. */
function malformed(head: Head, problem: string): void {
  head.malformed ??= `malformed message: ${problem} (RFC 9113 §8.1.1)`
}

function decoded(buf: Uint8Array, from: number, to: number): Buffer {
  const out = Buffer.allocUnsafeSlow(maxDecodedBytes(to - from) + 1)
  return Buffer.from(out.subarray(0, decodeHuffmanInto(buf, from, to, out, 0)))
}

function compressionError(problem: string): ConnectionError {
  return new ConnectionError(
    ErrorCode.compressionError,
    `the peer's field block is not HPACK: ${problem.replace('(§', '(RFC 7541 §')}`,
  )
}
