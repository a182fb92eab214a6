/**
 * HTTP/2 frame writers (RFC 9113 §6): each makes its own room in the `Output`, then writes.
 *
 * DATA and HEADERS only have their frame header written here; the payload is copied behind it by whoever has it.
 */
import { copyBytes, writeU16, writeU24, writeU32 } from './bytes.ts'
import { Flag, FRAME_HEADER_LENGTH, FrameType } from './frame.ts'
import type { Output } from './output.ts'

const PING_LENGTH = 8
/** Longer debug data says nothing more and would make an error message a payload. */
const MAX_DEBUG_BYTES = 512

export function writeFrameHeader(out: Output, length: number, type: number, flags: number, streamId: number): void {
  out.ensure(FRAME_HEADER_LENGTH)
  putFrameHeader(out.buf, out.at, length, type, flags, streamId)
  out.at += FRAME_HEADER_LENGTH
}

/** Puts a frame header at an offset that was left free for it: for frames whose length is known only afterwards. */
export function putFrameHeader(
  buf: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  writeU24(buf, at, length)
  buf[at + 3] = type
  buf[at + 4] = flags
  writeU32(buf, at + 5, streamId)
}

/** `pairs` in wire order: identifier, value (see `Setting`). */
export function writeSettings(out: Output, pairs: readonly (readonly [number, number])[]): void {
  const length = pairs.length * 6
  out.ensure(FRAME_HEADER_LENGTH + length)
  writeFrameHeader(out, length, FrameType.settings, 0, 0)
  for (const [identifier, value] of pairs) {
    writeU16(out.buf, out.at, identifier)
    writeU32(out.buf, out.at + 2, value)
    out.at += 6
  }
}

export function writeSettingsAck(out: Output): void {
  writeFrameHeader(out, 0, FrameType.settings, Flag.ack, 0)
}

/** The eight bytes at `buf[start…]` are the opaque data; an ACK repeats those of the PING. */
export function writePing(out: Output, ack: boolean, buf: Uint8Array, start: number): void {
  out.ensure(FRAME_HEADER_LENGTH + PING_LENGTH)
  writeFrameHeader(out, PING_LENGTH, FrameType.ping, ack ? Flag.ack : 0, 0)
  out.at = copyBytes(buf, start, start + PING_LENGTH, out.buf, out.at)
}

export function writeGoaway(out: Output, lastStreamId: number, code: number, debug = ''): void {
  const data = Buffer.from(debug, 'utf8').subarray(0, MAX_DEBUG_BYTES)
  out.ensure(FRAME_HEADER_LENGTH + 8 + data.length)
  writeFrameHeader(out, 8 + data.length, FrameType.goaway, 0, 0)
  writeU32(out.buf, out.at, lastStreamId)
  writeU32(out.buf, out.at + 4, code)
  out.at = copyBytes(data, 0, data.length, out.buf, out.at + 8)
}

/** `code` is any number: a proxy passes on codes it does not know (RFC 9113 §7). */
export function writeRstStream(out: Output, streamId: number, code: number): void {
  out.ensure(FRAME_HEADER_LENGTH + 4)
  writeFrameHeader(out, 4, FrameType.rstStream, 0, streamId)
  writeU32(out.buf, out.at, code)
  out.at += 4
}

export function writeWindowUpdate(out: Output, streamId: number, increment: number): void {
  out.ensure(FRAME_HEADER_LENGTH + 4)
  writeFrameHeader(out, 4, FrameType.windowUpdate, 0, streamId)
  writeU32(out.buf, out.at, increment)
  out.at += 4
}

export function writeDataHeader(out: Output, length: number, streamId: number, endStream: boolean): void {
  writeFrameHeader(out, length, FrameType.data, endStream ? Flag.endStream : 0, streamId)
}
