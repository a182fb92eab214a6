/**
 * Huffman-coded strings of HPACK (RFC 7541 §5.2): check, decode, encode.
 *
 * `checkHuffmanValue` is the hottest loop of the proxy: it runs over every coded value of every request, most of which
 * are then forwarded as they came. So it has no branch per byte: flags are gathered and looked at once at the end.
 */
import { offsetOf } from './bytes.ts'
import {
  CODE_LENGTHS,
  CODES,
  IS_END,
  STEP,
  STEP_COUNT,
  STEP_ILLEGAL,
  STEP_INVALID,
  STEP_STATE,
  SYMBOLS,
} from './huffman-tables.ts'

/** Results of `checkHuffmanValue` below zero. */
export const HUFFMAN_INVALID = -1
export const ILLEGAL_VALUE = -2

/** No code has less than 5 bits: how many bytes `codedBytes` decode to at most. */
export function maxDecodedBytes(codedBytes: number): number {
  return ((codedBytes * 8) / 5) | 0
}

/** Below this length one pass is faster than two halves. */
const MIN_SPLIT_BYTES = 48
/** How many bytes a guessed state is given to fall into step: enough for all but one or two strings in a hundred. */
const WARM_UP_BYTES = 16

/**
 * Checks the coded field value in `buf[start, end)`: the code (padding, no EOS) and that what it decodes to is a legal
 * value (RFC 9113 §8.2.1: no NUL, CR, LF; no space or tab at either end).
 *
 * A long value is followed in two halves at once: each step waits for the one before it, so a processor follows two
 * chains almost as fast as one. The chain of the second half begins some bytes early in a guessed state, since a Huffman
 * code falls into step by itself; whether it had is known when the first chain arrives there. If not, that half is done
 * again: a value that never falls into step costs half as much more, no attacker gains from making one.
 *
 * @returns the decoded length, `HUFFMAN_INVALID` (a connection error) or `ILLEGAL_VALUE` (a malformed message)
 */
export function checkHuffmanValue(buf: Uint8Array, start: number, end: number): number {
  let at = start
  let state = 0
  let flags = 0
  let length = 0
  if (end - start >= MIN_SPLIT_BYTES) {
    const half = (end - start - WARM_UP_BYTES) >> 1
    let ahead = 0
    for (const warm = start + WARM_UP_BYTES; at < warm; at++) {
      const entry = STEP[state | buf[at]!]!
      state = entry & STEP_STATE
      flags |= entry
      length += entry & STEP_COUNT
      ahead = STEP[ahead | buf[at + half]!]! & STEP_STATE
    }
    const guessed = ahead
    let aheadFlags = 0
    let aheadLength = 0
    for (const middle = at + half; at < middle; at++) {
      const entry = STEP[state | buf[at]!]!
      const aheadEntry = STEP[ahead | buf[at + half]!]!
      state = entry & STEP_STATE
      ahead = aheadEntry & STEP_STATE
      flags |= entry
      aheadFlags |= aheadEntry
      length += entry & STEP_COUNT
      aheadLength += aheadEntry & STEP_COUNT
    }
    if (state === guessed) {
      at += half
      state = ahead
      flags |= aheadFlags
      length += aheadLength
    }
  }
  for (; at < end; at++) {
    const entry = STEP[state | buf[at]!]!
    state = entry & STEP_STATE
    flags |= entry
    length += entry & STEP_COUNT
  }
  if ((flags & STEP_INVALID) !== 0 || IS_END[state >> 8] === 0) return HUFFMAN_INVALID
  if ((flags & STEP_ILLEGAL) !== 0 || (length !== 0 && hasSpaceAtEnds(buf, start, end))) return ILLEGAL_VALUE
  return length
}

// Codes of space and tab: 010100 and 11111111 11111111 11101010.
const SPACE_CODE = 0x14
const TAB_CODE_LOW_BITS = 0x2a

