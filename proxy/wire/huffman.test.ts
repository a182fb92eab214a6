import { test } from 'tap'
import {
  checkHuffmanValue,
  decodeHuffman,
  decodeHuffmanInto,
  encodeHuffman,
  HUFFMAN_INVALID,
  ILLEGAL_VALUE,
  maxDecodedBytes,
} from './huffman.ts'
import { CODE_LENGTHS, CODES } from './huffman-tables.ts'
import { seededRandom } from './seeded-random.ts'

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

/** Decodes bit by bit from the code list alone; `undefined` when the code is invalid. */
function naiveDecode(bytes: Uint8Array): Buffer | undefined {
  const symbols: number[] = []
  let code = 0
  let length = 0
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1)
      length++
      const symbol = CODES.findIndex((known, at) => known === code && CODE_LENGTHS[at] === length)
      if (symbol === 256) return undefined
      if (symbol === -1) {
        if (length >= 30) return undefined
        continue
      }
      symbols.push(symbol)
      code = 0
      length = 0
    }
  }
  if (length > 7 || code !== (1 << length) - 1) return undefined
  return Buffer.from(symbols)
}

function naiveCheck(bytes: Uint8Array): number {
  const decoded = naiveDecode(bytes)
  return decoded === undefined ? HUFFMAN_INVALID : naiveCheck2(decoded.toString('latin1'))
}

test('the code of RFC 7541 Appendix B', async (t) => {
  const cases = [
    { symbol: 0, code: 0x1ff8, length: 13 },
    { symbol: 9, code: 0xffffea, length: 24 },
    { symbol: 0x20, code: 0x14, length: 6 },
    { symbol: 0x30, code: 0x0, length: 5 },
    { symbol: 0x7f, code: 0xffffffc, length: 28 },
    { symbol: 0xff, code: 0x3ffffee, length: 26 },
    { symbol: 256, code: 0x3fffffff, length: 30 },
  ]
  for (const { symbol, code, length } of cases) {
    t.equal(CODES[symbol], code, `code of symbol ${symbol}`)
    t.equal(CODE_LENGTHS[symbol], length, `length of symbol ${symbol}`)
  }
})

test('strings of RFC 7541 Appendix C', async (t) => {
  const cases = [
    { text: 'www.example.com', bytes: 'f1e3c2e5f23a6ba0ab90f4ff' },
    { text: 'no-cache', bytes: 'a8eb10649cbf' },
    { text: 'custom-key', bytes: '25a849e95ba97d7f' },
    { text: 'custom-value', bytes: '25a849e95bb8e8b4bf' },
    { text: '302', bytes: '6402' },
    { text: 'private', bytes: 'aec3771a4b' },
    { text: 'Mon, 21 Oct 2013 20:13:21 GMT', bytes: 'd07abe941054d444a8200595040b8166e082a62d1bff' },
    { text: 'https://www.example.com', bytes: '9d29ad171863c78f0b97c8e9ae82ae43d3' },
    {
      text: 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
      bytes: '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    },
  ]
  for (const { text, bytes } of cases) {
    const coded = hex(bytes)
    t.equal(encodeHuffman(text).toString('hex'), bytes, `encodes ${text}`)
    t.equal(decodeHuffman(coded, 0, coded.length), text, `decodes ${text}`)
    t.equal(checkHuffmanValue(coded, 0, coded.length), text.length, `accepts ${text}`)
  }
})

test('checkHuffmanValue tells wrong codes from illegal values', async (t) => {
  const cases = [
    { name: 'the empty string', bytes: hex(''), result: 0 },
    { name: 'seven bits of padding', bytes: encodeHuffman('0'.repeat(5)), result: 5 },
    { name: 'eight bits of padding', bytes: hex('07 ff'), result: HUFFMAN_INVALID },
    { name: 'padding with a zero', bytes: hex('06'), result: HUFFMAN_INVALID },
    { name: 'EOS', bytes: hex('ffffffff'), result: HUFFMAN_INVALID },
    { name: 'EOS in the middle', bytes: hex('3fffffffff07'), result: HUFFMAN_INVALID },
    { name: 'NUL', bytes: encodeHuffman('a\0b'), result: ILLEGAL_VALUE },
    { name: 'CR', bytes: encodeHuffman('a\rb'), result: ILLEGAL_VALUE },
    { name: 'LF', bytes: encodeHuffman('a\nb'), result: ILLEGAL_VALUE },
    { name: 'a space in front', bytes: encodeHuffman(' a'), result: ILLEGAL_VALUE },
    { name: 'a tab in front', bytes: encodeHuffman('\ta'), result: ILLEGAL_VALUE },
    { name: 'a space behind', bytes: encodeHuffman('a '), result: ILLEGAL_VALUE },
    { name: 'a tab behind', bytes: encodeHuffman('a\t'), result: ILLEGAL_VALUE },
    { name: 'a space alone', bytes: encodeHuffman(' '), result: ILLEGAL_VALUE },
    { name: 'a tab alone', bytes: encodeHuffman('\t'), result: ILLEGAL_VALUE },
    { name: 'spaces and tabs inside', bytes: encodeHuffman('a \t b'), result: 5 },
    { name: 'obs-text', bytes: encodeHuffman('\x80\xa0\xff'), result: 3 },
    { name: 'a control character', bytes: encodeHuffman('a\x01b'), result: ILLEGAL_VALUE },
    { name: 'DEL', bytes: encodeHuffman('a\x7fb'), result: ILLEGAL_VALUE },
    {
      name: 'a long value with LF in its second half',
      bytes: encodeHuffman(`${'x'.repeat(300)}\nyz`),
      result: ILLEGAL_VALUE,
    },
    { name: 'a long value with a space behind', bytes: encodeHuffman(`${'Xyz.'.repeat(100)} `), result: ILLEGAL_VALUE },
  ]
  for (const { name, bytes, result } of cases) {
    t.equal(checkHuffmanValue(bytes, 0, bytes.length), result, name)
    t.equal(naiveCheck(bytes), result, `${name}, bit by bit`)
    const framed = Buffer.concat([hex('ffff'), bytes, hex('ffff')])
    t.equal(checkHuffmanValue(framed, 2, 2 + bytes.length), result, `${name}, in the middle of a buffer`)
  }
})

test('every pair of bytes survives, and ends are judged by the last symbol', async (t) => {
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const text = String.fromCharCode(first, second)
      const coded = encodeHuffman(text)
      if (decodeHuffman(coded, 0, coded.length) !== text) t.fail(`${first} ${second} does not survive`)
      if (checkHuffmanValue(coded, 0, coded.length) !== naiveCheck2(text)) t.fail(`${first} ${second} is misjudged`)
    }
  }
})

