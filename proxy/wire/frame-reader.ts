/**
 * HTTP/2 frame reader (RFC 9113 §4.1): bytes in, calls on a `FrameSink` out.
 *
 * A payload stays where the socket put it and is named by offsets, so a frame allocates nothing.
 */
import { u24, u31 } from './bytes.ts'
import { frameTooLong } from './connection-error.ts'
import { FRAME_HEADER_LENGTH } from './frame.ts'

export interface FrameSink {
  /** One whole frame. `buf[start, end)` is its payload, valid only during the call. */
  onFrame(type: number, flags: number, streamId: number, buf: Uint8Array, start: number, end: number): void
}

/**
 * Hands every whole frame in `buf[start, end)` to `sink`, in order.
 *
 * @returns the offset of the first byte not consumed; the caller keeps the rest for its next read
 * @throws ConnectionError FRAME_SIZE_ERROR for a length above `maxFrameSize` (RFC 9113 §4.2)
 */
export function readFrames(buf: Uint8Array, start: number, end: number, maxFrameSize: number, sink: FrameSink): number {
  let at = start
  while (end - at >= FRAME_HEADER_LENGTH) {
    const length = u24(buf, at)
    // Before the payload is awaited: a peer must not make us buffer a frame we are going to refuse.
    if (length > maxFrameSize) throw frameTooLong(length, maxFrameSize)
    const payload = at + FRAME_HEADER_LENGTH
    const next = payload + length
    if (next > end) break
    sink.onFrame(buf[at + 3]!, buf[at + 4]!, u31(buf, at + 5), buf, payload, next)
    at = next
  }
  return at
}
