/**
 * Tells HTTP/1 and HTTP/2 from everything else by the first bytes of a connection.
 *
 * The answer comes with the first byte that decides: binary protocols are told at once, and a request line that comes in
 * pieces is waited for. Only a client that sends the beginning of a request line and then nothing is never decided; the
 * caller's timeout is for that one.
 */
import { TOKEN_CHAR, VISIBLE_CHAR } from './field-chars.ts'
import { CLIENT_PREFACE } from './frame.ts'

export type Detected = 'http1' | 'http2' | 'partial' | 'not-http'

/** Registered methods have at most 17 characters. */
export const MAX_METHOD_BYTES = 24
/** A longer request line is not waited for: it is HTTP/1 by then, and too long for its parser or not. */
export const MAX_REQUEST_LINE_BYTES = 8 * 1024

const CR = 13
const LF = 10
const SPACE = 0x20
const VERSION = Buffer.from('HTTP/1.', 'latin1')

/** Looks at the first bytes of a connection, `buf[start, end)`. */
export function detectHttp(buf: Uint8Array, start: number, end: number): Detected {
  if (start === end) return 'partial'
  const matching = matchingBytes(buf, start, end, CLIENT_PREFACE)
  if (matching === CLIENT_PREFACE.length) return 'http2'
  if (matching === end - start) return 'partial'
  const detected = detectHttp1(buf, start, end)
  // What is undecided for so long has a method and the beginning of a target. Raw bytes would pass by routes and their
  // policies, so whoever makes a target long enough must not become them.
  return detected === 'partial' && end - start >= MAX_REQUEST_LINE_BYTES ? 'http1' : detected
}

function detectHttp1(buf: Uint8Array, start: number, end: number): Detected {
  let at = start
  if (buf[at] === CR) {
    // One empty line in front of a request is tolerated (RFC 9112 §2.2).
    if (at + 1 < end && buf[at + 1] !== LF) return 'not-http'
    at += 2
  }
  const methodStart = at
  while (at < end && TOKEN_CHAR[buf[at]!] !== 0) at++
  if (at - methodStart > MAX_METHOD_BYTES) return 'not-http'
  if (at >= end) return 'partial'
  if (buf[at] !== SPACE || at === methodStart) return 'not-http'
  const targetStart = at + 1
  at = targetStart
  while (at < end && VISIBLE_CHAR[buf[at]!] !== 0) at++
  if (!mayBeTarget(buf, methodStart, targetStart, at, at >= end)) return 'not-http'
  if (at >= end) return 'partial'
  if (buf[at] !== SPACE || at === targetStart) return 'not-http'
  at++
  const matching = matchingBytes(buf, at, end, VERSION)
  if (matching === VERSION.length) return 'http1'
  return matching === end - at ? 'partial' : 'not-http'
}

/** Other protocols have lines of words too (`SET key value`): a target begins with `/`, `*` or a scheme, but for CONNECT. */
function mayBeTarget(buf: Uint8Array, methodStart: number, start: number, end: number, mayContinue: boolean): boolean {
  if (start === end) return mayContinue
  const first = buf[start]!
  if (first === 0x2f) return true
  if (isConnect(buf, methodStart, start - 1)) return true
  if (first === 0x2a) return end - start === 1
  let at = start
  while (at < end && isSchemeChar(buf[at]!)) at++
  if (at === start) return false
  for (const expected of [0x3a, 0x2f, 0x2f]) {
    if (at === end) return mayContinue
    if (buf[at++] !== expected) return false
  }
  return true
}

function isSchemeChar(byte: number): boolean {
  const letter = byte | 0x20
  return (
    (letter >= 0x61 && letter <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e
  )
}

function isConnect(buf: Uint8Array, start: number, end: number): boolean {
  return end - start === 7 && Buffer.from(buf.subarray(start, end)).toString('latin1') === 'CONNECT'
}

/** How many bytes of `expected` stand at `at`. */
function matchingBytes(buf: Uint8Array, at: number, end: number, expected: Uint8Array): number {
  let i = 0
  while (i < expected.length && at + i < end && buf[at + i] === expected[i]) i++
  return i
}
