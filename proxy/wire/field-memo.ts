/**
 * Fields that came before on a connection, so that one which comes again need not be checked again.
 *
 * Requests on one connection differ in their path and ids; tokens, agents and content types come again byte by byte. An
 * encoded field that names no dynamic entry means the same wherever it stands, and comparing it costs a tenth of reading
 * and checking it. A field is compared with the one that stood at the same place, so nothing has to be looked up; a place
 * where fields keep changing (an id) is left alone for a while. Bounded: `MEMO_BYTES` per connection.
 */
import { copyBytes } from './bytes.ts'
import { FIELD, FIELD_STRIDE, type Head } from './head.ts'

const MEMO_BYTES = 2048
const PLACES = 32
/** Shorter fields are read as fast as they are compared. */
const MIN_FIELD_BYTES = 8
/** A larger one would push out all others. */
const MAX_FIELD_BYTES = 1024
/** From here on the runtime compares faster than a loop. */
const LONG_FIELD_BYTES = 128
/** A place that differed this often in a row is left alone until all get another chance. */
const MAX_MISSES = 3
const BLOCKS_BETWEEN_CHANCES = 64

/** Columns of a kept field. Ranges are relative to its first encoded byte; a decoded name stands behind the encoded field. */
const KEPT = {
  start: 0,
  length: 1,
  token: 2,
  nameStart: 3,
  nameEnd: 4,
  valueStart: 5,
  valueEnd: 6,
  flags: 7,
  size: 8,
  misses: 9,
} as const
const KEPT_STRIDE = 10

export class FieldMemo {
  readonly #bytes = Buffer.allocUnsafeSlow(MEMO_BYTES)
  #used = 0
  readonly #kept = new Int32Array(PLACES * KEPT_STRIDE)
  #blocks = 0

  /** A block begins. */
  begin(): void {
    if (++this.#blocks < BLOCKS_BETWEEN_CHANCES) return
    this.#blocks = 0
    for (let at = KEPT.misses; at < PLACES * KEPT_STRIDE; at += KEPT_STRIDE) this.#kept[at] = 0
  }

  /** How many bytes the field kept for `place` takes if it comes again at `buf[at…]`, else 0. */
  match(place: number, buf: Uint8Array, at: number, end: number): number {
    if (place >= PLACES) return 0
    const kept = this.#kept
    const entry = place * KEPT_STRIDE
    const length = kept[entry + KEPT.length]!
    if (length === 0 || at + length > end || kept[entry + KEPT.misses]! >= MAX_MISSES) return 0
    const bytes = this.#bytes
    const from = kept[entry]!
    // The length of the value is among the first bytes, so nearly every difference shows early.
    const loopBytes = length < LONG_FIELD_BYTES ? length : MIN_FIELD_BYTES
    for (let i = 0; i < loopBytes; i++) if (bytes[from + i] !== buf[at + i]) return 0
    if (loopBytes < length && bytes.compare(buf, at, at + length, from, from + length) !== 0) return 0
    kept[entry + KEPT.misses] = 0
    return length
  }

  /** Size in the field list of the field kept for `place`. */
  sizeAt(place: number): number {
    return this.#kept[place * KEPT_STRIDE + KEPT.size]!
  }

  /** Appends the field kept for `place`, which came again `encodedStart` bytes into the head's block; returns its row. */
  repeat(head: Head, place: number, encodedStart: number): number {
    const kept = this.#kept
    const entry = place * KEPT_STRIDE
    const length = kept[entry + KEPT.length]!
    let nameStart = kept[entry + KEPT.nameStart]!
    let nameEnd = kept[entry + KEPT.nameEnd]!
    if (nameStart >= length) {
      head.ensure(nameEnd - nameStart)
      const start = head.end
      head.end = copyBytes(this.#bytes, kept[entry]! + nameStart, kept[entry]! + nameEnd, head.bytes, start)
      nameStart = start
      nameEnd = head.end
    } else if (nameStart >= 0) {
      nameStart += encodedStart
      nameEnd += encodedStart
    }
    return head.push(
      kept[entry + KEPT.token]!,
      nameStart,
      nameEnd,
      kept[entry + KEPT.valueStart]! + encodedStart,
      kept[entry + KEPT.valueEnd]! + encodedStart,
      kept[entry + KEPT.flags]!,
      encodedStart,
      encodedStart + length,
    )
  }

  /** Keeps the field in row `place`, which was read, found legal and has `size` bytes in the field list. */
  learn(head: Head, place: number, size: number): void {
    if (place >= PLACES) return
    const kept = this.#kept
    const entry = place * KEPT_STRIDE
    if (kept[entry + KEPT.misses]! >= MAX_MISSES) return
    kept[entry + KEPT.misses]!++
    const { fields } = head
    const row = place * FIELD_STRIDE
    const encodedStart = fields[row + FIELD.encodedStart]!
    const length = fields[row + FIELD.encodedEnd]! - encodedStart
    const nameStart = fields[row + FIELD.nameStart]!
    const nameEnd = fields[row + FIELD.nameEnd]!
    const isNameDecoded = nameStart >= fields[row + FIELD.encodedEnd]!
    const bytes = length + (isNameDecoded ? nameEnd - nameStart : 0)
    kept[entry + KEPT.length] = 0
    if (length < MIN_FIELD_BYTES || bytes > MAX_FIELD_BYTES) return
    const at = this.#room(bytes)
    copyBytes(head.bytes, encodedStart, encodedStart + length, this.#bytes, at)
    if (isNameDecoded) copyBytes(head.bytes, nameStart, nameEnd, this.#bytes, at + length)
    const nameAt = nameStart === -1 ? -1 : isNameDecoded ? length : nameStart - encodedStart
    kept[entry] = at
    kept[entry + KEPT.length] = length
    kept[entry + KEPT.token] = fields[row]!
    kept[entry + KEPT.nameStart] = nameAt
    kept[entry + KEPT.nameEnd] = nameAt + nameEnd - nameStart
    kept[entry + KEPT.valueStart] = fields[row + FIELD.valueStart]! - encodedStart
    kept[entry + KEPT.valueEnd] = fields[row + FIELD.valueEnd]! - encodedStart
    kept[entry + KEPT.flags] = fields[row + FIELD.flags]!
    kept[entry + KEPT.size] = size
  }

  /** Room for `bytes`; when there is none, all other fields are forgotten. */
  #room(bytes: number): number {
    if (this.#used + bytes > MEMO_BYTES) {
      this.#used = 0
      for (let at = KEPT.length; at < PLACES * KEPT_STRIDE; at += KEPT_STRIDE) this.#kept[at] = 0
    }
    const at = this.#used
    this.#used += bytes
    return at
  }
}
