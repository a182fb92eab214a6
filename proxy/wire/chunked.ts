/**
 * Chunked transfer coding (RFC 9112 §7.1): a decoder that is fed as bytes come, and what an encoder writes.
 *
 * Content is named by ranges of the buffer that was read, never copied. Sizes and extensions are read with the same
 * strictness as heads: a size that two readers understand in two ways hides a request.
 */
import { copyBytes } from './bytes.ts'
import { VALUE_CHAR } from './field-chars.ts'
import { Head } from './head.ts'
import { Http1Error } from './http1-error.ts'
import { parseTrailers } from './http1-head.ts'
import { writeTrailerLines } from './http1-writer.ts'
import type { Output } from './output.ts'

/** Digits of a chunk size: 2^48 bytes, so that it is exact as a number. Leading zeros count. */
export const MAX_CHUNK_SIZE_DIGITS = 12
/** Extensions have no meaning anybody uses; they are skipped, but not for ever. */
export const MAX_CHUNK_EXTENSION_BYTES = 256
export const MAX_TRAILER_BYTES = 16 * 1024
/** Room a chunk header needs. */
export const CHUNK_HEADER_BYTES = 10

/** Hears the content of one message. Ranges are valid only during the call. */
export interface ChunkedSink {
  onData(buf: Buffer, start: number, end: number): void
  /** Only when there are trailers; `onEnd` follows. */
  onTrailers(trailers: Head): void
  onEnd(): void
}

const State = {
  sizeStart: 0,
  size: 1,
  extension: 2,
  sizeEnd: 3,
  data: 4,
  dataCr: 5,
  dataLf: 6,
  lineStart: 7,
  line: 8,
  lineEnd: 9,
  lastLf: 10,
  done: 11,
} as const
type State = (typeof State)[keyof typeof State]

const CR = 13
const LF = 10

export class ChunkedDecoder {
  #state: State = State.sizeStart
  /** Size being read, then bytes of the chunk that are still to come. */
  #left = 0
  #digits = 0
  #extensionBytes = 0
  /** Trailer lines read so far; without memory until there are any. */
  #trailers: Buffer | undefined = undefined
  #trailerBytes = 0

  /** The last byte of the message was read. */
  get isDone(): boolean {
    return this.#state === State.done
  }

  /** Ready for another message. */
  reset(): void {
    this.#state = State.sizeStart
    this.#left = 0
    this.#digits = 0
    this.#trailers = undefined
    this.#trailerBytes = 0
  }

