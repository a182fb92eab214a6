import { test } from 'tap'
import { Head } from './head.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { blockBound, writeHpackBlock, writeTableSizeZero } from './hpack-encoder.ts'
import { encodeHuffman } from './huffman.ts'
import type { MessageKind } from './message-check.ts'
import { MemoryOutput } from './output.ts'
import { token } from './tokens.ts'

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

function decode(decoder: HpackDecoder, bytes: Buffer, kind: MessageKind = 'request'): Head {
  const head = new Head()
  decoder.decode(head, bytes, 0, bytes.length, kind)
  return head
}

function fieldsOf(head: Head): string[] {
  const list: string[] = []
  for (let index = 0; index < head.count; index++) {
    if (!head.isDropped(index)) list.push(`${head.nameAt(index)}: ${head.valueAt(index)}`)
  }
  return list
}

function encode(head: Head): Buffer {
  const out = new MemoryOutput()
  const bound = blockBound(head)
  writeHpackBlock(out, head)
  if (out.at > bound) throw new Error(`blockBound said ${bound}, it was ${out.at}`)
  return out.taken()
}

/** A literal without indexing. */
function field(name: string, value: string, isCoded = false): Buffer {
  const bytes = (text: string) => (isCoded ? encodeHuffman(text) : Buffer.from(text, 'latin1'))
  const bit = isCoded ? 0x80 : 0
  return Buffer.concat([
    Buffer.from([0, bit | bytes(name).length]),
    bytes(name),
    Buffer.from([bit | bytes(value).length]),
    bytes(value),
  ])
}

const GET = hex('82 86 84 41 01 61')
/** The same without an authority. */
const GET_NOWHERE = hex('82 86 84')

