/**
 * Frames out of reads: a read may end anywhere, so the beginning of a frame is kept until its rest arrives.
 *
 * Whole frames are handled where they lie in the read buffer; only the one that is cut is copied. The copy's memory is
 * shared by all connections, so one that waits between frames owns none.
 */
import { u24 } from '../wire/bytes.ts'
import { ConnectionError, ErrorCode, frameTooLong } from '../wire/connection-error.ts'
import { CLIENT_PREFACE, FRAME_HEADER_LENGTH } from '../wire/frame.ts'
import { type FrameSink, readFrames } from '../wire/frame-reader.ts'
import { MAX_FRAME_BYTES } from './http2-config.ts'

const PIECE_BYTES = FRAME_HEADER_LENGTH + MAX_FRAME_BYTES
/** As long as hardly anything of the frame has come: thousands of peers may begin one and say no more. */
const SHORT_PIECE_BYTES = 512
const MAX_POOLED = 32
const EMPTY = Buffer.alloc(0)

const pool: Buffer[] = []

export class FrameAssembly {
  #buf: Buffer = EMPTY
  #bytes = 0
  #prefaceLeft: number

  /** A server first expects the client's preface (RFC 9113 §3.4). */
  constructor(isServer: boolean) {
    this.#prefaceLeft = isServer ? CLIENT_PREFACE.length : 0
  }

  /** A frame, or the preface, has begun and is not whole yet. */
  get isInsideFrame(): boolean {
    return this.#bytes > 0 || (this.#prefaceLeft > 0 && this.#prefaceLeft < CLIENT_PREFACE.length)
  }

  /**
   * Hands every frame that is whole now to `sink`.
   * @throws ConnectionError for a wrong preface or a frame that is too long, and what `sink` throws
   */
  push(buf: Buffer, start: number, end: number, sink: FrameSink): void {
    let at = start
    if (this.#prefaceLeft > 0) at = this.#readPreface(buf, at, end)
    if (this.#bytes > 0) at = this.#finish(buf, at, end, sink)
    if (at === end) return
    at = readFrames(buf, at, end, MAX_FRAME_BYTES, sink)
    if (at < end) this.#extend(buf, at, end, end - at)
  }

  /** Nothing follows: gives the memory back. */
  clear(): void {
    giveBack(this.#buf)
    this.#buf = EMPTY
    this.#bytes = 0
  }

  #readPreface(buf: Buffer, start: number, end: number): number {
    let at = start
    for (; at < end && this.#prefaceLeft > 0; at++, this.#prefaceLeft--) {
      if (buf[at] === CLIENT_PREFACE[CLIENT_PREFACE.length - this.#prefaceLeft]) continue
      throw new ConnectionError(
        ErrorCode.protocolError,
        'the connection does not begin with the HTTP/2 preface (RFC 9113 §3.4)',
      )
    }
    return at
  }

  /** Completes the frame that was cut, taking no more than it needs; returns the offset behind what it took. */
  #finish(buf: Buffer, start: number, end: number, sink: FrameSink): number {
    let at = start
    if (this.#bytes < FRAME_HEADER_LENGTH) {
      at = this.#extend(buf, at, end, FRAME_HEADER_LENGTH - this.#bytes)
      if (this.#bytes < FRAME_HEADER_LENGTH) return at
    }
    const length = u24(this.#buf, 0)
    if (length > MAX_FRAME_BYTES) throw frameTooLong(length, MAX_FRAME_BYTES)
    const frameBytes = FRAME_HEADER_LENGTH + length
    at = this.#extend(buf, at, end, frameBytes - this.#bytes)
    if (this.#bytes < frameBytes) return at
    const frame = this.#buf
    this.#buf = EMPTY
    this.#bytes = 0
    readFrames(frame, 0, frameBytes, MAX_FRAME_BYTES, sink)
    giveBack(frame)
    return at
  }

  /** Takes up to `wanted` bytes; returns the offset behind them. */
  #extend(buf: Buffer, start: number, end: number, wanted: number): number {
    const taken = Math.min(wanted, end - start)
    if (this.#bytes + taken > this.#buf.length) this.#grow(this.#bytes + taken)
    buf.copy(this.#buf, this.#bytes, start, start + taken)
    this.#bytes += taken
    return start + taken
  }

  #grow(bytes: number): void {
    const before = this.#buf
    this.#buf =
      bytes > SHORT_PIECE_BYTES
        ? (pool.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES))
        : Buffer.allocUnsafeSlow(SHORT_PIECE_BYTES)
    before.copy(this.#buf, 0, 0, this.#bytes)
  }
}

function giveBack(piece: Buffer): void {
  if (piece.length === PIECE_BYTES && pool.length < MAX_POOLED) pool.push(piece)
}
