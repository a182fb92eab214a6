/**
 * HTTP/1 heads broken at random. Whatever is accepted must be read in the same way byte by byte, must be written so that
 * it is accepted again with the same meaning, and must have no second meaning for a lenient reader.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { FIELD, FIELD_STRIDE, Framing, Head } from './head.ts'
import { Http1Error, parseRequestHead, parseResponseHead } from './http1-head.ts'
import { writeRequestHead, writeResponseHead } from './http1-writer.ts'
import { MemoryOutput } from './output.ts'
import { below, pick } from './seeded-random.ts'

const REQUESTS = [
  'GET /a?b=c HTTP/1.1\r\nHost: web:80\r\nAccept: */*\r\n\r\n',
  'POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 10\r\n\r\n',
  'POST http://a/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
  '\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
]
const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nServer: x\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
  'HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n',
]
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  '\0',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: b\r\n',
  'Connection: upgrade\r\nUpgrade: x\r\n',
  'x',
  'HTTP/1.1',
  '\xff',
  '#',
  ',',
  '@',
]

export function fuzz(random: () => number, iterations: number): void {
  const head = new Head()
  for (let round = 0; round < iterations; round++) {
    const isRequest = random() < 0.7
    const text = broken(random, pick(random, isRequest ? REQUESTS : RESPONSES))
    const parse = isRequest ? parseRequestHead : parseResponseHead
    const bytes = Buffer.from(text, 'latin1')
    const result = outcome(parse, head, bytes, bytes.length)
    if (typeof result === 'string' || result === -1) continue
    // Complete exactly once, whatever the pieces: never before the last byte of the head.
    const seen = below(random, result)
    for (let end = 0; end < result; end++) {
      equal(outcome(parse, new Head(), bytes, end), -1, JSON.stringify(text))
      equal(parse(new Head(), bytes, 0, end, undefined, Math.min(seen, end)), -1, JSON.stringify(text))
    }
    equal(parse(new Head(), bytes, 0, bytes.length, undefined, seen), result)
    const accepted = text.slice(0, result)
    // Line ends, NUL, folded lines, a space before a colon.
    ok(!/[^\r]\n|\r[^\n]|\0|\r\n[ \t]|\r\n[^:\r]*[ \t]:/.test(accepted), `accepted ${JSON.stringify(accepted)}`)
    if (
      /transfer-encoding/i.test(accepted) &&
      /content-length/i.test(accepted) &&
      head.status !== 204 &&
      head.status >= 200
    ) {
      ok(head.framing !== Framing.chunked || head.contentLength === -1)
    }
    checkWriter(isRequest, head)
  }
}

function checkWriter(isRequest: boolean, head: Head): void {
  const out = new MemoryOutput()
  const isChunked = head.framing === Framing.chunked
  const options = {
    version: head.version,
    connection: head.isUpgrade ? ('upgrade' as const) : head.isKeepAlive ? ('keep-alive' as const) : ('close' as const),
    isChunked,
  }
  if (isRequest) writeRequestHead(out, head, options)
  else writeResponseHead(out, head, options)
  const again = new Head()
  const bytes = out.taken()
  const next = isRequest
    ? parseRequestHead(again, bytes, 0, bytes.length)
    : parseResponseHead(again, bytes, 0, bytes.length)
  equal(next, bytes.length, bytes.toString('latin1'))
  deepEqual(fieldsOf(again), fieldsOf(head), bytes.toString('latin1'))
  deepEqual(
    [
      again.framing,
      again.contentLength,
      again.isKeepAlive,
      again.isUpgrade,
      again.version,
      again.status,
      again.isAbsoluteForm,
    ],
    [
      head.framing,
      head.contentLength,
      head.isKeepAlive,
      head.isUpgrade,
      head.version,
      head.status,
      head.isAbsoluteForm,
    ],
    bytes.toString('latin1'),
  )
}

/** Fields without those the writer owns. */
function fieldsOf(head: Head): string[] {
  const fields: string[] = []
  for (let index = 0; index < head.count; index++) {
    const name = head.nameAt(index)
    if (head.isDropped(index) || ['connection', 'keep-alive', 'transfer-encoding', 'proxy-connection'].includes(name))
      continue
    // `Upgrade` is passed on only where it is offered.
    if (name === 'upgrade' && !head.isUpgrade) continue
    const row = index * FIELD_STRIDE
    ok(
      head.fields[row + FIELD.valueStart]! <= head.fields[row + FIELD.valueEnd]! &&
        head.fields[row + FIELD.valueEnd]! <= head.end,
    )
    fields.push(`${name}: ${head.valueAt(index)}`)
  }
  return fields
}

function outcome(parse: typeof parseRequestHead, head: Head, bytes: Buffer, end: number): number | string {
  try {
    return parse(head, bytes, 0, end)
  } catch (error) {
    if (error instanceof Http1Error) return error.message
    throw error
  }
}

function broken(random: () => number, text: string): string {
  let result = text
  for (let changes = below(random, 4); changes > 0; changes--) {
    const at = below(random, result.length + 1)
    const kind = random()
    if (kind < 0.4) result = result.slice(0, at) + pick(random, PIECES) + result.slice(at)
    else if (kind < 0.6) result = result.slice(0, at) + result.slice(at + 1 + below(random, 4))
    else if (kind < 0.8) result = result.slice(0, at) + String.fromCharCode(below(random, 256)) + result.slice(at + 1)
    else {
      // A line twice.
      const lines = result.split('\r\n')
      const line = below(random, Math.max(1, lines.length - 2))
      lines.splice(line, 0, lines[below(random, lines.length)]!)
      result = lines.join('\r\n')
    }
  }
  return result
}
