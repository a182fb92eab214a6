/**
 * Chunked content, against llhttp: the same bytes of content and the same trailers, or the reason why only one of the two
 * takes it; and the same in any pieces.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { below, mutateText, pick, several, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { type LlhttpMessage, readWithLlhttp } from '../../test/fuzz/llhttp.ts'
import { ChunkedDecoder, MAX_CHUNK_EXTENSION_BYTES, writeChunkHeader, writeLastChunk } from './chunked.ts'
import type { Head } from './head.ts'
import { Http1Error } from './http1-error.ts'
import { MemoryOutput } from './output.ts'

const SIZES = [
  '0',
  '00',
  '1',
  '5',
  'a',
  'A',
  '10',
  '0010',
  'ffffffff',
  'fffffffffffff',
  '0x1',
  '-1',
  '+1',
  '',
  ' 1',
  '1 ',
  '1_0',
  '\u00b2',
]
const EXTENSIONS = [
  '',
  '',
  '',
  ';a',
  ';a=b',
  '; a = "b\\"c"',
  ' ;a',
  '\t',
  ';',
  ';a\x80',
  ';a\x7f',
  ';a\nb',
  ';a="\r\n0\r\n\r\n"',
  `;${'x'.repeat(300)}`,
]
const ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', '']
const TRAILERS = [
  'X-Sum: 1\r\n',
  'x: \r\n',
  'Content-Length: 5\r\n',
  'Host: a\r\n',
  'Transfer-Encoding: chunked\r\n',
  'x : y\r\n',
  ' x: y\r\n',
  'x\r\n',
  'x: y\n',
  'X: \x80\r\n',
  ': y\r\n',
]
const PIECES = ['\r', '\n', '\r\n', '0', '0\r\n\r\n', ';', ' ', '\t', 'f', 'x', '\0', '5\r\nabcde\r\n', ...TRAILERS]

export const chunkedFuzzer = fuzzer<string>({
  name: 'chunked',
  checks:
    'chunked content: same content and trailers as llhttp (strict), in any pieces, and after it was written again',
  cases: 3_000,
  generate: (random) =>
    `${several(random, 4, () => chunk(random)).join('')}${pick(random, ['0', '0', '0', '000', pick(random, SIZES)])}${pick(random, EXTENSIONS)}${pick(random, ENDS)}${several(random, 3, () => pick(random, TRAILERS)).join('')}\r\n${pick(random, ['', '', 'x'])}`,
  mutate: (random, text) => mutateText(random, text, PIECES),
  run: check,
})

function chunk(random: Random): string {
  const content = textOf(random, below(random, 20))
  const size = random() < 0.85 ? content.length.toString(16) : pick(random, SIZES)
  return `${size}${pick(random, EXTENSIONS)}${pick(random, ENDS)}${content}${pick(random, ENDS)}`
}

interface Decoded {
  content: string
  trailers: string[]
  isDone: boolean
  consumed: number
  error: string | undefined
}

function check(text: string): void {
  const bytes = Buffer.from(text, 'latin1')
  const whole = decode(bytes, bytes.length)
  for (const size of [1, 2, 7]) deepEqual(decode(bytes, size), whole, `in pieces of ${size}: ${JSON.stringify(text)}`)
  checkAgainstLlhttp(text, whole)
  if (whole.isDone) checkWriter(whole)
}

function decode(bytes: Buffer, size: number): Decoded {
  const decoder = new ChunkedDecoder()
  const result: Decoded = { content: '', trailers: [], isDone: false, consumed: 0, error: undefined }
  let ends = 0
  const sink = {
    onData: (buf: Buffer, start: number, end: number) => {
      result.content += buf.toString('latin1', start, end)
    },
    onTrailers: (trailers: Head) => {
      for (let index = 0; index < trailers.count; index++) {
        if (!trailers.isDropped(index)) result.trailers.push(trailers.nameAt(index), trailers.valueAt(index))
      }
    },
    onEnd: () => void ends++,
  }
  try {
    for (let at = 0; at < bytes.length && !decoder.isDone; at += size) {
      const end = Math.min(bytes.length, at + size)
      // A piece of its own, spoiled afterwards: nobody may keep what it was only shown.
      const piece = Buffer.from(bytes.subarray(at, end))
      result.consumed = at + decoder.push(piece, 0, piece.length, sink)
      piece.fill(0xee)
    }
  } catch (error) {
    if (!(error instanceof Http1Error)) throw error
    result.error = error.message
    // How much of a refused message was read before depends on the pieces.
    result.consumed = 0
  }
  result.isDone = decoder.isDone && result.error === undefined
  equal(ends, result.isDone ? 1 : 0, 'the end is told once')
  return result
}

// ── llhttp ──

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
/** Fields that never leave a trailer section. */
const NOT_PASSED_ON = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
])

