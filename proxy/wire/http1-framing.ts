/**
 * What the fields of an HTTP/1 message say about its content and its connection (RFC 9112 §6.3, §9.3).
 *
 * Two readers that disagree where a message ends let an attacker hide a second one in it. So whatever could be read in
 * two ways is refused: both length and coding, two lengths, a list of lengths, a coding that is not exactly `chunked`.
 */
import { isAuthority, MAX_LENGTH_DIGITS, parseDigits } from './field-chars.ts'
import { Framing, type Head, Version } from './head.ts'
import { Http1Error } from './http1-error.ts'
import { TOKEN_NAMES, token } from './tokens.ts'

export const Rule1 = {
  none: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  internal: 6,
} as const
/** `Rule1` by token: fields `FramingNotes` wants to see. */
export const RULES1 = new Uint8Array(TOKEN_NAMES.length)
RULES1[token('host')] = Rule1.host
RULES1[token('content-length')] = Rule1.contentLength
RULES1[token('transfer-encoding')] = Rule1.transferEncoding
RULES1[token('connection')] = Rule1.connection
RULES1[token('upgrade')] = Rule1.upgrade
for (const name of ['weft-names', 'weft-reason'] as const) RULES1[token(name)] = Rule1.internal

const CONTENT_LENGTH = token('content-length')
const TRANSFER_ENCODING = token('transfer-encoding')
const NONE = -1

/** Tokens of what no trailer may say (RFC 9110 §6.5.1): framing, routing, and who the client is. */
export const NOT_IN_TRAILERS = (
  [
    'host',
    'content-length',
    'transfer-encoding',
    'connection',
    'keep-alive',
    'proxy-connection',
    'te',
    'trailer',
    'upgrade',
    'l5d-client-id',
  ] as const
).map((name) => token(name))

/** Gathers while a head is read; one for the process, since reading a head never waits. */
export class FramingNotes {
  /** Status of errors: 400 blames a client, 502 a server. */
  #blame = 400
  #contentLength = NONE
  #isChunked = false
  #hasClose = false
  #hasKeepAlive = false
  #hasUpgradeOption = false
  #upgradeStart = NONE
  #upgradeEnd = NONE
  hostStart = NONE
  hostEnd = NONE

  begin(blame: 400 | 502): void {
    this.#blame = blame
    this.#contentLength = NONE
    this.#isChunked = false
    this.#hasClose = false
    this.#hasKeepAlive = false
    this.#hasUpgradeOption = false
    this.#upgradeStart = NONE
    this.#upgradeEnd = NONE
    this.hostStart = NONE
    this.hostEnd = NONE
  }

