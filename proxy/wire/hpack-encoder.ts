/**
 * HPACK encoder (RFC 7541): a head of any origin out as one field block.
 *
 * It never uses the dynamic table: fields that came as HPACK leave as the bytes they came in, runs of them with one copy,
 * and a table of our own would mean to decode, compare and remember every value. Literals that ask the peer to index them
 * are passed on as they are; its table has size 0 since `writeTableSizeZero`, where adding is defined to do nothing
 * (RFC 7541 §4.4).
 */
import { copyBytes } from './bytes.ts'
import { Encoding, FIELD, FIELD_STRIDE, FLAG, type Head } from './head.ts'
import { STATIC_NAME_INDEX, STATIC_VALUE_COUNT, STATIC_VALUES } from './hpack-static.ts'
import { describeNames, NAME_ITEM_OVERHEAD_BYTES, NAMES_OVERHEAD_BYTES, names } from './http1-names.ts'
import { MAX_REASON_BYTES, reason, takeReason } from './http1-reason.ts'
import type { Output } from './output.ts'
import { OTHER, TOKEN_NAME_BYTES, TOKEN_NAME_LENGTHS, token } from './tokens.ts'

const STATUS = token(':status')
const NAMES = token('weft-names')
const REASON = token('weft-reason')
const HUFFMAN_BIT = 0x80
const INDEXED = 0x80
const NEVER_INDEXED = 0x10
/** First byte and two lengths of at most five bytes each. */
const FIELD_BOUND_BYTES = 11
const STATUS_BOUND_BYTES = 5

/** What an encoder must say before its first block, so that peers need not keep a table for it (RFC 7541 §6.3). */
export function writeTableSizeZero(out: Output): void {
  out.ensure(1)
  out.buf[out.at++] = 0x20
}

/** An upper bound of the block's bytes; `keepsForm` as in `writeHpackBlock`. */
export function blockBound(head: Head, keepsForm = false): number {
  const { fields, count } = head
  let bound = STATUS_BOUND_BYTES
  let nameBytes = 0
  for (let row = 0, last = count * FIELD_STRIDE; row < last; row += FIELD_STRIDE) {
    const known = fields[row]!
    const nameLength = known === OTHER ? fields[row + 2]! - fields[row + 1]! : TOKEN_NAME_LENGTHS[known]!
    nameBytes += nameLength
    bound += fields[row + 4]! - fields[row + 3]! + FIELD_BOUND_BYTES
    // What came coded in an odd way (a long integer, say) may be longer than what we would write.
    const asItCame = fields[row + 7]! - fields[row + 6]!
    if (asItCame > 0) bound += asItCame
  }
  return bound + nameBytes + (keepsForm ? formBound(count, nameBytes) : 0)
}

/**
 * Writes every field of `head` that was not dropped. Fields HTTP/2 does not have were dropped by the caller.
 *
 * @param keepsForm tells the peer how HTTP/1 wrote the message, beyond what HTTP/2 has; only for a peer that restores it
 *   (`http1-names.ts`, `http1-reason.ts`)
 */
export function writeHpackBlock(out: Output, head: Head, keepsForm = false): void {
  out.ensure(blockBound(head, keepsForm))
  putHpackBlock(out, head, keepsForm)
}

/** As `writeHpackBlock`, for a caller that has made room for `blockBound` bytes. */
export function putHpackBlock(out: Output, head: Head, keepsForm: boolean): void {
  let namesRow = -1
  const isHttp1Kept = keepsForm && head.encoding === Encoding.http1
  if (isHttp1Kept) {
    describeNames(head)
    namesRow = names.lastRow
  }
  const { bytes, fields, count } = head
  const buf = out.buf
  const isHpack = head.encoding === Encoding.hpack
  let at = out.at
  if (head.status !== 0 && !head.has(STATUS)) at = putStatus(buf, at, head.status)
  let runStart = 0
  let runEnd = 0
  for (let row = 0, last = count * FIELD_STRIDE; row < last; row += FIELD_STRIDE) {
    if ((fields[row + FIELD.flags]! & FLAG.dropped) !== 0) continue
    const encodedStart = isHpack ? fields[row + FIELD.encodedStart]! : -1
    if (encodedStart === runEnd && encodedStart >= 0) {
      runEnd = fields[row + FIELD.encodedEnd]!
      continue
    }
    if (runStart < runEnd) at = copyBytes(bytes, runStart, runEnd, buf, at)
    if (encodedStart >= 0) {
      runStart = encodedStart
      runEnd = fields[row + FIELD.encodedEnd]!
    } else {
      runStart = 0
      runEnd = 0
      at = putField(buf, at, bytes, fields, row)
      if (row === namesRow) at = putInternal(buf, at, NAMES, names.text, 0, names.length)
    }
  }
  if (runStart < runEnd) at = copyBytes(bytes, runStart, runEnd, buf, at)
  if (isHttp1Kept && head.status !== 0 && takeReason(head))
    at = putInternal(buf, at, REASON, bytes, reason.start, reason.end)
  out.at = at
}

