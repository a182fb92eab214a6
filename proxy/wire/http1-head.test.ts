import { test } from 'tap'
import { Framing, Head, Version } from './head.ts'
import { Http1Error, MAX_FIELDS, parseRequestHead, parseResponseHead } from './http1-head.ts'

type Parse = typeof parseRequestHead

/** Fields as text, `;`-separated facts behind them. */
function describe(head: Head): string[] {
  const list: string[] = []
  for (let index = 0; index < head.count; index++) {
    if (!head.isDropped(index)) list.push(`${head.nameAt(index)}: ${head.valueAt(index)}`)
  }
  return list
}

function parse(parseHead: Parse, text: string): Head {
  const bytes = Buffer.from(text, 'latin1')
  const head = new Head()
  const next = parseHead(head, bytes, 0, bytes.length)
  if (next !== bytes.length) throw new Error(`consumed ${next} of ${bytes.length}`)
  return head
}

/** Bytes arrive one by one, at some offset of a buffer, with garbage around them. */
function parseByteByByte(parseHead: Parse, text: string): Head {
  const bytes = Buffer.from(`\xff\xff${text}\xff`, 'latin1')
  const head = new Head()
  for (let end = 2; end < bytes.length - 1; end++) {
    const seen = Math.max(0, end - 3)
    if (parseHead(head, bytes, 2, end, undefined, seen) !== -1) throw new Error(`complete after ${end - 2} bytes`)
    if (parseHead(head, bytes, 2, end) !== -1) throw new Error(`complete after ${end - 2} bytes`)
  }
  if (parseHead(head, bytes, 2, bytes.length - 1) !== bytes.length - 1) throw new Error('not complete')
  return head
}

function statusOf(parseHead: Parse, text: string): number {
  try {
    parse(parseHead, text)
  } catch (error) {
    if (error instanceof Http1Error) return error.status
    throw error
  }
  return 0
}

