/**
 * HTTP/1 message heads (RFC 9112 §2 to §5): bytes in, a checked `Head` out, in one pass.
 *
 * Strict where leniency has made request smuggling: no bare LF, no folded lines, no space before a colon, no control
 * characters, one Host. A head that is not complete yet leaves nothing behind: the caller keeps its bytes and calls again.
 */
import { copyBytes } from './bytes.ts'
import { skipChars, TOKEN_CHAR, VALUE_CHAR, VISIBLE_CHAR } from './field-chars.ts'
import { Encoding, Framing, type Head, Version } from './head.ts'
import { Http1Error } from './http1-error.ts'
import { FramingNotes, NOT_IN_TRAILERS, RULES1, Rule1, skipSpace, trimSpace } from './http1-framing.ts'
import { finishTarget, readTarget } from './http1-target.ts'
import { token, tokenOfAnyCase } from './tokens.ts'

export { Http1Error } from './http1-error.ts'

export const MAX_HEAD_BYTES = 64 * 1024
export const MAX_FIELDS = 256
/** Of a name, in an error. */
const MAX_SHOWN_CHARS = 64

const METHOD = token(':method')
const SCHEME = token(':scheme')
const FIELD_OVERHEAD_BYTES = 32
/** Room behind the head's bytes for what the target does not spell out: `http` and `/`. */
const IMPLIED_BYTES = 16

const CR = 13
const LF = 10
const SPACE = 0x20
const INCOMPLETE = -1

const notes = new FramingNotes()

/**
 * Reads a request head from `buf[start, end)`. Fills pseudo-fields first (`:authority` from the target, else from Host),
 * then the fields as they came.
 *
 * @param seenBytes bytes of `buf[start…]` an earlier call has seen: they need not be searched for the head's end again
 * @returns the offset behind the head, or -1 when it is not complete
 * @throws Http1Error with the status to answer
 */
export function parseRequestHead(
  head: Head,
  buf: Uint8Array,
  start: number,
  end: number,
  maxHeadBytes = MAX_HEAD_BYTES,
  seenBytes = 0,
): number {
  if (seenBytes > 0 && !hasHeadEnd(buf, start + seenBytes, start, end)) return incomplete(buf, start, end, maxHeadBytes)
  // RFC 9112 §2.2: one empty line in front of a request is ignored; some clients end a body with one too many.
  const base = buf[start] === CR && start < end ? start + 2 : start
  if (base >= end) return incomplete(buf, start, end, maxHeadBytes)
  if (base > start && buf[start + 1] !== LF) throw badRequest('CR without LF (RFC 9112 §2.2)')
  head.reset()
  head.encoding = Encoding.http1
  notes.begin(400)
  const fieldsStart = readRequestLine(head, buf, base, end)
  if (fieldsStart === INCOMPLETE) return incomplete(buf, start, end, maxHeadBytes)
  const next = readFields(head, buf, fieldsStart, end, base, 400)
  if (next === INCOMPLETE) return incomplete(buf, start, end, maxHeadBytes)
  if (next - start > maxHeadBytes) throw tooLarge(buf, start, maxHeadBytes)
  notes.decide(head, base, true)
  takeBytes(head, buf, base, next)
  if (notes.hostStart === -1 && head.version === Version.http11) throw badRequest('no Host field (RFC 9112 §3.2)')
  // RFC 9110 §9.3.6: what follows a CONNECT is no content, so a receiver may take it for the next request.
  if ((head.framing === Framing.chunked || head.contentLength > 0) && head.tokenAt(1) !== SCHEME)
    throw badRequest('CONNECT with content (RFC 9110 §9.3.6)')
  finishTarget(head, notes.hostStart - base, notes.hostEnd - base)
  return next
}

/**
 * Reads a response head from `buf[start, end)`. `head.framing` is what the head alone says: the answer to HEAD and a 2xx
 * to CONNECT have no content, which only the caller knows.
 *
 * @returns the offset behind the head, or -1 when it is not complete
 * @throws Http1Error with status 502
 */
export function parseResponseHead(
  head: Head,
  buf: Uint8Array,
  start: number,
  end: number,
  maxHeadBytes = MAX_HEAD_BYTES,
  seenBytes = 0,
): number {
  if (seenBytes > 0 && !hasHeadEnd(buf, start + seenBytes, start, end))
    return incomplete(buf, start, end, maxHeadBytes, 502)
  head.reset()
  head.encoding = Encoding.http1
  notes.begin(502)
  const fieldsStart = readStatusLine(head, buf, start, end)
  if (fieldsStart === INCOMPLETE) return incomplete(buf, start, end, maxHeadBytes, 502)
  const next = readFields(head, buf, fieldsStart, end, start, 502)
  if (next === INCOMPLETE) return incomplete(buf, start, end, maxHeadBytes, 502)
  if (next - start > maxHeadBytes) throw tooLarge(buf, start, maxHeadBytes, 502)
  notes.decide(head, start, false)
  takeBytes(head, buf, start, next)
  return next
}

