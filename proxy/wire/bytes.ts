/** Unsigned big-endian integers in byte ranges, as every protocol here writes them. No bounds checks: callers have them. */

export function u16(buf: Uint8Array, at: number): number {
  return (buf[at]! << 8) | buf[at + 1]!
}

export function u24(buf: Uint8Array, at: number): number {
  return (buf[at]! << 16) | (buf[at + 1]! << 8) | buf[at + 2]!
}

/** The low 31 bits of four bytes: stream ids and window sizes, whose first bit is reserved (RFC 9113 §4.1). */
export function u31(buf: Uint8Array, at: number): number {
  return ((buf[at]! & 0x7f) << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!
}

export function u32(buf: Uint8Array, at: number): number {
  return ((buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!) >>> 0
}

export function writeU16(buf: Uint8Array, at: number, value: number): void {
  buf[at] = value >>> 8
  buf[at + 1] = value
}

export function writeU24(buf: Uint8Array, at: number, value: number): void {
  buf[at] = value >>> 16
  buf[at + 1] = value >>> 8
  buf[at + 2] = value
}

/** Also for u31: the caller's value decides the first bit. */
export function writeU32(buf: Uint8Array, at: number, value: number): void {
  buf[at] = value >>> 24
  buf[at + 1] = value >>> 16
  buf[at + 2] = value >>> 8
  buf[at + 3] = value
}

/** Where `byte` occurs first in `buf[start, end)`, or `end`. */
export function offsetOf(byte: number, buf: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && buf[at] !== byte) at++
  return at
}

/** Below this length a loop beats the call into the runtime: about a nanosecond a byte against forty. */
const SHORT_COPY_BYTES = 40
/** The one copy that needs no view of its source first. */
const { copy } = Buffer.prototype

/** Copies `from[start, end)` to `to[at…]` and returns the offset behind the copy. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  const length = end - start
  if (length <= SHORT_COPY_BYTES) {
    for (let i = 0; i < length; i++) to[at + i] = from[start + i]!
  } else {
    copy.call(from, to, at, start, end)
  }
  return at + length
}

/** Below this length a loop beats the call into the runtime. */
const SHORT_TEXT = 64

/** Writes latin1 text to `to[at…]` and returns the offset behind it. */
export function writeLatin1(text: string, to: Buffer, at: number): number {
  const { length } = text
  if (length > SHORT_TEXT) to.write(text, at, 'latin1')
  else for (let i = 0; i < length; i++) to[at + i] = text.charCodeAt(i)
  return at + length
}