function naiveCheck2(text: string): number {
  return /[\0-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/.test(text) ? ILLEGAL_VALUE : text.length
}

test('random bytes: the tables agree with a decoder that goes bit by bit', async (t) => {
  const random = seededRandom(7541)
  const out = Buffer.alloc(512)
  for (let round = 0; round < 3000; round++) {
    const length = Math.floor(random() * 12)
    const bytes = Buffer.from(Array.from({ length }, () => (random() < 0.2 ? 255 : Math.floor(random() * 256))))
    const expected = naiveDecode(bytes)
    const end = decodeHuffmanInto(bytes, 0, length, out, 0)
    if (end !== (expected?.length ?? -1)) t.fail(`${bytes.toString('hex')}: ${end}`)
    if (expected !== undefined && out.compare(expected, 0, expected.length, 0, end) !== 0) t.fail(bytes.toString('hex'))
    if (end > maxDecodedBytes(length)) t.fail('longer than maxDecodedBytes')
    if (checkHuffmanValue(bytes, 0, length) !== naiveCheck(bytes)) t.fail(`check of ${bytes.toString('hex')}`)
  }
})

test('long values: halves give the same answer as one pass', async (t) => {
  const random = seededRandom(7542)
  const alphabets = ['0123456789abcdef', 'aeiost', '~^}{', 'X', 'x \t', 'ABC\0', '\x80\xff', 'ab\n']
  for (let round = 0; round < 1500; round++) {
    const alphabet = alphabets[round % alphabets.length]! + (random() < 0.5 ? 'Zz9' : '')
    const length = 40 + Math.floor(random() * 300)
    let text = ''
    for (let i = 0; i < length; i++) text += alphabet[Math.floor(random() * alphabet.length)]
    const coded = encodeHuffman(text)
    if (checkHuffmanValue(coded, 0, coded.length) !== naiveCheck2(text)) t.fail(`misjudged: ${JSON.stringify(text)}`)
    const wrong = Buffer.from(coded)
    wrong[Math.floor(random() * wrong.length)] = Math.floor(random() * 256)
    const decoded = Buffer.alloc(maxDecodedBytes(wrong.length) + 1)
    const end = decodeHuffmanInto(wrong, 0, wrong.length, decoded, 0)
    const expected = end < 0 ? HUFFMAN_INVALID : naiveCheck2(decoded.toString('latin1', 0, end))
    if (checkHuffmanValue(wrong, 0, wrong.length) !== expected) t.fail(`misjudged: ${wrong.toString('hex')}`)
  }
})