function putField(buf: Uint8Array, at: number, bytes: Uint8Array, fields: Int32Array, row: number): number {
  const known = fields[row]!
  const valueStart = fields[row + FIELD.valueStart]!
  const valueEnd = fields[row + FIELD.valueEnd]!
  const flags = fields[row + FIELD.flags]!
  const isCoded = (flags & FLAG.huffmanValue) !== 0
  const nameIndex = STATIC_NAME_INDEX[known]!
  const isSecret = (flags & FLAG.neverIndexed) !== 0
  if (!isCoded && !isSecret && STATIC_VALUE_COUNT[known] !== 0) {
    const index = indexOfValue(known, bytes, valueStart, valueEnd)
    if (index !== 0) {
      buf[at] = INDEXED | index
      return at + 1
    }
  }
  at = putInteger(buf, at, isSecret ? NEVER_INDEXED : 0, 0x0f, nameIndex)
  if (nameIndex === 0) at = putName(buf, at, known, bytes, fields[row + FIELD.nameStart]!, fields[row + FIELD.nameEnd]!)
  at = putInteger(buf, at, isCoded ? HUFFMAN_BIT : 0, 0x7f, valueEnd - valueStart)
  return copyBytes(bytes, valueStart, valueEnd, buf, at)
}

/** An upper bound of the fields that tell how HTTP/1 wrote `count` fields with names of `nameBytes` in all. */
function formBound(count: number, nameBytes: number): number {
  const ofNames = TOKEN_NAME_LENGTHS[NAMES]! + NAMES_OVERHEAD_BYTES + count * NAME_ITEM_OVERHEAD_BYTES + nameBytes
  return ofNames + TOKEN_NAME_LENGTHS[REASON]! + MAX_REASON_BYTES + 2 * FIELD_BOUND_BYTES
}

/** A field for the peer's proxy alone, never coded. */
function putInternal(
  buf: Uint8Array,
  at: number,
  known: number,
  value: Uint8Array,
  start: number,
  end: number,
): number {
  at = putInteger(buf, at, 0, 0x0f, 0)
  at = putName(buf, at, known, buf, 0, 0)
  at = putInteger(buf, at, 0, 0x7f, end - start)
  return copyBytes(value, start, end, buf, at)
}

/** Index of the static entry with this name and value, 0 when there is none. */
function indexOfValue(known: number, bytes: Uint8Array, start: number, end: number): number {
  const first = STATIC_NAME_INDEX[known]!
  next: for (let index = first; index < first + STATIC_VALUE_COUNT[known]!; index++) {
    const value = STATIC_VALUES[index]!
    if (value.length !== end - start) continue
    for (let i = 0; i < value.length; i++) if (value[i] !== bytes[start + i]) continue next
    return index
  }
  return 0
}

function putName(buf: Uint8Array, at: number, known: number, bytes: Uint8Array, start: number, end: number): number {
  if (known !== OTHER) {
    const name = TOKEN_NAME_BYTES[known]!
    at = putInteger(buf, at, 0, 0x7f, name.length)
    return copyBytes(name, 0, name.length, buf, at)
  }
  at = putInteger(buf, at, 0, 0x7f, end - start)
  for (let from = start; from < end; from++) {
    const byte = bytes[from]!
    // Names of HTTP/1 keep their case in the head; HTTP/2 has lower case only (RFC 9113 §8.2.1).
    buf[at++] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
  }
  return at
}

/** A status nobody added as a field: messages from HTTP/1 and our own. */
function putStatus(buf: Uint8Array, at: number, status: number): number {
  const index = STATUS_INDEX[status]!
  if (index !== 0) {
    buf[at] = INDEXED | index
    return at + 1
  }
  at = putInteger(buf, at, 0, 0x0f, STATIC_NAME_INDEX[STATUS]!)
  buf[at] = 3
  buf[at + 1] = 0x30 + Math.floor(status / 100)
  buf[at + 2] = 0x30 + (Math.floor(status / 10) % 10)
  buf[at + 3] = 0x30 + (status % 10)
  return at + 4
}

/** The static entry of each status that has one. */
const STATUS_INDEX = new Uint8Array(1_000)
for (let i = 0; i < STATIC_VALUE_COUNT[STATUS]!; i++) {
  const index = STATIC_NAME_INDEX[STATUS]! + i
  STATUS_INDEX[Number(STATIC_VALUES[index]!.toString('latin1'))] = index
}

/** An integer (RFC 7541 §5.1) whose first byte carries `flags` beside the bits of `prefix`. */
function putInteger(buf: Uint8Array, at: number, flags: number, prefix: number, value: number): number {
  if (value < prefix) {
    buf[at] = flags | value
    return at + 1
  }
  buf[at++] = flags | prefix
  let rest = value - prefix
  while (rest >= 0x80) {
    buf[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buf[at] = rest
  return at + 1
}
