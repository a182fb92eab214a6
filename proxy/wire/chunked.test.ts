import { test } from 'tap'
import { ChunkedDecoder, writeChunkHeader, writeLastChunk } from './chunked.ts'
import { Head } from './head.ts'
import { Http1Error } from './http1-error.ts'
import { MemoryOutput } from './output.ts'
import { below, seededRandom } from './seeded-random.ts'

/** Content and trailers of what is fed in pieces of `size`, and how much was left behind the message. */
function decode(text: string, size: number): string {
  const bytes = Buffer.from(text, 'latin1')
  const decoder = new ChunkedDecoder()
  const events: string[] = []
  let content = ''
  const sink = {
    onData: (buf: Buffer, start: number, end: number) => {
      if (start === end) events.push('empty data')
      content += buf.toString('latin1', start, end)
    },
    onTrailers: (trailers: Head) => {
      const list = []
      for (let i = 0; i < trailers.count; i++)
        if (!trailers.isDropped(i)) list.push(`${trailers.nameAt(i)}=${trailers.valueAt(i)}`)
      events.push(`trailers ${list.join(' ')}`)
    },
    onEnd: () => events.push('end'),
  }
  let at = 0
  try {
    while (at < bytes.length && !decoder.isDone) {
      const end = Math.min(bytes.length, at + size)
      const next = decoder.push(bytes, at, end, sink)
      if (!decoder.isDone && next !== end) throw new Error('stopped in the middle')
      at = next
    }
  } catch (error) {
    if (error instanceof Http1Error) return `error ${error.status}`
    throw error
  }
  return `"${content}" ${[...events, `left ${bytes.length - at}`].join(', ')}`
}

test('ChunkedDecoder, RFC 9112 §7.1', async (t) => {
  const cases = [
    { name: 'two chunks', text: '3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n', result: '"abc0123456789" end, left 0' },
    { name: 'nothing', text: '0\r\n\r\n', result: '"" end, left 0' },
    { name: 'zeros in front of a size', text: '0003\r\nabc\r\n00\r\n\r\n', result: '"abc" end, left 0' },
    { name: 'a pipelined request behind', text: '1\r\na\r\n0\r\n\r\nGET', result: '"a" end, left 3' },
    { name: 'a padded size, as some servers write it', text: '1  \r\na\r\n0 \t\r\n\r\n', result: '"a" end, left 0' },
    { name: 'extensions', text: '1;x=y\r\na\r\n1 ; z="q"\r\nb\r\n0;last\r\n\r\n', result: '"ab" end, left 0' },
    { name: 'spaces that fill up a size', text: '1 \t\r\na\r\n0 \r\n\r\n', result: '"a" end, left 0' },
    {
      name: 'every form of extension',
      text: '1;a;b=c;d = "e;\\"f" ;g\r\na\r\n0;h\r\n\r\n',
      result: '"a" end, left 0',
    },
    {
      name: 'trailers',
      text: '1\r\na\r\n0\r\nX-Sum: 7\r\nB: c\r\n\r\nGET',
      result: '"a" trailers x-sum=7 b=c, end, left 3',
    },
    {
      name: 'trailers that would change the framing are dropped',
      text: '0\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\nHost: x\r\na: b\r\n\r\n',
      result: '"" trailers a=b, end, left 0',
    },
    { name: 'content that looks like a chunk', text: '5\r\n0\r\n\r\n\r\n0\r\n\r\n', result: '"0\r\n\r\n" end, left 0' },
    {
      name: 'upper and lower case digits',
      text: '0a\r\n0123456789\r\n0A\r\n0123456789\r\n0\r\n\r\n',
      result: '"01234567890123456789" end, left 0',
    },
  ]
  for (const { name, text, result } of cases) {
    for (let size = 1; size <= text.length; size++) {
      const got = decode(text, size)
      // What is behind the message stays with the caller, but only what had come with its end.
      t.equal(
        size === text.length ? got : got.replace(/left \d+$/, ''),
        size === text.length ? result : result.replace(/left \d+$/, ''),
        `${name}, in pieces of ${size}`,
      )
    }
  }
})

