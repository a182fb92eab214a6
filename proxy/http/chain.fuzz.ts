/**
 * The whole way in memory: HTTP/1 in, HTTP/2 between two proxies, HTTP/1 out, and the answer back. Valid messages with any
 * content and fields: what goes in comes out, as llhttp reads both ends. Between proxies that agreed on it by SETTINGS names,
 * Cookie lines and reason phrases are as they were, too.
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
type Input = {
  readonly request: Message
  readonly response: Message
  readonly pieceBytes: number
  /** Both proxies are Weft's. */
  readonly isKept: boolean
}

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
const RESPONSES = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 500 ',
  'HTTP/1.1 299 Odd',
  'HTTP/1.1 200 caf\xe9\t: HTTP/1.1 500 b',
  'HTTP/1.1 413 Payload Too Large',
]

export const chainFuzzer = fuzzer<Input>({
  name: 'chain',
  checks: 'HTTP/1 over HTTP/2 to HTTP/1 in memory, any valid message: what goes in comes out, in both directions',
  cases: 500,
  generate: (random) => ({
    request: message(random, REQUESTS),
    response: message(random, RESPONSES),
    // Not byte by byte: heads in hundreds of pieces are refused.
    pieceBytes: pick(random, [20, 100, 100_000]),
    isKept: random() < 0.5,
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

function check({ request, response, pieceBytes, isKept }: Input): void {
  const config = { ...DEFAULT_HTTP2, isMeshed: isKept }
  const client = new MemoryTransport()
  const left = new MemoryTransport()
  const right = new MemoryTransport()
  const origin = new MemoryTransport()
  const owner = { onReady() {}, onDraining() {}, onCapacity() {}, onRefused() {}, onClosed() {} }
  const between = new Http2Connection(left, config, owner)
  new Http1ServerConnection(
    client,
    { maxHeadBytes: 65_536 },
    owner,
    pass(() => between.openStream()),
  )
  const toOrigin = new Http1ClientConnection(origin, { maxHeadBytes: 65_536 }, { onIdle() {}, onClosed() {} })
  new Http2Connection(
    right,
    config,
    owner,
    pass(() => toOrigin.openStream()),
  )
  const size = Math.max(20, pieceBytes)
  exchange(left, right, size)
  const sent = bytesOf(request, 'Host: a\r\n')
  feed(client, sent, size)
  exchange(left, right, size)
  compare('request', sent, origin.take(), isKept)
  const answer = bytesOf(response, '')
  feed(origin, answer, size)
  exchange(left, right, size)
  compare('response', answer, client.take(), isKept)
}

function feed(transport: MemoryTransport, bytes: Buffer, size: number): void {
  for (let at = 0; at < bytes.length; at += size) {
    const piece = Buffer.from(bytes.subarray(at, at + size))
    transport.handler.onBytes(piece, 0, piece.length)
    piece.fill(0xee)
  }
}

function compare(kind: 'request' | 'response', sent: Buffer, received: Buffer, isKept: boolean): void {
  const [before] = kind === 'request' ? targetsAsAscii(kind, sent) : readWithLlhttp(kind, sent).messages
  const [after] = kind === 'request' ? targetsAsAscii(kind, received) : readWithLlhttp(kind, received).messages
  const what = `${kind}: ${JSON.stringify(received.toString('latin1'))}`
  equal(after?.isComplete, true, what)
  deepEqual(plain(after!, isKept), plain(before!, isKept), what)
  const reason = reasonOf(sent)
  if (kind === 'response' && isKept && reason !== '') equal(reasonOf(received), reason, what)
}

/** llhttp does not tell it. */
function reasonOf(response: Buffer): string {
  return response.toString('latin1', 'HTTP/1.1 200 '.length, response.indexOf('\r\n'))
}

/** llhttp wants ASCII in targets; for both ends the same is put in place of other bytes. */
function targetsAsAscii(kind: 'request', bytes: Buffer): readonly LlhttpMessage[] {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\r\n')
  const line = text.slice(0, end).replace(/[\x80-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)
  return readWithLlhttp(kind, Buffer.from(line + text.slice(end), 'latin1')).messages
}

/** Fields that each hop makes anew. */
const OURS = /^(?:transfer-encoding|content-length|host|connection):/i

/** What has to be the same; of two proxies that agreed on nothing names in lower case and in any order. */
function plain({ method, target, status, content, fields, trailers }: LlhttpMessage, isKept: boolean): unknown {
  const linesOf = (list: readonly string[]): string[] => {
    const lines: string[] = []
    for (let at = 0; at < list.length; at += 2) lines.push(`${list[at]!}: ${list[at + 1]}`)
    return lines.filter((line) => !OURS.test(line))
  }
  const linesFor = (list: readonly string[]): string[] => (isKept ? linesOf(list) : joined(linesOf(list)))
  return { method, target, status, content, fields: linesFor(fields), trailers: linesFor(trailers) }
}

/** RFC 9113 §8.2.3: crumbs of a cookie become one field where HTTP/2 ends. */
function joined(lines: readonly string[]): string[] {
  const lower = lines.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase()))
  const crumbs = lower.filter((line) => line.startsWith('cookie: ')).map((line) => line.slice(8))
  const others = lower.filter((line) => !line.startsWith('cookie: '))
  return [...others, `cookie: ${crumbs.join('; ')}`.trim()].sort()
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
