import { test } from 'tap'
import { Head } from './head.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { writeHpackBlock } from './hpack-encoder.ts'
import { parseRequestHead, parseTrailers } from './http1-head.ts'
import { restoreNames } from './http1-names.ts'
import { writeRequestHead, writeTrailerLines } from './http1-writer.ts'
import { MemoryOutput } from './output.ts'
import { seededRandom } from './seeded-random.ts'
import { token } from './tokens.ts'

const OPTIONS = { version: 11, connection: undefined, isChunked: false } as const

function request(lines: readonly string[]): Head {
  const text = Buffer.from(`GET /a HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  const head = new Head()
  parseRequestHead(head, text, 0, text.length)
  return head
}

/** Over HTTP/2 and back; `tampered` replaces the value of `weft-names` on its way. */
function carried(head: Head, tampered?: string): { lines: string[]; names: string | undefined } {
  const out = new MemoryOutput()
  writeHpackBlock(out, head, tampered === undefined)
  if (tampered !== undefined) out.at = appendNames(out, tampered)
  const received = new Head()
  const block = out.taken()
  new HpackDecoder(4_096).decode(received, block, 0, block.length, 'request')
  const names = received.namesRow === -1 ? undefined : received.valueAt(received.namesRow)
  if (received.namesRow !== -1) restoreNames(received)
  return { lines: linesOf(received), names }
}

function appendNames(out: MemoryOutput, value: string): number {
  out.ensure(300)
  const field = Buffer.concat([
    Buffer.from([0, 10]),
    Buffer.from('weft-names'),
    Buffer.from([value.length]),
    Buffer.from(value, 'latin1'),
  ])
  return out.at + field.copy(out.buf, out.at)
}

function linesOf(head: Head): string[] {
  const out = new MemoryOutput()
  writeRequestHead(out, head, OPTIONS)
  return out.taken().toString('latin1').split('\r\n').slice(1, -2)
}

test('names of HTTP/1 fields over HTTP/2', async (t) => {
  const cases = [
    { name: 'all in lower case', lines: ['host: a', 'accept: */*', 'x-own: 1'], names: undefined },
    { name: 'all in Title-Case', lines: ['Accept: */*', 'Host: a', 'X-Own: 1', 'Content-Type: b'], names: 'T' },
    { name: 'names without letters are in any case', lines: ['Host: a', '1-2: b', 'X-3: c'], names: 'T' },
    { name: 'some of each', lines: ['Host: a', 'sec-fetch-mode: cors', 'Accept: b', 'etag: c'], names: 'tltl' },
    { name: 'other ways', lines: ['Host: a', 'ETag: b', 'x-A-bC: c', 'DNT: 1'], names: 'tmc.m24.me.' },
    { name: 'upper case', lines: ['HOST: a', 'X-1-Y: b'], names: 'mf.t' },
    {
      name: 'the same name in several ways',
      lines: ['host: a', 'Cache-Control: b', 'cache-control: c', 'CACHE-control: d'],
      names: 'ltlmf800.',
    },
    { name: 'a long name', lines: ['host: a', `${'X'.repeat(302)}: b`], names: `lm${'f'.repeat(75)}c.` },
    {
      name: 'many names',
      lines: ['host: a', ...Array.from({ length: 200 }, (_, i) => `x-A${i}: b`)],
      names: undefined,
    },
    { name: 'one Cookie', lines: ['host: a', 'cookie: b=1; c=2'], names: undefined },
    { name: 'several Cookies', lines: ['host: a', 'cookie: b=1', 'x-own: 1', 'cookie: c=2'], names: 'c' },
    { name: 'several in Title-Case', lines: ['Host: a', 'Cookie: b=1', 'Cookie: b=1', 'Cookie: '], names: 'cT' },
    { name: 'several in some of each', lines: ['Host: a', 'COOKIE: b=1', 'cookie: c=2'], names: 'ctmfc.l' },
  ]
  for (const { name, lines, names } of cases) {
    const result = carried(request(lines))
    t.same(result.lines, lines, name)
    if (lines.length < 100) t.equal(result.names, names, `${name}: what is said`)
  }
})

test('names beside fields that were added and dropped', async (t) => {
  const head = request(['Host: a', 'X-Gone: 1', 'X-Own: 2', 'ETag: 3'])
  head.dropName('x-gone')
  head.add('l5d-client-id', 'web')
  head.add('x-own', '4')
  t.same(carried(head).lines, ['Host: a', 'X-Own: 2', 'ETag: 3', 'l5d-client-id: web', 'x-own: 4'])

  const title = request(['Host: a', 'X-Own: 2'])
  title.add('l5d-client-id', 'web')
  t.same(carried(title).lines, ['Host: a', 'X-Own: 2', 'l5d-client-id: web'], 'the last ones are no part of T')
})

test('cookies that HTTP/2 has split become one line', async (t) => {
  const head = request(['host: a', 'cookie: b=1', 'cookie: c=2'])
  t.same(carried(head, '').lines, ['host: a', 'cookie: b=1; c=2'], 'who says nothing of lines means one')
  t.same(carried(head, 'x').lines, ['host: a', 'cookie: b=1; c=2'], 'nor is it believed where it does not fit')
  t.same(carried(head, 'cttttt').lines, ['host: a', 'cookie: b=1; c=2'])
  t.same(carried(head, 'cc').lines, ['host: a', 'cookie: b=1; c=2'])
  t.same(carried(head, 'c').lines, ['host: a', 'cookie: b=1', 'cookie: c=2'])

  const added = request(['host: a', 'cookie: b=1', 'cookie: c=2'])
  added.add('cookie', 'd=3')
  added.add('cookie', 'e=4')
  t.same(carried(added).lines.slice(1), ['cookie: b=1', 'cookie: c=2', 'cookie: d=3; e=4'], 'what was added is none')
})

test('what a peer says of names is not believed where it does not fit', async (t) => {
  const lower = ['host: a', 'x-1: b', 'etag: c']
  const cases = [
    { name: 'nothing', value: '', lines: lower },
    { name: 'a letter that means nothing', value: 'x', lines: lower },
    { name: 'T and more', value: 'Tt', lines: lower },
    { name: 'more items than fields', value: 'tttt', lines: lower },
    { name: 'fewer', value: 't', lines: ['Host: a', 'x-1: b', 'etag: c'] },
    { name: 'a mask without an end', value: 'ttm8', lines: lower },
    { name: 'a mask without digits', value: 'm.', lines: lower },
    { name: 'a mask that is too short', value: 'llm.', lines: lower },
    { name: 'a mask that is too long', value: 'm80.', lines: lower },
    { name: 'a mask that changes what is no letter', value: 'lm4.', lines: lower },
    { name: 'a mask beyond the name', value: 'lm9.', lines: lower },
    { name: 'a digit that is none', value: 'mg.', lines: lower },
    { name: 'a digit in upper case', value: 'mF.', lines: lower },
    { name: 'a new line', value: 'm\t.', lines: lower },
    { name: 'good items before a bad one change nothing', value: 'tmc.x', lines: lower },
    { name: 'what does fit', value: 'tm8.mc.', lines: ['Host: a', 'X-1: b', 'ETag: c'] },
  ]
  for (const { name, value, lines } of cases) t.same(carried(request(lower), value).lines, lines, name)

  for (let seed = 1; seed <= 2_000; seed++) {
    const random = seededRandom(seed)
    const value = Array.from({ length: Math.floor(random() * 12) }, () => 'Ttlm.0f8cx'[Math.floor(random() * 10)]).join(
      '',
    )
    const back = carried(request(lower), value).lines
    if (back.join().toLowerCase() !== lower.join()) t.fail(`${value} made other names: ${back.join()}`)
  }
  t.pass('whatever is said, only the case of letters changes')
})

test('weft-names is nobody else’s', async (t) => {
  const said = request(['Host: a', 'Weft-Names: T', 'weft-names: l', 'X-Own: 1'])
  t.same(linesOf(said), ['Host: a', 'X-Own: 1'], 'an application cannot say it')
  t.same(carried(said).lines, ['Host: a', 'X-Own: 1'])

  const text = Buffer.from('Weft-Names: T\r\nX-Sum: 1\r\n\r\n')
  const trailers = new Head()
  parseTrailers(trailers, text, 0, text.length)
  t.equal(trailers.has(token('weft-names')), false, 'nor in trailers')

  const out = new MemoryOutput()
  writeHpackBlock(out, request(['Host: a', 'X-Own: 1']), true)
  const block = out.taken()
  const received = new Head()
  new HpackDecoder(4_096).decode(received, block, 0, block.length, 'request')
  t.same(linesOf(received), ['host: a', 'x-own: 1'], 'who did not agree on it sees lower case')
  const forwarded = new MemoryOutput()
  writeHpackBlock(forwarded, received)
  t.notOk(forwarded.taken().includes('weft-names'), 'and does not pass it on')
})

test('names of trailers', async (t) => {
  const text = Buffer.from('X-Sum: 1\r\nETag: b\r\n\r\n')
  const trailers = new Head()
  parseTrailers(trailers, text, 0, text.length)
  const out = new MemoryOutput()
  writeHpackBlock(out, trailers, true)
  const block = out.taken()
  const received = new Head()
  new HpackDecoder(4_096).decode(received, block, 0, block.length, 'trailers')
  restoreNames(received)
  const lines = new MemoryOutput()
  writeTrailerLines(lines, received)
  t.equal(lines.taken().toString(), text.toString())
})
