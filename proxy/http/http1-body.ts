/** Content of one HTTP/1 message, read and written (RFC 9112 §6, §7). Shared by both roles. */
import { copyBytes } from '../wire/bytes.ts'
import { ChunkedDecoder, writeChunkHeader, writeLastChunk } from '../wire/chunked.ts'
import { Framing, Head } from '../wire/head.ts'
import { SendQueue } from './send-queue.ts'
import type { Transport } from './transport.ts'

const CRLF_BYTES = 2
const CHUNK_HEADER_BYTES = 10
/** Content is written in pieces of this size, so that one message does not grow the output buffer without bound. */
const PIECE_BYTES = 16_384
const EMPTY = Buffer.alloc(0)

/** Hears content. `endStream` comes with the last piece, or alone; trailers end the message too. */
export interface ContentSink {
  onContent(buf: Buffer, start: number, end: number, endStream: boolean): void
  onContentTrailers(trailers: Head): void
}

export class BodyReader {
  #framing: Framing
  #left: number
  readonly #sink: ContentSink
  #decoder: ChunkedDecoder | undefined = undefined
  isDone = false

  constructor(framing: Framing, contentLength: number, sink: ContentSink) {
    this.#framing = framing
    this.#left = contentLength
    this.#sink = sink
    if (framing === Framing.none || (framing === Framing.length && contentLength === 0)) this.isDone = true
    else if (framing === Framing.chunked) this.#decoder = new ChunkedDecoder()
  }

  /**
   * Reads content from `buf[start, end)` and returns the offset behind what belongs to this message.
   * @throws Http1Error for framing that RFC 9112 §7.1 forbids
   */
  read(buf: Buffer, start: number, end: number): number {
    switch (this.#framing) {
      case Framing.none:
        return start
      case Framing.length: {
        const stop = Math.min(end, start + this.#left)
        this.#left -= stop - start
        this.isDone = this.#left === 0
        this.#sink.onContent(buf, start, stop, this.isDone)
        return stop
      }
      case Framing.chunked:
        return this.#decoder!.push(buf, start, end, this)
      case Framing.untilClose:
        this.#sink.onContent(buf, start, end, false)
        return end
    }
  }

  /** The connection ended: true when that was a proper end of this message. */
  finish(): boolean {
    if (this.isDone) return true
    if (this.#framing !== Framing.untilClose) return false
    this.isDone = true
    this.#sink.onContent(EMPTY, 0, 0, true)
    return true
  }

  // ── ChunkedSink ──

  onData(buf: Buffer, start: number, end: number): void {
    this.#sink.onContent(buf, start, end, false)
  }

  onTrailers(trailers: Head): void {
    this.isDone = true
    this.#sink.onContentTrailers(trailers)
  }

  onEnd(): void {
    if (this.isDone) return
    this.isDone = true
    this.#sink.onContent(EMPTY, 0, 0, true)
  }
}

/** How content is delimited on its way out; `raw` is a tunnel or a message that ends with the connection. */
export type SendFraming = 'none' | 'length' | 'chunked' | 'raw'

export class BodyWriter {
  readonly #transport: Transport
  #framing: SendFraming = 'none'
  readonly #queue = new SendQueue()
  #isEndQueued = false
  #trailers: Head | undefined = undefined
  /** The last byte of the message was written. */
  isDone = false

  constructor(transport: Transport) {
    this.#transport = transport
  }

  begin(framing: SendFraming): void {
    this.#framing = framing
    this.isDone = false
  }

  /** Writes what the transport takes and keeps the rest; returns how many bytes left. */
  send(buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (this.isDone || this.#isEndQueued) return end - start
    if (this.#framing === 'none') {
      if (endStream) this.isDone = true
      return end - start
    }
    if (this.#queue.bytes > 0 || (start < end && !this.#transport.isWritable)) {
      if (start < end) this.#queue.push(buf, start, end)
      this.#isEndQueued = endStream
      return 0
    }
    for (let at = start; at < end; at += PIECE_BYTES) this.#writePiece(buf, at, Math.min(end, at + PIECE_BYTES))
    if (endStream) this.#finish()
    this.#transport.flushSoon()
    return end - start
  }

  /** Ends the message with trailers; only chunked framing can carry them, others drop them (RFC 9110 §6.5.1). */
  sendTrailers(trailers: Head): void {
    if (this.isDone || this.#isEndQueued) return
    if (this.#queue.bytes > 0) {
      this.#trailers = new Head()
      this.#trailers.copyFrom(trailers)
      this.#isEndQueued = true
      return
    }
    this.#trailers = trailers
    this.#finish()
    this.#trailers = undefined
    this.#transport.flushSoon()
  }

  /** The kernel takes more: returns how many queued bytes left. */
  drain(): number {
    let sent = 0
    while (this.#queue.bytes > 0 && this.#transport.isWritable) {
      const length = Math.min(this.#queue.bytes, PIECE_BYTES)
      this.#openPiece(length)
      this.#queue.take(this.#transport.buf, this.#transport.at, length)
      this.#transport.at += length
      this.#closePiece()
      sent += length
      this.#transport.flushSoon()
    }
    if (this.#isEndQueued && this.#queue.bytes === 0 && !this.isDone) this.#finish()
    return sent
  }

  clear(): void {
    this.#queue.clear()
    this.isDone = true
  }

  #finish(): void {
    if (this.#framing === 'chunked') writeLastChunk(this.#transport, this.#trailers)
    this.isDone = true
    this.#transport.flushSoon()
  }

  #writePiece(buf: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.#openPiece(length)
    this.#transport.at = copyBytes(buf, start, end, this.#transport.buf, this.#transport.at)
    this.#closePiece()
  }

  #openPiece(length: number): void {
    this.#transport.ensure(length + CHUNK_HEADER_BYTES + CRLF_BYTES)
    if (this.#framing === 'chunked') writeChunkHeader(this.#transport, length)
  }

  #closePiece(): void {
    if (this.#framing !== 'chunked') return
    const out = this.#transport
    out.buf[out.at++] = 13
    out.buf[out.at++] = 10
  }
}
