/**
 * The whole way in memory: HTTP/1 in, HTTP/2 between two proxies, HTTP/1 out, and the answer back. Valid messages with any
 * content and fields: what goes in comes out, as llhttp reads both ends.
 */
import { deepEqual, equal } from 'node:assert/strict'
import { below, mutateList, pick, several, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { type LlhttpMessage, readWithLlhttp } from '../../test/fuzz/llhttp.ts'
import type { Head } from '../wire/head.ts'
import { dropHopByHop } from './hop-by-hop.ts'
import { Http1ClientConnection } from './http1-client.ts'
import { Http1ServerConnection } from './http1-server.ts'
import { DEFAULT_HTTP2 } from './http2-config.ts'
import { Http2Connection } from './http2-connection.ts'
import { exchange, MemoryTransport } from './memory-transport.ts'
import type { ClientStream, RequestHandler, RequestListener, ResponseHandler, ServerStream } from './stream.ts'
import type { StreamError } from './stream-error.ts'

type Field = readonly [name: string, value: string]
type Message = {
  readonly start: string
  readonly fields: readonly Field[]
  readonly content: string
  /** Sizes of chunks; without any the content has a length. */
  readonly chunks: readonly number[]
  readonly trailers: readonly Field[]
}
type Input = { readonly request: Message; readonly response: Message; readonly pieceBytes: number }

const NAMES = [
  'Accept',
  'x-a',
  'X-Very-Long-Name-Of-A-Field',
  'Cookie',
  'cookie',
  'ETag',
  "!#$%&'*+-.^_`|~",
  'Authorization',
  'x-request-id',
]
const VALUES = ['', 'a', 'a b', 'a, b', 'ü\x80\xff', '"q"', 'x'.repeat(300), 'text/html; q=0.8', 'a\tb', ':', '=;']
const REQUESTS = [
  'GET / HTTP/1.1',
  'GET /a?b=c%20d HTTP/1.1',
  'PUT /ü HTTP/1.1',
  'DELETE /x/y/../z HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'PATCH // HTTP/1.1',
]
const RESPONSES = ['HTTP/1.1 200 OK', 'HTTP/1.1 404 Not Found', 'HTTP/1.1 500 ', 'HTTP/1.1 299 Odd']

export const chainFuzzer = fuzzer<Input>({
  name: 'chain',
  checks: 'HTTP/1 over HTTP/2 to HTTP/1 in memory, any valid message: what goes in comes out, in both directions',
  cases: 500,
  generate: (random) => ({
    request: message(random, REQUESTS),
    response: message(random, RESPONSES),
    // Not byte by byte: heads in hundreds of pieces are refused.
    pieceBytes: pick(random, [20, 100, 100_000]),
  }),
  mutate: (random, input) => {
    const change = (of: Message): Message => ({ ...of, fields: mutateList(random, of.fields, () => field(random)) })
    return { ...input, request: change(input.request), response: change(input.response) }
  },
  run: check,
})

function message(random: Random, starts: readonly string[]): Message {
  const chunks = random() < 0.5 ? [] : several(random, 5, () => 1 + below(random, 50))
  return {
    start: pick(random, starts),
    fields: several(random, 8, () => field(random)),
    content: textOf(random, random() < 0.1 ? below(random, 5_000) : below(random, 60)),
    chunks,
    trailers: chunks.length === 0 ? [] : several(random, 2, () => field(random)),
  }
}

function field(random: Random): Field {
  return [pick(random, NAMES), pick(random, VALUES)]
}

function bytesOf({ start, fields, content, chunks, trailers }: Message, host: string): Buffer {
  const lines = (of: readonly Field[]): string => of.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const head = `${start}\r\n${host}${lines(fields)}`
  if (chunks.length === 0) return Buffer.from(`${head}Content-Length: ${content.length}\r\n\r\n${content}`, 'latin1')
  let body = ''
  let at = 0
  for (const size of [...chunks, content.length]) {
    const part = content.slice(at, at + size)
    at += part.length
    if (part !== '') body += `${part.length.toString(16)}\r\n${part}\r\n`
  }
  return Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n${body}0\r\n${lines(trailers)}\r\n`, 'latin1')
}

function check({ request, response, pieceBytes }: Input): void {
  const client = new MemoryTransport()
  const left = new MemoryTransport()
  const right = new MemoryTransport()
  const origin = new MemoryTransport()
  const owner = { onReady() {}, onDraining() {}, onCapacity() {}, onRefused() {}, onClosed() {} }
  const between = new Http2Connection(left, DEFAULT_HTTP2, owner)
  new Http1ServerConnection(
    client,
    { maxHeadBytes: 65_536 },
    owner,
    pass(() => between.openStream()),
  )
  const toOrigin = new Http1ClientConnection(origin, { maxHeadBytes: 65_536 }, { onIdle() {}, onClosed() {} })
  new Http2Connection(
    right,
    DEFAULT_HTTP2,
    owner,
    pass(() => toOrigin.openStream()),
  )
  const size = Math.max(20, pieceBytes)
  exchange(left, right, size)
  const sent = bytesOf(request, 'Host: a\r\n')
  feed(client, sent, size)
  exchange(left, right, size)
  compare('request', sent, origin.take())
  const answer = bytesOf(response, '')
  feed(origin, answer, size)
  exchange(left, right, size)
  compare('response', answer, client.take())
}

function feed(transport: MemoryTransport, bytes: Buffer, size: number): void {
  for (let at = 0; at < bytes.length; at += size) {
    const piece = Buffer.from(bytes.subarray(at, at + size))
    transport.handler.onBytes(piece, 0, piece.length)
    piece.fill(0xee)
  }
}

function compare(kind: 'request' | 'response', sent: Buffer, received: Buffer): void {
  const [before] = kind === 'request' ? targetsAsAscii(kind, sent) : readWithLlhttp(kind, sent).messages
  const [after] = kind === 'request' ? targetsAsAscii(kind, received) : readWithLlhttp(kind, received).messages
  equal(after?.isComplete, true, `${kind}: ${JSON.stringify(received.toString('latin1'))}`)
  deepEqual(plain(after!), plain(before!), `${kind}: ${JSON.stringify(received.toString('latin1'))}`)
}

/** llhttp wants ASCII in targets; for both ends the same is put in place of other bytes. */
function targetsAsAscii(kind: 'request', bytes: Buffer): readonly LlhttpMessage[] {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\r\n')
  const line = text.slice(0, end).replace(/[\x80-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)
  return readWithLlhttp(kind, Buffer.from(line + text.slice(end), 'latin1')).messages
}

/** Fields that each hop makes anew. */
const OURS = /^(?:transfer-encoding|content-length|host|connection):/

/** What has to be the same: names in lower case, since two proxies keep their case only where they agreed on it. */
function plain({ method, target, status, content, fields, trailers }: LlhttpMessage): unknown {
  const pairs = (list: readonly string[]): string[] => {
    const out: string[] = []
    for (let at = 0; at < list.length; at += 2) out.push(`${list[at]!.toLowerCase()}: ${list[at + 1]}`)
    // RFC 9113 §8.2.3: crumbs of a cookie become one field where HTTP/2 ends.
    const crumbs = out.filter((line) => line.startsWith('cookie: ')).map((line) => line.slice(8))
    const others = out.filter((line) => !line.startsWith('cookie: ') && !OURS.test(line))
    return [...others, `cookie: ${crumbs.join('; ')}`.trim()].sort()
  }
  return { method, target, status, content, fields: pairs(fields), trailers: pairs(trailers) }
}

function pass(open: () => ClientStream): RequestListener {
  return (head: Head, endStream: boolean, down: ServerStream): RequestHandler => {
    const up = open()
    dropHopByHop(head, false)
    const fail = ({ message }: StreamError): void => {
      throw new Error(`a stream was reset: ${message}`)
    }
    const answer: ResponseHandler = {
      onInformational() {},
      onResponseHead(response, isEnd) {
        dropHopByHop(response, false)
        down.sendHead(response, isEnd)
      },
      onResponseData: (buf, start, end, isEnd) => up.consumed(down.sendData(buf, start, end, isEnd)),
      onResponseTrailers: (trailers) => down.sendTrailers(trailers),
      onResponseReset: fail,
      onRequestSent: (bytes) => down.consumed(bytes),
    }
    up.handler = answer
    up.sendHead(head, endStream)
    return {
      onRequestData: (buf, start, end, isEnd) => down.consumed(up.sendData(buf, start, end, isEnd)),
      onRequestTrailers: (trailers) => up.sendTrailers(trailers),
      onRequestReset: fail,
      onResponseSent: (bytes) => up.consumed(bytes),
    }
  }
}
