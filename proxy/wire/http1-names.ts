/**
 * Names of HTTP/1 fields as they were written, carried over HTTP/2, which knows lower case only (RFC 9113 §8.2.1).
 *
 * Two proxies that agreed on it by SETTINGS (`http2-settings.ts`) add one field, `weft-names`, to messages that came as
 * HTTP/1. It speaks of the regular fields in front of it, in their order:
 *
 *   T           all of them are in Title-Case, as most clients write them
 *   t l m80.    one item per field: Title-Case, lower case, or a mask of its upper-case letters in hexadecimal, four
 *               characters a digit, the first one in the highest bit; fields without an item are in lower case
 *   c           in front of either, or alone: each Cookie is a line of its own, where HTTP/1 would otherwise get one line of
 *               what HTTP/2 may split (RFC 9113 §8.2.3)
 *
 * Without the field all names are in lower case. It can only choose the case of letters, so a name never becomes another
 * one, and whether cookies stand in one line; a value that does not fit its fields changes nothing at all.
 */
import { FIELD, FIELD_STRIDE, FLAG, type Head } from './head.ts'
import { OTHER, TOKEN_NAME_BYTES, TOKEN_NAME_LENGTHS, TOKEN_NAMES, token } from './tokens.ts'

const COOKIE = token('cookie')

const COOKIE_LINES = 0x63
const ALL_TITLE = 0x54
const TITLE = 0x74
const LOWER = 0x6c
const MASK = 0x6d
const MASK_END = 0x2e
const DASH = 0x2d
const CASE_BIT = 0x20
/** Characters of a name that one digit of a mask tells of. */
const PER_DIGIT = 4
/** An item takes no more than its name and this: `m`, the dot, and a digit begun. */
export const NAME_ITEM_OVERHEAD_BYTES = 3
/** And all of them this: `c`. */
export const NAMES_OVERHEAD_BYTES = 1

/** By token, so that known names need not be built letter by letter. */
export const TITLE_NAME_BYTES: readonly Buffer[] = TOKEN_NAME_BYTES.map((name) => {
  const titled = Buffer.from(name)
  putTitle(titled, 0, name, 0, name.length)
  return titled
})
/** By token: pseudo-fields have no case to keep. */
const IS_PSEUDO = Uint8Array.from(TOKEN_NAMES, (name) => (name.startsWith(':') ? 1 : 0))

const NameCase = { lower: 1, title: 2, both: 3, mixed: 0 } as const

/** The value to send, valid until the next call. */
export const names = { text: Buffer.allocUnsafeSlow(256), length: 0, lastRow: -1 }

/**
 * Puts the value for a head that came as HTTP/1 into `names`: `lastRow` is the row offset behind whose field `weft-names`
 * belongs, -1 when all names are in lower case, no more than one is Cookie, and nothing needs to be said.
 */
export function describeNames(head: Head): void {
  const { bytes, fields, count } = head
  names.lastRow = -1
  let lastRow = -1
  let common: number = NameCase.both
  let nameBytes = 0
  let told = 0
  let cookies = 0
  for (let row = 0, last = count * FIELD_STRIDE; row < last; row += FIELD_STRIDE) {
    // What was added here is in lower case and stands behind what came.
    if (fields[row + FIELD.encodedStart]! < 0 || (fields[row + FIELD.flags]! & FLAG.dropped) !== 0) continue
    const start = fields[row + FIELD.nameStart]!
    const end = fields[row + FIELD.nameEnd]!
    common &= caseOf(bytes, start, end)
    nameBytes += end - start
    told++
    if (fields[row] === COOKIE) cookies++
    lastRow = row
  }
  const isLower = (common & NameCase.lower) !== 0
  if (lastRow === -1 || (isLower && cookies < 2)) return
  names.lastRow = lastRow
  names.length = 0
  if (cookies > 1) names.text[names.length++] = COOKIE_LINES
  if (isLower) return
  if (common === NameCase.title) {
    names.text[names.length++] = ALL_TITLE
    return
  }
  const bound = NAMES_OVERHEAD_BYTES + told * NAME_ITEM_OVERHEAD_BYTES + nameBytes
  if (names.text.length < bound) {
    const first = names.text[0]!
    names.text = Buffer.allocUnsafeSlow(bound * 2)
    names.text[0] = first
  }
  putItems(head, lastRow)
}

function putItems({ bytes, fields }: Head, lastRow: number): void {
  const { text } = names
  let at = names.length
  for (let row = 0; row <= lastRow; row += FIELD_STRIDE) {
    if ((fields[row + FIELD.flags]! & FLAG.dropped) !== 0 || IS_PSEUDO[fields[row]!] === 1) continue
    if (fields[row + FIELD.encodedStart]! < 0) {
      text[at++] = LOWER
      continue
    }
    const start = fields[row + FIELD.nameStart]!
    const end = fields[row + FIELD.nameEnd]!
    const nameCase = caseOf(bytes, start, end)
    if (nameCase === NameCase.mixed) at = putMask(text, at, bytes, start, end)
    else text[at++] = (nameCase & NameCase.lower) !== 0 ? LOWER : TITLE
  }
  names.length = at
}

function putMask(text: Buffer, at: number, bytes: Uint8Array, start: number, end: number): number {
  text[at++] = MASK
  for (let from = start; from < end; from += PER_DIGIT) {
    let digit = 0
    for (let i = 0; i < PER_DIGIT && from + i < end; i++) if (isUpper(bytes[from + i]!)) digit |= 8 >> i
    text[at++] = HEX[digit]!
  }
  text[at++] = MASK_END
  return at
}

