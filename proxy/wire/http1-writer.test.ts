import { test } from 'tap'
import { FIELD, FIELD_STRIDE, FLAG, Head, Version } from './head.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { writeHpackBlock } from './hpack-encoder.ts'
import { parseRequestHead, parseResponseHead } from './http1-head.ts'
import { type Http1HeadOptions, writeRequestHead, writeResponseHead, writeTrailerLines } from './http1-writer.ts'
import { encodeHuffman } from './huffman.ts'
import { MemoryOutput } from './output.ts'
import { token } from './tokens.ts'

const PLAIN: Http1HeadOptions = { version: Version.http11, connection: undefined, isChunked: false }

function request(text: string): Head {
  const head = new Head()
  const bytes = Buffer.from(text, 'latin1')
  parseRequestHead(head, bytes, 0, bytes.length)
  return head
}

function response(text: string): Head {
  const head = new Head()
  const bytes = Buffer.from(text, 'latin1')
  parseResponseHead(head, bytes, 0, bytes.length)
  return head
}

/** A head as it comes from an HTTP/2 peer. */
function fromHpack(fields: readonly [string, string][], kind: 'request' | 'response' | 'trailers'): Head {
  const source = new Head()
  for (const [name, value] of fields) source.add(name, value)
  const out = new MemoryOutput()
  writeHpackBlock(out, source)
  const head = new Head()
  const block = out.taken()
  new HpackDecoder(0).decode(head, block, 0, block.length, kind)
  if (head.malformed !== undefined) throw new Error(head.malformed)
  return head
}

function written(write: typeof writeRequestHead, head: Head, options: Http1HeadOptions): string {
  const out = new MemoryOutput()
  write(out, head, options)
  return out.taken().toString('latin1')
}

const H2_GET: readonly [string, string][] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'web:80'],
  [':path', '/a'],
]

