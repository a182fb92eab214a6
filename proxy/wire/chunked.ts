/**
 * Chunked transfer coding (RFC 9112 §7.1): a decoder that is fed as bytes come, and what an encoder writes.
 *
 * Content is named by ranges of the buffer that was read, never copied. Sizes and extensions are read with the same
 * strictness as heads: a size that two readers understand in two ways hides a request.
 */
import { copyBytes } from './bytes.ts'
import { TOKEN_CHAR, VALUE_CHAR } from './field-chars.ts'
import { Head } from './head.ts'
import { Http1Error } from './http1-error.ts'
import { parseTrailers } from './http1-head.ts'
import { writeTrailerLines } from './http1-writer.ts'
import type { Output } from './output.ts'

/** Digits of a chunk size: 2^48 bytes, so that it is exact as a number. Leading zeros count. */
export const MAX_CHUNK_SIZE_DIGITS = 12
/** Extensions have no meaning anybody uses; they are skipped, but not for ever. */
export const MAX_CHUNK_EXTENSION_BYTES = 256
/** All extensions of one message: beyond it they are there to keep us busy. */
export const MAX_EXTENSIONS_BYTES = 16 * 1024
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
  sizeEnd: 3,
  data: 4,
  dataCr: 5,
  dataLf: 6,
  lineStart: 7,
  line: 8,
  lineEnd: 9,
  lastLf: 10,
  done: 11,
  /** Spaces behind a size or an extension. */
  space: 12,
  /** Behind a semicolon: `chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS value ] )`. */
  extension: 13,
  name: 14,
  nameSpace: 15,
  value: 16,
  token: 17,
  quoted: 18,
  escaped: 19,
} as const
type State = (typeof State)[keyof typeof State]

const CR = 13
const LF = 10
const QUOTE = 0x22
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const BACKSLASH = 0x5c

export class ChunkedDecoder {
  #state: State = State.sizeStart
  /** Size being read, then bytes of the chunk that are still to come. */
  #left = 0
  #digits = 0
  #extensionBytes = 0
  #extensionsBytes = 0
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
    this.#extensionsBytes = 0
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
            this.#state = afterSize(byte)
            if (this.#state === State.done) throw badChunk('a chunk size is no hexadecimal number')
          } else {
            if (++this.#digits > MAX_CHUNK_SIZE_DIGITS)
              throw badChunk(`a chunk size has more than ${MAX_CHUNK_SIZE_DIGITS} digits`)
            this.#left = this.#left * 16 + digit
          }
          at++
          break
        }
        case State.space:
        case State.extension:
        case State.name:
        case State.nameSpace:
        case State.value:
        case State.token:
        case State.quoted:
        case State.escaped:
          this.#state = afterExtension(this.#state, byte)
          if (this.#state === State.done) throw badChunk('a chunk extension is not one')
          if (++this.#extensionBytes > MAX_CHUNK_EXTENSION_BYTES)
            throw badChunk(`a chunk extension is longer than ${MAX_CHUNK_EXTENSION_BYTES} bytes`)
          if (++this.#extensionsBytes > MAX_EXTENSIONS_BYTES)
            throw badChunk(`the chunk extensions are longer than ${MAX_EXTENSIONS_BYTES} bytes in all`)
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

/** The state behind `byte`, which ends a size or an extension; `done` where it cannot stand there. */
function afterSize(byte: number): State {
  if (byte === CR) return State.sizeEnd
  if (byte === SEMICOLON) return State.extension
  // Spaces alone are no extension, but some servers fill up their sizes with them.
  return isSpace(byte) ? State.space : State.done
}

/**
 * The state behind `byte` of a chunk extension (RFC 9112 §7.1.1); `done` where the grammar does not have it. Nobody uses
 * extensions, and those who read them in ways of their own end lines elsewhere: a quote that is not closed, a lone semicolon.
 */
function afterExtension(state: State, byte: number): State {
  switch (state) {
    case State.extension:
      return isSpace(byte) ? state : TOKEN_CHAR[byte] !== 0 ? State.name : State.done
    case State.name:
      if (TOKEN_CHAR[byte] !== 0) return state
      return byte === EQUALS ? State.value : isSpace(byte) ? State.nameSpace : afterSize(byte)
    case State.nameSpace:
      return byte === EQUALS ? State.value : isSpace(byte) ? state : afterSize(byte)
    case State.value:
      if (byte === QUOTE) return State.quoted
      return isSpace(byte) ? state : TOKEN_CHAR[byte] !== 0 ? State.token : State.done
    case State.token:
      return TOKEN_CHAR[byte] !== 0 ? state : afterSize(byte)
    case State.quoted:
      if (byte === QUOTE) return State.space
      return byte === BACKSLASH ? State.escaped : VALUE_CHAR[byte] !== 0 ? state : State.done
    case State.escaped:
      return VALUE_CHAR[byte] !== 0 ? State.quoted : State.done
    default:
      return afterSize(byte)
  }
}

const isSpace = (byte: number) => byte === 0x20 || byte === 0x09

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