/** Why we refuse what llhttp takes. */
const STRICTER_WEFT: readonly { readonly why: string; readonly sentence: RegExp }[] = [
  { why: 'a bound on what has no meaning', sentence: new RegExp(`longer than ${MAX_CHUNK_EXTENSION_BYTES} bytes`) },
  { why: 'RFC 9112 §7.1.1: an extension has a name', sentence: /^a chunk extension is not one/ },
  { why: 'a bound on sizes, leading zeros counted', sentence: /more than \d+ digits/ },
  {
    why: 'what is dropped from trailers may not be broken either',
    sentence: /Host|Content-Length|Transfer-Encoding|transfer coding/,
  },
]

/** Why llhttp refuses what we take. */
const STRICTER_LLHTTP: readonly { readonly why: string; readonly allows: (code: string, text: string) => boolean }[] = [
  {
    why: 'spaces behind a size: some servers pad, and RFC 9112 §7.1.1 has them before a semicolon',
    allows: (code, text) => code === 'HPE_INVALID_CHUNK_SIZE' && /[0-9a-f][ \t]+(?:;|\r|$)/i.test(text),
  },
  {
    why: 'RFC 9112 §7.1.1 has spaces around names and values of extensions',
    allows: (code, text) => code === 'HPE_STRICT' && /;[^\r]*[ \t]/.test(text),
  },
  {
    why: 'llhttp reads trailers like fields of a head; we drop those that would frame the message',
    allows: (code) => code === 'HPE_INVALID_CONTENT_LENGTH' || code === 'HPE_INVALID_TRANSFER_ENCODING',
  },
]

function checkAgainstLlhttp(text: string, ours: Decoded): void {
  const { messages, error } = readWithLlhttp('request', Buffer.from(HEAD + text, 'latin1'))
  const theirs: LlhttpMessage = messages[0]!
  const shown = JSON.stringify(text)
  if (ours.error !== undefined) {
    const isRefused = !theirs.isComplete && error !== undefined
    ok(
      isRefused || STRICTER_WEFT.some(({ sentence }) => sentence.test(ours.error!)),
      `llhttp takes what we refuse (${ours.error}): ${shown}`,
    )
    return
  }
  // What is broken in a trailer section is found here when all of it has come.
  if (error !== undefined && !theirs.isComplete) {
    if (!ours.isDone && /^0/m.test(text)) return
    ok(
      STRICTER_LLHTTP.some(({ allows }) => allows(error, text)),
      `llhttp refuses what we take (${error}): ${shown}`,
    )
    return
  }
  equal(ours.isDone, theirs.isComplete, `the end: ${shown}`)
  equal(ours.content, theirs.content, `the content: ${shown}`)
  if (!ours.isDone) return
  const expected: string[] = []
  for (let at = 0; at < theirs.trailers.length; at += 2) {
    const name = theirs.trailers[at]!.toLowerCase()
    if (!NOT_PASSED_ON.has(name)) expected.push(name, theirs.trailers[at + 1]!)
  }
  deepEqual(ours.trailers, expected, `the trailers: ${shown}`)
}

/** What we write for this content is read as this content. */
function checkWriter({ content }: Decoded): void {
  const out = new MemoryOutput()
  const half = content.length >> 1
  for (const part of [content.slice(0, half), content.slice(half)]) {
    if (part === '') continue
    writeChunkHeader(out, part.length)
    out.ensure(part.length + 2)
    out.at += out.buf.write(`${part}\r\n`, out.at, 'latin1')
  }
  writeLastChunk(out)
  const again = decode(out.taken(), 1_000_000)
  ok(again.isDone)
  equal(again.content, content)
}
