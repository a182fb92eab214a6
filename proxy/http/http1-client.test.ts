import { test } from 'tap'
import { ErrorCode, errorName } from '../wire/connection-error.ts'
import { Head } from '../wire/head.ts'
import { parseRequestHead } from '../wire/http1-head.ts'
import { HTTP1_BOUNDS } from './http1-bounds.ts'
import { Http1ClientConnection, type Http1ClientStream } from './http1-client.ts'
import { MemoryTransport } from './memory-transport.ts'

/** A request head as it came over HTTP/1, hop-by-hop fields dropped by the caller. */
function requestHead(text: string): Head {
  const head = new Head()
  const bytes = Buffer.from(`${text.replaceAll('\n', '\r\n')}\r\n\r\n`)
  if (parseRequestHead(head, bytes, 0, bytes.length) !== bytes.length) throw new Error(`not a request head: ${text}`)
  return head
}

/** A connection under test, its endpoint played by a test. */
class TestClient {
  readonly transport = new MemoryTransport()
  readonly connection: Http1ClientConnection
  heard: string[] = []
  readonly refusals: string[] = []
  isConsuming = true

  constructor() {
    this.connection = new Http1ClientConnection(
      this.transport,
      { maxHeadBytes: 1_000 },
      {
        onIdle: () => void this.heard.push('idle'),
        onClosed: () => void this.heard.push('closed'),
        onRefused: (reason) => void this.refusals.push(reason),
      },
    )
  }

