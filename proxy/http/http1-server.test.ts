import { test } from 'tap'
import { errorName } from '../wire/connection-error.ts'
import { Head, Version } from '../wire/head.ts'
import { held } from './chunk-pool.ts'
import { HTTP1_BOUNDS } from './http1-bounds.ts'
import { Http1ServerConnection } from './http1-server.ts'
import { PRESSURE_BOUNDS } from './memory-pressure.ts'
import { MemoryTransport } from './memory-transport.ts'
import type { RequestHandler, ServerStream } from './stream.ts'

type Fields = readonly (readonly [string, string])[]

function responseHead(status: number, fields: Fields = []): Head {
  const head = new Head()
  head.version = Version.http2
  head.setStatus(status)
  for (const [name, value] of fields) head.add(name, value)
  return head
}

function send(stream: ServerStream, text: string, ends = false): number {
  const bytes = Buffer.from(text)
  return stream.sendData(bytes, 0, bytes.length, ends)
}

/** A connection under test, its client and its application played by a test. */
class TestServer {
  readonly transport = new MemoryTransport()
  readonly connection: Http1ServerConnection
  readonly streams: ServerStream[] = []
  heard: string[] = []
  isConsuming = true

  constructor(answer: (stream: ServerStream, request: string) => void = () => {}) {
    const owner = {
      onRefused: (reason: string) => void this.heard.push(`refused ${reason}`),
      onClosed: () => void this.heard.push('closed'),
    }
    this.connection = new Http1ServerConnection(
      this.transport,
      { maxHeadBytes: 1_000 },
      owner,
      (head, ends, stream) => {
        const request = `${head.valueAt(0)} ${head.bytes.toString('latin1', head.targetStart, head.targetEnd)}`
        this.heard.push(`${request}${ends ? ' end' : ''}`)
        this.streams.push(stream)
        stream.handler = this.#handler(stream, answer, request)
        if (ends) answer(stream, request)
        return stream.handler
      },
    )
  }

  #handler(
    stream: ServerStream,
    answer: (stream: ServerStream, request: string) => void,
    request: string,
  ): RequestHandler {
    return {
      onRequestData: (buf, start, end, ends) => {
        this.heard.push(`"${Buffer.from(buf).toString('latin1', start, end)}"${ends ? ' end' : ''}`)
        if (this.isConsuming) stream.consumed(end - start)
        if (ends) answer(stream, request)
      },
      onRequestTrailers: (trailers) => {
        this.heard.push(`trailers x-sum=${trailers.valuesOf('x-sum')}`)
        answer(stream, request)
      },
      onRequestReset: ({ kind, code }) => void this.heard.push(`${kind} ${errorName(code)}`),
      onResponseSent: (bytes) => void this.heard.push(`sent ${bytes}`),
    }
  }

  feed(text: string, pieceBytes = Number.POSITIVE_INFINITY): this {
    const bytes = Buffer.from(text, 'latin1')
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = Buffer.from(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)))
      this.transport.handler.onBytes(piece, 0, piece.length)
      piece.fill(0xee)
    }
    return this
  }

  text(): string {
    return this.transport.take().toString('latin1')
  }

  /** What was heard, with content joined however it was cut. */
  calls(): string {
    return this.heard.join(' ').replaceAll(/" "/g, '')
  }
}

const ok = (stream: ServerStream): void => {
  stream.sendHead(responseHead(200, [['content-length', '2']]), false)
  send(stream, 'ok', true)
}
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const chunked = (stream: ServerStream): void => {
  stream.sendHead(responseHead(200), false)
  send(stream, 'one')
  send(stream, 'two', true)
}
const withTrailers = (stream: ServerStream): void => {
  stream.sendHead(responseHead(200), false)
  send(stream, 'one')
  stream.sendTrailers(
    (() => {
      const trailers = new Head()
      trailers.add('x-sum', '3')
      return trailers
    })(),
  )
}
const status =
  (code: number, fields: Fields = [], ends = true) =>
  (stream: ServerStream): void =>
    stream.sendHead(responseHead(code, fields), ends)

interface Case {
  readonly name: string
  readonly send: string
  readonly answer?: (stream: ServerStream, request: string) => void
  readonly text: string
  readonly calls?: string
  readonly isEnded?: boolean
}

