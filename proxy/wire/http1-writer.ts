/**
 * HTTP/1 message heads out (RFC 9112 §3, §4), from a head of any origin.
 *
 * Lines that came as HTTP/1 leave as they came, runs of them with one copy, so the case of names survives. The writer
 * owns the fields that are about this connection: it never copies Connection and its kin or a Transfer-Encoding, but
 * writes those that `options` ask for.
 */
import { copyBytes } from './bytes.ts'
import { Encoding, FIELD, FIELD_STRIDE, FLAG, type Head, Version } from './head.ts'
import { NOT_IN_TRAILERS } from './http1-framing.ts'
import { putTitle, TITLE_NAME_BYTES } from './http1-names.ts'
import { decodeHuffmanInto, maxDecodedBytes } from './huffman.ts'
import type { Output } from './output.ts'
import { REASONS } from './reasons.ts'
import { OTHER, TOKEN_NAME_BYTES, TOKEN_NAME_LENGTHS, TOKEN_NAMES, token } from './tokens.ts'

export interface Http1HeadOptions {
  /** `Version.http10` writes HTTP/1.0, everything else HTTP/1.1. */
  readonly version: Version
  /** Connection option to send; with `upgrade` the head's Upgrade field is sent too. */
  readonly connection: 'close' | 'keep-alive' | 'upgrade' | 'te' | undefined
  /** Adds `transfer-encoding: chunked` and leaves out Content-Length. Otherwise Content-Length goes as the head has it. */
  readonly isChunked: boolean
}

const METHOD = token(':method')
const SCHEME = token(':scheme')
const AUTHORITY = token(':authority')
const PATH = token(':path')
const HOST = token('host')
const COOKIE = token('cookie')

/** When a field of a token is left out: bits. */
const SKIP = { always: 1, unlessUpgrade: 2, ifChunked: 4, inTrailers: 8 } as const
const SKIPPED = new Uint8Array(TOKEN_NAMES.length)
for (const name of [':method', ':scheme', ':authority', ':path', ':status', ':protocol'] as const)
  SKIPPED[token(name)] = SKIP.always
for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding'] as const)
  SKIPPED[token(name)] = SKIP.always
SKIPPED[token('upgrade')] = SKIP.unlessUpgrade
SKIPPED[token('content-length')] = SKIP.ifChunked
for (const known of NOT_IN_TRAILERS) SKIPPED[known]! |= SKIP.inTrailers

const ascii = (text: string) => Buffer.from(text, 'latin1')
const HTTP_11 = ascii('HTTP/1.1')
const HTTP_10 = ascii('HTTP/1.0')
const HOST_NAME = ascii('host: ')
const CHUNKED_LINE = ascii('transfer-encoding: chunked\r\n')
const CONNECTION_LINES = {
  close: ascii('connection: close\r\n'),
  'keep-alive': ascii('connection: keep-alive\r\n'),
  upgrade: ascii('connection: upgrade\r\n'),
  te: ascii('connection: te\r\n'),
} as const
const SCHEME_END = ascii('://')

/** Start line, the lines above and the empty line, beside what comes from the head. */
const FIXED_BOUND_BYTES = 192
/** `: ` and CR LF. */
const LINE_OVERHEAD_BYTES = 4

/** Writes a request head. Adds Host from `:authority` where the head has no Host field. */
export function writeRequestHead(out: Output, head: Head, options: Http1HeadOptions): void {
  out.ensure(headBound(head))
  const { buf } = out
  let at = putValue(buf, out.at, head, head.find(METHOD))
  buf[at++] = 0x20
  at = putTarget(buf, at, head)
  buf[at++] = 0x20
  at = putBytes(buf, at, options.version === Version.http10 ? HTTP_10 : HTTP_11)
  at = putLineEnd(buf, at)
  const authority = head.find(AUTHORITY)
  // RFC 9112 §3.2: HTTP/1.1 always has a Host, an empty one where there is no authority.
  if ((authority !== -1 || options.version !== Version.http10) && !head.has(HOST)) {
    at = putBytes(buf, at, HOST_NAME)
    if (authority !== -1) at = putValue(buf, at, head, authority)
    at = putLineEnd(buf, at)
  }
  out.at = putFields(buf, at, head, options)
}