/**
 * Reads the trailer section of a chunked message, the empty line included (RFC 9112 §7.1.2). Fields that would change
 * what was decided on the head are dropped (RFC 9110 §6.5.1).
 */
export function parseTrailers(head: Head, buf: Uint8Array, start: number, end: number): void {
  head.reset()
  head.encoding = Encoding.http1
  notes.begin(400)
  if (readFields(head, buf, start, end, start, 400) !== end) throw badRequest('the trailers are incomplete')
  takeBytes(head, buf, start, end)
  for (const name of NOT_IN_TRAILERS) head.drop(name)
}

// ── Start lines ──

function readRequestLine(head: Head, buf: Uint8Array, base: number, end: number): number {
  let at = base
  while (at < end && TOKEN_CHAR[buf[at]!] !== 0) at++
  if (at >= end) return INCOMPLETE
  if (buf[at] !== SPACE || at === base) throw badRequest('the method is not a token (RFC 9112 §3.1)')
  const methodEnd = at++
  const targetStart = at
  at = skipChars(VISIBLE_CHAR, buf, targetStart, end)
  if (at >= end) return INCOMPLETE
  if (buf[at] !== SPACE || at === targetStart)
    throw badRequest('the request target has an illegal character (RFC 9112 §3.2)')
  const targetEnd = at++
  const lineEnd = readVersion(head, buf, at, end, 400)
  if (lineEnd === INCOMPLETE) return INCOMPLETE
  if (lineEnd + 2 > end && (lineEnd >= end || buf[lineEnd] === CR)) return INCOMPLETE
  if (buf[lineEnd] !== CR || buf[lineEnd + 1] !== LF)
    throw badRequest('the request line does not end with CR LF (RFC 9112 §3)')
  head.targetStart = targetStart - base
  head.targetEnd = targetEnd - base
  head.push(METHOD, -1, -1, 0, methodEnd - base, 0, -1, -1)
  readTarget(head, buf, base, methodEnd, targetStart, targetEnd)
  return lineEnd + 2
}

function readStatusLine(head: Head, buf: Uint8Array, start: number, end: number): number {
  const versionEnd = readVersion(head, buf, start, end, 502)
  if (versionEnd === INCOMPLETE || versionEnd + 4 >= end) return INCOMPLETE
  let status = 0
  for (let at = versionEnd + 1; at < versionEnd + 4; at++) {
    const digit = buf[at]! - 0x30
    if (digit < 0 || digit > 9) throw badResponse('the status is not three digits (RFC 9112 §4)')
    status = status * 10 + digit
  }
  let at = versionEnd + 4
  if (buf[versionEnd] !== SPACE || status < 100) throw badResponse('the status is not three digits (RFC 9112 §4)')
  head.status = status
  // The space before an empty reason is required, and often missing.
  if (buf[at] === SPACE) at++
  else if (buf[at] !== CR) throw badResponse('the status is not three digits (RFC 9112 §4)')
  head.reasonStart = at - start
  while (at < end && VALUE_CHAR[buf[at]!] !== 0) at++
  if (at + 1 >= end) return INCOMPLETE
  if (buf[at] !== CR || buf[at + 1] !== LF) throw badResponse('the status line does not end with CR LF (RFC 9112 §4)')
  head.reasonEnd = at - start
  return at + 2
}

const VERSION_TEXT = Buffer.from('HTTP/1.', 'latin1')

/** Reads `HTTP/1.0` or `HTTP/1.1` at `at`; returns the offset behind it. */
function readVersion(head: Head, buf: Uint8Array, at: number, end: number, blame: 400 | 502): number {
  for (let i = 0; i < VERSION_TEXT.length; i++) {
    if (at + i >= end) return INCOMPLETE
    if (buf[at + i] === VERSION_TEXT[i]) continue
    // `HTTP/` and another digit is a version we do not speak, everything else is no HTTP.
    if (i === 5 && buf[at + 5]! >= 0x30 && buf[at + 5]! <= 0x39) throw versionError(blame)
    throw new Http1Error(blame, 'no HTTP version where one belongs (RFC 9112 §2.3)')
  }
  const minorAt = at + VERSION_TEXT.length
  if (minorAt >= end) return INCOMPLETE
  const minor = buf[minorAt]! - 0x30
  if (minor !== 0 && minor !== 1) throw versionError(blame)
  head.version = minor === 1 ? Version.http11 : Version.http10
  return minorAt + 1
}

// ── Fields ──

