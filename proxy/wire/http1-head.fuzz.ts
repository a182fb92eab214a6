/**
 * HTTP/1 heads, against llhttp. Whatever we accept llhttp must read in the same way, and what only one of the two accepts
 * must stand in a list of reasons. What is accepted is also read in the same way byte by byte, and must be accepted again,
 * with the same meaning, after it was written.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { below, mutateText, pick, several, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { LLHTTP_METHODS, readWithLlhttp } from '../../test/fuzz/llhttp.ts'
import { FIELD, FIELD_STRIDE, Framing, Head, Version } from './head.ts'
import { Http1Error, parseRequestHead, parseResponseHead } from './http1-head.ts'
import { writeRequestHead, writeResponseHead } from './http1-writer.ts'
import { MemoryOutput } from './output.ts'
import { token } from './tokens.ts'

type Input = { readonly kind: 'request' | 'response'; readonly text: string }

const METHODS = [
  'GET',
  'POST',
  'HEAD',
  'OPTIONS',
  'CONNECT',
  'PUT',
  'DELETE',
  'PATCH',
  'get',
  'M-SEARCH',
  'FOO',
  'PRI',
  '',
]
const TARGETS = [
  '/',
  '/a?b=c',
  '*',
  'a:1',
  'http://a/b',
  'https://a:8/?q',
  'http://a',
  'http://a?x',
  'http://[::1]:80/',
  'a',
  '//b/c',
  '/%00',
  '/ü',
  '/a#f',
  'http://u@a/',
  'ftp:/x',
  '',
]
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/1.2',
  'HTTP/0.9',
  'http/1.1',
  'HTTP/1.10',
  'RTSP/1.0',
  'ICE/1.0',
]
const NAMES = [
  'Host',
  'host',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'Upgrade',
  'Proxy-Connection',
  'Keep-Alive',
  'Expect',
  'X-A',
  'x_b',
  'TE',
  '',
]
const VALUES = [
  'a',
  'a:80',
  '0',
  '5',
  '05',
  '+5',
  '5,5',
  '5, 5',
  '0x5',
  '18446744073709551616',
  'chunked',
  'Chunked',
  'chunked,',
  'gzip, chunked',
  'chunked, chunked',
  'chunked;q=1',
  'identity',
  'close',
  'keep-alive',
  'Keep-Alive, close',
  'upgrade',
  'keep-alive, Upgrade',
  'websocket',
  'h2c',
  '100-continue',
  'x y\tz',
  'ü\x80',
  '',
]
const STATUSES = [
  '200 OK',
  '200',
  '200 ',
  '100 Continue',
  '101 Switching',
  '103 Early',
  '204 None',
  '304 Not',
  '404 x\ty',
  '99 x',
  '2000 x',
  '20 x',
  '+20 x',
  '600 ü',
  '999 ',
]
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  '\0',
  ',',
  ';',
  '\x7f',
  '\x80',
  '\xff',
  '#',
  '@',
  '\r\n ',
  '\n\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: b\r\n',
  'HTTP/1.1',
  '\r\n\r\n',
  'GET / HTTP/1.1\r\n',
]

export const http1HeadFuzzer = fuzzer<Input>({
  name: 'http1-head',
  checks: 'HTTP/1 heads: same meaning as llhttp (strict), byte by byte, and after they were written again',
  cases: 3_000,
  generate(random) {
    const kind = random() < 0.65 ? 'request' : 'response'
    const start =
      kind === 'request'
        ? `${random() < 0.05 ? '\r\n' : ''}${pick(random, METHODS)} ${pick(random, TARGETS)} ${pick(random, VERSIONS)}`
        : `${pick(random, VERSIONS)} ${pick(random, STATUSES)}`
    const fields = several(
      random,
      8,
      () => `${pick(random, NAMES)}${pick(random, [':', ': ', ':\t', ' :'])}${value(random)}\r\n`,
    )
    const host = kind === 'request' && random() < 0.7 ? 'Host: a\r\n' : ''
    return { kind, text: `${start}\r\n${host}${fields.join('')}\r\n` }
  },
  mutate: (random, { kind, text }) => ({ kind, text: mutateText(random, text, PIECES) }),
  run: check,
})

function value(random: Random): string {
  const text = random() < 0.8 ? pick(random, VALUES) : textOf(random, below(random, 5))
  return random() < 0.1 ? `${text} \t` : text
}

function check({ kind, text }: Input): void {
  const bytes = Buffer.from(text, 'latin1')
  const parse = kind === 'request' ? parseRequestHead : parseResponseHead
  const head = new Head()
  const result = outcome(parse, head, bytes, bytes.length)
  if (typeof result === 'string') return checkRefusal(kind, bytes, result)
  if (result === -1) {
    equal(readWithLlhttp(kind, bytes).messages.length, 0, 'llhttp saw the end of the head')
    return
  }
  // Complete exactly once, whatever the pieces: never before the last byte of the head.
  for (let end = 0; end < result; end += result < 80 ? 1 : 7) {
    equal(outcome(parse, new Head(), bytes, end), -1, `complete after ${end} of ${result} bytes`)
    equal(parse(new Head(), bytes, 0, end, undefined, Math.floor(end / 2)), -1)
  }
  equal(parse(new Head(), bytes, 0, bytes.length, undefined, Math.floor(result / 3)), result)
  checkAgainstLlhttp(kind, head, bytes.subarray(0, result))
  checkWriter(kind, head)
}

// ── llhttp ──

interface Reason {
  readonly why: string
  readonly allows: (code: string, head: Head) => boolean
}

/** Why llhttp may refuse what we take. */
const STRICTER_LLHTTP: readonly Reason[] = [
  {
    why: 'llhttp knows a fixed list of methods, and takes PRI for the beginning of HTTP/2',
    allows: (_code, head) => !LLHTTP_METHODS.has(head.valueAt(0)) || head.valueAt(0) === 'PRI',
  },
  {
    why: 'strict llhttp wants ASCII targets; applications send others, and none of these bytes ends a line or a word',
    allows: (code, head) => code === 'HPE_INVALID_URL' && /[\x80-\xff]/.test(targetOf(head)),
  },
  {
    why: 'two equal lengths become one here (RFC 9110 §8.6); two that differ, or one beside a coding, are not taken',
    allows: (code, head) => code === 'HPE_UNEXPECTED_CONTENT_LENGTH' && head.framing === Framing.length,
  },
  {
    why: 'llhttp wants letters alone in a scheme (RFC 3986 §3.1 has digits and +-. too)',
    allows: (code, head) =>
      code === 'HPE_INVALID_URL' && /^[a-z][a-z]*[0-9+.-]/i.test(head.get(token(':scheme')) ?? ''),
  },
]

