/** HPACK: random blocks of every representation, and blocks broken at random, against the naive decoder. */
import { deepEqual, ok } from 'node:assert/strict'
import { ConnectionError } from './connection-error.ts'
import { Head } from './head.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { writeHpackBlock, writeTableSizeZero } from './hpack-encoder.ts'
import { type Field, NaiveHpack } from './hpack-naive.ts'
import { encodeHuffman } from './huffman.ts'
import type { MessageKind } from './message-check.ts'
import { MemoryOutput } from './output.ts'
import { below, pick } from './seeded-random.ts'
import { TOKEN_NAMES } from './tokens.ts'

/** But for the one field that the decoder takes out of a head. */
const NAMES = [
  ...TOKEN_NAMES.filter((name) => name !== 'weft-names'),
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
const KINDS: readonly MessageKind[] = ['request', 'response', 'trailers']

export function fuzz(random: () => number, iterations: number): void {
  let decoder = new HpackDecoder(4096)
  let naive = new NaiveHpack(4096)
  const head = new Head()
  for (let round = 0; round < iterations; round++) {
    let block = randomBlock(random, naive)
    if (random() < 0.3 && block.length > 0) block = broken(random, block)
    const expected = naive.decode(block)
    const fields = decodeWith(decoder, head, block, pick(random, KINDS))
    deepEqual(fields, expected, block.toString('hex'))
    if (fields === undefined) {
      decoder = new HpackDecoder(4096)
      naive = new NaiveHpack(4096)
      continue
    }
    const hasBadByte = fields.some(
      ([name, value]) => !/^:?[!-9;-@[-~]+$/.test(name) || /[\0\r\n]|^[ \t]|[ \t]$/.test(value),
    )
    if (hasBadByte) ok(head.malformed !== undefined, `not refused: ${block.toString('hex')}`)
    const listBytes = fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0)
    if (head.malformed === undefined) deepEqual(head.listBytes, listBytes)
    checkEncoder(random, head, fields)
  }
}

function decodeWith(decoder: HpackDecoder, head: Head, block: Buffer, kind: MessageKind): Field[] | undefined {
  // In the middle of a larger buffer, as a frame's payload is.
  const buf = Buffer.concat([Buffer.from([0xff, 0xff, 0xff]), block, Buffer.from([0xff, 0xff])])
  try {
    decoder.decode(head, buf, 3, 3 + block.length, kind)
  } catch (error) {
    ok(error instanceof ConnectionError && error.code === 9, String(error))
    return undefined
  }
  return fieldsOf(head)
}

function fieldsOf(head: Head): Field[] {
  const fields: Field[] = []
  for (let index = 0; index < head.count; index++) {
    // `nameAt` gives lower case; here the bytes count, also those of a name that is refused.
    const start = head.fields[index * 8 + 1]!
    const name =
      head.tokenAt(index) === 0 ? head.bytes.toString('latin1', start, head.fields[index * 8 + 2]!) : head.nameAt(index)
    if (!head.isDropped(index)) fields.push([name, head.valueAt(index)])
  }
  return fields
}

/** What the encoder writes means the same to a peer that keeps no table, also after fields were changed. */
function checkEncoder(random: () => number, head: Head, fields: Field[]): void {
  const out = new MemoryOutput()
  // Uppercase names never leave: a head that is malformed is not forwarded.
  if (head.malformed !== undefined) return
  if (random() < 0.5 && head.count > 0) {
    const index = below(random, head.count)
    const status = head.status
    if (random() < 0.5) {
      head.dropAt(index)
      fields.splice(index, 1)
    } else {
      head.replace(index, 'changed')
      fields[index] = [fields[index]![0], 'changed']
    }
    head.status = 0
    head.add('x-added', 'v')
    fields.push(['x-added', 'v'])
    writeTableSizeZero(out)
    writeHpackBlock(out, head)
    head.status = status
  } else {
    writeTableSizeZero(out)
    writeHpackBlock(out, head)
  }
  const peer = new NaiveHpack(4096)
  deepEqual(peer.decode(out.taken()), fields, 'the encoded block means something else')
  deepEqual(peer.table, [], 'the encoded block filled the table of a peer')
}

function randomBlock(random: () => number, naive: NaiveHpack): Buffer {
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
    parts.push(string(random, pick(random, VALUES)))
  }
  // Half of the blocks begin like a request, so that many are well-formed.
  if (random() < 0.5) parts.splice(random() < 0.1 ? 1 : 0, 0, Buffer.from('828684', 'hex'))
  return Buffer.concat(parts)
}

function broken(random: () => number, block: Buffer): Buffer {
  const copy = Buffer.from(block)
  if (random() < 0.3) return copy.subarray(0, below(random, copy.length))
  copy[below(random, copy.length)] = below(random, 256)
  return copy
}

function string(random: () => number, text: string): Buffer {
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