/** Whether the valid code in `buf[start, end)` decodes to a string that begins or ends with a space or a tab. */
function hasSpaceAtEnds(buf: Uint8Array, start: number, end: number): boolean {
  const first = buf[start]!
  if (first >> 2 === SPACE_CODE) return true
  if (first === 0xff && buf[start + 1] === 0xff && buf[start + 2] === 0xea) return true
  // Both codes end with a zero, so behind them the padding is exactly the trailing ones. That the bits before it look
  // like one of the codes is necessary but not sufficient (a longer code may end so): one string in thirty is decoded.
  const tail = (end - start > 1 ? buf[end - 2]! << 8 : 0xff00) | buf[end - 1]!
  const padding = 31 - Math.clz32(~tail & (tail + 1))
  const code = (tail >> padding) & 0x3f
  if (code !== SPACE_CODE && code !== TAB_CODE_LOW_BITS) return false
  let state = 0
  let last = 0
  for (let at = start; at < end; at++) {
    const index = state | buf[at]!
    const entry = STEP[index]!
    const count = entry & STEP_COUNT
    if (count !== 0) last = (SYMBOLS[index]! >> ((count - 1) << 3)) & 0xff
    state = entry & STEP_STATE
  }
  return last === 0x20 || last === 0x09
}

/**
 * Decodes `buf[start, end)` to `out[at…]`. The caller has made room for `maxDecodedBytes`; the byte behind the decoded
 * string may be overwritten too.
 *
 * @param forbidden a `STEP_NOT_…` flag: symbols that must not occur
 * @returns the offset behind the decoded string, `HUFFMAN_INVALID`, or `ILLEGAL_VALUE` when a forbidden symbol occurred
 */
export function decodeHuffmanInto(
  buf: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  forbidden = 0,
): number {
  let state = 0
  let flags = 0
  for (let from = start; from < end; from++) {
    const index = state | buf[from]!
    const entry = STEP[index]!
    const symbols = SYMBOLS[index]!
    out[at] = symbols
    out[at + 1] = symbols >> 8
    at += entry & STEP_COUNT
    state = entry & STEP_STATE
    flags |= entry
  }
  if ((flags & STEP_INVALID) !== 0 || IS_END[state >> 8] === 0) return HUFFMAN_INVALID
  return (flags & forbidden) === 0 ? at : ILLEGAL_VALUE
}

let scratch = Buffer.allocUnsafeSlow(1024)
/** A longer string gets its own memory, so that one large value is not kept for ever. */
const MAX_SCRATCH_BYTES = 16 * 1024

/**
 * The decoded string as latin1 text; the code in `buf[start, end)` was checked before.
 *
 * @param until ends the text in front of this byte, where it occurs
 */
export function decodeHuffman(buf: Uint8Array, start: number, end: number, until = -1): string {
  const bytes = maxDecodedBytes(end - start) + 1
  let out = scratch
  if (bytes > out.length) {
    out = Buffer.allocUnsafeSlow(bytes)
    if (bytes <= MAX_SCRATCH_BYTES) scratch = out
  }
  const decodedEnd = decodeHuffmanInto(buf, start, end, out, 0)
  if (decodedEnd < 0) throw new Error('decodeHuffman was given a code that checkHuffmanValue had not accepted')
  return out.toString('latin1', 0, until === -1 ? decodedEnd : offsetOf(until, out, 0, decodedEnd))
}

/** Encodes latin1 text: for tables, tests and messages built ahead; the proxy itself writes new values as they are. */
export function encodeHuffman(text: string): Buffer {
  const bytes: number[] = []
  // At most 7 bits wait when a code of at most 30 is added: exact in a double, too long for a 32-bit shift.
  let pending = 0
  let bits = 0
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff
    pending = pending * 2 ** CODE_LENGTHS[symbol]! + CODES[symbol]!
    bits += CODE_LENGTHS[symbol]!
    while (bits >= 8) {
      bits -= 8
      const byte = Math.floor(pending / 2 ** bits)
      pending -= byte * 2 ** bits
      bytes.push(byte)
    }
  }
  if (bits > 0) bytes.push((pending << (8 - bits)) | ((1 << (8 - bits)) - 1))
  return Buffer.from(bytes)
}
