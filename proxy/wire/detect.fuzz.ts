/**
 * Protocol detection, byte by byte: an answer stays; what our parser or llhttp takes for a request is told as HTTP/1, and
 * nothing else is waited for without end.
 */
import { equal, ok } from 'node:assert/strict'
import { below, mutateText, pick, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer } from '../../test/fuzz/fuzzer.ts'
import { readWithLlhttp } from '../../test/fuzz/llhttp.ts'
import { detectHttp, MAX_METHOD_BYTES, MAX_REQUEST_LINE_BYTES } from './detect.ts'
import { CLIENT_PREFACE } from './frame.ts'
import { Head } from './head.ts'
import { Http1Error, parseRequestHead } from './http1-head.ts'

const PREFACE = CLIENT_PREFACE.toString('latin1')
const STARTS = [
  PREFACE,
  PREFACE.slice(0, 10),
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  '\r\nPOST http://a/b HTTP/1.0\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'PRI * HTTP/1.1\r\nHost: a\r\n\r\n',
  'SSH-2.0-OpenSSH\r\n',
  'SET key value\r\n',
  '*1\r\n$4\r\nPING\r\n',
  '\x16\x03\x01\x02\0\x01',
  'EHLO a\r\n',
  '\0\0\0\x4a\x0a8.0\0',
  'M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n',
  `${'A'.repeat(MAX_METHOD_BYTES)} / HTTP/1.1\r\nHost: a\r\n\r\n`,
  'GET http+x://a HTTP/1.1\r\nHost: a\r\n\r\n',
]
const PIECES = [
  '\r',
  '\n',
  ' ',
  '\t',
  '/',
  '*',
  '://',
  'HTTP/1.',
  'PRI',
  '\0',
  '\xff',
  'CONNECT ',
  'x'.repeat(30),
  `/${'x'.repeat(MAX_REQUEST_LINE_BYTES)}`,
]

export const detectFuzzer = fuzzer<string>({
  name: 'detect',
  checks: 'protocol detection: an answer stays, every request that parses is HTTP/1, nothing undecided is long',
  cases: 3_000,
  generate: (random) => (random() < 0.9 ? pick(random, STARTS) : textOf(random, below(random, 40))),
  mutate: (random, text) => mutateText(random, text, PIECES, 2),
  run: check,
})

function check(text: string): void {
  const bytes = Buffer.from(text, 'latin1')
  const whole = detectHttp(bytes, 0, bytes.length)
  for (let end = 0; end < bytes.length; end += end < 200 ? 1 : 97) {
    const early = detectHttp(bytes, 0, end)
    // Beyond the bound it is HTTP/1 whatever the line ends with.
    if (early !== 'partial' && bytes.length < MAX_REQUEST_LINE_BYTES)
      equal(whole, early, `the answer after ${end} bytes stays`)
  }
  const framed = Buffer.concat([Buffer.from('xx'), bytes, Buffer.from('yy')])
  equal(detectHttp(framed, 2, 2 + bytes.length), whole, 'in the middle of a buffer')
  equal(whole === 'http2', text.startsWith(PREFACE), 'HTTP/2 is told by its preface alone')
  if (whole === 'partial') ok(bytes.length < MAX_REQUEST_LINE_BYTES, 'what is not decided is not long')
  const line = text.replace(/^\r\n/, '').split('\r\n', 1)[0]!
  const isShort = line.length < MAX_REQUEST_LINE_BYTES - 2 && line.indexOf(' ') <= MAX_METHOD_BYTES
  if (isShort && isRequest(bytes)) equal(whole, 'http1', 'our parser takes it for a request')
  // llhttp also takes HTTP/0.9, other protocols' versions, several spaces in front of a target, any CR and LF before a line.
  if (/^(?:\n|\r(?!\n)|\r\n[\r\n])/.test(text)) return
  const [request] = readWithLlhttp('request', bytes).messages
  if (
    request !== undefined &&
    isShort &&
    !/^\S* ( |.* {2})/.test(line) &&
    /^\S+ \S+ HTTP\/1\.[01]$/.test(line) &&
    isTarget(request.target, request.method)
  )
    equal(whole, 'http1', 'llhttp takes it for a request')
}

function isRequest(bytes: Buffer): boolean {
  try {
    return parseRequestHead(new Head(), bytes, 0, bytes.length) !== -1
  } catch (error) {
    if (error instanceof Http1Error) return false
    throw error
  }
}

function isTarget(target: string, method: string | undefined): boolean {
  return target.startsWith('/') || target === '*' || method === 'CONNECT'
}
