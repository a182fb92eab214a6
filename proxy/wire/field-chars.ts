/** Which bytes names, values and targets may contain (RFC 9110 §5.1, §5.5; RFC 9113 §8.2.1; RFC 3986 §3). */

/** tchar of RFC 9110 §5.6.2, upper case included: methods and names of HTTP/1 fields. */
export const TOKEN_CHAR = tableOf("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
/** The same without upper case: names of HTTP/2 fields. */
export const LOWER_TOKEN_CHAR = tableOf("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
/** uri-host and port, without userinfo: `@` makes a request mean another host to another reader (RFC 9113 §8.3.1). */
export const AUTHORITY_CHAR = tableOf(
  "-._~%!$&'()*+,;=:[]0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
)
const SCHEME_CHAR = tableOf('+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')

/** field-vchar, space and tab: values of HTTP/1 fields (RFC 9110 §5.5). */
export const VALUE_CHAR = new Uint8Array(256).fill(1, 0x20).fill(0, 0x7f, 0x80)
VALUE_CHAR[0x09] = 1
/** The same without space and tab: request targets. */
export const VISIBLE_CHAR = new Uint8Array(256).fill(1, 0x21).fill(0, 0x7f, 0x80)

/** What a path may contain, see `isTargetText`. */
export const TARGET_CHAR = Uint8Array.from(VISIBLE_CHAR)
TARGET_CHAR[0x23] = 0

function tableOf(chars: string): Uint8Array {
  const table = new Uint8Array(256)
  for (let i = 0; i < chars.length; i++) table[chars.charCodeAt(i)] = 1
  return table
}

function hasOnly(table: Uint8Array, buf: Uint8Array, start: number, end: number): boolean {
  // No exit in the middle: almost everything is legal, and a loop without a branch is faster.
  let isLegal = 1
  for (let at = start; at < end; at++) isLegal &= table[buf[at]!]!
  return isLegal === 1
}

export function isToken(buf: Uint8Array, start: number, end: number): boolean {
  return start < end && hasOnly(TOKEN_CHAR, buf, start, end)
}

export function isLowerToken(buf: Uint8Array, start: number, end: number): boolean {
  return start < end && hasOnly(LOWER_TOKEN_CHAR, buf, start, end)
}

/** May be empty: an origin without a name has an empty Host (RFC 9110 §7.2). */
export function isAuthority(buf: Uint8Array, start: number, end: number): boolean {
  return hasOnly(AUTHORITY_CHAR, buf, start, end) && isHostAndPort(buf, start, end)
}

const COLON = 0x3a
const OPEN = 0x5b
const CLOSE = 0x5d

/**
 * Whether `buf[start, end)`, of authority characters, is `uri-host [ ":" port ]` (RFC 3986 §3.2): one colon at most outside
 * of brackets, so that no two readers cut it in different places.
 */
export function isHostAndPort(buf: Uint8Array, start: number, end: number): boolean {
  let at = start
  if (buf[at] === OPEN && start < end) {
    while (++at < end && buf[at] !== CLOSE) if (buf[at] === OPEN) return false
    if (at++ >= end) return false
  } else {
    while (at < end && buf[at] !== COLON && buf[at] !== OPEN && buf[at] !== CLOSE) at++
    if (at === start && at < end) return false
  }
  if (at === end) return true
  if (buf[at] !== COLON) return false
  while (++at < end) if (buf[at]! < 0x30 || buf[at]! > 0x39) return false
  return true
}

export function isScheme(buf: Uint8Array, start: number, end: number): boolean {
  return (
    start < end && (buf[start]! | 0x20) >= 0x61 && (buf[start]! | 0x20) <= 0x7a && hasOnly(SCHEME_CHAR, buf, start, end)
  )
}

/**
 * No space, no control character: what a path must not have so that it stays one word of a request line. Bytes above 127
 * pass, applications send them. `#` would start a fragment, which is never sent (RFC 9110 §7.1).
 */
export function isTargetText(buf: Uint8Array, start: number, end: number): boolean {
  return hasOnly(TARGET_CHAR, buf, start, end)
}

/** The offset of the first byte in `buf[at, end)` that `table` does not have. */
export function skipChars(table: Uint8Array, buf: Uint8Array, at: number, end: number): number {
  // Eight per turn: a branch for each byte would cost half as much again.
  while (
    at + 8 <= end &&
    (table[buf[at]!]! &
      table[buf[at + 1]!]! &
      table[buf[at + 2]!]! &
      table[buf[at + 3]!]! &
      table[buf[at + 4]!]! &
      table[buf[at + 5]!]! &
      table[buf[at + 6]!]! &
      table[buf[at + 7]!]!) !==
      0
  ) {
    at += 8
  }
  while (at < end && table[buf[at]!] !== 0) at++
  return at
}

/**
 * A field value of HTTP/2: no space or tab at either end (RFC 9113 §8.2.1), and no control character, not only NUL, CR and
 * LF: none of them is legal in HTTP (RFC 9110 §5.5), and behind this proxy there may be readers that end lines at others.
 */
export function isFieldValue(buf: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true
  if (skipChars(VALUE_CHAR, buf, start, end) !== end) return false
  const first = buf[start]!
  const last = buf[end - 1]!
  return first !== 0x20 && first !== 0x09 && last !== 0x20 && last !== 0x09
}

/** Largest content-length that is counted exactly. */
export const MAX_LENGTH_DIGITS = 15

/** 1*DIGIT as a number, -1 when it is something else or too large to count. */
export function parseDigits(buf: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length === 0 || length > MAX_LENGTH_DIGITS) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = buf[at]! - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}