test('the examples of RFC 7541 Appendix C', async (t) => {
  const get = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com']
  const requests = [
    get,
    [...get, 'cache-control: no-cache'],
    [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
  ]
  const date = 'date: Mon, 21 Oct 2013 20:13:21 GMT'
  const location = 'location: https://www.example.com'
  const responses = [
    [':status: 302', 'cache-control: private', date, location],
    [':status: 307', 'cache-control: private', date, location],
    [
      ':status: 200',
      'cache-control: private',
      'date: Mon, 21 Oct 2013 20:13:22 GMT',
      location,
      'content-encoding: gzip',
      'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ],
  ]
  const cases: { name: string; kind: MessageKind; tableBytes: number; blocks: string[]; lists: string[][] }[] = [
    {
      name: 'C.3, requests without Huffman code',
      kind: 'request',
      tableBytes: 4096,
      lists: requests,
      blocks: [
        '828684410f7777772e6578616d706c652e636f6d',
        '828684be58086e6f2d6361636865',
        '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
      ],
    },
    {
      name: 'C.4, requests with Huffman code',
      kind: 'request',
      tableBytes: 4096,
      lists: requests,
      blocks: [
        '828684418cf1e3c2e5f23a6ba0ab90f4ff',
        '828684be5886a8eb10649cbf',
        '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
      ],
    },
    {
      name: 'C.5, responses without Huffman code, with evictions',
      kind: 'response',
      tableBytes: 256,
      lists: responses,
      blocks: [
        '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        '4803333037c1c0bf',
        '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
      ],
    },
    {
      name: 'C.6, responses with Huffman code, with evictions',
      kind: 'response',
      tableBytes: 256,
      lists: responses,
      blocks: [
        '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        '4883640effc1c0bf',
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
      ],
    },
  ]
  for (const { name, kind, tableBytes, blocks, lists } of cases) {
    const decoder = new HpackDecoder(tableBytes)
    for (const [round, block] of blocks.entries()) {
      const head = decode(decoder, hex(block), kind)
      t.same(fieldsOf(head), lists[round], `${name}, block ${round + 1}`)
      t.equal(head.malformed, undefined)
      t.equal(head.status, kind === 'response' ? Number(lists[round]![0]!.slice(9)) : 0)
      t.same(
        fieldsOf(decode(new HpackDecoder(0), encode(head), kind)),
        lists[round],
        `${name}, block ${round + 1}, encoded again`,
      )
    }
  }
  const literals = [
    {
      name: 'C.2.1',
      bytes: '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
      list: ['custom-key: custom-header'],
    },
    { name: 'C.2.2', bytes: '040c2f73616d706c652f70617468', list: [':path: /sample/path'] },
    { name: 'C.2.3', bytes: '100870617373776f726406736563726574', list: ['password: secret'] },
    { name: 'C.2.4', bytes: '82', list: [':method: GET'] },
  ]
  for (const { name, bytes, list } of literals) t.same(fieldsOf(decode(new HpackDecoder(4096), hex(bytes))), list, name)
})

test('what is not HPACK ends the connection', async (t) => {
  const cases = [
    { name: 'index 0', bytes: hex('80') },
    { name: 'an index behind an empty dynamic table', bytes: hex('be') },
    { name: 'a name index behind the table', bytes: hex('7f 00 01 61') },
    { name: 'a block that ends inside an integer', bytes: hex('ff') },
    { name: 'a block that ends inside an integer of two bytes', bytes: hex('ff 80') },
    { name: 'an integer of five more bytes', bytes: hex('ff 80 80 80 80 01') },
    { name: 'a block that ends in front of a value', bytes: hex('00 01 61') },
    { name: 'a block that ends in front of a name', bytes: hex('00') },
    { name: 'a string longer than the block', bytes: hex('04 03 2f 61') },
    { name: 'a value with EOS', bytes: hex('04 84 ff ff ff ff') },
    { name: 'a value with a byte of padding', bytes: hex('04 82 07 ff') },
    { name: 'a name with zeros as padding', bytes: hex('00 81 06 01 61') },
    { name: 'a size update behind a field', bytes: hex('82 20') },
    { name: 'a third size update', bytes: hex('20 20 20 82') },
    { name: 'a size update above the setting', bytes: hex('3f e2 1f') },
  ]
  for (const { name, bytes } of cases) t.throws(() => decode(new HpackDecoder(4096), bytes), { code: 9 }, name)
})

test('table sizes, RFC 7541 §4.2', async (t) => {
  const decoder = new HpackDecoder(4096)
  decode(decoder, hex('40 01 61 01 62'), 'trailers')
  t.same(fieldsOf(decode(decoder, hex('be'), 'trailers')), ['a: b'])
  decoder.setMaxTableBytes(0)
  t.same(
    fieldsOf(decode(decoder, hex('be'), 'trailers')),
    ['a: b'],
    'a peer that ignores the setting is still understood',
  )
  t.throws(() => decode(decoder, hex('21 82'), 'trailers'), { code: 9 }, 'but must not ask for more')
  decode(decoder, hex('20 82'))
  t.throws(() => decode(decoder, hex('be'), 'trailers'), { code: 9 }, 'after its size update the table is empty')
  decode(decoder, hex('40 01 61 01 62'), 'trailers')
  t.throws(() => decode(decoder, hex('be'), 'trailers'), { code: 9 }, 'and stays empty')
  const twice = new HpackDecoder(4096)
  decode(twice, hex('40 01 61 01 62'), 'trailers')
  t.same(fieldsOf(decode(twice, hex('20 3f e1 1f 82'))), [':method: GET'], 'two size updates in front of a block')
  t.throws(() => decode(twice, hex('be')), { code: 9 }, 'the smaller of them had emptied the table')
})

test('well-formed messages, RFC 9113 §8', async (t) => {
  const cases: { name: string; kind: MessageKind; bytes: Buffer }[] = [
    { name: 'GET', kind: 'request', bytes: GET },
    { name: 'te: trailers', kind: 'request', bytes: Buffer.concat([GET, field('te', 'trailers')]) },
    {
      name: 'te: trailers in Huffman code',
      kind: 'request',
      bytes: Buffer.concat([GET, field('te', 'trailers', true)]),
    },
    {
      name: 'a host that says what :authority says, in another case',
      kind: 'request',
      bytes: Buffer.concat([GET_NOWHERE, field(':authority', 'web:80'), field('host', 'WEB:80', true)]),
    },
    ...[
      ['http', 'web', 'web:80'],
      ['http', 'WEB:80', 'web'],
      ['http', 'web:', 'web'],
      ['https', 'web:443', 'web'],
    ].map(([scheme, authority, host]) => ({
      name: `a host ${host} beside :authority ${authority} of ${scheme}`,
      kind: 'request' as const,
      bytes: Buffer.concat([
        hex('82 84'),
        field(':scheme', scheme!),
        field(':authority', authority!),
        field('host', host!),
      ]),
    })),
    {
      name: 'a host without :authority',
      kind: 'request',
      bytes: Buffer.concat([GET_NOWHERE, field('host', 'web:80')]),
    },
    {
      name: 'CONNECT',
      kind: 'request',
      bytes: Buffer.concat([field(':method', 'CONNECT'), field(':authority', 'a:1')]),
    },
    {
      name: 'extended CONNECT',
      kind: 'request',
      bytes: Buffer.concat([field(':method', 'CONNECT'), field(':protocol', 'websocket'), hex('86 84 41 01 61')]),
    },
    {
      name: 'OPTIONS *',
      kind: 'request',
      bytes: Buffer.concat([field(':method', 'OPTIONS'), field(':path', '*'), hex('86')]),
    },
    { name: 'status 404', kind: 'response', bytes: hex('8d') },
    { name: 'status 103', kind: 'response', bytes: field(':status', '103', true) },
    { name: 'no trailers at all', kind: 'trailers', bytes: hex('') },
    { name: 'gRPC trailers', kind: 'trailers', bytes: field('grpc-status', '0') },
  ]
  for (const { name, kind, bytes } of cases)
    t.equal(decode(new HpackDecoder(4096), bytes, kind).malformed, undefined, name)
})

test('malformed messages are refused, and decoding stays in step', async (t) => {
  const cases: { name: string; kind: MessageKind; bytes: Buffer; says: RegExp }[] = [
    {
      name: 'an upper-case name',
      kind: 'request',
      bytes: Buffer.concat([GET, field('Accept', 'a')]),
      says: /field name/,
    },
    {
      name: 'an upper-case name in Huffman code',
      kind: 'request',
      bytes: Buffer.concat([GET, field('Accept', 'a', true)]),
      says: /field name/,
    },
    { name: 'an empty name', kind: 'request', bytes: Buffer.concat([GET, field('', 'a')]), says: /field name/ },
    { name: 'a space in a name', kind: 'request', bytes: Buffer.concat([GET, field('a b', 'a')]), says: /field name/ },
    {
      name: 'a line feed in a value',
      kind: 'request',
      bytes: Buffer.concat([GET, field('a', 'b\nc')]),
      says: /field value/,
    },
    {
      name: 'a line feed in a coded value',
      kind: 'request',
      bytes: Buffer.concat([GET, field('a', 'b\nc', true)]),
      says: /field value/,
    },
    {
      name: 'a space behind a value',
      kind: 'request',
      bytes: Buffer.concat([GET, field('a', 'b ')]),
      says: /field value/,
    },
    {
      name: 'a pseudo-field behind a regular one',
      kind: 'request',
      bytes: Buffer.concat([hex('82 86'), field('a', 'b'), hex('84')]),
      says: /:path came behind/,
    },
    {
      name: 'an unknown pseudo-field',
      kind: 'request',
      bytes: Buffer.concat([GET, field(':hello', 'a')]),
      says: /unknown pseudo/,
    },
    { name: ':method twice', kind: 'request', bytes: Buffer.concat([hex('82'), GET]), says: /:method came twice/ },
    {
      name: ':status in a request',
      kind: 'request',
      bytes: Buffer.concat([GET, hex('88')]),
      says: /:status does not belong into a request/,
    },
    {
      name: ':path in a response',
      kind: 'response',
      bytes: hex('88 84'),
      says: /:path does not belong into a response/,
    },
    { name: ':status in trailers', kind: 'trailers', bytes: hex('88'), says: /:status does not belong into trailers/ },
    { name: 'no :method', kind: 'request', bytes: hex('86 84'), says: /needs :method/ },
    { name: 'no :scheme', kind: 'request', bytes: hex('82 84'), says: /needs :scheme/ },
    { name: 'no :path', kind: 'request', bytes: hex('82 86'), says: /needs :path/ },
    { name: 'no field', kind: 'request', bytes: hex(''), says: /needs :method/ },
    { name: 'no :status', kind: 'response', bytes: hex(''), says: /needs :status/ },
    { name: 'an empty :path', kind: 'request', bytes: hex('82 86 04 00'), says: /:path has an illegal/ },
    {
      name: 'a :path with a space',
      kind: 'request',
      bytes: Buffer.concat([hex('82 86'), field(':path', '/a b', true)]),
      says: /:path has an illegal/,
    },
    {
      name: 'a :path that is no path',
      kind: 'request',
      bytes: Buffer.concat([hex('82 86'), field(':path', 'a')]),
      says: /:path has an illegal/,
    },
    {
      name: ':path * of a GET',
      kind: 'request',
      bytes: Buffer.concat([hex('82 86'), field(':path', '*')]),
      says: /OPTIONS only/,
    },
    {
      name: 'userinfo in :authority',
      kind: 'request',
      bytes: Buffer.concat([hex('82 86 84'), field(':authority', 'u@h')]),
      says: /:authority has an illegal/,
    },
    {
      name: 'a :method with a space',
      kind: 'request',
      bytes: Buffer.concat([field(':method', 'G T'), hex('86 84')]),
      says: /:method has an illegal/,
    },
    { name: 'a status of two digits', kind: 'response', bytes: field(':status', '20'), says: /:status has an illegal/ },
    { name: 'a status of letters', kind: 'response', bytes: field(':status', '2oo'), says: /:status has an illegal/ },
    { name: 'status 101', kind: 'response', bytes: field(':status', '101'), says: /:status has an illegal/ },
    {
      name: 'connection',
      kind: 'request',
      bytes: Buffer.concat([GET, field('connection', 'close')]),
      says: /connection does not exist/,
    },
    {
      name: 'transfer-encoding',
      kind: 'response',
      bytes: Buffer.concat([hex('88'), field('transfer-encoding', 'chunked')]),
      says: /transfer-encoding does not exist/,
    },
    {
      name: 'upgrade',
      kind: 'request',
      bytes: Buffer.concat([GET, field('upgrade', 'x', true)]),
      says: /upgrade does not exist/,
    },
    {
      name: 'keep-alive',
      kind: 'request',
      bytes: Buffer.concat([GET, field('keep-alive', 'x')]),
      says: /keep-alive does not exist/,
    },
    {
      name: 'proxy-connection',
      kind: 'request',
      bytes: Buffer.concat([GET, field('proxy-connection', 'x')]),
      says: /proxy-connection does not exist/,
    },
    {
      name: 'te: gzip',
      kind: 'request',
      bytes: Buffer.concat([GET, field('te', 'gzip', true)]),
      says: /te has a value/,
    },
    {
      name: 'content-length: -1',
      kind: 'request',
      bytes: Buffer.concat([GET, field('content-length', '-1', true)]),
      says: /not a number/,
    },
    {
      name: 'content-length without a digit',
      kind: 'request',
      bytes: Buffer.concat([GET, field('content-length', '')]),
      says: /not a number/,
    },
    {
      name: 'two lengths',
      kind: 'request',
      bytes: Buffer.concat([GET, field('content-length', '5'), field('content-length', '6')]),
      says: /came twice/,
    },
    {
      name: 'the same content-length twice',
      kind: 'request',
      bytes: Buffer.concat([GET, field('content-length', '5'), field('content-length', '5', true)]),
      says: /came twice/,
    },
    {
      name: 'CONNECT with a content-length',
      kind: 'request',
      bytes: Buffer.concat([field(':method', 'CONNECT'), field(':authority', 'a:1'), field('content-length', '5')]),
      says: /CONNECT must not have a content-length/,
    },
    {
      name: 'a host that differs from :authority',
      kind: 'request',
      bytes: Buffer.concat([GET_NOWHERE, field(':authority', 'web'), field('host', 'other', true)]),
      says: /host differs/,
    },
    {
      name: 'a host with the port of another scheme',
      kind: 'request',
      bytes: Buffer.concat([GET_NOWHERE, field(':authority', 'web'), field('host', 'web:443')]),
      says: /host differs/,
    },
    {
      name: 'a host as long as :authority',
      kind: 'request',
      bytes: Buffer.concat([GET_NOWHERE, field(':authority', 'web'), field('host', 'wex')]),
      says: /host differs/,
    },
    {
      name: 'two hosts',
      kind: 'request',
      bytes: Buffer.concat([GET_NOWHERE, field('host', 'web'), field('host', 'web')]),
      says: /host came twice/,
    },
    {
      name: 'a host that is none',
      kind: 'request',
      bytes: Buffer.concat([GET_NOWHERE, field('host', 'a b')]),
      says: /host has an illegal value/,
    },
    ...['a:b', 'a:1:2', ':80', '[::1', '[::1]a'].flatMap((authority) =>
      [true, false].map((isCoded) => ({
        name: `:authority ${authority}, ${isCoded ? 'coded' : 'plain'}`,
        kind: 'request' as const,
        bytes: Buffer.concat([GET_NOWHERE, field(':authority', authority, isCoded)]),
        says: /:authority has an illegal value/,
      })),
    ),
    ...['\x01', '\x0b', '\x1f', '\x7f'].flatMap((char) =>
      [true, false].map((isCoded) => ({
        name: `0x${char.charCodeAt(0).toString(16)} in a value, ${isCoded ? 'coded' : 'plain'}`,
        kind: 'request' as const,
        bytes: Buffer.concat([GET, field('x', `a${char}b`, isCoded)]),
        says: /control character/,
      })),
    ),
    {
      name: 'CONNECT with :path',
      kind: 'request',
      bytes: Buffer.concat([field(':method', 'CONNECT'), hex('84 41 01 61')]),
      says: /must not have/,
    },
    {
      name: 'CONNECT without :authority',
      kind: 'request',
      bytes: field(':method', 'CONNECT'),
      says: /needs :authority/,
    },
    {
      name: ':protocol with GET',
      kind: 'request',
      bytes: Buffer.concat([hex('82 86 84'), field(':protocol', 'websocket')]),
      says: /CONNECT only/,
    },
  ]
  for (const { name, kind, bytes, says } of cases) {
    const decoder = new HpackDecoder(4096)
    const head = decode(decoder, Buffer.concat([bytes, hex('40 01 61 01 62')]), kind)
    t.match(head.malformed, says, name)
    t.same(fieldsOf(decode(decoder, hex('be'), 'trailers')), ['a: b'], `${name}: the table went on`)
  }
})

test('a field list above the limit is refused without keeping it', async (t) => {
  const decoder = new HpackDecoder(4096, 1000)
  const entry = Buffer.concat([hex('40 01 61 7f 85 06'), Buffer.alloc(900, 'x')])
  const head = decode(decoder, Buffer.concat([entry, Buffer.alloc(10_000, 0xbe), field('q', 'r')]), 'trailers')
  t.match(head.malformed, /larger than 1000 bytes/)
  t.ok(head.end < 20_000 && head.count === 0, 'one byte each does not become 900')
  t.equal(decode(decoder, hex('be'), 'trailers').valueAt(0).length, 900, 'the table is in step')
})

test('the encoder', async (t) => {
  const head = new Head()
  head.add(':method', 'GET')
  head.add(':scheme', 'http')
  head.add(':authority', 'web:80')
  head.add(':path', '/index.html')
  head.add('x-one', '1')
  t.equal(
    encode(head).toString('hex'),
    `8286${'01067765623a3830'}${'85'}${'0005782d6f6e650131'}`,
    'static entries, names by index, literals',
  )

  const secret = decode(new HpackDecoder(0), Buffer.concat([GET, hex('1f 08 03 616263'), hex('10 01 78 01 79')]))
  secret.replace(secret.find(token('authorization')), 'xyz')
  t.equal(
    encode(secret).toString('hex'),
    '828684410161' + '1f080378797a' + '1001780179',
    'never indexed stays so, also when changed',
  )

  const untouched = decode(new HpackDecoder(0), Buffer.concat([GET, field('a', 'b', true), field('c', 'd')]))
  t.equal(
    encode(untouched).toString('hex'),
    Buffer.concat([GET, field('a', 'b', true), field('c', 'd')]).toString('hex'),
    'an untouched block is copied',
  )
  untouched.dropName('a')
  t.equal(
    encode(untouched).toString('hex'),
    Buffer.concat([GET, field('c', 'd')]).toString('hex'),
    'a dropped field is skipped',
  )

  const answer = new Head()
  answer.status = 204
  answer.add('x', 'y')
  t.equal(encode(answer).toString('hex'), `89${'0001780179'}`, 'a status without a field')
  answer.status = 503
  t.equal(encode(answer).toString('hex'), `0803353033${'0001780179'}`, 'a status the static table does not have')

  const long = new Head()
  long.add('x'.repeat(200), 'y'.repeat(20_000))
  const decoded = decode(new HpackDecoder(0), encode(long), 'trailers')
  t.equal(decoded.valueAt(0).length, 20_000, 'long strings')

  const fromTable = new HpackDecoder(4096)
  decode(fromTable, hex('40 88 25a849e95ba97d7f 01 31'), 'trailers')
  t.equal(
    encode(decode(fromTable, hex('be'), 'trailers')).toString('hex'),
    `000a${Buffer.from('custom-key').toString('hex')}0131`,
    'a field of the dynamic table leaves as a literal',
  )

  const out = new MemoryOutput()
  writeTableSizeZero(out)
  t.equal(out.taken().toString('hex'), '20')
})
