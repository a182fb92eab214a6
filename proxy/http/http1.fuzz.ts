/**
 * Requests in a row on one HTTP/1 connection: the same events however the bytes are cut, every handler hears one end, and
 * the requests are those that llhttp reads.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { below, cuts, mutateText, pick, several, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { readWithLlhttp } from '../../test/fuzz/llhttp.ts'
import { Head } from '../wire/head.ts'
import { seededRandom } from '../wire/seeded-random.ts'
import { Http1ServerConnection } from './http1-server.ts'
import { MemoryTransport } from './memory-transport.ts'
import type { ServerStream } from './stream.ts'

type Input = { readonly text: string; readonly seed: number }

interface Request {
  readonly head: string
  content: string
  trailers: string
  end: 'open' | 'ended' | 'reset'
}

const HEADS = [
  'GET / HTTP/1.1\r\nHost: a\r\n',
  'POST /b HTTP/1.1\r\nHost: a\r\n',
  'GET / HTTP/1.0\r\nConnection: keep-alive\r\n',
  'HEAD /c?d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n',
  'POST http://a/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n',
]
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '0\r\n\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  '\r\n\r\n',
  '5\r\n',
  ' ',
  ':',
  'x',
  '\0',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
]

export const http1Fuzzer = fuzzer<Input>({
  name: 'http1',
  checks:
    'pipelined HTTP/1 requests through the server connection: the same in any pieces, one end each, as llhttp reads them',
  cases: 800,
  generate: (random) => ({ text: several(random, 5, () => request(random)).join(''), seed: below(random, 1_000) }),
  mutate: (random, { text }) => ({ text: mutateText(random, text, PIECES, 2), seed: below(random, 1_000) }),
  run: check,
})

function request(random: Random): string {
  const head = pick(random, HEADS)
  const content = textOf(random, below(random, 30))
  if (!head.startsWith('POST')) return `${head}\r\n`
  if (random() < 0.5) return `${head}Content-Length: ${content.length}\r\n\r\n${content}`
  const chunk = content.length === 0 ? '' : `${content.length.toString(16)}\r\n${content}\r\n`
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n${pick(random, ['', 'X-Sum: 1\r\n'])}\r\n`
}

function check({ text, seed }: Input): void {
  // A head in pieces is looked at again only when its end is there, so a broken one needs an end to be refused.
  const bytes = Buffer.from(`${text}\r\n\r\n`, 'latin1')
  const random = seededRandom(seed)
  const whole = serve(bytes, [bytes.length])
  for (const ends of [cuts(random, bytes.length), cuts(random, bytes.length)])
    deepEqual(serve(bytes, ends), whole, `cut at ${ends}`)
  const { messages } = readWithLlhttp('request', bytes)
  for (const [at, { head, content, end }] of whole.requests.entries()) {
    const theirs = messages[at]
    // llhttp stops at what it refuses; the reasons are in http1-head.fuzz.ts and chunked.fuzz.ts.
    if (theirs === undefined) return
    equal(head, `${theirs.method} ${theirs.target}`)
    if (end === 'ended' && theirs.isComplete) equal(content, theirs.content)
  }
}

/** What the application heard and the client got. */
function serve(bytes: Buffer, ends: readonly number[]): { requests: Request[]; answers: string } {
  const transport = new MemoryTransport()
  const requests: Request[] = []
  const owner = { onRefused() {}, onClosed() {} }
  new Http1ServerConnection(transport, { maxHeadBytes: 65_536 }, owner, (head, endStream, stream) => {
    const heard: Request = {
      head: `${head.valueAt(0)} ${head.bytes.toString('latin1', head.targetStart, head.targetEnd)}`,
      content: '',
      trailers: '',
      end: 'open',
    }
    requests.push(heard)
    const finish = (end: 'ended' | 'reset'): void => {
      equal(heard.end, 'open', 'one end')
      heard.end = end
      if (end === 'ended') answer(stream)
    }
    if (endStream) finish('ended')
    return {
      onRequestData(buf, start, end, isEnd) {
        equal(heard.end, 'open', 'no content behind the end')
        heard.content += Buffer.from(buf.subarray(start, end)).toString('latin1')
        stream.consumed(end - start)
        if (isEnd) finish('ended')
      },
      onRequestTrailers(trailers) {
        for (let at = 0; at < trailers.count; at++)
          heard.trailers += `${trailers.nameAt(at)}: ${trailers.valueAt(at)}\n`
        finish('ended')
      },
      onRequestReset: () => finish('reset'),
      onResponseSent() {},
    }
  })
  let start = 0
  for (const end of ends) {
    const piece = Buffer.from(bytes.subarray(start, end))
    if (!transport.isDestroyed) transport.handler.onBytes(piece, 0, piece.length)
    piece.fill(0xee)
    start = end
  }
  if (!transport.isDestroyed) transport.handler.onEnd()
  transport.handler.onClose(undefined)
  for (const { end } of requests) ok(end !== 'open', 'every request hears an end')
  return { requests, answers: transport.take().toString('latin1') }
}

function answer(stream: ServerStream): void {
  const head = new Head()
  head.setStatus(404)
  head.add('content-length', '0')
  stream.sendHead(head, true)
}
