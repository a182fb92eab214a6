import { test } from 'tap'
import { CLIENT_PREFACE, FrameType } from './frame.ts'
import { readFrames } from './frame-reader.ts'
import {
  writeDataHeader,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from './frame-writer.ts'
import { MemoryOutput, type Output } from './output.ts'

const TYPE_NAMES = new Map(Object.entries(FrameType).map(([name, type]) => [type as number, name]))

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

function framesIn(bytes: Buffer): string[] {
  return framesInPieces(bytes, bytes.length)
}

/** Feeds `bytes` as a socket would: pieces arrive behind what was not consumed. */
function framesInPieces(bytes: Buffer, size: number): string[] {
  const seen: string[] = []
  const sink = {
    onFrame(type: number, flags: number, streamId: number, buf: Uint8Array, start: number, end: number) {
      const payload = Buffer.from(buf.subarray(start, end)).toString('hex')
      seen.push(`${TYPE_NAMES.get(type) ?? `0x${type.toString(16)}`} flags=${flags} stream=${streamId} ${payload}`)
    },
  }
  let consumed = 0
  for (let arrived = size; ; arrived += size) {
    consumed = readFrames(bytes, consumed, Math.min(arrived, bytes.length), 16384, sink)
    if (arrived >= bytes.length) return seen
  }
}

test('readFrames, RFC 9113 §4', async (t) => {
  const cases = [
    { name: 'SETTINGS without parameters', bytes: '000000 04 00 00000000', frames: ['settings flags=0 stream=0 '] },
    { name: 'the reserved bit is ignored', bytes: '000000 00 01 80000003', frames: ['data flags=1 stream=3 '] },
    { name: 'an unknown type is handed on', bytes: '000001 ff 00 00000001 2a', frames: ['0xff flags=0 stream=1 2a'] },
    {
      name: 'two frames in one read',
      bytes: '000004 03 00 00000005 00000008 000008 06 01 00000000 0102030405060708',
      frames: ['rstStream flags=0 stream=5 00000008', 'ping flags=1 stream=0 0102030405060708'],
    },
    { name: 'half a header is nothing', bytes: '000000 04', frames: [] },
  ]
  for (const { name, bytes, frames } of cases) {
    t.same(framesIn(hex(bytes)), frames, name)
    for (let size = 1; size < hex(bytes).length; size++) {
      t.same(framesInPieces(hex(bytes), size), frames, `${name}, in pieces of ${size}`)
    }
  }
  t.throws(
    () => framesIn(hex('004001 00 00 00000001')),
    { code: 6 },
    'a frame above the limit is refused by its header',
  )
  t.equal(CLIENT_PREFACE.length, 24)
})

test('frame writers say what readFrames reads', async (t) => {
  const cases: { name: string; write: (out: Output) => void; frame: string }[] = [
    {
      name: 'SETTINGS',
      write: (out) =>
        writeSettings(out, [
          [1, 0],
          [4, 1048576],
        ]),
      frame: 'settings flags=0 stream=0 000100000000000400100000',
    },
    { name: 'SETTINGS ACK', write: writeSettingsAck, frame: 'settings flags=1 stream=0 ' },
    {
      name: 'PING',
      write: (out) => writePing(out, false, hex('ff0102030405060708'), 1),
      frame: 'ping flags=0 stream=0 0102030405060708',
    },
    {
      name: 'PING ACK',
      write: (out) => writePing(out, true, hex('0102030405060708'), 0),
      frame: 'ping flags=1 stream=0 0102030405060708',
    },
    {
      name: 'GOAWAY',
      write: (out) => writeGoaway(out, 7, 11, 'hi'),
      frame: 'goaway flags=0 stream=0 000000070000000b6869',
    },
    {
      name: 'RST_STREAM with a code above 2^31',
      write: (out) => writeRstStream(out, 9, 0xfffffffe),
      frame: 'rstStream flags=0 stream=9 fffffffe',
    },
    {
      name: 'WINDOW_UPDATE',
      write: (out) => writeWindowUpdate(out, 2 ** 31 - 1, 2 ** 31 - 1),
      frame: 'windowUpdate flags=0 stream=2147483647 7fffffff',
    },
    { name: 'DATA header', write: (out) => writeDataHeader(out, 0, 3, true), frame: 'data flags=1 stream=3 ' },
  ]
  for (const { name, write, frame } of cases) {
    const out = new MemoryOutput()
    write(out)
    t.same(framesIn(out.taken()), [frame], name)
  }
  const out = new MemoryOutput()
  writeGoaway(out, 0, 0, 'x'.repeat(10_000))
  t.equal(out.at, 9 + 8 + 512, 'debug data is bounded')
})