test('chunked content that is refused', async (t) => {
  const cases = [
    { name: 'no size', text: '\r\nabc' },
    { name: 'a size that is no number', text: 'g\r\n' },
    { name: 'a sign', text: '+3\r\nabc\r\n' },
    { name: '0x', text: '0x3\r\nabc\r\n' },
    { name: 'a space in front', text: ' 3\r\nabc\r\n' },
    { name: 'a bare LF behind the size', text: '3\nabc\r\n' },
    { name: 'CR without LF behind the size', text: '3\rabc\r\n' },
    { name: 'a chunk longer than its size', text: '3\r\nabcd\r\n' },
    { name: 'a bare LF behind a chunk', text: '3\r\nabc\n0\r\n\r\n' },
    { name: 'thirteen digits', text: '0000000000003\r\nabc\r\n' },
    { name: 'a bare LF in an extension', text: '3;a\n\r\nabc\r\n' },
    { name: 'NUL in an extension', text: '3;\0\r\nabc\r\n' },
    { name: 'two sizes', text: '1 1\r\nabc\r\n' },
    { name: 'a word behind a size', text: '3\tx\r\nabc\r\n' },
    { name: 'endless spaces', text: `3${' '.repeat(300)}` },
    { name: 'an endless extension', text: `3;${'x'.repeat(300)}` },
    { name: 'extensions without end', text: `1;${'x'.repeat(250)}\r\na\r\n`.repeat(70) },
    { name: 'two numbers', text: '1 1\r\na\r\n' },
    { name: 'words behind the size', text: '1 a\r\na\r\n' },
    { name: 'a lone semicolon', text: '1;\r\na\r\n' },
    { name: 'an extension of spaces', text: '1; \r\na\r\n' },
    { name: 'an extension without a name', text: '1;=b\r\na\r\n' },
    { name: 'an extension without a value', text: '1;a=\r\na\r\n' },
    { name: 'two names', text: '1;a b\r\na\r\n' },
    { name: 'a quote that is not closed', text: '1;a="b\r\na\r\n' },
    { name: 'an escaped quote that closes nothing', text: '1;a="b\\"\r\na\r\n' },
    { name: 'words behind a quoted value', text: '1;a="b"c\r\na\r\n' },
    { name: 'a quoted CR', text: '1;a="b\\\r\n"\r\na\r\n' },
    { name: 'a bare LF behind the last chunk', text: '0\r\n\n' },
    { name: 'a trailer without a colon', text: '0\r\nabc\r\n\r\n' },
    { name: 'a folded trailer', text: '0\r\na: b\r\n c\r\n\r\n' },
    { name: 'a bare LF in a trailer', text: '0\r\na: b\nc: d\r\n\r\n' },
    { name: 'CR without LF in a trailer', text: '0\r\na: b\rc\r\n\r\n' },
  ]
  for (const { name, text } of cases) {
    for (let size = 1; size <= text.length; size++) {
      if (decode(text, size) !== 'error 400') t.fail(`${name}, in pieces of ${size}: ${decode(text, size)}`)
    }
  }
  t.equal(decode(`0\r\na: ${'x'.repeat(20_000)}`, 1000), 'error 431', 'endless trailers')
})

test('what the writers write is read again', async (t) => {
  for (const length of [1, 9, 10, 15, 16, 255, 256, 4096, 65_535, 2 ** 20, 2 ** 28, 2 ** 31 - 1, 2 ** 32 - 1]) {
    const out = new MemoryOutput()
    writeChunkHeader(out, length)
    t.equal(out.taken().toString('latin1'), `${length.toString(16)}\r\n`)
  }
  const out = new MemoryOutput()
  const random = seededRandom(71)
  let content = ''
  for (let chunk = 0; chunk < 20; chunk++) {
    const text = 'x'.repeat(1 + below(random, 300))
    content += text
    writeChunkHeader(out, text.length)
    out.ensure(text.length + 2)
    out.at += out.buf.write(`${text}\r\n`, out.at, 'latin1')
  }
  const trailers = new Head()
  trailers.add('grpc-status', '0')
  writeLastChunk(out, trailers)
  t.equal(decode(out.taken().toString('latin1'), 7), `"${content}" trailers grpc-status=0, end, left 0`)
  const last = new MemoryOutput()
  writeLastChunk(last)
  t.equal(last.taken().toString('latin1'), '0\r\n\r\n')
})