const CASES: readonly Case[] = [
  { name: 'one request', send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', answer: ok, text: OK, calls: 'GET / end' },
  {
    name: 'pipelined requests, answered in order',
    send: 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: ok,
    text: OK + OK + OK,
    calls: 'GET /1 end POST /2 "abc" end GET /3 end',
  },
  {
    name: 'empty lines between requests',
    send: 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: ok,
    text: OK + OK,
  },
  {
    name: 'chunked content with trailers',
    send: 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nx-sum: 4\r\n\r\n',
    answer: ok,
    text: OK,
    calls: 'POST / "abcd" trailers x-sum=4',
  },
  {
    name: 'content of length 0',
    send: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
    answer: ok,
    text: OK,
    calls: 'POST / end',
  },
  {
    name: 'content that ends without a length',
    send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: chunked,
    text: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n',
  },
  {
    name: 'trailers',
    send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: withTrailers,
    text: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\nx-sum: 3\r\n\r\n',
  },
  {
    name: 'an answer without content',
    send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: status(500),
    text: 'HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n',
  },
  {
    name: 'HEAD keeps the length and drops the content',
    send: 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: ok,
    text: `HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n${OK}`,
  },
  {
    name: 'HEAD without a length gets none made up',
    send: 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: status(200),
    text: 'HTTP/1.1 200 OK\r\n\r\n',
  },
  {
    name: '204 has no length',
    send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: status(204, [['content-length', '0']]),
    text: 'HTTP/1.1 204 No Content\r\n\r\n',
  },
  {
    name: '304 may tell the length it would have',
    send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: status(304, [['content-length', '7']]),
    text: 'HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n',
  },
  {
    name: 'Connection: close',
    send: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: ok,
    text: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok',
    calls: 'GET / end',
    isEnded: true,
  },
  {
    name: 'HTTP/1.0',
    send: 'GET / HTTP/1.0\r\n\r\n',
    answer: ok,
    text: 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok',
    isEnded: true,
  },
  {
    name: 'HTTP/1.0 with keep-alive',
    send: 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n',
    answer: ok,
    text: 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nokHTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok',
    isEnded: true,
  },
  {
    name: 'HTTP/1.0 knows no chunks: content ends with the connection',
    send: 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    answer: chunked,
    text: 'HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nonetwo',
    isEnded: true,
  },
  {
    name: '100 Continue passes to HTTP/1.1',
    send: 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n',
    answer: (stream) => {
      stream.sendInformational(responseHead(100))
      ok(stream)
    },
    text: `HTTP/1.1 100 Continue\r\n\r\n${OK}`,
  },
  {
    name: 'and not to HTTP/1.0',
    send: 'GET / HTTP/1.0\r\n\r\n',
    answer: (stream) => {
      stream.sendInformational(responseHead(100))
      ok(stream)
    },
    text: 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok',
    isEnded: true,
  },
  {
    name: 'an answer of ours that closes',
    send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: status(502, [
      ['connection', 'close'],
      ['content-length', '0'],
    ]),
    text: 'HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    isEnded: true,
  },
  {
    name: 'Upgrade: h2c is plain HTTP/1, with its content',
    send: 'POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nContent-Length: 2\r\n\r\nhi',
    answer: ok,
    text: OK,
    calls: 'POST / "hi" end',
  },
  {
    name: 'no Host',
    send: 'GET / HTTP/1.1\r\n\r\n',
    text: 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    calls: 'refused malformed',
    isEnded: true,
  },
  {
    name: 'no HTTP at all',
    send: '\x01\x02\x03\x04 hello\r\n\r\n',
    text: 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    isEnded: true,
  },
  {
    name: 'two lengths',
    send: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
    answer: ok,
    text: 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    calls: 'refused malformed',
    isEnded: true,
  },
  {
    name: 'a head that is too large',
    send: `GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(1_000)}`,
    text: 'HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    calls: 'refused head_too_large',
    isEnded: true,
  },
  {
    name: 'a bad head behind a good one is answered behind its answer',
    send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /\r\n\r\n',
    answer: ok,
    text: `${OK}HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
    isEnded: true,
  },
  {
    name: 'a bad chunk',
    send: 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naX',
    text: 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    calls: 'POST / "a" protocol PROTOCOL_ERROR refused malformed',
    isEnded: true,
  },
]

test('requests in, responses out', async (t) => {
  for (const { name, send: text, answer, text: expected, calls, isEnded } of CASES) {
    // Byte by byte, but for a head that would have too many pieces.
    const small = text.length < HTTP1_BOUNDS.maxHeadReads ? 1 : Math.ceil(text.length / HTTP1_BOUNDS.maxHeadReads)
    for (const pieceBytes of [Number.POSITIVE_INFINITY, small]) {
      const pieces = pieceBytes === small ? `, in pieces of ${small}` : ''
      const server = new TestServer(answer).feed(text, pieceBytes)
      t.equal(server.text(), expected, name + pieces)
      if (calls !== undefined) t.equal(server.calls(), calls, `${name}${pieces}: what the application heard`)
      t.equal(server.transport.isEnded, isEnded ?? false, `${name}${pieces}: the connection ends`)
    }
  }
})

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

test('order and pressure', async (t) => {
  t.test('a request that is pipelined waits for the answer before it', async (t) => {
    const server = new TestServer().feed(GET + GET)
    t.same(server.heard, ['GET / end'])
    ok(server.streams[0]!)
    t.same(server.heard, ['GET / end', 'GET / end'])
  })

  t.test('requests are not read while the client leaves their answers unread', async (t) => {
    const server = new TestServer(ok)
    server.transport.isWritable = false
    server.feed(GET + GET)
    t.same(server.heard, ['GET / end'], 'content waits for the kernel')
    server.transport.isWritable = true
    server.transport.handler.onDrain()
    t.equal(server.text(), OK + OK)
    const small = new TestServer().feed(GET + GET)
    small.transport.isWritable = false
    status(204)(small.streams[0]!)
    t.equal(small.streams.length, 1, 'a small answer found room, another may not')
    small.transport.isWritable = true
    small.transport.handler.onDrain()
    t.equal(small.streams.length, 2)
  })

  t.test('who pipelines gets a small send buffer', async (t) => {
    const server = new TestServer(ok).feed(GET)
    server.feed(GET)
    t.equal(server.transport.unsentBound, 0, 'one request after the other')
    const waiting = new TestServer().feed(GET + GET)
    t.equal(waiting.transport.unsentBound, HTTP1_BOUNDS.maxUnsentBytes)
  })

  t.test('the connection pauses while content or pipelined bytes wait, and goes on', async (t) => {
    const server = new TestServer()
    server.isConsuming = false
    server.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n')
    server.feed('x'.repeat(HTTP1_BOUNDS.pauseAboveBytes))
    t.equal(server.transport.isPaused, false)
    server.feed('x')
    t.equal(server.transport.isPaused, true)
    server.streams[0]!.consumed(HTTP1_BOUNDS.pauseAboveBytes - HTTP1_BOUNDS.resumeBelowBytes)
    t.equal(server.transport.isPaused, true)
    server.streams[0]!.consumed(1)
    t.equal(server.transport.isPaused, false)

    const pipelined = new TestServer().feed(GET + 'x'.repeat(HTTP1_BOUNDS.maxPipelinedBytes + 1))
    t.equal(pipelined.transport.isPaused, true)
    ok(pipelined.streams[0]!)
    t.same(pipelined.heard, ['GET / end', 'refused head_too_large'])
  })

  t.test('a slow client gets everything, and who sent it hears when', async (t) => {
    const server = new TestServer().feed(GET)
    const [stream] = server.streams as [ServerStream]
    stream.sendHead(responseHead(200), false)
    server.transport.isWritable = false
    t.equal(send(stream, 'abc'), 0)
    t.equal(send(stream, ''), 0, 'an empty piece ends nothing')
    send(stream, 'de', true)
    t.equal(server.text(), 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    server.transport.isWritable = true
    server.transport.handler.onDrain()
    t.equal(server.text(), '5\r\nabcde\r\n0\r\n\r\n')
    t.same(server.heard, ['GET / end', 'sent 5'])
    server.feed(GET)
    t.equal(server.streams.length, 2, 'and the next request is taken')
  })
})

test('the end of a connection', async (t) => {
  t.test('an answer before the request ended closes behind it', async (t) => {
    const server = new TestServer().feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc')
    ok(server.streams[0]!)
    server.feed('def')
    t.equal(server.text(), 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    t.equal(server.calls(), 'POST / "abc" connection NO_ERROR')
    t.equal(server.transport.isEnded, true)
  })

  t.test('a client that closes ends its request', async (t) => {
    const server = new TestServer().feed(GET)
    server.transport.handler.onEnd()
    t.same(server.heard, ['GET / end', 'connection CANCEL'])
    t.equal(server.transport.isDestroyed, true)
    ok(server.streams[0]!)
    t.equal(server.text(), '', 'the late answer goes nowhere')
    const idle = new TestServer()
    idle.transport.handler.onEnd()
    t.equal(idle.transport.isEnded, true)
  })

  t.test('an application that gives up in the middle breaks the connection', async (t) => {
    const server = new TestServer().feed(GET)
    const [stream] = server.streams as [ServerStream]
    stream.sendHead(responseHead(200, [['content-length', '10']]), false)
    send(stream, 'abc')
    stream.reset(2)
    t.equal(server.transport.isDestroyed, true)
    server.transport.handler.onClose(undefined)
    t.same(server.heard, ['GET / end', 'closed'], 'who reset it hears nothing of it')
  })

  t.test('shutdown lets the answer in progress say so', async (t) => {
    const server = new TestServer().feed(GET)
    server.connection.shutdown()
    t.equal(server.transport.isEnded, false)
    ok(server.streams[0]!)
    t.equal(server.text(), 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok')
    t.equal(server.transport.isEnded, true)
    const idle = new TestServer(ok)
    idle.connection.shutdown()
    idle.feed(GET)
    t.same([idle.transport.isEnded, idle.heard], [true, []], 'an idle connection closes at once')
  })
})

test('tunnels', async (t) => {
  const upgrade = (): TestServer => {
    const server = new TestServer().feed(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly',
    )
    const [stream] = server.streams as [ServerStream]
    stream.sendHead(responseHead(101, [['upgrade', 'echo']]), false)
    stream.becomeTunnel()
    return server
  }

  t.test('bytes flow as they are, those that came early first', async (t) => {
    const server = upgrade()
    server.feed(' and\r\nlate')
    send(server.streams[0]!, 'GET\r\n')
    t.equal(server.text(), 'HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\nGET\r\n')
    t.equal(server.calls(), 'GET / end "early and\r\nlate"')
  })

  for (const first of ['the client', 'the application'] as const) {
    t.test(`${first} ends its half first`, async (t) => {
      const server = upgrade()
      const [stream] = server.streams as [ServerStream]
      const endsClient = (): void => server.transport.handler.onEnd()
      const endsApplication = (): void => void send(stream, '', true)
      if (first === 'the client') {
        endsClient()
        t.equal(server.transport.isEnded, false)
        send(stream, 'still')
        t.match(server.text(), /still$/)
        endsApplication()
      } else {
        endsApplication()
        t.equal(server.transport.isEnded, true, 'a FIN')
        server.feed('still')
        endsClient()
      }
      t.match(server.calls(), first === 'the client' ? /"early" end$/ : /"earlystill" end$/)
      t.same([server.transport.isEnded, server.connection.isIdle], [true, true])
    })
  }

  t.test('CONNECT', async (t) => {
    const server = new TestServer().feed('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')
    const [stream] = server.streams as [ServerStream]
    stream.sendHead(responseHead(200, [['content-length', '5']]), false)
    stream.becomeTunnel()
    t.equal(server.text(), 'HTTP/1.1 200 OK\r\n\r\n')
    server.feed('bytes')
    t.equal(server.calls(), 'CONNECT a:1 end "bytes"')
    const refused = new TestServer(status(403)).feed(`CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n${GET}`)
    t.equal(refused.streams.length, 2, 'a refusal leaves the connection as it was')
  })
})

test('what a client may make an HTTP/1 connection hold or wait for', async (t) => {
  const BOUNDS = { headMs: 3_000, contentMs: 5_000, unreadMs: 7_000, idleMs: 9_000 }
  const HEAD = 'GET / HTTP/1.1\r\nHost: a\r\n'
  const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n'
  interface TimeCase {
    readonly name: string
    readonly begin: (server: TestServer) => void
    /** What happens before each second's tick. */
    readonly meanwhile?: (server: TestServer) => void
    readonly endsAfterSeconds: number | undefined
    readonly refusal?: string
    readonly text?: string
    readonly isCrowded?: boolean
  }
  const TIMES: readonly TimeCase[] = [
    { name: 'a client that never sends', begin: () => {}, endsAfterSeconds: 3, refusal: 'silent' },
    {
      name: 'a head that stops',
      begin: (server) => server.feed(HEAD),
      endsAfterSeconds: 3,
      refusal: 'slow_head',
      text: '408',
    },
    {
      name: 'a head that goes on and on',
      begin: (server) => server.feed(HEAD),
      meanwhile: (server) => server.feed('x'),
      endsAfterSeconds: 3,
      refusal: 'slow_head',
      text: '408',
    },
    {
      name: 'content that stops',
      begin: (server) => server.feed(`${POST}abc`),
      endsAfterSeconds: 5,
      refusal: 'slow_content',
      text: '408',
    },
    {
      name: 'content that trickles',
      begin: (server) => server.feed(POST.replace('9', '999')),
      meanwhile: (server) => server.feed('x'),
      endsAfterSeconds: undefined,
    },
    {
      name: 'content that we do not read',
      begin(server) {
        server.isConsuming = false
        server.feed(`${POST.replace('9', '999999')}${'x'.repeat(HTTP1_BOUNDS.pauseAboveBytes + 1)}`)
      },
      endsAfterSeconds: undefined,
    },
    {
      name: 'an answer that takes its time',
      begin: (server) => server.feed(`${HEAD}\r\n`),
      endsAfterSeconds: undefined,
    },
    {
      name: 'a response that is not read',
      begin(server) {
        server.feed(`${HEAD}\r\n`)
        server.transport.isWritable = false
      },
      endsAfterSeconds: 7,
      refusal: 'unread_content',
    },
    {
      name: 'a response that is not read while there is no room',
      begin(server) {
        server.feed(`${HEAD}\r\n`)
        server.transport.isWritable = false
      },
      isCrowded: true,
      endsAfterSeconds: 5,
      refusal: 'unread_content',
    },
    {
      name: 'a kept connection without a next request',
      begin(server) {
        server.feed(`${HEAD}\r\n`)
        ok(server.streams[0]!)
      },
      endsAfterSeconds: 9,
      refusal: 'idle',
    },
    {
      name: 'a kept connection while there is no room',
      begin(server) {
        server.feed(`${HEAD}\r\n`)
        ok(server.streams[0]!)
      },
      isCrowded: true,
      endsAfterSeconds: 5,
      refusal: 'idle',
    },
  ]
  for (const { name, begin, meanwhile, endsAfterSeconds, refusal, text, isCrowded = false } of TIMES) {
    const server = new TestServer()
    begin(server)
    server.text()
    for (let second = 0; second < (endsAfterSeconds ?? 100); second++) {
      server.connection.tick(second * 1_000, BOUNDS, isCrowded)
      meanwhile?.(server)
    }
    t.notMatch(server.calls(), 'refused', `${name}: not before`)
    if (endsAfterSeconds === undefined) continue
    server.connection.tick(endsAfterSeconds * 1_000, BOUNDS, isCrowded)
    t.match(server.calls(), `refused ${refusal}`, `${name}: after ${endsAfterSeconds} s`)
    t.ok(server.transport.isEnded || server.transport.isDestroyed, `${name}: the connection ends`)
    if (text !== undefined) t.match(server.text(), `HTTP/1.1 ${text} `, `${name}: and says why`)
  }

  t.test('a head in very many pieces', async (t) => {
    const head = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(HTTP1_BOUNDS.maxHeadReads)}`
    const server = new TestServer()
    server.feed(head.slice(0, HTTP1_BOUNDS.maxHeadReads), 1)
    t.equal(server.calls(), '')
    server.feed('z')
    t.match(server.calls(), 'refused slow_head')
    t.match(server.text(), /^HTTP\/1.1 408 /)
  })

  t.test('each head has its pieces', async (t) => {
    const server = new TestServer(ok)
    for (let count = 0; count < 50; count++) server.feed(`${HEAD}\r\n`, 1)
    t.equal(server.text(), OK.repeat(50))
  })

  t.test('a response that waits while the process holds too much', async (t) => {
    const server = new TestServer()
    server.feed(`${HEAD}\r\n`)
    const stream = server.streams[0]!
    stream.sendHead(responseHead(200), false)
    server.transport.isWritable = false
    held.bytes += PRESSURE_BOUNDS.fullBytes
    send(stream, 'waits')
    held.bytes -= PRESSURE_BOUNDS.fullBytes
    t.match(server.calls(), 'refused unread_content')
    t.ok(server.transport.isDestroyed)
  })
})