/** Bits of `NameCase`: how the name in `bytes[start, end)` is written. */
function caseOf(bytes: Uint8Array, start: number, end: number): number {
  let seen = 0
  let wrong = 0
  // What Title-Case forbids here: lower case at the start and behind a dash, upper case elsewhere.
  let forbidden: number = KIND.lower
  for (let at = start; at < end; at++) {
    const kind = KINDS[bytes[at]!]!
    seen |= kind
    wrong |= kind & forbidden
    forbidden = KIND.upper + (kind >> 2)
  }
  return ((seen & KIND.upper) === 0 ? NameCase.lower : 0) | (wrong === 0 ? NameCase.title : 0)
}

/** Kinds of characters; a dash shifted by two is the difference between the first two. */
const KIND = { upper: 1, lower: 2, dash: 4 } as const
const KINDS = new Uint8Array(256).fill(KIND.upper, 0x41, 0x5b).fill(KIND.lower, 0x61, 0x7b)
KINDS[DASH] = KIND.dash

// ── Receiving ──

/** Applies the `weft-names` field in `head.namesRow` to the fields in front of it. */
export function restoreNames(head: Head): void {
  const { bytes, fields, namesRow } = head
  const at = namesRow * FIELD_STRIDE
  const valueStart = fields[at + FIELD.valueStart]!
  const end = fields[at + FIELD.valueEnd]!
  // The value is never coded by those who write it.
  if ((fields[at + FIELD.flags]! & FLAG.huffmanValue) !== 0) return
  const hasCookieLines = valueStart < end && bytes[valueStart] === COOKIE_LINES
  const start = hasCookieLines ? valueStart + 1 : valueStart
  if (end - start === 1 && bytes[start] === ALL_TITLE) {
    for (let row = 0; row < at; row += FIELD_STRIDE)
      if (IS_PSEUDO[fields[row]!] === 0) fields[row + FIELD.flags]! |= FLAG.titleName
  } else if (readItems(head, start, end, false)) readItems(head, start, end, true)
  else return
  if (!hasCookieLines) return
  for (let row = 0; row < at; row += FIELD_STRIDE)
    if (fields[row] === COOKIE) fields[row + FIELD.flags]! |= FLAG.ownLine
}

/** Goes through the items in `bytes[start, end)`; false where they do not fit the fields. Changes names when `applies`. */
function readItems(head: Head, start: number, end: number, applies: boolean): boolean {
  const { fields } = head
  const last = head.namesRow * FIELD_STRIDE
  let at = start
  for (let row = 0; row < last && at < end; row += FIELD_STRIDE) {
    if (IS_PSEUDO[fields[row]!] === 1) continue
    switch (head.bytes[at++]) {
      case LOWER:
        break
      case TITLE:
        if (applies) fields[row + FIELD.flags]! |= FLAG.titleName
        break
      case MASK: {
        const from = at
        while (at < end && head.bytes[at] !== MASK_END) at++
        if (at === end) return false
        if (applies) applyMask(head, row, from)
        else if (!fitsMask(head, row, from, at)) return false
        at++
        break
      }
      default:
        return false
    }
  }
  return at === end
}

/** Whether every bit of the mask in `bytes[from, to)` stands for a letter of the name in `row`. */
function fitsMask({ bytes, fields }: Head, row: number, from: number, to: number): boolean {
  const known = fields[row]!
  const name = known === OTHER ? bytes : TOKEN_NAME_BYTES[known]!
  const start = known === OTHER ? fields[row + FIELD.nameStart]! : 0
  const length = known === OTHER ? fields[row + FIELD.nameEnd]! - start : TOKEN_NAME_LENGTHS[known]!
  if (to - from !== Math.ceil(length / PER_DIGIT)) return false
  for (let i = 0; i < (to - from) * PER_DIGIT; i++) {
    const digit = hexDigit(bytes[from + Math.floor(i / PER_DIGIT)]!)
    if (digit === -1) return false
    const isSet = (digit & (8 >> (i % PER_DIGIT))) !== 0
    if (isSet && (i >= length || name[start + i]! < 0x61 || name[start + i]! > 0x7a)) return false
  }
  return true
}

/** Gives the field in `row` name bytes of its own, with the upper-case letters of the mask at `from`, which fits. */
function applyMask(head: Head, row: number, from: number): void {
  const { fields } = head
  const known = fields[row]!
  const length =
    known === OTHER ? fields[row + FIELD.nameEnd]! - fields[row + FIELD.nameStart]! : TOKEN_NAME_LENGTHS[known]!
  head.ensure(length)
  const { bytes } = head
  const name = known === OTHER ? bytes : TOKEN_NAME_BYTES[known]!
  const start = known === OTHER ? fields[row + FIELD.nameStart]! : 0
  const nameStart = head.end
  for (let i = 0; i < length; i++) {
    const digit = hexDigit(bytes[from + Math.floor(i / PER_DIGIT)]!)
    const isSet = (digit & (8 >> (i % PER_DIGIT))) !== 0
    bytes[nameStart + i] = isSet ? name[start + i]! & ~CASE_BIT : name[start + i]!
  }
  head.end = nameStart + length
  fields[row + FIELD.nameStart] = nameStart
  fields[row + FIELD.nameEnd] = head.end
  fields[row + FIELD.flags]! |= FLAG.casedName
}

/** Writes the lower-case name in `from[start, end)` to `to[at…]` in Title-Case; returns the offset behind it. */
export function putTitle(to: Uint8Array, at: number, from: Uint8Array, start: number, end: number): number {
  let before = DASH
  for (let i = start; i < end; i++) {
    const byte = from[i]!
    to[at++] = before === DASH && byte >= 0x61 && byte <= 0x7a ? byte & ~CASE_BIT : byte
    before = byte
  }
  return at
}

const HEX = Buffer.from('0123456789abcdef', 'latin1')

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1
}

function isUpper(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a
}