  /**
   * Reads from `buf[start, end)` up to the end of the message.
   * @returns the offset of the first byte not consumed: `end` until the message is done
   * @throws Http1Error for what RFC 9112 §7.1 forbids
   */
  push(buf: Buffer, start: number, end: number, sink: ChunkedSink): number {
    let at = start
    while (at < end && this.#state !== State.done) {
      const byte = buf[at]!
      switch (this.#state) {
        case State.sizeStart:
          this.#left = hexDigit(byte)
          if (this.#left < 0) throw badChunk('a chunk size is no hexadecimal number')
          this.#digits = 1
          this.#extensionBytes = 0
          this.#state = State.size
          at++
          break
        case State.size: {
          const digit = hexDigit(byte)
          if (digit < 0) {
            // `BWS ";"` and so spaces before an extension are allowed; whatever else stands here is found below.
            this.#state = byte === CR ? State.sizeEnd : State.extension
            if (byte !== CR && byte !== 0x3b && byte !== 0x20 && byte !== 0x09)
              throw badChunk('a chunk size is no hexadecimal number')
          } else {
            if (++this.#digits > MAX_CHUNK_SIZE_DIGITS)
              throw badChunk(`a chunk size has more than ${MAX_CHUNK_SIZE_DIGITS} digits`)
            this.#left = this.#left * 16 + digit
          }
          at++
          break
        }
        case State.extension:
          if (byte === CR) this.#state = State.sizeEnd
          else if (VALUE_CHAR[byte] === 0) throw badChunk('a chunk extension has an illegal character')
          else if (++this.#extensionBytes > MAX_CHUNK_EXTENSION_BYTES)
            throw badChunk(`a chunk extension is longer than ${MAX_CHUNK_EXTENSION_BYTES} bytes`)
          at++
          break
        case State.sizeEnd:
          if (byte !== LF) throw badChunk('a chunk size does not end with CR LF')
          this.#state = this.#left === 0 ? State.lineStart : State.data
          at++
          break
        case State.data: {
          const stop = Math.min(end, at + this.#left)
          this.#left -= stop - at
          if (this.#left === 0) this.#state = State.dataCr
          sink.onData(buf, at, stop)
          at = stop
          break
        }
        case State.dataCr:
          if (byte !== CR) throw badChunk('a chunk is longer than its size')
          this.#state = State.dataLf
          at++
          break
        case State.dataLf:
          if (byte !== LF) throw badChunk('a chunk is longer than its size')
          this.#state = State.sizeStart
          at++
          break
        default:
          at = this.#readTrailers(buf, at, end)
          if (this.isDone) this.#end(sink)
      }
    }
    return at
  }

  /** Gathers trailer lines; a message without trailers passes here with CR LF and keeps nothing. */
  #readTrailers(buf: Buffer, start: number, end: number): number {
    // Nothing kept and the first byte ends the section: no trailers.
    const isEmpty = this.#trailerBytes === 0 && (this.#state === State.lastLf || buf[start] === CR)
    let at = start
    while (at < end && this.#state !== State.done) {
      const byte = buf[at++]!
      switch (this.#state) {
        case State.lineStart:
          if (byte === LF) throw badChunk('a bare LF in the trailers')
          this.#state = byte === CR ? State.lastLf : State.line
          break
        case State.line:
          if (byte === LF) throw badChunk('a bare LF in the trailers')
          if (byte === CR) this.#state = State.lineEnd
          break
        case State.lineEnd:
          if (byte !== LF) throw badChunk('a trailer line does not end with CR LF')
          this.#state = State.lineStart
          break
        case State.lastLf:
          if (byte !== LF) throw badChunk('the trailers do not end with CR LF')
          this.#state = State.done
          break
      }
    }
    if (!isEmpty) this.#keep(buf, start, at)
    return at
  }

  #keep(buf: Buffer, start: number, end: number): void {
    const length = end - start
    if (this.#trailerBytes + length > MAX_TRAILER_BYTES) {
      throw new Http1Error(431, `the trailers are larger than ${MAX_TRAILER_BYTES} bytes`)
    }
    const old = this.#trailers
    if (old === undefined || old.length < this.#trailerBytes + length) {
      this.#trailers = Buffer.allocUnsafeSlow(Math.max(256, 2 * (this.#trailerBytes + length)))
      if (old !== undefined) copyBytes(old, 0, this.#trailerBytes, this.#trailers, 0)
    }
    this.#trailerBytes = copyBytes(buf, start, end, this.#trailers!, this.#trailerBytes)
  }

  #end(sink: ChunkedSink): void {
    if (this.#trailerBytes > 0) {
      const trailers = new Head()
      parseTrailers(trailers, this.#trailers!, 0, this.#trailerBytes)
      this.#trailers = undefined
      sink.onTrailers(trailers)
    }
    sink.onEnd()
  }
}

/** Writes the line in front of `length` > 0 bytes of content; the caller writes those and CR LF behind them. */
export function writeChunkHeader(out: Output, length: number): void {
  out.ensure(CHUNK_HEADER_BYTES)
  const { buf } = out
  let digits = 1
  while (digits < 8 && length >>> (4 * digits) !== 0) digits++
  for (let shift = 4 * (digits - 1); shift >= 0; shift -= 4) buf[out.at++] = HEX[(length >>> shift) & 15]!
  buf[out.at++] = CR
  buf[out.at++] = LF
}

/** Writes the end of the message: last chunk, trailers, empty line. */
export function writeLastChunk(out: Output, trailers?: Head): void {
  out.ensure(5)
  out.buf[out.at++] = 0x30
  out.buf[out.at++] = CR
  out.buf[out.at++] = LF
  if (trailers !== undefined) {
    writeTrailerLines(out, trailers)
    return
  }
  out.buf[out.at++] = CR
  out.buf[out.at++] = LF
}

const HEX = Buffer.from('0123456789abcdef', 'latin1')

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function badChunk(problem: string): Http1Error {
  return new Http1Error(400, `${problem} (RFC 9112 §7.1)`)
}
