import { test } from 'tap'
import { CLIENT_PREFACE } from '../wire/frame.ts'
import { FrameAssembly } from './frame-assembly.ts'
import { data, ping } from './test-frames.ts'

/** What a server hears of `bytes` that come in pieces: `type:length` of each frame, and whether its content is whole. */
function heard(bytes: Buffer, pieceBytes: number): string[] {
  const frames: string[] = []
  const assembly = new FrameAssembly(true)
  const sink = {
    onFrame(type: number, _flags: number, _streamId: number, buf: Uint8Array, start: number, end: number): void {
      const isWhole = type !== 0 || buf.subarray(start, end).every((byte) => byte === 0x64)
      frames.push(`${type}:${end - start}${isWhole ? '' : ' broken'}`)
    },
  }
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    // A read buffer is used again at once.
    const piece = Buffer.from(bytes.subarray(at, at + pieceBytes))
    assembly.push(piece, 0, piece.length, sink)
    piece.fill(0)
  }
  return frames
}

test('frames in pieces of any size, short ones and the longest', async (t) => {
  const lengths = [0, 1, 500, 503, 504, 511, 512, 513, 4_000, 16_384]
  const bytes = Buffer.concat([CLIENT_PREFACE, ...lengths.map((length) => data(1, length)), ping()])
  const frames = [...lengths.map((length) => `0:${length}`), '6:8']
  for (const pieceBytes of [1, 2, 8, 9, 10, 511, 512, 513, 5_000, bytes.length])
    t.same(heard(bytes, pieceBytes), frames, `pieces of ${pieceBytes}`)
})
