import { test } from 'tap'
import { below, seededRandom } from './seeded-random.ts'
import { encodeTransportHeader, parseTransportHeader, type TransportHeader } from './transport-header.ts'

const PREFACE = Buffer.from('transport.l5d.io/v1\r\n\r\n', 'latin1').toString('hex')

function framed(messageHex: string): Buffer {
  const message = Buffer.from(messageHex.replaceAll(' ', ''), 'hex')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(message.length)
  return Buffer.concat([Buffer.from(PREFACE, 'hex'), length, message])
}

test('transport headers', async (t) => {
  const cases: { name: string; header: TransportHeader; message: string }[] = [
    { name: 'opaque', header: { port: 8080 }, message: '08903f' },
    { name: 'HTTP/2', header: { port: 80, sessionProtocol: 'http2' }, message: '0850 1a021200' },
    { name: 'HTTP/1', header: { port: 80, sessionProtocol: 'http1' }, message: '0850 1a020a00' },
    {
      name: 'a gateway target',
      header: { port: 80, name: 'a.b.svc', sessionProtocol: 'http2' },
      message: '0850 1207612e622e737663 1a021200',
    },
    { name: 'the highest port', header: { port: 65_535 }, message: '08ffff03' },
  ]
  for (const { name, header, message } of cases) {
    const bytes = encodeTransportHeader(header)
    t.equal(bytes.toString('hex'), framed(message).toString('hex'), `${name}, encoded`)
    const stream = Buffer.concat([Buffer.from('xx'), bytes, Buffer.from('application')])
    const parsed = parseTransportHeader(stream, 2, stream.length)
    t.match(parsed, { header, consumed: bytes.length }, `${name}, parsed`)
    t.equal(parsed?.header.sessionProtocol, header.sessionProtocol)
    for (let end = 2; end < 2 + bytes.length; end++) {
      if (parseTransportHeader(stream, 2, end) !== undefined) t.fail(`${name}: complete after ${end - 2} bytes`)
    }
  }
})

test('other encodings of the same, and what is refused', async (t) => {
  const accepted = [
    { name: 'fields in another order', message: '1a021200 0850', port: 80 },
    { name: 'the last value counts', message: '0850 0851', port: 81 },
    { name: 'unknown fields of every wire type', message: '0850 2005 2a0161 3500000000 390000000000000000', port: 80 },
    { name: 'a number with needless bytes', message: '08d08000', port: 80 },
  ]
  for (const { name, message, port } of accepted) {
    const bytes = framed(message)
    t.equal(parseTransportHeader(bytes, 0, bytes.length)?.header.port, port, name)
  }
  const refused = [
    { name: 'another preface', bytes: Buffer.from('GET / HTTP/1.1\r\n') },
    { name: 'another version', bytes: Buffer.from('transport.l5d.io/v2') },
    { name: 'no port', bytes: framed('1a021200') },
    { name: 'port 0', bytes: framed('0800') },
    { name: 'port 65536', bytes: framed('08808004') },
    { name: 'a negative port', bytes: framed('08ffffffffffffffffff01') },
    { name: 'an endless number', bytes: framed('08ffffffffffffffffffffff01') },
    { name: 'a message that ends inside a number', bytes: framed('0880') },
    { name: 'a message that ends inside a string', bytes: framed('0850 120561') },
    { name: 'a field of number 0', bytes: framed('0850 0000') },
    { name: 'a field of number 2^35', bytes: framed('0850 808080808008 00') },
    { name: 'a name that is not UTF-8', bytes: framed('0850 1201ff') },
    { name: 'a group', bytes: framed('0850 2b') },
    {
      name: '64 KiB and one byte',
      bytes: Buffer.concat([Buffer.from(PREFACE, 'hex'), Buffer.from('00010001', 'hex')]),
    },
  ]
  for (const { name, bytes } of refused) t.throws(() => parseTransportHeader(bytes, 0, bytes.length), name)
})

test('random bytes throw an Error or give a port that exists', async (t) => {
  const random = seededRandom(23)
  for (let round = 0; round < 3000; round++) {
    const message = Array.from({ length: below(random, 20) }, () => below(random, random() < 0.5 ? 40 : 256))
    const bytes = framed(Buffer.from(message).toString('hex'))
    try {
      const parsed = parseTransportHeader(bytes, 0, bytes.length)
      if (parsed === undefined || parsed.header.port < 1 || parsed.header.port > 65_535) t.fail(bytes.toString('hex'))
    } catch (error) {
      if ((error as Error).constructor !== Error) t.fail(String(error))
    }
  }
})
