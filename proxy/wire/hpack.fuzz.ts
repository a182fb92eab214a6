/**
 * HPACK: blocks of one connection, of every representation and broken at random, against a naive decoder of our own and
 * against hpack.js. What the encoder writes must mean the same to both.
 */
import { deepEqual, ok } from 'node:assert/strict'
import { createRequire } from 'node:module'
import { below, mutateList, mutateText, pick, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { ConnectionError, ErrorCode } from './connection-error.ts'
import { FIELD, FIELD_STRIDE, Head } from './head.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { writeHpackBlock, writeTableSizeZero } from './hpack-encoder.ts'
import { type Field, NaiveHpack } from './hpack-naive.ts'
import { encodeHuffman } from './huffman.ts'
import { MemoryOutput } from './output.ts'
import { TOKEN_NAMES } from './tokens.ts'

/** hpack.js has no types. */
interface HpackJs {
  write(block: Buffer): boolean
  execute(): void
  read(): { readonly name: string; readonly value: string } | null
  on(event: 'error', listener: () => void): void
}
const { decompressor } = createRequire(import.meta.url)('hpack.js') as {
  decompressor: { create(options: { table: { maxSize: number } }): HpackJs }
}

type Block = { readonly kind: 'request' | 'response' | 'trailers'; readonly bytes: string; readonly change: number }

const TABLE_BYTES = 4_096
/** Without the field that two proxies keep for themselves: a decoder drops it. */
const NAMES = [
  ...TOKEN_NAMES.filter((name) => !name.startsWith('weft-')),
  'x-a',
  'x-something-longer',
  'Upper',
  'bad name',
  ':unknown',
  'ü',
]
const VALUES = [
  '',
  'a',
  '/',
  '/path/1?x=y',
  'GET',
  'https',
  '200',
  '101',
  'trailers',
  '17',
  'x'.repeat(300),
  ' lead',
  'trail\t',
  'a\nb',
  '\0',
  'ÿ',
]
const KINDS = ['request', 'response', 'trailers'] as const
const PIECES = [
  '\x20',
  '\x3f\xe1\x1f',
  '\x3f\xff\xff\xff\xff\x0f',
  '\x80',
  '\xff',
  '\xbe',
  '\x40',
  '\x00',
  '\x10',
  '\x82\x86\x84',
  '\x00\x80\x80',
  '\x40\x01a\x81\xff',
  '\xff\x80\x80\x80\x80\x00',
]

export const hpackFuzzer = fuzzer<Block[]>({
  name: 'hpack',
  checks:
    'HPACK blocks of a connection: same fields as hpack.js and as a naive decoder; the encoder means the same to both',
  cases: 800,
  generate(random) {
    const naive = new NaiveHpack(TABLE_BYTES)
    return Array.from({ length: 1 + below(random, 12) }, () => {
      const bytes = randomBlock(random, naive)
      naive.decode(bytes)
      return blockOf(random, bytes.toString('latin1'))
    })
  },
  mutate: (random, blocks) =>
    mutateList(
      random,
      blocks,
      () => blockOf(random, randomBlock(random, new NaiveHpack(TABLE_BYTES)).toString('latin1')),
      (block) => ({ ...block, bytes: mutateText(random, block.bytes, PIECES) }),
    ),
  run: check,
})

function blockOf(random: Random, bytes: string): Block {
  return { kind: pick(random, KINDS), bytes, change: below(random, 100) }
}

function check(blocks: readonly Block[]): void {
  const decoder = new HpackDecoder(TABLE_BYTES)
  const naive = new NaiveHpack(TABLE_BYTES)
  const oracle = new Oracle()
  const head = new Head()
  for (const { kind, bytes, change } of blocks) {
    const block = Buffer.from(bytes, 'latin1')
    const expected = naive.decode(block)
    const fields = decodeWith(decoder, head, block, kind)
    deepEqual(fields, expected, `the naive decoder: ${block.toString('hex')}`)
    oracle.check(block, fields)
    if (fields === undefined) return
    const hasBadByte = fields.some(
      ([name, value]) => !/^:?[!-9;-@[-~]+$/.test(name) || /[\0\r\n]|^[ \t]|[ \t]$/.test(value),
    )
    if (hasBadByte) ok(head.malformed !== undefined, `not refused: ${block.toString('hex')}`)
    if (head.malformed !== undefined) continue
    deepEqual(
      head.listBytes,
      fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0),
    )
    checkEncoder(head, fields, change)
  }
}

/** hpack.js with the table of one connection. */
class Oracle {
  readonly #peer = decompressor.create({ table: { maxSize: TABLE_BYTES } })
  #failed = false

  constructor() {
    this.#peer.on('error', () => {
      this.#failed = true
    })
  }

  decode(block: Buffer): Field[] | undefined {
    if (block.length > 0) this.#peer.write(block)
    this.#failed = false
    // It stops at each error and would go on behind it.
    this.#peer.execute()
    if (this.#failed) return undefined
    const fields: Field[] = []
    for (let field = this.#peer.read(); field !== null; field = this.#peer.read())
      fields.push([field.name, field.value])
    return fields
  }

  check(block: Buffer, ours: Field[] | undefined): void {
    const theirs = this.decode(block)
    // RFC 7541 §4.2: size updates come first, two at most. hpack.js takes them anywhere, and any number.
    if (ours === undefined && theirs !== undefined && hasLateSizeUpdate(block)) return
    deepEqual(ours, theirs, `hpack.js: ${block.toString('hex')}`)
  }
}

/** Whether what follows some prefix of the block may be a size update; only asked about blocks that were refused. */
function hasLateSizeUpdate(block: Buffer): boolean {
  return block.some((byte, at) => at > 0 && byte >= 0x20 && byte < 0x40)
}

function decodeWith(decoder: HpackDecoder, head: Head, block: Buffer, kind: Block['kind']): Field[] | undefined {
  // In the middle of a larger buffer, as a frame's payload is.
  const buf = Buffer.concat([Buffer.from([0xff, 0xff, 0xff]), block, Buffer.from([0xff, 0xff])])
  try {
    decoder.decode(head, buf, 3, 3 + block.length, kind)
  } catch (error) {
    ok(error instanceof ConnectionError && error.code === ErrorCode.compressionError, String(error))
    return undefined
  }
  return fieldsOf(head)
}

function fieldsOf(head: Head): Field[] {
  const fields: Field[] = []
  for (let index = 0; index < head.count; index++) {
    // `nameAt` gives lower case; here the bytes count, also those of a name that is refused.
    const row = index * FIELD_STRIDE
    const name =
      head.tokenAt(index) === 0
        ? head.bytes.toString('latin1', head.fields[row + FIELD.nameStart]!, head.fields[row + FIELD.nameEnd]!)
        : head.nameAt(index)
    if (!head.isDropped(index)) fields.push([name, head.valueAt(index)])
  }
  return fields
}

/** What the encoder writes means the same to a peer that keeps no table, also after fields were changed: by `change`. */
function checkEncoder(head: Head, fields: readonly Field[], change: number): void {
  const out = new MemoryOutput()
  const expected = [...fields]
  writeTableSizeZero(out)
  if (change % 2 === 0 && head.count > 0) {
    const index = (change >> 2) % head.count
    const status = head.status
    if ((change & 2) === 0) {
      head.dropAt(index)
      expected.splice(index, 1)
    } else {
      head.replace(index, 'changed')
      expected[index] = [fields[index]![0], 'changed']
    }
    head.status = 0
    head.add('x-added', 'v')
    expected.push(['x-added', 'v'])
    writeHpackBlock(out, head)
    head.status = status
  } else writeHpackBlock(out, head)
  const block = out.taken()
  const peer = new NaiveHpack(TABLE_BYTES)
  deepEqual(peer.decode(block), expected, 'the encoded block means something else')
  deepEqual(peer.table, [], 'the encoded block filled the table of a peer')
  deepEqual(new Oracle().decode(block), expected, 'the encoded block means something else to hpack.js')
}

function randomBlock(random: Random, naive: NaiveHpack): Buffer {
  const parts: Buffer[] = []
  if (random() < 0.1) parts.push(integer(0x20, 5, below(random, 4200)))
  for (let count = below(random, 12); count > 0; count--) {
    const known = 61 + naive.table.length
    if (random() < 0.4) {
      parts.push(integer(0x80, 7, 1 + below(random, random() < 0.02 ? known + 2 : known)))
      continue
    }
    const [flags, bits] = pick(random, [
      [0x40, 6],
      [0x00, 4],
      [0x10, 4],
    ] as const)
    const index = random() < 0.5 ? 0 : 1 + below(random, known)
    parts.push(integer(flags, bits, index))
    if (index === 0) parts.push(string(random, pick(random, NAMES)))
    parts.push(string(random, random() < 0.8 ? pick(random, VALUES) : textOf(random, below(random, 20))))
  }
  // Half of the blocks begin like a request, so that many are well-formed.
  if (random() < 0.5) parts.splice(random() < 0.1 ? 1 : 0, 0, Buffer.from('828684', 'hex'))
  return Buffer.concat(parts)
}

function string(random: Random, text: string): Buffer {
  const isCoded = random() < 0.6
  const bytes = isCoded ? encodeHuffman(text) : Buffer.from(text, 'latin1')
  return Buffer.concat([integer(isCoded ? 0x80 : 0, 7, bytes.length), bytes])
}

function integer(flags: number, bits: number, value: number): Buffer {
  const max = 2 ** bits - 1
  if (value < max) return Buffer.from([flags | value])
  const bytes = [flags | max]
  let rest = value - max
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
