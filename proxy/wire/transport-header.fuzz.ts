/**
 * Transport headers, built field by field and broken, against the protobuf library with the same schema; and in pieces, and
 * after they were written again.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { fromBinary } from '@bufbuild/protobuf'
import { HeaderSchema } from '../../api/gen/transport_pb.js'
import { below, mutateText, oddNumber, pick, several, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import {
  encodeTransportHeader,
  parseTransportHeader,
  TRANSPORT_ALPN,
  type TransportHeader,
} from './transport-header.ts'

type Input = { readonly preface: string; readonly lie: number; readonly message: string; readonly behind: string }

const PREFACE = `${TRANSPORT_ALPN}\r\n\r\n`
const PIECES = [
  '\x08\x50',
  '\x12\x01a',
  '\x1a\x02\x0a\0',
  '\x1a\x02\x12\0',
  '\x1a\0',
  '\x08\xff\xff\x03',
  '\x08\x80\x80\x04',
  '\x08\0',
  '\x0d\0\0\0\0',
  '\x09\0\0\0\0\0\0\0\0',
  '\x0b\x0c',
  '\xff',
  '\x80',
  '\x12\x02\xc3\xa9',
  '\x12\x01\xff',
  '\x22\x01a',
  '\x88\0\x50',
  '\x1a\x04\x0a\x02\x08\x01',
]

export const transportHeaderFuzzer = fuzzer<Input>({
  name: 'transport-header',
  checks: 'transport headers: what the protobuf library reads from the same bytes, in any pieces, and after writing',
  cases: 4_000,
  generate: (random) => ({
    preface: random() < 0.95 ? PREFACE : mutateText(random, PREFACE, ['\r', '\n', 'x'], 1),
    lie: random() < 0.9 ? 0 : oddNumber(random),
    message: several(random, 5, () => field(random)).join(''),
    behind: pick(random, ['', 'GET / HTTP/1.1\r\n', '\0']),
  }),
  mutate: (random, input) => ({ ...input, message: mutateText(random, input.message, PIECES) }),
  run: check,
})

function field(random: Random): string {
  const kind = random()
  if (kind < 0.3) return pick(random, PIECES)
  if (kind < 0.5) return `\x08${varint(oddNumber(random))}`
  if (kind < 0.7) return bytesField(0x12, textOf(random, below(random, 20), pick(random, [128, 256])))
  if (kind < 0.85)
    return bytesField(
      0x1a,
      several(random, 2, () => pick(random, ['\x0a\0', '\x12\0', '\x18\x01', '\x0a\x01x', '\x1a\0'])).join(''),
    )
  return `${varint(8 * below(random, 20) + below(random, 8))}${textOf(random, below(random, 9))}`
}

function varint(value: number): string {
  let rest = Math.max(0, value)
  let text = ''
  for (; rest >= 128; rest = Math.floor(rest / 128)) text += String.fromCharCode((rest % 128) | 128)
  return text + String.fromCharCode(rest)
}

function bytesField(tag: number, content: string): string {
  return String.fromCharCode(tag) + varint(content.length) + content
}

function check({ preface, lie, message, behind }: Input): void {
  const length = Buffer.alloc(4)
  length.writeUInt32BE((message.length + lie) >>> 0)
  const bytes = Buffer.concat([Buffer.from(preface, 'latin1'), length, Buffer.from(message + behind, 'latin1')])
  const whole = parsed(bytes, bytes.length)
  for (let end = 0; end < bytes.length; end++) {
    const early = parsed(bytes, end)
    if (early !== undefined) deepEqual(early, whole, `an answer after ${end} bytes stays`)
  }
  if (preface !== PREFACE || lie !== 0) return
  ok(whole !== undefined, 'all bytes are there')
  if (isReadByLeniency(Buffer.from(message, 'latin1'))) return
  const theirs = oracle(message)
  if (typeof whole === 'string') {
    // Group fields do not exist in the schema or any later one; ports above 65535 do not exist at all.
    const isAllowed =
      theirs === undefined ||
      theirs.port < 1 ||
      theirs.port > 65_535 ||
      /wire type|names port/.test(whole) ||
      message.includes('\x1a')
    ok(isAllowed, `the library reads ${JSON.stringify(theirs)}, we refuse: ${whole}`)
    return
  }
  equal(whole.consumed, bytes.length - behind.length)
  ok(theirs !== undefined, `the library refuses what we read as ${JSON.stringify(whole.header)}`)
  deepEqual(plain(whole.header), plain(theirs))
  const written = encodeTransportHeader(whole.header)
  const again = parsed(written, written.length)
  ok(typeof again === 'object')
  deepEqual(plain(again.header), plain(whole.header), 'after writing')
}

/**
 * Whether a field of the schema comes in another wire type than its own, which the library reads by the schema nevertheless,
 * or a nested message is broken, which it reads beyond its end.
 */
function isReadByLeniency(message: Buffer): boolean {
  let at = 0
  const integer = (): number => {
    let value = 0
    for (let place = 0; place < 10; place++) {
      const byte = message[at++] ?? 0
      value += (byte & 0x7f) * 2 ** (7 * place)
      if (byte < 0x80) break
    }
    return value
  }
  while (at < message.length) {
    const tag = integer()
    const number = Math.floor(tag / 8)
    const type = tag % 8
    if ((number === 1 && type !== 0) || ((number === 2 || number === 3) && type !== 2)) return true
    if (type === 0) integer()
    else if (type === 2) {
      const length = integer()
      if (number === 3 && !/^(?:\n\0|\x12\0|\x18\x01)*$/.test(message.toString('latin1', at, at + length))) return true
      at += length
    } else if (type === 1) at += 8
    else if (type === 5) at += 4
    else return false
  }
  return false
}

function plain({ port, name, sessionProtocol }: TransportHeader): unknown {
  return { port, name: name ?? '', sessionProtocol }
}

function parsed(bytes: Buffer, end: number): ReturnType<typeof parseTransportHeader> | string {
  try {
    return parseTransportHeader(bytes, 0, end)
  } catch (error) {
    ok(/^the (transport header|peer did not begin)/.test((error as Error).message), String(error))
    return (error as Error).message
  }
}

function oracle(message: string): TransportHeader | undefined {
  try {
    const { port, name, sessionProtocol } = fromBinary(HeaderSchema, Buffer.from(message, 'latin1'))
    return { port, name, sessionProtocol: sessionProtocol?.kind.case }
  } catch {
    return undefined
  }
}