/** Why we refuse what llhttp takes, by the beginning of our sentence. */
const STRICTER_WEFT: readonly { readonly why: string; readonly kind?: Input['kind']; readonly sentence: RegExp }[] = [
  { why: 'no HTTP/0.9 and no HTTP/2 in the clothes of HTTP/1', sentence: /^the HTTP version is neither/ },
  { why: 'no HTTP/0.9 request without a version, no ICE or RTSP', sentence: /^no HTTP version where one belongs/ },
  { why: 'a request line without a version (HTTP/0.9)', sentence: /^the request target has an illegal character/ },
  { why: 'RFC 9112 §3.2.3: CONNECT names host and port', sentence: /^CONNECT needs host:port/ },
  {
    why: 'RFC 9112 §3.2: one of four forms, without a fragment or userinfo',
    sentence: /^the request target (is neither|has (a fragment|an illegal authority))/,
  },
  // Of requests only: in a response the field means nothing.
  {
    why: 'RFC 9112 §3.2: exactly one Host, which is a host',
    kind: 'request',
    sentence: /^(no Host|a second Host|Host is not)/,
  },
  {
    why: 'RFC 9112 §6.3: only chunked delimits, and only once',
    sentence:
      /^(Transfer-Encoding is not chunked|a second Transfer-Encoding|Transfer-Encoding in HTTP\/1\.0|a transfer coding other)/,
  },
  { why: 'RFC 9110 §8.6: a length that is not counted exactly', sentence: /^Content-Length has more than 15 digits/ },
  { why: 'RFC 9110 §15: a status is 100 or more', sentence: /^the status is not three digits/ },
  { why: 'RFC 9112 §4: no control characters in a reason phrase', sentence: /^the status line does not end/ },
  {
    why: 'RFC 9112 §2.2: one empty line before a request, not a bare CR and not several',
    sentence: /^(CR without LF|the method is not a token)/,
  },
]

function checkAgainstLlhttp(kind: Input['kind'], head: Head, bytes: Buffer): void {
  const text = bytes.toString('latin1')
  const { messages, error } = readWithLlhttp(kind, bytes)
  const [message] = messages
  if (message === undefined) {
    const isAllowed = STRICTER_LLHTTP.some(({ allows }) => allows(error ?? 'no error', head))
    ok(isAllowed, `llhttp refuses with ${error}: ${JSON.stringify(text)}`)
    return
  }
  const shown = JSON.stringify(text)
  equal(messages.length, 1, shown)
  equal(message.minorVersion, head.version === Version.http11 ? 1 : 0, shown)
  deepEqual(withoutHost(message.fields, head), withoutHost(rawFields(head), head), shown)
  if (kind === 'request') {
    equal(message.method, head.valueAt(0), shown)
    equal(message.target, targetOf(head), shown)
  } else equal(message.status, head.status, shown)
  // llhttp lets the last option win; `close` beside `keep-alive` closes (RFC 9112 §9.3).
  if (message.isKeepAlive && !head.isKeepAlive && /close/i.test(head.valuesOf('connection').join())) return
  // llhttp reads the field that nobody ever specified as another Connection.
  if (head.has(token('proxy-connection'))) return
  // llhttp does not take a tab behind `chunked` off, and so reads until the end of the connection.
  if (/transfer-encoding:.*\t\r/i.test(text)) return
  if (kind === 'request' && head.version === Version.http11)
    equal(message.isUpgrade, head.isUpgrade || head.valueAt(0) === 'CONNECT', `upgrade: ${shown}`)
  equal(message.isKeepAlive, head.isKeepAlive, `keep-alive: ${shown}`)
}