/** Writes a response head; the reason is the one that HTTP/1 said, else the standard one. */
export function writeResponseHead(out: Output, head: Head, options: Http1HeadOptions): void {
  out.ensure(headBound(head))
  const { buf } = out
  const { status, reasonStart, reasonEnd } = head
  let at = putBytes(buf, out.at, options.version === Version.http10 ? HTTP_10 : HTTP_11)
  buf[at++] = 0x20
  buf[at++] = 0x30 + Math.floor(status / 100)
  buf[at++] = 0x30 + (Math.floor(status / 10) % 10)
  buf[at++] = 0x30 + (status % 10)
  buf[at++] = 0x20
  if (reasonStart < reasonEnd) at = copyBytes(head.bytes, reasonStart, reasonEnd, buf, at)
  else at = putBytes(buf, at, REASONS[status] ?? NO_REASON)
  at = putLineEnd(buf, at)
  out.at = putFields(buf, at, head, options)
}

const NO_REASON = ascii('')

/** Writes trailer lines and the empty line behind them. */
export function writeTrailerLines(out: Output, trailers: Head): void {
  out.ensure(headBound(trailers))
  out.at = putLines(out.buf, out.at, trailers, SKIP.always | SKIP.inTrailers)
  out.at = putLineEnd(out.buf, out.at)
}

function putTarget(buf: Uint8Array, at: number, head: Head): number {
  const path = head.find(PATH)
  const authority = head.find(AUTHORITY)
  // CONNECT: the target is the authority alone (RFC 9112 §3.2.3).
  if (path === -1) return authority === -1 ? at : putValue(buf, at, head, authority)
  if (head.isAbsoluteForm && authority !== -1 && !isEmpty(head, authority)) {
    at = putValue(buf, at, head, head.find(SCHEME))
    at = putBytes(buf, at, SCHEME_END)
    at = putValue(buf, at, head, authority)
    // `OPTIONS http://host` asks about the server; its path is an asterisk here and nothing there (RFC 9112 §3.2.4).
    const row = path * FIELD_STRIDE
    if (head.bytes[head.fields[row + FIELD.valueStart]!] === 0x2a) return at
  }
  return putValue(buf, at, head, path)
}

function isEmpty(head: Head, index: number): boolean {
  const row = index * FIELD_STRIDE
  return head.fields[row + FIELD.valueStart] === head.fields[row + FIELD.valueEnd]
}

function putFields(buf: Uint8Array, at: number, head: Head, options: Http1HeadOptions): number {
  const { connection, isChunked } = options
  at = putLines(
    buf,
    at,
    head,
    SKIP.always | (connection === 'upgrade' ? 0 : SKIP.unlessUpgrade) | (isChunked ? SKIP.ifChunked : 0),
  )
  if (isChunked) at = putBytes(buf, at, CHUNKED_LINE)
  if (connection !== undefined) at = putBytes(buf, at, CONNECTION_LINES[connection])
  return putLineEnd(buf, at)
}

function putLines(buf: Uint8Array, at: number, head: Head, skip: number): number {
  const { bytes, fields, count } = head
  const isHttp1 = head.encoding === Encoding.http1
  let runStart = 0
  let runEnd = 0
  let hasCookie = false
  for (let row = 0, last = count * FIELD_STRIDE; row < last; row += FIELD_STRIDE) {
    const known = fields[row]!
    if ((fields[row + FIELD.flags]! & FLAG.dropped) !== 0 || (SKIPPED[known]! & skip) !== 0) continue
    const encodedStart = isHttp1 ? fields[row + FIELD.encodedStart]! : -1
    if (encodedStart >= 0) {
      if (encodedStart !== runEnd) {
        if (runStart < runEnd) at = copyBytes(bytes, runStart, runEnd, buf, at)
        runStart = encodedStart
      }
      runEnd = fields[row + FIELD.encodedEnd]!
      continue
    }
    if (known === COOKIE && !isHttp1 && (fields[row + FIELD.flags]! & FLAG.ownLine) === 0) {
      if (!hasCookie) at = putCookies(buf, at, head, row)
      hasCookie = true
      continue
    }
    if (runStart < runEnd) at = copyBytes(bytes, runStart, runEnd, buf, at)
    runStart = 0
    runEnd = 0
    at = putName(buf, at, head, row)
    at = putValueAt(buf, at, head, row)
    at = putLineEnd(buf, at)
  }
  return runStart < runEnd ? copyBytes(bytes, runStart, runEnd, buf, at) : at
}

