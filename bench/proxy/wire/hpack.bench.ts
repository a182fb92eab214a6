/** HPACK: what a request head of 15 fields costs a proxy that passes it on. */
import { Head } from '../../../proxy/wire/head.ts'
import { HpackDecoder } from '../../../proxy/wire/hpack-decoder.ts'
import { writeHpackBlock } from '../../../proxy/wire/hpack-encoder.ts'
import { writeRequestHead } from '../../../proxy/wire/http1-writer.ts'
import { checkHuffmanValue, decodeHuffmanInto, encodeHuffman } from '../../../proxy/wire/huffman.ts'
import { MemoryOutput } from '../../../proxy/wire/output.ts'
import { token } from '../../../proxy/wire/tokens.ts'
import { measure } from './measure.ts'
import { bearerToken, REQUESTS, requestFields } from './request.ts'

const STATIC = new Map([
  [':method POST', 0x83],
  [':scheme http', 0x86],
  ['accept-encoding gzip, deflate', 0x90],
])
const NAME_INDEX = new Map([
  [':authority', 1],
  [':path', 4],
  ['authorization', 23],
  ['user-agent', 58],
  ['accept', 19],
  ['content-type', 31],
  ['content-length', 28],
])

/** As a client writes it whose peer has announced a table of size 0. */
function block(token?: string): Buffer {
  const bytes: number[] = []
  const string = (text: string) => {
    const coded = encodeHuffman(text)
    if (coded.length < 127) bytes.push(0x80 | coded.length)
    else bytes.push(0xff, ((coded.length - 127) & 0x7f) | 0x80, (coded.length - 127) >> 7)
    bytes.push(...coded)
  }
  for (const [name, value] of requestFields(token)) {
    const indexed = STATIC.get(`${name} ${value}`)
    if (indexed !== undefined) {
      bytes.push(indexed)
      continue
    }
    const index = NAME_INDEX.get(name) ?? 0
    if (index < 15) bytes.push(index)
    else bytes.push(15, index - 15)
    if (index === 0) string(name)
    string(value)
  }
  return Buffer.from(bytes)
}

const blocks = Array.from({ length: REQUESTS }, () => block())
const manyClients = Array.from({ length: REQUESTS }, () => block(bearerToken()))
const head = new Head()
const decoder = new HpackDecoder(0)
const out = new MemoryOutput()
const at = (round: number) => blocks[round % REQUESTS]!
const decode = (round: number) => decoder.decode(head, at(round), 0, at(round).length, 'request')

console.log(`a block of ${blocks[0]!.length} bytes`)
measure('decode', decode)
measure('decode, another token each time', (round) => {
  const bytes = manyClients[round % REQUESTS]!
  decoder.decode(head, bytes, 0, bytes.length, 'request')
})
measure('decode, each the first of its connection', (round) =>
  new HpackDecoder(4096).decode(head, at(round), 0, at(round).length, 'request'),
)
measure('encode what was decoded', () => {
  out.at = 0
  writeHpackBlock(out, head)
})
measure('decode and encode', (round) => {
  decode(round)
  out.at = 0
  writeHpackBlock(out, head)
})
const CLIENT_ID = token('l5d-client-id')
measure('decode, drop and add a field, encode', (round) => {
  decode(round)
  head.drop(CLIENT_ID)
  head.add('l5d-client-id', 'web.shop.serviceaccount.identity.linkerd.cluster.local')
  out.at = 0
  writeHpackBlock(out, head)
})
measure('decode and write as HTTP/1', (round) => {
  decode(round)
  out.at = 0
  writeRequestHead(out, head, { version: 11, connection: undefined, isChunked: false })
})

const raw = blocks.map((bytes) => {
  decoder.decode(head, bytes, 0, bytes.length, 'request')
  const plain = new Head()
  for (let index = 0; index < head.count; index++) plain.add(head.nameAt(index), head.valueAt(index))
  const to = new MemoryOutput()
  writeHpackBlock(to, plain)
  return to.taken()
})
const rawDecoder = new HpackDecoder(0)
console.log(`the same without Huffman code, as a proxy sends what came over HTTP/1: ${raw[0]!.length} bytes`)
measure('decode', (round) =>
  rawDecoder.decode(head, raw[round % REQUESTS]!, 0, raw[round % REQUESTS]!.length, 'request'),
)
measure('decode and write as HTTP/1', (round) => {
  rawDecoder.decode(head, raw[round % REQUESTS]!, 0, raw[round % REQUESTS]!.length, 'request')
  out.at = 0
  writeRequestHead(out, head, { version: 11, connection: undefined, isChunked: false })
})

const values = Array.from({ length: REQUESTS }, () => encodeHuffman(bearerToken()))
const target = Buffer.alloc(1024)
console.log(`a bearer token of ${values[0]!.length} coded bytes`)
measure('check', (round) => checkHuffmanValue(values[round % REQUESTS]!, 0, values[round % REQUESTS]!.length))
measure('decode', (round) =>
  decodeHuffmanInto(values[round % REQUESTS]!, 0, values[round % REQUESTS]!.length, target, 0),
)