function targetOf(head: Head): string {
  return head.bytes.toString('latin1', head.targetStart, head.targetEnd)
}

function checkRefusal(kind: Input['kind'], bytes: Buffer, sentence: string): void {
  const { messages } = readWithLlhttp(kind, bytes)
  if (messages.length === 0) return
  ok(
    STRICTER_WEFT.some((each) => (each.kind ?? kind) === kind && each.sentence.test(sentence)),
    `llhttp takes what we refuse (${sentence}): ${JSON.stringify(bytes.toString('latin1'))}`,
  )
}

/** RFC 9112 §3.2.2: an absolute target replaces Host, whatever that said. */
function withoutHost(fields: readonly string[], head: Head): string[] {
  if (!head.isAbsoluteForm) return [...fields]
  return fields.filter((_, at) => fields[at - (at % 2)]!.toLowerCase() !== 'host')
}

/** The fields as they came, the dropped ones too. */
function rawFields(head: Head): string[] {
  const fields: string[] = []
  for (let row = 0; row < head.count * FIELD_STRIDE; row += FIELD_STRIDE) {
    if (head.fields[row + FIELD.encodedStart] === -1) continue
    for (const [start, end] of [
      [FIELD.nameStart, FIELD.nameEnd],
      [FIELD.valueStart, FIELD.valueEnd],
    ] as const)
      fields.push(head.bytes.toString('latin1', head.fields[row + start]!, head.fields[row + end]!))
  }
  return fields
}

// ── The writer ──

const HOST = token('host')

function checkWriter(kind: Input['kind'], head: Head): void {
  const out = new MemoryOutput()
  const isChunked = head.framing === Framing.chunked
  const options = {
    version: head.version,
    connection: head.isUpgrade ? ('upgrade' as const) : head.isKeepAlive ? ('keep-alive' as const) : ('close' as const),
    isChunked,
  }
  if (kind === 'request') writeRequestHead(out, head, options)
  else writeResponseHead(out, head, options)
  const again = new Head()
  const bytes = out.taken()
  const parse = kind === 'request' ? parseRequestHead : parseResponseHead
  const shown = JSON.stringify(bytes.toString('latin1'))
  equal(parse(again, bytes, 0, bytes.length), bytes.length, shown)
  // RFC 9112 §3.2.2: a target with an authority brings Host along, also where HTTP/1.0 had none.
  if ((head.isAbsoluteForm || head.valueAt(0) === 'CONNECT') && !head.has(HOST))
    head.add('host', head.get(token(':authority'))!)
  deepEqual(fieldsOf(again).sort(), fieldsOf(head).sort(), shown)
  deepEqual(meaning(again), meaning(head), shown)
}

function meaning(head: Head): unknown[] {
  return [
    head.framing,
    head.contentLength,
    // An upgrade is the last request of its connection either way: the writer says no `close` beside it.
    head.isKeepAlive || head.isUpgrade,
    head.isUpgrade,
    head.version,
    head.status,
    head.isAbsoluteForm,
  ]
}

/** Which of the fields the writer owns. */
const OWNED: ReadonlySet<number> = new Set([
  token('connection'),
  token('keep-alive'),
  token('transfer-encoding'),
  token('proxy-connection'),
])

function fieldsOf(head: Head): string[] {
  const fields: string[] = []
  for (let index = 0; index < head.count; index++) {
    if (head.isDropped(index) || OWNED.has(head.tokenAt(index))) continue
    // `Upgrade` is passed on only where it is offered.
    if (head.tokenAt(index) === token('upgrade') && !head.isUpgrade) continue
    fields.push(`${head.nameAt(index)}: ${head.valueAt(index)}`)
  }
  return fields
}

function outcome(parse: typeof parseRequestHead, head: Head, bytes: Buffer, end: number): number | string {
  try {
    return parse(head, bytes, 0, end)
  } catch (error) {
    if (error instanceof Http1Error) return error.message
    throw error
  }
}