/** HTTP/2 may split Cookie over several fields; HTTP/1 must see one (RFC 9113 §8.2.3). */
function putCookies(buf: Uint8Array, at: number, head: Head, first: number): number {
  const { fields, count } = head
  at = putName(buf, at, head, first)
  for (let row = first; row < count * FIELD_STRIDE; row += FIELD_STRIDE) {
    if (fields[row] !== COOKIE || (fields[row + FIELD.flags]! & (FLAG.dropped | FLAG.ownLine)) !== 0) continue
    if (row !== first) {
      buf[at++] = 0x3b
      buf[at++] = 0x20
    }
    at = putValueAt(buf, at, head, row)
  }
  return putLineEnd(buf, at)
}

function putName(buf: Uint8Array, at: number, head: Head, row: number): number {
  const { bytes, fields } = head
  const known = fields[row]!
  const flags = fields[row + FIELD.flags]!
  const isTitle = (flags & FLAG.titleName) !== 0
  if (known !== OTHER && (flags & FLAG.casedName) === 0)
    at = putBytes(buf, at, isTitle ? TITLE_NAME_BYTES[known]! : TOKEN_NAME_BYTES[known]!)
  else if (isTitle) at = putTitle(buf, at, bytes, fields[row + FIELD.nameStart]!, fields[row + FIELD.nameEnd]!)
  else at = copyBytes(bytes, fields[row + FIELD.nameStart]!, fields[row + FIELD.nameEnd]!, buf, at)
  buf[at] = 0x3a
  buf[at + 1] = 0x20
  return at + 2
}

function putValue(buf: Uint8Array, at: number, head: Head, index: number): number {
  return index === -1 ? at : putValueAt(buf, at, head, index * FIELD_STRIDE)
}

function putValueAt(buf: Uint8Array, at: number, head: Head, row: number): number {
  const start = head.fields[row + FIELD.valueStart]!
  const end = head.fields[row + FIELD.valueEnd]!
  const isCoded = (head.fields[row + FIELD.flags]! & FLAG.huffmanValue) !== 0
  return isCoded ? decodeHuffmanInto(head.bytes, start, end, buf, at) : copyBytes(head.bytes, start, end, buf, at)
}

function putBytes(buf: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) buf[at + i] = bytes[i]!
  return at + bytes.length
}

function putLineEnd(buf: Uint8Array, at: number): number {
  buf[at] = 13
  buf[at + 1] = 10
  return at + 2
}

/** An upper bound of a head's bytes as HTTP/1. */
function headBound(head: Head): number {
  const { fields, count } = head
  // The authority may appear twice: in the target and as Host.
  let bound = FIXED_BOUND_BYTES + head.reasonEnd - head.reasonStart
  for (let row = 0, last = count * FIELD_STRIDE; row < last; row += FIELD_STRIDE) {
    const known = fields[row]!
    const nameLength = known === OTHER ? fields[row + 2]! - fields[row + 1]! : TOKEN_NAME_LENGTHS[known]!
    const valueLength = fields[row + 4]! - fields[row + 3]!
    const isCoded = (fields[row + FIELD.flags]! & FLAG.huffmanValue) !== 0
    const line = nameLength + LINE_OVERHEAD_BYTES + (isCoded ? maxDecodedBytes(valueLength) + 1 : valueLength)
    // A line that came as HTTP/1 may hold more space than we would write.
    bound += Math.max(line, fields[row + 7]! - fields[row + 6]!) + (known === AUTHORITY ? valueLength : 0)
  }
  return bound
}