test('writeRequestHead', async (t) => {
  const cases: { name: string; head: Head; options?: Partial<Http1HeadOptions>; text: string }[] = [
    {
      name: 'untouched lines leave as they came, without those about the connection',
      head: request(
        'GET /a HTTP/1.1\r\nHOST:  web\r\nX-Case:y \r\nConnection: close\r\nKeep-Alive: 5\r\nAccept: */*\r\n\r\n',
      ),
      text: 'GET /a HTTP/1.1\r\nHOST:  web\r\nX-Case:y \r\nAccept: */*\r\n\r\n',
    },
    {
      name: 'an empty line in front is gone',
      head: request('\r\nGET /a HTTP/1.1\r\nHost: web\r\n\r\n'),
      text: 'GET /a HTTP/1.1\r\nHost: web\r\n\r\n',
    },
    {
      name: 'a length stays',
      head: request('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n'),
      text: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n',
    },
    {
      name: 'chunked replaces a length',
      head: request('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n'),
      options: { isChunked: true, connection: 'close' },
      text: 'POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n',
    },
    {
      name: 'an upgrade',
      head: request('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
      options: { connection: 'upgrade' },
      text: 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    },
    {
      name: 'an upgrade not passed on',
      head: request('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
      text: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    },
    {
      name: 'HTTP/1.0 without Host',
      head: request('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'),
      options: { version: Version.http10, connection: 'keep-alive' },
      text: 'GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n',
    },
    {
      name: 'absolute-form stays, and its authority replaces Host',
      head: request('GET http://a/b?c HTTP/1.1\r\nHost: other\r\n\r\n'),
      text: 'GET http://a/b?c HTTP/1.1\r\nhost: a\r\n\r\n',
    },
    {
      name: 'OPTIONS of a whole server in absolute-form',
      head: request('OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n'),
      text: 'OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n',
    },
    {
      name: 'CONNECT',
      head: request('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'),
      text: 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
    },
    {
      name: 'from HTTP/2: Host from :authority, one Cookie, no pseudo-fields',
      head: fromHpack(
        [...H2_GET, ['cookie', 'a=1'], ['x-y', 'z'], ['cookie', 'b=2'], ['authorization', 'Bearer t']],
        'request',
      ),
      text: 'GET /a HTTP/1.1\r\nhost: web:80\r\ncookie: a=1; b=2\r\nx-y: z\r\nauthorization: Bearer t\r\n\r\n',
    },
    {
      name: 'from HTTP/2 with a Host of another spelling',
      head: fromHpack([...H2_GET, ['host', 'WEB:80']], 'request'),
      text: 'GET /a HTTP/1.1\r\nhost: web:80\r\n\r\n',
    },
    {
      name: 'from HTTP/2 without an authority',
      head: fromHpack(
        [
          [':method', 'GET'],
          [':scheme', 'http'],
          [':path', '/'],
        ],
        'request',
      ),
      text: 'GET / HTTP/1.1\r\nhost: \r\n\r\n',
    },
  ]
  for (const { name, head, options, text } of cases)
    t.equal(written(writeRequestHead, head, { ...PLAIN, ...options }), text, name)

  const changed = request('GET /a HTTP/1.1\r\nHost: web\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n\r\n')
  changed.dropName('x-b')
  changed.replace(changed.find(token(':path')), '/changed')
  changed.add('l5d-client-id', 'me')
  t.equal(
    written(writeRequestHead, changed, PLAIN),
    'GET /changed HTTP/1.1\r\nHost: web\r\nX-A: 1\r\nX-C: 3\r\nl5d-client-id: me\r\n\r\n',
    'changes',
  )
})

test('writeResponseHead', async (t) => {
  const own = new Head()
  own.status = 503
  own.add('l5d-proxy-error', 'fail-fast')
  const unknown = new Head()
  unknown.status = 599
  const cases: { name: string; head: Head; options?: Partial<Http1HeadOptions>; text: string }[] = [
    {
      name: 'status line and lines as they came',
      head: response('HTTP/1.1 404 Nicht da\r\nServer:x\r\nContent-Length: 0\r\n\r\n'),
      text: 'HTTP/1.1 404 Nicht da\r\nServer:x\r\nContent-Length: 0\r\n\r\n',
    },
    {
      name: 'an HTTP/1.0 server',
      head: response('HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n'),
      options: { isChunked: true },
      text: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    },
    {
      name: 'from HTTP/2, the standard reason',
      head: fromHpack(
        [
          [':status', '200'],
          ['content-type', 'text/plain'],
        ],
        'response',
      ),
      text: 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n',
    },
    {
      name: 'our own',
      head: own,
      options: { connection: 'close' },
      text: 'HTTP/1.1 503 Service Unavailable\r\nl5d-proxy-error: fail-fast\r\nconnection: close\r\n\r\n',
    },
    { name: 'a status nobody registered', head: unknown, text: 'HTTP/1.1 599 \r\n\r\n' },
  ]
  for (const { name, head, options, text } of cases)
    t.equal(written(writeResponseHead, head, { ...PLAIN, ...options }), text, name)
  const changed = response('HTTP/1.1 200 Fine\r\nContent-Length: 0\r\n\r\n')
  changed.setStatus(500)
  t.equal(
    written(writeResponseHead, changed, PLAIN),
    'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n',
    'a changed status',
  )
})

test('a Huffman-coded value is decoded on its way to HTTP/1, and never beyond the room made for it', async (t) => {
  const block = Buffer.from('8286418cf1e3c2e5f23a6ba0ab90f4ff84408825a849e95ba97d7f8925a849e95bb8e8b4bf', 'hex')
  const head = new Head()
  new HpackDecoder(4096).decode(head, block, 0, block.length, 'request')
  t.equal(head.malformed, undefined)
  t.equal(
    written(writeRequestHead, head, PLAIN),
    'GET / HTTP/1.1\r\nhost: www.example.com\r\ncustom-key: custom-value\r\n\r\n',
  )
  for (let length = 1; length < 3000; length += 97) {
    // '0' has one of the shortest codes: the value grows by 8/5.
    const coded = encodeHuffman('0'.repeat(length))
    const source = new Head()
    for (const [name, value] of H2_GET) source.add(name, value)
    source.add('x-long', coded.toString('latin1'))
    source.fields[4 * FIELD_STRIDE + FIELD.flags] = FLAG.huffmanValue
    t.equal(written(writeRequestHead, source, PLAIN).length, 43 + length, `a value of ${length} bytes`)
  }
})

test('writeTrailerLines', async (t) => {
  const out = new MemoryOutput()
  writeTrailerLines(
    out,
    fromHpack(
      [
        ['grpc-status', '0'],
        ['x-sum', 'abc'],
      ],
      'trailers',
    ),
  )
  t.equal(out.taken().toString('latin1'), 'grpc-status: 0\r\nx-sum: abc\r\n\r\n')
})
