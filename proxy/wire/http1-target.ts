/**
 * The request target of HTTP/1 in its four forms (RFC 9112 §3.2) as the pseudo-fields of HTTP/2.
 */
import { copyBytes } from './bytes.ts'
import { isAuthority, isScheme, isTargetText } from './field-chars.ts'
import { FIELD, FIELD_STRIDE, FLAG, type Head } from './head.ts'
import { Http1Error } from './http1-error.ts'
import { token } from './tokens.ts'

const SCHEME = token(':scheme')
const AUTHORITY = token(':authority')
const PATH = token(':path')
const HOST = token('host')

/** Pushes `:scheme`, `:authority` and `:path`; rows without a value yet are dropped ones, `finishTarget` fills them. */
export function readTarget(
  head: Head,
  buf: Uint8Array,
  base: number,
  methodEnd: number,
  start: number,
  end: number,
): void {
  if (isMethod(buf, base, methodEnd, 'CONNECT')) {
    // RFC 9113 §8.5: CONNECT has neither :scheme nor :path in any version.
    if (!isAuthority(buf, start, end) || !hasPort(buf, start, end))
      throw badRequest('CONNECT needs host:port as its target (RFC 9112 §3.2.3)')
    head.push(AUTHORITY, -1, -1, start - base, end - base, 0, -1, -1)
    return
  }
  const first = buf[start]!
  if (first === 0x2f || (first === 0x2a && end - start === 1 && isMethod(buf, base, methodEnd, 'OPTIONS'))) {
    if (!isTargetText(buf, start, end)) throw badRequest('the request target has a fragment (RFC 9112 §3.2.1)')
    head.push(SCHEME, -1, -1, 0, 0, FLAG.dropped, -1, -1)
    head.push(AUTHORITY, -1, -1, 0, 0, FLAG.dropped, -1, -1)
    head.push(PATH, -1, -1, start - base, end - base, 0, -1, -1)
    return
  }
  let at = start
  while (at < end && buf[at] !== 0x3a) at++
  const schemeEnd = at
  if (!isScheme(buf, start, schemeEnd) || buf[at + 1] !== 0x2f || buf[at + 2] !== 0x2f || at + 3 >= end) {
    throw badRequest('the request target is neither a path nor a URI (RFC 9112 §3.2)')
  }
  const authorityStart = at + 3
  at = authorityStart
  while (at < end && buf[at] !== 0x2f && buf[at] !== 0x3f) at++
  if (at === authorityStart || !isAuthority(buf, authorityStart, at) || !isTargetText(buf, at, end)) {
    throw badRequest('the request target has an illegal authority or a fragment (RFC 9112 §3.2.2)')
  }
  head.isAbsoluteForm = true
  head.push(SCHEME, -1, -1, start - base, schemeEnd - base, 0, -1, -1)
  head.push(AUTHORITY, -1, -1, authorityStart - base, at - base, 0, -1, -1)
  head.push(PATH, -1, -1, at - base, end - base, buf[at] === 0x2f && at < end ? 0 : FLAG.dropped, -1, -1)
}

const SCHEME_ROW = 1
const AUTHORITY_ROW = 2
const PATH_ROW = 3
const HTTP = Buffer.from('http', 'latin1')

/** After the head's bytes were copied: appends what the target leaves implied, and takes the authority from Host. `hostStart` and
 * `hostEnd` are Host's range in them, equal or both negative when there is none. */
export function finishTarget(head: Head, hostStart: number, hostEnd: number): void {
  if (head.tokenAt(SCHEME_ROW) !== SCHEME) return
  if (head.isDropped(SCHEME_ROW)) {
    const start = head.end
    head.end = copyBytes(HTTP, 0, HTTP.length, head.bytes, start)
    fillRow(head, SCHEME_ROW, start, head.end)
  }
  if (head.isAbsoluteForm) replaceHost(head, hostStart, hostEnd)
  else if (hostEnd > hostStart) fillRow(head, AUTHORITY_ROW, hostStart, hostEnd)
  if (!head.isDropped(PATH_ROW)) return
  // Absolute-form without a path: `/`, or the asterisk where OPTIONS asks about the server itself (RFC 9112 §3.2.4).
  const queryStart = head.fields[PATH_ROW * FIELD_STRIDE + FIELD.valueStart]!
  const queryEnd = head.fields[PATH_ROW * FIELD_STRIDE + FIELD.valueEnd]!
  head.ensure(queryEnd - queryStart + 1)
  const start = head.end
  const isServerWide = queryStart === queryEnd && isMethod(head.bytes, 0, head.fields[FIELD.valueEnd]!, 'OPTIONS')
  head.bytes[start] = isServerWide ? 0x2a : 0x2f
  head.end = copyBytes(head.bytes, queryStart, queryEnd, head.bytes, start + 1)
  fillRow(head, PATH_ROW, start, head.end)
}

/** RFC 9112 §3.2.2: a proxy ignores the Host that came with a target in absolute-form and sends on the target's authority. */
function replaceHost(head: Head, hostStart: number, hostEnd: number): void {
  const host = head.find(HOST)
  if (host === -1) return
  const row = AUTHORITY_ROW * FIELD_STRIDE
  const start = head.fields[row + FIELD.valueStart]!
  const end = head.fields[row + FIELD.valueEnd]!
  if (isSame(head.bytes, start, end, hostStart, hostEnd)) return
  fillRow(head, host, start, end)
  head.fields[host * FIELD_STRIDE + FIELD.encodedStart] = -1
}

function isSame(buf: Uint8Array, start: number, end: number, otherStart: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - otherStart) return false
  for (let i = 0; i < end - start; i++) if (buf[start + i] !== buf[otherStart + i]) return false
  return true
}

/** Gives a value to a row that was pushed as a dropped one to keep its place. */
function fillRow(head: Head, index: number, valueStart: number, valueEnd: number): void {
  const row = index * FIELD_STRIDE
  head.fields[row + FIELD.valueStart] = valueStart
  head.fields[row + FIELD.valueEnd] = valueEnd
  head.fields[row + FIELD.flags]! &= ~FLAG.dropped
}

function isMethod(buf: Uint8Array, start: number, end: number, method: string): boolean {
  if (end - start !== method.length) return false
  for (let i = 0; i < method.length; i++) if (buf[start + i] !== method.charCodeAt(i)) return false
  return true
}

function hasPort(buf: Uint8Array, start: number, end: number): boolean {
  let at = end
  while (at > start && buf[at - 1]! >= 0x30 && buf[at - 1]! <= 0x39) at--
  return at < end && at - 1 > start && buf[at - 1] === 0x3a
}

function badRequest(message: string): Http1Error {
  return new Http1Error(400, message)
}