test('requests, RFC 9112 §3', async (t) => {
  const cases = [
    {
      name: 'origin-form',
      text: 'GET /a?b=c HTTP/1.1\r\nHost: web:80\r\nX-Id:  7 \t\r\n\r\n',
      fields: [':method: GET', ':scheme: http', ':authority: web:80', ':path: /a?b=c', 'host: web:80', 'x-id: 7'],
    },
    {
      name: 'an empty line in front',
      text: '\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n',
      fields: [':method: GET', ':scheme: http', ':authority: a', ':path: /', 'host: a'],
    },
    {
      name: 'HTTP/1.0 without Host',
      text: 'GET / HTTP/1.0\r\n\r\n',
      fields: [':method: GET', ':scheme: http', ':path: /'],
    },
    {
      name: 'an empty Host',
      text: 'GET / HTTP/1.1\r\nHost:\r\n\r\n',
      fields: [':method: GET', ':scheme: http', ':path: /', 'host: '],
    },
    {
      name: 'absolute-form, whose authority replaces Host',
      text: 'GET https://a:1/b?c HTTP/1.1\r\nHost: other\r\n\r\n',
      fields: [':method: GET', ':scheme: https', ':authority: a:1', ':path: /b?c', 'host: a:1'],
    },
    {
      name: 'absolute-form without a path',
      text: 'GET http://a HTTP/1.1\r\nHost: a\r\n\r\n',
      fields: [':method: GET', ':scheme: http', ':authority: a', ':path: /', 'host: a'],
    },
    {
      name: 'absolute-form with a query alone',
      text: 'GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n',
      fields: [':method: GET', ':scheme: http', ':authority: a', ':path: /?b', 'host: a'],
    },
    {
      name: 'OPTIONS with absolute-form without a path',
      text: 'OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n',
      fields: [':method: OPTIONS', ':scheme: http', ':authority: a', ':path: *', 'host: a'],
    },
    {
      name: 'asterisk-form',
      text: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
      fields: [':method: OPTIONS', ':scheme: http', ':authority: a', ':path: *', 'host: a'],
    },
    {
      name: 'authority-form',
      text: 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n',
      fields: [':method: CONNECT', ':authority: a:443', 'host: a:443'],
    },
    {
      name: 'IPv6',
      text: 'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n',
      fields: [':method: GET', ':scheme: http', ':authority: [::1]:80', ':path: /', 'host: [::1]:80'],
    },
    {
      name: 'obs-text and tabs in a value',
      text: 'GET / HTTP/1.1\r\nhost: a\r\nx: \xfc\tb\r\n\r\n',
      fields: [':method: GET', ':scheme: http', ':authority: a', ':path: /', 'host: a', 'x: \xfc\tb'],
    },
  ]
  for (const { name, text, fields } of cases) {
    t.same(describe(parse(parseRequestHead, text)), fields, name)
    // The empty line in front makes heads that differ by two bytes; the rest is the same.
    t.same(describe(parseByteByByte(parseRequestHead, text)), fields, `${name}, byte by byte`)
  }
  const head = parse(parseRequestHead, 'GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n')
  t.ok(head.isAbsoluteForm)
  t.equal(head.bytes.toString('latin1', head.targetStart, head.targetEnd), 'http://a/b')
  t.equal(head.listBytes, 4 + 1 + 32)
  const pipelined = Buffer.from('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  const first = parseRequestHead(head, pipelined, 0, pipelined.length)
  t.equal(parseRequestHead(head, pipelined, first, pipelined.length), pipelined.length)
  t.equal(head.get(4), '/2', 'the second of two pipelined requests')
})

test('content and connection, RFC 9112 §6.3 and §9.3', async (t) => {
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n'
  const OLD = 'GET / HTTP/1.0\r\n'
  const requests = [
    { name: 'no content', text: GET, framing: Framing.none, length: -1, isKeepAlive: true },
    { name: 'a length', text: `${GET}Content-Length: 17\r\n`, framing: Framing.length, length: 17, isKeepAlive: true },
    { name: 'length 0', text: `${GET}Content-Length: 0\r\n`, framing: Framing.length, length: 0, isKeepAlive: true },
    {
      name: 'the same length twice',
      text: `${GET}Content-Length: 5\r\nContent-Length: 5\r\n`,
      framing: Framing.length,
      length: 5,
      isKeepAlive: true,
    },
    {
      name: 'chunked',
      text: `${GET}Transfer-Encoding: Chunked\r\n`,
      framing: Framing.chunked,
      length: -1,
      isKeepAlive: true,
    },
    { name: 'close', text: `${GET}Connection: foo , Close\r\n`, framing: Framing.none, length: -1, isKeepAlive: false },
    {
      name: 'close in a second field',
      text: `${GET}Connection: foo\r\nConnection: close\r\n`,
      framing: Framing.none,
      length: -1,
      isKeepAlive: false,
    },
    { name: 'HTTP/1.0', text: OLD, framing: Framing.none, length: -1, isKeepAlive: false },
    {
      name: 'HTTP/1.0 with keep-alive',
      text: `${OLD}Connection: Keep-Alive\r\n`,
      framing: Framing.none,
      length: -1,
      isKeepAlive: true,
    },
    {
      name: 'close beats keep-alive',
      text: `${OLD}Connection: keep-alive, close\r\n`,
      framing: Framing.none,
      length: -1,
      isKeepAlive: false,
    },
  ]
  for (const { name, text, framing, length, isKeepAlive } of requests) {
    const head = parse(parseRequestHead, `${text}\r\n`)
    t.same([head.framing, head.contentLength, head.isKeepAlive], [framing, length, isKeepAlive], name)
  }
  t.equal(
    parse(parseRequestHead, `${GET}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`).valuesOf('content-length').length,
    1,
    'the repeated length is dropped',
  )

  const upgrade = parse(parseRequestHead, `${GET}Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n`)
  t.ok(upgrade.isUpgrade)
  t.equal(upgrade.bytes.toString('latin1', upgrade.upgradeStart, upgrade.upgradeEnd), 'websocket')
  t.notOk(parse(parseRequestHead, `${GET}Upgrade: websocket\r\n\r\n`).isUpgrade, 'Upgrade without its option')
  t.notOk(
    parse(parseRequestHead, `${OLD}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`).isUpgrade,
    'HTTP/1.0 has no upgrade',
  )

  const responses = [
    {
      name: '200 without length',
      text: 'HTTP/1.1 200 OK\r\n\r\n',
      framing: Framing.untilClose,
      length: -1,
      isKeepAlive: false,
    },
    {
      name: '200 with length',
      text: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n',
      framing: Framing.length,
      length: 3,
      isKeepAlive: true,
    },
    {
      name: '200 chunked',
      text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
      framing: Framing.chunked,
      length: -1,
      isKeepAlive: true,
    },
    {
      name: '304 with length',
      text: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n',
      framing: Framing.none,
      length: 3,
      isKeepAlive: true,
    },
    {
      name: '204 with length',
      text: 'HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n',
      framing: Framing.none,
      length: -1,
      isKeepAlive: true,
    },
    { name: '100', text: 'HTTP/1.1 100 Continue\r\n\r\n', framing: Framing.none, length: -1, isKeepAlive: true },
    {
      name: 'HTTP/1.0',
      text: 'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n',
      framing: Framing.length,
      length: 3,
      isKeepAlive: false,
    },
  ]
  for (const { name, text, framing, length, isKeepAlive } of responses) {
    const head = parse(parseResponseHead, text)
    t.same([head.framing, head.contentLength, head.isKeepAlive], [framing, length, isKeepAlive], name)
    t.equal(head.has(20), length >= 0, `${name}: the Content-Length field`)
    t.equal(parseByteByByte(parseResponseHead, text).status, head.status, `${name}, byte by byte`)
  }
  const head = parse(parseResponseHead, 'HTTP/1.1 404 Nicht da\r\nServer: x\r\n\r\n')
  t.equal(head.status, 404)
  t.equal(head.bytes.toString('latin1', head.reasonStart, head.reasonEnd), 'Nicht da')
  t.equal(parse(parseResponseHead, 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n').status, 200, 'no reason and no space')
  t.equal(parse(parseResponseHead, 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n').status, 200, 'no reason')
  t.equal(
    parse(parseResponseHead, 'HTTP/1.1 200 OK\r\nHost: a b\r\nHost: c\r\n\r\n').status,
    200,
    'Host means nothing here',
  )
})

test('what is refused', async (t) => {
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n'
  const requests = [
    { name: 'a bare LF behind the request line', text: 'GET / HTTP/1.1\nHost: a\r\n\r\n', status: 400 },
    { name: 'a bare LF behind a field', text: 'GET / HTTP/1.1\r\nHost: a\n\r\n', status: 400 },
    { name: 'a bare LF as the last line', text: `${GET}\n`, status: 400 },
    { name: 'a bare CR in a value', text: `${GET}x: a\rb\r\n\r\n`, status: 400 },
    { name: 'a folded line', text: `${GET}x: a\r\n b\r\n\r\n`, status: 400 },
    { name: 'a space before the colon', text: `${GET}x : a\r\n\r\n`, status: 400 },
    { name: 'a line without a colon', text: `${GET}x\r\n\r\n`, status: 400 },
    { name: 'an empty name', text: `${GET}: a\r\n\r\n`, status: 400 },
    { name: 'NUL in a value', text: `${GET}x: a\0b\r\n\r\n`, status: 400 },
    { name: 'a control character in a value', text: `${GET}x: a\x01b\r\n\r\n`, status: 400 },
    { name: 'a name that is no token', text: `${GET}x(: a\r\n\r\n`, status: 400 },
    { name: 'two empty lines in front', text: `\r\n\r\n${GET}\r\n`, status: 400 },
    { name: 'two spaces in the request line', text: 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'a space behind the version', text: 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n', status: 400 },
    { name: 'HTTP/0.9', text: 'GET /\r\n\r\n', status: 400 },
    { name: 'HTTP/2.0', text: 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', status: 505 },
    { name: 'HTTP/1.2', text: 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', status: 505 },
    { name: 'a lower-case version', text: 'GET / http/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'no Host', text: 'GET / HTTP/1.1\r\n\r\n', status: 400 },
    { name: 'two Hosts', text: `${GET}Host: a\r\n\r\n`, status: 400 },
    { name: 'userinfo in Host', text: 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', status: 400 },
    { name: 'a list in Host', text: 'GET / HTTP/1.1\r\nHost: a, b c\r\n\r\n', status: 400 },
    { name: 'two ports in Host', text: 'GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n', status: 400 },
    { name: 'a port that is no number', text: 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n', status: 400 },
    { name: 'a port alone in Host', text: 'GET / HTTP/1.1\r\nHost: :80\r\n\r\n', status: 400 },
    { name: 'an open bracket in Host', text: 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', status: 400 },
    { name: 'a name behind brackets', text: 'GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n', status: 400 },
    { name: 'CONNECT with content', text: 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n', status: 400 },
    {
      name: 'CONNECT with chunks',
      text: 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
      status: 400,
    },
    { name: 'a target that is no path', text: 'GET a HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'a fragment', text: 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'an asterisk for GET', text: 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'CONNECT with a path', text: 'CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'CONNECT without a port', text: 'CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'userinfo in the target', text: 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'no authority in the target', text: 'GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n', status: 400 },
    { name: 'length and coding', text: `${GET}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, status: 400 },
    { name: 'coding and length', text: `${GET}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`, status: 400 },
    { name: 'two lengths', text: `${GET}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, status: 400 },
    { name: 'a list of lengths', text: `${GET}Content-Length: 5, 5\r\n\r\n`, status: 400 },
    { name: 'a signed length', text: `${GET}Content-Length: +5\r\n\r\n`, status: 400 },
    { name: 'a hexadecimal length', text: `${GET}Content-Length: 0x5\r\n\r\n`, status: 400 },
    { name: 'an empty length', text: `${GET}Content-Length:\r\n\r\n`, status: 400 },
    { name: 'a length of 16 digits', text: `${GET}Content-Length: 1000000000000000\r\n\r\n`, status: 400 },
    { name: 'gzip, chunked', text: `${GET}Transfer-Encoding: gzip, chunked\r\n\r\n`, status: 501 },
    { name: 'chunked, gzip', text: `${GET}Transfer-Encoding: chunked, gzip\r\n\r\n`, status: 400 },
    { name: 'chunked twice', text: `${GET}Transfer-Encoding: chunked, chunked\r\n\r\n`, status: 400 },
    {
      name: 'chunked in two fields',
      text: `${GET}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
      status: 400,
    },
    { name: 'xchunked', text: `${GET}Transfer-Encoding: xchunked\r\n\r\n`, status: 400 },
    { name: 'chunked behind a vertical tab', text: `${GET}Transfer-Encoding: \x0bchunked\r\n\r\n`, status: 400 },
    { name: 'an empty coding', text: `${GET}Transfer-Encoding:\r\n\r\n`, status: 400 },
    { name: 'chunked in HTTP/1.0', text: 'GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', status: 400 },
    { name: 'too many fields', text: `${GET}${'x: y\r\n'.repeat(MAX_FIELDS)}\r\n`, status: 431 },
    { name: 'too many bytes', text: `${GET}x: ${'y'.repeat(65_536)}\r\n\r\n`, status: 431 },
    { name: 'a target that is too long', text: `GET /${'y'.repeat(65_536)} HTTP/1.1\r\nHost: a\r\n\r\n`, status: 414 },
    { name: 'a TLS ClientHello', text: '\x16\x03\x01\x02\x00\x01', status: 400 },
  ]
  for (const { name, text, status } of requests) t.equal(statusOf(parseRequestHead, text), status, name)
  const responses = [
    { name: 'a request', text: GET },
    { name: 'a status of two digits', text: 'HTTP/1.1 20 OK\r\n\r\n' },
    { name: 'a status of four digits', text: 'HTTP/1.1 2000 OK\r\n\r\n' },
    { name: 'HTTP/2', text: 'HTTP/2 200 OK\r\n\r\n' },
    { name: 'length and coding', text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n' },
    { name: 'gzip, chunked', text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n' },
    { name: 'a bare LF', text: 'HTTP/1.1 200 OK\n\n' },
    { name: 'NUL in the reason', text: 'HTTP/1.1 200 O\0K\r\n\r\n' },
  ]
  for (const { name, text } of responses) t.equal(statusOf(parseResponseHead, text), 502, name)
})

test('a line that ends wrongly is refused as soon as it is read', async (t) => {
  const head = new Head()
  const bytes = Buffer.from('GET / HTTP/1.1\r\nHost: a\n')
  t.equal(parseRequestHead(head, bytes, 0, 20), -1)
  t.throws(() => parseRequestHead(head, bytes, 0, bytes.length, undefined, 20), /does not end with CR LF/)
})

test('an endless head is refused while it comes', async (t) => {
  const head = new Head()
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nx: ${'y'.repeat(1000)}`)
  t.equal(parseRequestHead(head, bytes, 0, 900, 1000), -1)
  t.throws(() => parseRequestHead(head, bytes, 0, 1000, 1000), /larger than 1000 bytes/)
  t.throws(() => parseRequestHead(head, bytes, 0, 1000, 1000, 900), /larger than 1000 bytes/)
  t.equal(head.version, Version.http11)
})
