import { test } from 'tap'
import { Head, Version } from '../wire/head.ts'
import { DEFAULT_HTTP2, type Http2Config } from './http2-config.ts'
import { Http2Connection } from './http2-connection.ts'
import { exchange, MemoryTransport } from './memory-transport.ts'
import type { RequestHandler, RequestListener, ResponseHandler, ServerStream } from './stream.ts'

const OWNER = { onReady() {}, onDraining() {}, onCapacity() {}, onRefused() {}, onClosed() {} }

function requestHead(path: string, method = 'POST'): Head {
  const head = new Head()
  head.version = Version.http2
  head.add(':method', method)
  head.add(':scheme', 'http')
  head.add(':authority', 'web.shop:80')
  head.add(':path', path)
  head.add('x-request-id', 'a1b2')
  return head
}

function responseHead(status: number): Head {
  const head = new Head()
  head.version = Version.http2
  head.setStatus(status)
  return head
}

/** A client and a server joined in memory. */
function pair(onRequest: RequestListener, config: Partial<Http2Config> = {}) {
  const a = new MemoryTransport()
  const b = new MemoryTransport()
  const client = new Http2Connection(a, { ...DEFAULT_HTTP2, ...config }, OWNER)
  const server = new Http2Connection(b, { ...DEFAULT_HTTP2, ...config }, OWNER, onRequest)
  return { a, b, client, server }
}

/** Collects a response. */
class Collector implements ResponseHandler {
  status = 0
  bytes = 0
  isEnded = false
  trailers: string | undefined = undefined
  error: string | undefined = undefined
  consume: ((bytes: number) => void) | undefined = undefined
  onInformational(): void {}
  onResponseHead(head: Head, endStream: boolean): void {
    this.status = head.status
    this.isEnded = endStream
  }
  onResponseData(_buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    this.bytes += end - start
    this.isEnded = endStream
    this.consume?.(end - start)
  }
  onResponseTrailers(trailers: Head): void {
    this.isEnded = true
    this.trailers = trailers.valuesOf('grpc-status').join()
  }
  onResponseReset(error: { message: string }): void {
    this.error = error.message
  }
  onRequestSent(): void {}
}

/** Answers with the request's content, once it is complete. */
function echo(stream: ServerStream): RequestHandler {
  const chunks: Buffer[] = []
  const answer = () => {
    stream.sendHead(responseHead(200), false)
    const body = Buffer.concat(chunks)
    stream.sendData(body, 0, body.length, false)
    const trailers = new Head()
    trailers.add('grpc-status', '0')
    stream.sendTrailers(trailers)
  }
  return {
    onRequestData(buf, start, end, endStream) {
      chunks.push(Buffer.from(buf.subarray(start, end)))
      stream.consumed(end - start)
      if (endStream) answer()
    },
    onRequestTrailers: answer,
    onRequestReset() {},
    onResponseSent() {},
  }
}

test('a request with content comes back with content and trailers, whatever the reads look like', async (t) => {
  // Tiny reads are counted: content in pieces of a few bytes is a slow attack, a little of it is not.
  const reads = [
    [1, 300],
    [7, 3_000],
    [100, 300_000],
    [Number.POSITIVE_INFINITY, 300_000],
  ] as const
  for (const [pieceBytes, bodyBytes] of reads) {
    const { a, b, client } = pair((_head, _end, stream) => echo(stream))
    const body = Buffer.alloc(bodyBytes, 'x')
    const collector = new Collector()
    const stream = client.openStream()
    stream.handler = collector as unknown as typeof stream.handler
    collector.consume = (bytes) => stream.consumed(bytes)
    stream.sendHead(requestHead('/echo'), false)
    stream.sendData(body, 0, body.length, true)
    exchange(a, b, pieceBytes)
    t.match(
      collector,
      { status: 200, bytes: body.length, isEnded: true, trailers: '0', error: undefined },
      `in pieces of ${pieceBytes}`,
    )
    t.equal(client.streamCount, 0, 'the stream is forgotten')
  }
})

test('a receiver that consumes nothing stops the sender at its window', async (t) => {
  const { a, b, client } = pair((_head, _end, stream) => {
    stream.sendHead(responseHead(200), false)
    const body = Buffer.alloc(1_000_000)
    const sent = stream.sendData(body, 0, body.length, true)
    t.equal(sent, 65_535, 'one stream window leaves at once')
    return { onRequestData() {}, onRequestTrailers() {}, onRequestReset() {}, onResponseSent() {} }
  })
  const collector = new Collector()
  const stream = client.openStream()
  stream.handler = collector as unknown as typeof stream.handler
  stream.sendHead(requestHead('/big', 'GET'), true)
  exchange(a, b)
  t.equal(collector.bytes, 65_535)
  stream.consumed(65_535)
  exchange(a, b)
  t.equal(collector.bytes, 2 * 65_535, 'credit for one window brings one window')
})

test('a slow stream does not hold up its neighbour on the same connection', async (t) => {
  const { a, b, client } = pair((_head, _end, stream) => {
    stream.sendHead(responseHead(200), false)
    const body = Buffer.alloc(200_000)
    stream.sendData(body, 0, body.length, true)
    return { onRequestData() {}, onRequestTrailers() {}, onRequestReset() {}, onResponseSent() {} }
  })
  const slow = new Collector()
  const slowStream = client.openStream()
  slowStream.handler = slow as unknown as typeof slowStream.handler
  slowStream.sendHead(requestHead('/slow', 'GET'), true)
  const quick = new Collector()
  const quickStream = client.openStream()
  quickStream.handler = quick as unknown as typeof quickStream.handler
  quick.consume = (bytes) => quickStream.consumed(bytes)
  quickStream.sendHead(requestHead('/quick', 'GET'), true)
  exchange(a, b)
  t.match(quick, { bytes: 200_000, isEnded: true })
  t.match(slow, { bytes: 65_535, isEnded: false })
})

test('the end of a connection', async (t) => {
  t.test('GOAWAY of a draining server lets streams finish and marks the others unprocessed', async (t) => {
    const streams: ServerStream[] = []
    const { a, b, client, server } = pair((_head, _end, stream) => {
      streams.push(stream)
      return { onRequestData() {}, onRequestTrailers() {}, onRequestReset() {}, onResponseSent() {} }
    })
    const collector = new Collector()
    const stream = client.openStream()
    stream.handler = collector as unknown as typeof stream.handler
    stream.sendHead(requestHead('/', 'GET'), true)
    exchange(a, b)
    server.shutdown()
    exchange(a, b)
    t.equal(client.canOpen, false, 'no new streams')
    t.equal(collector.error, undefined, 'the stream in flight lives on')
    streams[0]!.sendHead(responseHead(200), true)
    exchange(a, b)
    t.match(collector, { status: 200, isEnded: true })
    t.equal(b.isEnded, true, 'the connection closes behind the last stream')
  })

  t.test('a lost connection fails what was in flight', async (t) => {
    const { a, b, client } = pair(() => ({
      onRequestData() {},
      onRequestTrailers() {},
      onRequestReset() {},
      onResponseSent() {},
    }))
    const collector = new Collector()
    const stream = client.openStream()
    stream.handler = collector as unknown as typeof stream.handler
    stream.sendHead(requestHead('/', 'GET'), true)
    exchange(a, b)
    a.handler.onClose(new Error('read ECONNRESET'))
    t.equal(collector.error, 'read ECONNRESET')
  })
})