  open(text = 'GET / HTTP/1.1\nHost: a', ends = true): Http1ClientStream {
    const stream = this.connection.openStream()
    stream.handler = {
      onInformational: (head) => void this.heard.push(`informational ${head.status}`),
      onResponseHead: (head, endStream) => {
        this.heard.push(`${head.status}${endStream ? ' end' : ''}`)
        if (stream.isTunnelAnswer) stream.becomeTunnel()
      },
      onResponseData: (buf, start, end, endStream) => {
        this.heard.push(`"${Buffer.from(buf).toString('latin1', start, end)}"${endStream ? ' end' : ''}`)
        if (this.isConsuming) stream.consumed(end - start)
      },
      onResponseTrailers: (trailers) => void this.heard.push(`trailers x-sum=${trailers.valuesOf('x-sum')}`),
      onResponseReset: ({ kind, code }) => void this.heard.push(`${kind} ${errorName(code)}`),
      onRequestSent: (bytes) => void this.heard.push(`sent ${bytes}`),
    }
    stream.sendHead(requestHead(text), ends)
    return stream
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

  calls(): string {
    return this.heard.join(' ').replaceAll(/" "/g, '')
  }
}

function send(stream: Http1ClientStream, text: string, ends = false): number {
  const bytes = Buffer.from(text)
  return stream.sendData(bytes, 0, bytes.length, ends)
}

interface Case {
  readonly name: string
  readonly request?: string
  readonly response: string
  /** The endpoint closes behind the response. */
  readonly closes?: true
  readonly calls: string
  readonly isUsable: boolean
}

const CASES: readonly Case[] = [
  {
    name: 'content by length',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    calls: '200 "ok" end idle',
    isUsable: true,
  },
  {
    name: 'no content',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    calls: '200 end idle',
    isUsable: true,
  },
  {
    name: 'chunks and trailers',
    response: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\n\r\n',
    calls: '200 "onetwo" trailers x-sum=6 idle',
    isUsable: true,
  },
  {
    name: 'content that ends with the connection',
    response: 'HTTP/1.1 200 OK\r\n\r\nall of it',
    closes: true,
    calls: '200 "all of it" end',
    isUsable: false,
  },
  {
    name: 'HTTP/1.0',
    response: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    calls: '200 "ok" end',
    isUsable: false,
  },
  {
    name: 'HTTP/1.0 with keep-alive',
    response: 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
    calls: '200 "ok" end idle',
    isUsable: true,
  },
  {
    name: 'Connection: close',
    response: 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
    calls: '200 "ok" end',
    isUsable: false,
  },
  {
    name: 'the answer to HEAD has no content whatever it says',
    request: 'HEAD / HTTP/1.1\nHost: a',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
    calls: '200 end idle',
    isUsable: true,
  },
  { name: '204', response: 'HTTP/1.1 204 No Content\r\n\r\n', calls: '204 end idle', isUsable: true },
  {
    name: '304 with a length',
    response: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    calls: '304 end idle',
    isUsable: true,
  },
  {
    name: 'informational responses',
    response:
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    calls: 'informational 100 informational 103 204 end idle',
    isUsable: true,
  },
  {
    name: 'a 101 nobody asked for',
    response: 'HTTP/1.1 101 Switching Protocols\r\n\r\nraw',
    calls: 'connection INTERNAL_ERROR closed',
    isUsable: false,
  },
  { name: 'no HTTP', response: 'SSH-2.0-OpenSSH\r\n', calls: 'connection INTERNAL_ERROR closed', isUsable: false },
  {
    name: 'a head that is too large',
    response: `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000)}`,
    calls: 'connection INTERNAL_ERROR closed',
    isUsable: false,
  },
  {
    name: 'a bad chunk',
    response: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naX',
    calls: '200 "a" connection INTERNAL_ERROR closed',
    isUsable: false,
  },
  {
    name: 'the end before a head',
    response: 'HTTP/1.1 2',
    closes: true,
    calls: 'connection INTERNAL_ERROR closed',
    isUsable: false,
  },
  {
    name: 'the end in the middle of content',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc',
    closes: true,
    calls: '200 "abc" connection INTERNAL_ERROR closed',
    isUsable: false,
  },
]

test('responses in', async (t) => {
  for (const { name, request, response, closes, calls, isUsable } of CASES) {
    for (const pieceBytes of [Number.POSITIVE_INFINITY, 1]) {
      const pieces = pieceBytes === 1 ? ', byte by byte' : ''
      const client = new TestClient()
      client.open(request)
      client.feed(response, pieceBytes)
      if (closes) client.transport.handler.onEnd()
      t.equal(client.calls(), calls, name + pieces)
      t.equal(client.connection.isUsable, isUsable, `${name}${pieces}: usable for another request`)
      if (!isUsable) t.equal(client.transport.isDestroyed, true, `${name}${pieces}: closed`)
    }
  }
})

test('requests out', async (t) => {
  const cases: readonly { name: string; head: string; content?: string[]; text: string }[] = [
    { name: 'without content', head: 'GET /a HTTP/1.1\nHost: a', text: 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n' },
    {
      name: 'by length',
      head: 'POST / HTTP/1.1\nHost: a\nContent-Length: 4',
      content: ['ab', 'cd'],
      text: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd',
    },
    {
      name: 'in chunks where no length is known',
      head: 'POST / HTTP/1.1\nHost: a',
      content: ['ab', '', 'cd'],
      text: 'POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n',
    },
    {
      name: 'an upgrade with content is framed all the same',
      head: 'POST / HTTP/1.1\nHost: a\nConnection: upgrade\nUpgrade: x',
      content: ['ab'],
      text: 'POST / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\ntransfer-encoding: chunked\r\nconnection: upgrade\r\n\r\n2\r\nab\r\n0\r\n\r\n',
    },
    {
      name: 'HTTP/1.0 stays HTTP/1.0',
      head: 'GET / HTTP/1.0\nConnection: keep-alive',
      text: 'GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n',
    },
  ]
  for (const { name, head, content, text } of cases) {
    const client = new TestClient()
    const stream = client.open(head, content === undefined)
    content?.forEach((piece, at) => void send(stream, piece, at === content.length - 1))
    t.equal(client.text(), text, name)
  }
})

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

test('what an endpoint says unasked never answers the next request', async (t) => {
  t.test('between two requests', async (t) => {
    const client = new TestClient()
    client.open()
    client.feed(OK)
    client.feed('HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n')
    t.equal(client.connection.isUsable, false)
    t.equal(client.calls(), '200 "ok" end idle closed')
  })
  t.test('behind a response, in the same read', async (t) => {
    for (const response of [
      OK,
      'HTTP/1.1 204 No Content\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ]) {
      const client = new TestClient()
      client.open()
      client.feed(response + OK)
      t.equal(client.connection.isUsable, false)
      t.notMatch(client.calls(), /idle/)
    }
  })
  t.test('before the first request', async (t) => {
    const client = new TestClient()
    client.feed(OK)
    t.equal(client.connection.isUsable, false)
  })
})

test('a kept-alive connection that dies silently is stale, every other death is not', async (t) => {
  const cases: readonly [string, (client: TestClient) => void, string][] = [
    ['on its first request', (client) => void client.open(), 'connection INTERNAL_ERROR closed'],
    [
      'on a later one',
      (client) => {
        client.open()
        client.feed(OK)
        client.heard = []
        client.open()
      },
      'stale INTERNAL_ERROR closed',
    ],
    [
      'on a later one, behind a byte of its answer',
      (client) => {
        client.open()
        client.feed(OK)
        client.heard = []
        client.open()
        client.feed('H')
      },
      'connection INTERNAL_ERROR closed',
    ],
    [
      'on a later one, behind an informational answer',
      (client) => {
        client.open()
        client.feed(OK)
        client.open()
        client.feed('HTTP/1.1 100 Continue\r\n\r\n')
        client.heard = []
      },
      'connection INTERNAL_ERROR closed',
    ],
  ]
  for (const [name, prepare, calls] of cases) {
    for (const how of ['end', 'reset'] as const) {
      const client = new TestClient()
      prepare(client)
      if (how === 'end') client.transport.handler.onEnd()
      else client.transport.handler.onClose(new Error('read ECONNRESET'))
      t.equal(client.calls(), calls, `${name}, by ${how}`)
    }
  }
})

test('an answer before the request ended', async (t) => {
  const answered = (): [TestClient, Http1ClientStream] => {
    const client = new TestClient()
    const stream = client.open('POST / HTTP/1.1\nHost: a\nContent-Length: 4', false)
    send(stream, 'ab')
    client.feed(OK)
    return [client, stream]
  }
  t.test(
    'the rest of the request still goes out, then the connection is done: nobody knows who reads it',
    async (t) => {
      const [client, stream] = answered()
      t.equal(client.connection.isUsable, false)
      send(stream, 'cd', true)
      t.match(client.text(), /abcd$/)
      t.equal(client.calls(), '200 "ok" end')
      t.equal(client.connection.isUsable, false)
      t.equal(client.transport.isDestroyed, true)
    },
  )
  t.test('an endpoint that closes then has read enough', async (t) => {
    const [client, stream] = answered()
    client.transport.handler.onEnd()
    t.equal(send(stream, 'cd', true), 2)
    t.equal(client.calls(), '200 "ok" end reset NO_ERROR closed')
  })
  t.test('whoever gives up the request ends the connection', async (t) => {
    const [client, stream] = answered()
    stream.reset(ErrorCode.cancel)
    t.equal(client.transport.isDestroyed, true)
    t.equal(client.calls(), '200 "ok" end')
  })
})

test('pressure', async (t) => {
  t.test('a response nobody reads pauses the connection', async (t) => {
    const client = new TestClient()
    client.isConsuming = false
    const stream = client.open()
    client.feed(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(HTTP1_BOUNDS.pauseAboveBytes + 1)}`)
    t.equal(client.transport.isPaused, true)
    stream.consumed(HTTP1_BOUNDS.pauseAboveBytes)
    t.equal(client.transport.isPaused, false)
  })
  t.test('a request waits for the kernel', async (t) => {
    const client = new TestClient()
    const stream = client.open('POST / HTTP/1.1\nHost: a\nContent-Length: 4', false)
    client.text()
    client.transport.isWritable = false
    t.equal(send(stream, 'abcd', true), 0)
    t.equal(client.text(), '')
    client.transport.isWritable = true
    client.transport.handler.onDrain()
    t.equal(client.text(), 'abcd')
    t.same(client.heard, ['sent 4'])
  })
})

test('tunnels', async (t) => {
  const UPGRADE = 'GET / HTTP/1.1\nHost: a\nConnection: upgrade\nUpgrade: echo'
  const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n'
  for (const first of ['the endpoint', 'the client'] as const) {
    t.test(`${first} ends its half first`, async (t) => {
      const client = new TestClient()
      const stream = client.open(UPGRADE)
      client.text()
      client.feed(`${SWITCHED}hello`)
      send(stream, 'raw\r\n')
      if (first === 'the endpoint') {
        client.transport.handler.onEnd()
        send(stream, 'more')
        t.equal(client.transport.isEnded, false)
        send(stream, '', true)
      } else {
        send(stream, 'more', true)
        t.equal(client.transport.isEnded, true)
        client.feed(' world')
        client.transport.handler.onEnd()
      }
      t.equal(client.text(), 'raw\r\nmore')
      t.equal(client.calls(), first === 'the endpoint' ? '101 "hello" end' : '101 "hello world" end')
      t.equal(client.connection.isUsable, false)
      t.equal(client.transport.isDestroyed, true)
    })
  }
  t.test('a refused upgrade is an ordinary answer', async (t) => {
    const client = new TestClient()
    client.open(UPGRADE)
    client.feed(OK)
    t.equal(client.calls(), '200 "ok" end idle')
  })
  t.test('CONNECT', async (t) => {
    const client = new TestClient()
    client.open('CONNECT a:1 HTTP/1.1\nHost: a:1')
    client.feed('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw bytes')
    t.equal(client.calls(), '200 "raw bytes"')
  })
})

test('what an endpoint may say and how long', async (t) => {
  const EARLY = 'HTTP/1.1 103 Early Hints\r\n\r\n'
  const cases: readonly { name: string; sent: string; pieceBytes?: number; refused: string }[] = [
    { name: 'informational responses up to the bound', sent: EARLY.repeat(HTTP1_BOUNDS.maxInformational), refused: '' },
    {
      name: 'informational responses without end',
      sent: EARLY.repeat(HTTP1_BOUNDS.maxInformational + 1),
      refused: 'informational',
    },
    {
      name: 'a head in very many pieces',
      sent: `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(HTTP1_BOUNDS.maxHeadReads)}`,
      pieceBytes: 1,
      refused: 'malformed',
    },
    { name: 'a head that is too large', sent: `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000)}`, refused: 'malformed' },
    {
      name: 'two responses to one request',
      sent: 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
      refused: 'unsolicited',
    },
  ]
  for (const { name, sent, pieceBytes, refused } of cases) {
    const client = new TestClient()
    const stream = client.open('POST / HTTP/1.1\nHost: a\nContent-Length: 9', false)
    client.feed(sent, pieceBytes)
    t.same(client.refusals, refused === '' ? [] : [refused], name)
    stream.reset(0)
  }
})
