/** Whatever the pieces, the same messages come out; whatever the bytes, memory stays within the bound. */
import { below } from '../wire/seeded-random.ts'
import { frameMessage, MessageReader } from './grpc-message.ts'
import { GrpcError } from './grpc-status.ts'

export function fuzz(random: () => number, iterations: number): void {
  for (let run = 0; run < iterations; run++) {
    pieces(random)
    noise(random)
  }
}

function pieces(random: () => number): void {
  const messages = Array.from({ length: below(random, 6) }, () =>
    Buffer.alloc(below(random, 10) === 0 ? below(random, 40_000) : below(random, 40), below(random, 256)),
  )
  const stream = Buffer.concat(messages.map(frameMessage))
  const reader = new MessageReader(64_000)
  const found: Uint8Array[] = []
  for (let at = 0; at < stream.length; ) {
    const end = Math.min(stream.length, at + 1 + below(random, below(random, 2) === 0 ? 7 : 20_000))
    // The piece lies somewhere in a buffer that is used again.
    const buf = Buffer.concat([Buffer.from('xx'), stream.subarray(at, end), Buffer.from('yyy')])
    reader.push(buf, 2, buf.length - 3, (message) => found.push(message))
    buf.fill(0xee)
    at = end
  }
  if (found.length !== messages.length || !found.every((message, index) => messages[index]!.equals(message)))
    throw new Error('messages changed on the way')
  if (!reader.isBetweenMessages) throw new Error('the reader waits for more though everything was there')
}

function noise(random: () => number): void {
  const reader = new MessageReader(1_000)
  const buf = Buffer.from(
    Array.from({ length: below(random, 300) }, () => (below(random, 3) === 0 ? below(random, 256) : 0)),
  )
  try {
    reader.push(buf, 0, buf.length, (message) => {
      if (message.length > 1_000) throw new Error('a message above the bound')
    })
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
  }
}