  /** One field with a rule: `buf[start, end)` is its value, row `index` of `head` was pushed for it. */
  note(rule: number, head: Head, index: number, buf: Uint8Array, start: number, end: number): void {
    switch (rule) {
      case Rule1.host:
        // In a response the field means nothing, and so cannot mean two things.
        if (this.#blame === 502) return
        if (this.hostStart !== NONE) throw this.#error('a second Host field (RFC 9112 §3.2)')
        if (!isAuthority(buf, start, end)) throw this.#error('Host is not a host and port (RFC 9110 §7.2)')
        this.hostStart = start
        this.hostEnd = end
        return
      case Rule1.contentLength: {
        const length = parseDigits(buf, start, end)
        if (length < 0 && end - start > MAX_LENGTH_DIGITS)
          throw this.#error(
            `Content-Length has more than ${MAX_LENGTH_DIGITS} digits, which is not counted here (RFC 9110 §8.6)`,
          )
        if (length < 0) throw this.#error('Content-Length is not a number (RFC 9112 §6.3)')
        if (this.#contentLength !== NONE) {
          if (this.#contentLength !== length) throw this.#error('two Content-Length fields that differ (RFC 9112 §6.3)')
          head.dropAt(index)
        }
        this.#contentLength = length
        return
      }
      case Rule1.transferEncoding:
        if (this.#isChunked) throw this.#error('a second Transfer-Encoding field (RFC 9112 §6.1)')
        if (!isOption(buf, start, end, 'chunked')) throw this.#codingError(buf, start, end)
        this.#isChunked = true
        return
      case Rule1.connection:
        this.#noteOptions(buf, start, end)
        return
      case Rule1.upgrade:
        this.#upgradeStart = start
        this.#upgradeEnd = end
        return
      case Rule1.internal:
        // What two proxies tell one another over HTTP/2 is not for applications to say.
        head.dropAt(index)
    }
  }

  /** Fills the framing half of `head`; `base` is the offset in the read buffer that is 0 in the head's bytes. */
  decide(head: Head, base: number, isRequest: boolean): void {
    if (this.#isChunked) {
      if (this.#contentLength !== NONE) throw this.#error('both Content-Length and Transfer-Encoding (RFC 9112 §6.3)')
      if (head.version === Version.http10) throw this.#error('Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1)')
    }
    head.contentLength = this.#contentLength
    head.isKeepAlive = !this.#hasClose && (head.version === Version.http11 || this.#hasKeepAlive)
    if (this.#hasUpgradeOption && this.#upgradeStart !== NONE && head.version === Version.http11) {
      head.isUpgrade = true
      head.upgradeStart = this.#upgradeStart - base
      head.upgradeEnd = this.#upgradeEnd - base
    }
    if (this.#isChunked) head.framing = Framing.chunked
    else if (this.#contentLength !== NONE) head.framing = Framing.length
    else head.framing = isRequest ? Framing.none : Framing.untilClose
    if (isRequest) return
    const { status } = head
    if (status < 200 || status === 204) {
      // RFC 9110 §8.6: these have no content and must not claim any; what a server says nevertheless is not passed on.
      if (this.#contentLength !== NONE) head.drop(CONTENT_LENGTH)
      if (this.#isChunked) head.drop(TRANSFER_ENCODING)
      head.contentLength = NONE
    }
    if (status < 200 || status === 204 || status === 304) head.framing = Framing.none
    else if (head.framing === Framing.untilClose) head.isKeepAlive = false
  }

  #noteOptions(buf: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      const from = skipSpace(buf, at, end)
      at = from
      while (at < end && buf[at] !== 0x2c) at++
      const to = trimSpace(buf, from, at)
      if (isOption(buf, from, to, 'close')) this.#hasClose = true
      else if (isOption(buf, from, to, 'keep-alive')) this.#hasKeepAlive = true
      else if (isOption(buf, from, to, 'upgrade')) this.#hasUpgradeOption = true
    }
  }

  #codingError(buf: Uint8Array, start: number, end: number): Http1Error {
    const codings = Buffer.from(buf.subarray(start, end)).toString('latin1').toLowerCase().split(',')
    const names = codings.map((coding) => coding.replace(/^[ \t]+|[ \t]+$/g, ''))
    const isChunkedLast = names.pop() === 'chunked' && !names.includes('chunked') && !names.includes('')
    if (isChunkedLast && this.#blame === 400) {
      return new Http1Error(501, 'a transfer coding other than chunked is not supported (RFC 9112 §6.1)')
    }
    return this.#error('Transfer-Encoding is not chunked (RFC 9112 §6.3)')
  }

  #error(message: string): Http1Error {
    return new Http1Error(this.#blame, message)
  }
}

export function skipSpace(buf: Uint8Array, at: number, end: number): number {
  while (at < end && (buf[at] === 0x20 || buf[at] === 0x09)) at++
  return at
}

export function trimSpace(buf: Uint8Array, start: number, end: number): number {
  while (end > start && (buf[end - 1] === 0x20 || buf[end - 1] === 0x09)) end--
  return end
}

/** Whether `buf[start, end)` is the lower-case `option` in any case. */
function isOption(buf: Uint8Array, start: number, end: number, option: string): boolean {
  if (end - start !== option.length) return false
  for (let i = 0; i < option.length; i++) if ((buf[start + i]! | 0x20) !== option.charCodeAt(i)) return false
  return true
}
