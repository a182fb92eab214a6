/** Field blocks against the examples of RFC 7541, and blocks that are none. */
import { test } from 'tap'
import { encodeFields, HpackDecoder } from './hpack.ts'
import { ConnectionError, ErrorCode } from './protocol.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const shown = (fields: readonly (readonly [string, string])[]) => fields.map(([name, value]) => `${name}: ${value}`)

test('requests on one connection, RFC 7541 Appendix C.3 and C.4', async (t) => {
  const first = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com']
  const third = [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com']
  const expected = [first, [...first, 'cache-control: no-cache'], [...third, 'custom-key: custom-value']]
  const cases = [
    {
      name: 'plain',
      blocks: [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    },
    {
      name: 'Huffman-coded',
      blocks: [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    },
  ]
  for (const { name, blocks } of cases) {
    const decoder = new HpackDecoder()
    for (const [index, block] of blocks.entries()) t.same(shown(decoder.decode(hex(block))), expected[index], name)
  }
})

test('the table forgets what does not fit, and everything once none is wanted', async (t) => {
  const decoder = new HpackDecoder()
  // Room for one entry of "a: b".
  decoder.decode(hex('3f 03 4001 61 01 62'))
  t.same(shown(decoder.decode(hex('be'))), ['a: b'])
  decoder.decode(hex('4001 63 01 64'))
  t.same(shown(decoder.decode(hex('be'))), ['c: d'])
  t.throws(() => decoder.decode(hex('bf')), { code: ErrorCode.COMPRESSION_ERROR })
  decoder.limitTable(0)
  t.throws(() => decoder.decode(hex('be')), { code: ErrorCode.COMPRESSION_ERROR })
  t.same(shown(decoder.decode(hex('20 4001 61 01 62'))), ['a: b'], 'too large for the table, not for the block')
})

test('what is no field block ends the connection', async (t) => {
  const cases = [
    { name: 'index 0', block: '80' },
    { name: 'an index in no table', block: 'be' },
    { name: 'an integer of six bytes', block: 'ff ff ff ff ff 0f' },
    { name: 'an integer cut off', block: 'ff ff' },
    { name: 'a string cut off', block: '41 05 61' },
    { name: 'a Huffman code of EOS', block: '41 84 ff ff ff ff' },
    { name: 'padding by zeros', block: '41 81 18' },
    { name: 'padding of eight bits', block: '41 82 1f ff' },
    { name: 'a size update behind a field', block: '82 20' },
    { name: 'a table larger than agreed', block: '3f e2 1f' },
  ]
  for (const { name, block } of cases) {
    const decode = () => new HpackDecoder().decode(hex(block))
    t.throws(decode, { name: ConnectionError.name, code: ErrorCode.COMPRESSION_ERROR }, name)
  }
})

test('what is answered is read back, without a table', async (t) => {
  const fields = [
    [':status', '200'],
    ['content-type', 'application/grpc'],
    ['grpc-message', 'x'.repeat(300)],
    ['www-authenticate', ''],
  ] as const
  const decoder = new HpackDecoder()
  decoder.limitTable(0)
  t.same(decoder.decode(encodeFields(fields)), fields)
})
