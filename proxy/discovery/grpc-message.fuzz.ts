/**
 * gRPC messages in DATA frames: whatever the pieces, the messages that a reader of the whole finds, and the same error in the
 * same place; memory is taken for what came, not for what a prefix says.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { below, cuts, mutateText, oddNumber, several, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer } from '../../test/fuzz/fuzzer.ts'
import { seededRandom } from '../wire/seeded-random.ts'
import { frameMessage, MessageReader, PREFIX_BYTES } from './grpc-message.ts'
import { GrpcError, GrpcStatus } from './grpc-status.ts'

type Input = { readonly stream: string; readonly seed: number }

const MAX_BYTES = 20_000
const PIECES = [
  '\0\0\0\0\0',
  '\0\0\0\0\x05abcde',
  '\x01\0\0\0\x01a',
  '\0\xff\xff\xff\xff',
  '\0\0\0\x4e\x20',
  '\0\0\0\x4e\x21',
  '\0',
  '\x80',
]

export const grpcMessageFuzzer = fuzzer<Input>({
  name: 'grpc-message',
  checks: 'gRPC prefixes and messages in any pieces: the messages and the error of a reader of the whole',
  cases: 1_500,
  generate: (random) => ({
    stream: several(random, 6, () => {
      const length = random() < 0.1 ? below(random, MAX_BYTES + 2) : below(random, 40)
      const told = random() < 0.9 ? length : Math.max(0, oddNumber(random)) % 2 ** 32
      const prefix = Buffer.alloc(PREFIX_BYTES)
      prefix[0] = random() < 0.95 ? 0 : below(random, 256)
      prefix.writeUInt32BE(told, 1)
      return prefix.toString('latin1') + textOf(random, length)
    }).join(''),
    seed: below(random, 1_000),
  }),
  mutate: (random, { stream }) => ({ stream: mutateText(random, stream, PIECES), seed: below(random, 1_000) }),
  run: check,
})

function check({ stream, seed }: Input): void {
  const bytes = Buffer.from(stream, 'latin1')
  const expected = readWhole(bytes)
  const random = seededRandom(seed)
  for (const ends of [[bytes.length], cuts(random, bytes.length), cuts(random, bytes.length)]) {
    const reader = new MessageReader(MAX_BYTES)
    const messages: string[] = []
    let code: number | undefined
    let start = 0
    try {
      for (const end of ends) {
        // The piece lies somewhere in a buffer that is used again.
        const buf = Buffer.concat([Buffer.from('xx'), bytes.subarray(start, end), Buffer.from('yyy')])
        reader.push(buf, 2, buf.length - 3, (message) => messages.push(Buffer.from(message).toString('latin1')))
        buf.fill(0xee)
        start = end
      }
    } catch (error) {
      ok(error instanceof GrpcError, String(error))
      code = error.code
    }
    deepEqual(messages, expected.messages, `cut at ${ends}`)
    equal(code, expected.code, `cut at ${ends}`)
    if (code === undefined) equal(reader.isBetweenMessages, expected.isBetween, `cut at ${ends}`)
  }
  for (const message of expected.messages) {
    const framed = frameMessage(Buffer.from(message, 'latin1'))
    deepEqual(readWhole(framed).messages, [message])
  }
}

function readWhole(bytes: Buffer): { messages: string[]; code: number | undefined; isBetween: boolean } {
  const messages: string[] = []
  let at = 0
  while (bytes.length - at >= PREFIX_BYTES) {
    const length = bytes.readUInt32BE(at + 1)
    if (bytes[at] !== 0) return { messages, code: GrpcStatus.internal, isBetween: false }
    if (length > MAX_BYTES) return { messages, code: GrpcStatus.resourceExhausted, isBetween: false }
    if (bytes.length - at - PREFIX_BYTES < length) return { messages, code: undefined, isBetween: false }
    messages.push(bytes.toString('latin1', at + PREFIX_BYTES, at + PREFIX_BYTES + length))
    at += PREFIX_BYTES + length
  }
  return { messages, code: undefined, isBetween: at === bytes.length }
}
