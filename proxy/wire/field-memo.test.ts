import { test } from 'tap'
import { Head } from './head.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { NaiveHpack } from './hpack-naive.ts'
import { encodeHuffman } from './huffman.ts'
import { below, pick, seededRandom } from './seeded-random.ts'

function literal(first: number, name: string, value: string, isCoded: boolean): Buffer {
  const string = (text: string) => {
    const bytes = isCoded ? encodeHuffman(text) : Buffer.from(text, 'latin1')
    const bit = isCoded ? 0x80 : 0
    const length = bytes.length
    const prefix = length < 127 ? [bit | length] : [bit | 127, ((length - 127) & 127) | 128, (length - 127) >> 7]
    return Buffer.concat([Buffer.from(prefix), bytes])
  }
  return Buffer.concat([Buffer.from([first]), string(name), string(value)])
}

test('blocks that resemble one another: as if each were the first', async (t) => {
  const random = seededRandom(64)
  const names = [
    'x-request-id',
    'x-some-name',
    'authorization',
    'te',
    'content-length',
    'user-agent',
    'x-other',
    'connection',
  ]
  const values = [
    'trailers',
    '12345678',
    'a'.repeat(200),
    'b'.repeat(200),
    `${'b'.repeat(199)}c`,
    'x'.repeat(1100),
    'short',
    'bad\nvalue',
    'Mozilla/5.0 (X11)',
  ]
  const decoder = new HpackDecoder(4096)
  const naive = new NaiveHpack(4096)
  const head = new Head()
  const fresh = new Head()
  // The usual list is well-formed: nothing is kept of a message that is not.
  const fields = Array.from({ length: 12 }, () => [
    pick(random, ['x-request-id', 'x-some-name', 'authorization', 'user-agent', 'x-other']),
    pick(random, values.slice(1, 5)),
  ])
  let repeated = 0
  for (let round = 0; round < 1000; round++) {
    // Mostly the same fields in the same places, now and then another one, one more, one less, or the table.
    const list = fields.map(([name, value]) =>
      random() < 0.02 ? [pick(random, names), pick(random, values)] : [name, value],
    )
    if (random() < 0.1) list.splice(below(random, list.length), 1)
    if (random() < 0.1) list.splice(below(random, list.length), 0, [pick(random, names), pick(random, values)])
    const kind = random() < 0.1 ? 'trailers' : 'request'
    const block = Buffer.concat([
      random() < 0.05 ? Buffer.from(pick(random, ['20', '3fe11f', '3f21']), 'hex') : Buffer.alloc(0),
      Buffer.from(kind === 'request' ? '828684' : '', 'hex'),
      ...list.map(([name, value], index) =>
        literal(index === 3 ? 0x40 : index === 4 ? 0x10 : 0, name!, value!, index % 2 === 0),
      ),
    ])
    decoder.decode(head, block, 0, block.length, kind)
    const expected = naive.decode(block)
    const got = []
    for (let index = 0; index < head.count; index++) got.push([head.nameAt(index), head.valueAt(index)])
    if (JSON.stringify(got) !== JSON.stringify(expected)) t.fail(`round ${round}: ${block.toString('hex')}`)
    new HpackDecoder(4096).decode(fresh, block, 0, block.length, kind)
    if (
      fresh.malformed !== head.malformed ||
      fresh.listBytes !== head.listBytes ||
      fresh.contentLength !== head.contentLength
    ) {
      t.fail(`round ${round}: ${head.malformed} instead of ${fresh.malformed}`)
    }
    const rows = (of: Head) =>
      of.fields.subarray(0, of.count * 8).filter((_, column) => [0, 5, 6, 7].includes(column % 8))
    if (Buffer.compare(Buffer.from(rows(fresh).buffer), Buffer.from(rows(head).buffer)) !== 0)
      t.fail(`round ${round}: rows differ`)
    if (head.malformed === undefined) repeated++
  }
  t.ok(repeated > 100, 'many of them were well-formed')
})