/** Reads field lines up to and including the empty line; returns the offset behind it. Rows are relative to `base`. */
function readFields(head: Head, buf: Uint8Array, at: number, end: number, base: number, blame: 400 | 502): number {
  const first = head.count
  let listBytes = 0
  while (at < end) {
    const nameStart = at
    while (at < end && TOKEN_CHAR[buf[at]!] !== 0) at++
    if (at >= end) return INCOMPLETE
    if (buf[at] !== 0x3a || at === nameStart) {
      if (at !== nameStart || buf[at] !== CR) throw nameError(buf, nameStart, at, blame)
      if (at + 1 >= end) return INCOMPLETE
      if (buf[at + 1] !== LF) throw new Http1Error(blame, 'CR without LF (RFC 9112 §2.2)')
      head.listBytes = listBytes
      return at + 2
    }
    const nameEnd = at
    const valueStart = skipSpace(buf, at + 1, end)
    at = skipChars(VALUE_CHAR, buf, valueStart, end)
    if (at + 1 >= end && (at >= end || buf[at] === CR)) return INCOMPLETE
    if (buf[at] !== CR || buf[at + 1] !== LF) throw valueError(buf, nameStart, nameEnd, blame)
    const valueEnd = trimSpace(buf, valueStart, at)
    at += 2
    if (head.count - first >= MAX_FIELDS)
      throw new Http1Error(
        blame === 400 ? 431 : 502,
        `the head has more than ${MAX_FIELDS} fields; ${shownName(buf, nameStart, nameEnd)} crossed that limit`,
      )
    const known = tokenOfAnyCase(buf, nameStart, nameEnd)
    const index = head.push(
      known,
      nameStart - base,
      nameEnd - base,
      valueStart - base,
      valueEnd - base,
      0,
      nameStart - base,
      at - base,
    )
    listBytes += nameEnd - nameStart + valueEnd - valueStart + FIELD_OVERHEAD_BYTES
    const rule = RULES1[known]!
    if (rule !== Rule1.none) notes.note(rule, head, index, buf, valueStart, valueEnd)
  }
  return INCOMPLETE
}

function takeBytes(head: Head, buf: Uint8Array, base: number, next: number): void {
  head.ensure(next - base + IMPLIED_BYTES)
  head.end = copyBytes(buf, base, next, head.bytes, 0)
}

/**
 * Whether an empty line ends somewhere behind `from`, the part of the buffer that is new; or a line in a way that will be
 * refused, which is not worth waiting for.
 */
function hasHeadEnd(buf: Uint8Array, from: number, start: number, end: number): boolean {
  for (let at = Math.max(from, start + 3); at < end; at++) {
    if (buf[at] !== LF) continue
    if (buf[at - 1] !== CR || (buf[at - 2] === LF && buf[at - 3] === CR)) return true
  }
  return false
}

// ── Errors ──

function incomplete(buf: Uint8Array, start: number, end: number, maxHeadBytes: number, blame: 400 | 502 = 400): number {
  if (end - start >= maxHeadBytes) throw tooLarge(buf, start, maxHeadBytes, blame)
  return INCOMPLETE
}

function tooLarge(buf: Uint8Array, start: number, maxHeadBytes: number, blame: 400 | 502 = 400): Http1Error {
  const place = lineAt(buf, start, Math.min(start + maxHeadBytes, buf.length))
  // RFC 9112 §3: it is the target that is too long, not the fields.
  const status = place === FIRST_LINE ? 414 : 431
  return new Http1Error(
    blame === 400 ? status : 502,
    `the head is larger than ${maxHeadBytes} bytes; ${place} crossed that limit`,
  )
}

const FIRST_LINE = 'its first line'

/** The line with the byte at `limit`, or the last one before the head's end, in a head that begins at `start`. */
function lineAt(buf: Uint8Array, start: number, limit: number): string {
  let lineStart = limit
  while (lineStart > start && (buf[lineStart - 1] !== LF || TOKEN_CHAR[buf[lineStart]!] === 0)) lineStart--
  if (lineStart === start) return FIRST_LINE
  let at = lineStart
  while (at < buf.length && TOKEN_CHAR[buf[at]!] !== 0) at++
  return shownName(buf, lineStart, at)
}

function versionError(blame: 400 | 502): Http1Error {
  return new Http1Error(blame === 400 ? 505 : 502, 'the HTTP version is neither 1.0 nor 1.1 (RFC 9112 §2.3)')
}

function badRequest(message: string): Http1Error {
  return new Http1Error(400, message)
}

function badResponse(message: string): Http1Error {
  return new Http1Error(502, message)
}

/** Names are shown as far as they are tokens; values never: they may be secrets. */
function nameError(buf: Uint8Array, start: number, at: number, blame: 400 | 502): Http1Error {
  if (at === start && (buf[at] === SPACE || buf[at] === 0x09))
    return new Http1Error(blame, 'a folded line (RFC 9112 §5.2)')
  const name = shownName(buf, start, at)
  return new Http1Error(blame, `no colon behind the field name "${name}" (RFC 9112 §5.1)`)
}

function valueError(buf: Uint8Array, start: number, end: number, blame: 400 | 502): Http1Error {
  const name = shownName(buf, start, end)
  return new Http1Error(blame, `the value of ${name} has an illegal character or does not end with CR LF (RFC 9112 §5)`)
}

function shownName(buf: Uint8Array, start: number, end: number): string {
  return Buffer.from(buf.subarray(start, Math.min(end, start + MAX_SHOWN_CHARS))).toString('latin1')
}
