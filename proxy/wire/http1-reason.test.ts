import { test } from 'tap'
import { Head } from './head.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { writeHpackBlock } from './hpack-encoder.ts'
import { parseRequestHead, parseResponseHead } from './http1-head.ts'
import { MAX_REASON_BYTES, restoreReason } from './http1-reason.ts'
import { writeResponseHead } from './http1-writer.ts'
import type { MessageKind } from './message-check.ts'
import { MemoryOutput } from './output.ts'
import { token } from './tokens.ts'

const OPTIONS = { version: 11, connection: undefined, isChunked: false } as const

function response(statusLine: string, lines: readonly string[] = []): Head {
  const text = Buffer.from(`${[`HTTP/1.1 ${statusLine}`, ...lines].join('\r\n')}\r\n\r\n`, 'latin1')
  const head = new Head()
  parseResponseHead(head, text, 0, text.length)
  return head
}

function blockOf(head: Head, keepsForm = true): Buffer {
  const out = new MemoryOutput()
  writeHpackBlock(out, head, keepsForm)
  return out.taken()
}

function decoded(block: Buffer, kind: MessageKind = 'response'): Head {
  const head = new Head()
  new HpackDecoder(4_096).decode(head, block, 0, block.length, kind)
  return head
}

function linesOf(head: Head): string[] {
  const out = new MemoryOutput()
  writeResponseHead(out, head, OPTIONS)
  return out.taken().toString('latin1').split('\r\n').slice(0, -2)
}

/** A block of status 200 and `weft-reason` with this value. */
function saying(value: string, isCoded = false): Buffer {
  const length =
    value.length < 127 ? [value.length] : [127, ((value.length - 127) & 127) | 128, (value.length - 127) >> 7]
  if (isCoded) length[0]! |= 0x80
  const name = Buffer.from('weft-reason')
  return Buffer.concat([Buffer.from([0x88, 0, name.length]), name, Buffer.from(length), Buffer.from(value, 'latin1')])
}

test('reason phrases of HTTP/1 over HTTP/2', async (t) => {
  const long = 'x'.repeat(MAX_REASON_BYTES)
  const cases = [
    { name: 'the standard one', line: '200 OK', said: undefined },
    { name: 'another one', line: '200 Fine', said: 'Fine' },
    { name: 'as long as the standard one', line: '200 ok', said: 'ok' },
    { name: 'an older standard', line: '413 Payload Too Large', said: 'Payload Too Large' },
    { name: 'of a status nobody registered', line: '499 Client Closed Request', said: 'Client Closed Request' },
    { name: 'of an informational response', line: '103 Soon', said: 'Soon' },
    { name: 'bytes above ASCII and a tab', line: '500 caf\xe9\tclosed', said: 'caf\xe9\tclosed' },
    { name: 'what looks like a line', line: '500 a: b HTTP/1.1 200 OK', said: 'a: b HTTP/1.1 200 OK' },
    { name: 'as long as is carried', line: `500 ${long}`, said: long },
    { name: 'longer', line: `500 ${long}x`, said: undefined, back: '500 Internal Server Error' },
    { name: 'spaces around it', line: '500  broken ', said: 'broken', back: '500 broken' },
    { name: 'spaces alone', line: '500    ', said: undefined, back: '500 Internal Server Error' },
    { name: 'none', line: '200 ', said: undefined, back: '200 OK' },
  ]
  for (const { name, line, said, back } of cases) {
    const head = decoded(blockOf(response(line, ['Server: a'])))
    t.equal(head.malformed, undefined, name)
    t.equal(head.reasonRow === -1 ? undefined : head.valueAt(head.reasonRow), said, `${name}: what is said`)
    if (head.reasonRow !== -1) restoreReason(head)
    t.same(linesOf(head), [`HTTP/1.1 ${back ?? line}`, 'server: a'], `${name}: what comes back`)
  }
})

test('weft-reason is nobody else’s', async (t) => {
  t.same(linesOf(response('200 OK', ['Weft-Reason: Mine'])), ['HTTP/1.1 200 OK'], 'an application cannot say it')
  t.notOk(blockOf(response('200 Fine'), false).includes('weft-reason'), 'it is not said to who did not agree on it')

  const received = decoded(blockOf(response('200 Fine')))
  t.same(linesOf(received), ['HTTP/1.1 200 OK'], 'who did not agree on it sees the standard one')
  t.notOk(blockOf(received).includes('weft-reason'), 'and does not pass it on')

  const text = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nWeft-Reason: b\r\n\r\n')
  const request = new Head()
  parseRequestHead(request, text, 0, text.length)
  t.equal(request.has(token('weft-reason')), false, 'nor in a request')
  const trailers = decoded(saying('Fine').subarray(1), 'trailers')
  t.equal(trailers.reasonRow, -1, 'nor in trailers')
  t.equal(trailers.has(token('weft-reason')), false)
})

test('what a peer says of a reason is held to what a status line may have', async (t) => {
  for (const value of ['a\r\nX: y', 'a\nb', 'a\rb', 'a\0', ' a', 'a ', 'a\x7f'])
    t.match(decoded(saying(value)).malformed, /illegal|control/, JSON.stringify(value))
  const cases = [
    { name: 'too long', block: saying('x'.repeat(MAX_REASON_BYTES + 1)), line: 'HTTP/1.1 200 OK' },
    // `ok` in Huffman code (RFC 7541 Appendix B): 00111 1110101, padded with ones.
    { name: 'coded', block: saying('\x3f\x5f', true), line: 'HTTP/1.1 200 OK' },
    { name: 'empty', block: saying(''), line: 'HTTP/1.1 200 OK' },
    { name: 'twice', block: Buffer.concat([saying('a'), saying('b').subarray(1)]), line: 'HTTP/1.1 200 a' },
    { name: 'what fits', block: saying('Fine'), line: 'HTTP/1.1 200 Fine' },
  ]
  for (const { name, block, line } of cases) {
    const head = decoded(block)
    t.equal(head.malformed, undefined, name)
    restoreReason(head)
    t.same(linesOf(head), [line], name)
  }
})

test('a status that is changed has the reason of its own', async (t) => {
  const head = decoded(blockOf(response('200 Fine')))
  restoreReason(head)
  const copy = new Head()
  copy.copyFrom(head)
  t.same(linesOf(copy), ['HTTP/1.1 200 Fine'], 'a copy keeps it')
  head.setStatus(503)
  t.same(linesOf(head), ['HTTP/1.1 503 Service Unavailable'])
})
