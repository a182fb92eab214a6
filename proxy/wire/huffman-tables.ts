/**
 * The Huffman code of HPACK (RFC 7541 Appendix B) as a state machine that eats whole bytes.
 *
 * The code is canonical, so the lengths say everything. A state is an inner node of the code tree (there are 256), which
 * is what was read of the code that is not finished yet; a byte leads from a state to a state and finishes at most two
 * symbols, since the shortest code has 5 bits. Two tables of 128 KiB, made at load in a few milliseconds.
 */
import { AUTHORITY_CHAR, LOWER_TOKEN_CHAR, TARGET_CHAR, VALUE_CHAR } from './field-chars.ts'

/** Code length of each byte. */
// biome-ignore format: sixteen a line, as the RFC's appendix is read
const CODE_LENGTHS = new Uint8Array([
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
])
const EOS = 256
const MAX_CODE_LENGTH = 30
const STATES = 256

/** Bits of a `STEP` entry; its high byte is the next state. */
export const STEP_COUNT = 0x3
/** A finished symbol is NUL, CR or LF: no legal field value has one (RFC 9113 §8.2.1). */
export const STEP_ILLEGAL = 0x4
/** EOS was finished: an error (RFC 7541 §5.2). */
export const STEP_INVALID = 0x8
/** A finished symbol does not belong into a path, an authority, the name of an HTTP/2 field (see field-chars.ts). */
export const STEP_NOT_TARGET = 0x10
export const STEP_NOT_AUTHORITY = 0x20
export const STEP_NOT_NAME = 0x40
export const STEP_STATE = 0xff00
const STEP_FLAGS = 0x7c

/**
 * `STEP[state << 8 | byte]`: next state, flags and how many symbols were finished. Symbols are in a table of their own,
 * since checking does not need them: the rows that ordinary text uses then fit a processor's first cache.
 */
export const STEP = new Uint16Array(STATES << 8)
/** `SYMBOLS[state << 8 | byte]`: the finished symbols, the first in the low byte. */
export const SYMBOLS = new Uint16Array(STATES << 8)
/** Whether a string may end in a state: it is at most 7 bits of ones, the padding (RFC 7541 §5.2). */
export const IS_END = new Uint8Array(STATES)
/** Code of each byte, right-aligned, for encoders. */
export const CODES = new Uint32Array(EOS + 1)
export { CODE_LENGTHS }

assignCodes(CODES, CODE_LENGTHS)
fillSteps(growTree(CODES, CODE_LENGTHS), flagsOfSymbols(), STEP, SYMBOLS)

function assignCodes(codes: Uint32Array, lengths: Uint8Array): void {
  let code = 0
  for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
    code <<= 1
    for (let symbol = lengths.indexOf(length); symbol !== -1; symbol = lengths.indexOf(length, symbol + 1)) {
      codes[symbol] = code++
    }
  }
}

/** `tree[node << 1 | bit]` is the next inner node, or `~symbol` where a code ends. */
function growTree(codes: Uint32Array, lengths: Uint8Array): Int16Array {
  const tree = new Int16Array(STATES << 1)
  let nodes = 1
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const code = codes[symbol]!
    let node = 0
    for (let bit = lengths[symbol]! - 1; bit > 0; bit--) {
      const edge = (node << 1) | ((code >>> bit) & 1)
      if (tree[edge] === 0) tree[edge] = nodes++
      node = tree[edge]!
    }
    tree[(node << 1) | (code & 1)] = ~symbol
  }
  for (let node = 0, ones = 0; ones <= 7; ones++) {
    IS_END[node] = 1
    node = tree[(node << 1) | 1]!
  }
  return tree
}

function flagsOfSymbols(): Uint8Array {
  const flags = new Uint8Array(EOS + 1)
  for (let symbol = 0; symbol < EOS; symbol++) {
    flags[symbol] =
      (VALUE_CHAR[symbol] === 0 ? STEP_ILLEGAL : 0) |
      (TARGET_CHAR[symbol] === 0 ? STEP_NOT_TARGET : 0) |
      (AUTHORITY_CHAR[symbol] === 0 ? STEP_NOT_AUTHORITY : 0) |
      (LOWER_TOKEN_CHAR[symbol] === 0 ? STEP_NOT_NAME : 0)
  }
  flags[EOS] = STEP_INVALID
  return flags
}

// Half a byte finishes at most one symbol, so a byte is put together from two halves: 16 times fewer walks. The loops
// are functions with everything as arguments, so that the compiler gets hold of them while the tables are made.
function fillSteps(tree: Int16Array, flags: Uint8Array, step: Uint16Array, symbols: Uint16Array): void {
  const half = new Uint16Array(STATES << 4)
  const halfSymbol = new Uint8Array(STATES << 4)
  for (let index = 0; index < half.length; index++) half[index] = walkHalf(tree, index, flags, halfSymbol)
  for (let from = 0; from < half.length; from++) fillRow(from, half, halfSymbol, step, symbols)
}

/** The `STEP` entry of half a byte: `index` is state << 4 | bits. */
function walkHalf(tree: Int16Array, index: number, flags: Uint8Array, halfSymbol: Uint8Array): number {
  let node = index >> 4
  let entry = 0
  for (let bit = 3; bit >= 0; bit--) {
    const next = tree[(node << 1) | ((index >> bit) & 1)]!
    node = Math.max(next, 0)
    if (next >= 0) continue
    const symbol = ~next
    entry = flags[symbol]! | (symbol === EOS ? 0 : 1)
    halfSymbol[index] = symbol
  }
  return entry | (node << 8)
}

/** The sixteen bytes that begin with the half `from`. */
function fillRow(
  from: number,
  half: Uint16Array,
  halfSymbol: Uint8Array,
  step: Uint16Array,
  symbols: Uint16Array,
): void {
  const first = half[from]!
  const flags = first & STEP_FLAGS
  const count = first & STEP_COUNT
  const shift = count << 3
  const symbol = count === 1 ? halfSymbol[from]! : 0
  const then = (first >> 8) << 4
  for (let low = 0, index = from << 4; low < 16; low++, index++) {
    step[index] = (half[then | low]! | flags) + count
    symbols[index] = symbol | (halfSymbol[then | low]! << shift)
  }
}
