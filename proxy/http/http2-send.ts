/**
 * The sending half of an HTTP/2 connection: heads, content and trailers as frames, as fast as both flow-control windows and
 * the kernel allow (RFC 9113 §5.2, §6.1, §6.2, §6.9).
 *
 * Content that cannot leave waits in its stream's queue. Streams whose own window is open stand in `#ready` and take turns,
 * a frame each, so that one large stream does not hold up the others.
 */
import { copyBytes } from '../wire/bytes.ts'
import { ErrorCode } from '../wire/connection-error.ts'
import { Flag, FRAME_HEADER_LENGTH, FrameType } from '../wire/frame.ts'
import { putFrameHeader, writeDataHeader, writeFrameHeader } from '../wire/frame-writer.ts'
import type { Head } from '../wire/head.ts'
import { blockBound, putHpackBlock, writeTableSizeZero } from '../wire/hpack-encoder.ts'
import { held } from './chunk-pool.ts'
import { MAX_FRAME_BYTES } from './http2-config.ts'
import type { Http2Session } from './http2-session.ts'
import type { Http2Stream } from './http2-stream.ts'
import { allowedUnreadBytes, PRESSURE_BOUNDS } from './memory-pressure.ts'
import { HEAD, hasMethod } from './method.ts'
import { DEFAULT_WINDOW_BYTES } from './receive-window.ts'
import { StreamEvent, StreamState } from './stream-state.ts'
import { MAX_STREAM_ID } from './stream-table.ts'

const TABLE_SIZE_BYTES = 1
const SENT_MASK = 0x3fff_ffff
/** The age of a connection in ticks is counted as seconds. */
const TICK_MS = 1_000

export class Http2Sender {
  /** The connection's window. */
  windowBytes = DEFAULT_WINDOW_BYTES
  /** The peer's SETTINGS, as far as sending goes by them; its larger frames are not used: they hold up other streams. */
  initialWindowBytes = DEFAULT_WINDOW_BYTES
  maxStreams = MAX_STREAM_ID
  readonly #session: Http2Session
  readonly #ready = new Set<Http2Stream>()
  #hasSentBlock = false
  /** Content sent so far, modulo 2^30 so that it stays a small integer. */
  sentBytes = 0
  /** Content of all streams that waits for the peer. */
  queuedBytes = 0
  /** `sentBytes` at the last two ticks. */
  #sentAtTick = 0
  #sentAtTickBefore = 0

  constructor(session: Http2Session) {
    this.#session = session
  }

  /** Sends a request's head, which gives its stream an id, or a response's. */
  sendHead(stream: Http2Stream, head: Head, endStream: boolean): void {
    if (stream.state === StreamState.idle) {
      if (head.isExtendedConnect && !this.#session.takesConnect)
        return this.#failUnsent(stream, 'the endpoint does not take extended CONNECT (RFC 8441)')
      if (!this.#open(stream)) return
      stream.isBodyless = hasMethod(head, HEAD)
    } else if (!stream.canSend || stream.isEndQueued) return
    this.sendBlock(stream.id, head, endStream)
    if (endStream) this.#sendEnd(stream)
  }

  sendInformational(stream: Http2Stream, head: Head): void {
    if (stream.canSend) this.sendBlock(stream.id, head, false)
  }

  /** Ends the message with trailers, behind the content that still waits. */
  sendTrailers(stream: Http2Stream, trailers: Head): void {
    if (!stream.canSend || stream.isEndQueued) return
    if (stream.queue.bytes > 0) {
      stream.queueTrailers(trailers)
      return
    }
    this.sendBlock(stream.id, trailers, true)
    this.#sendEnd(stream)
  }

  /** Writes content and keeps what cannot leave; returns how many bytes left. */
  sendData(stream: Http2Stream, buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (!stream.canSend || stream.isEndQueued) return end - start
    const { queue } = stream
    let at = start
    // An empty DATA frame that only ends the stream needs neither window nor kernel.
    if (queue.bytes === 0 && (start === end || this.#session.transport.isWritable))
      at = this.#writeData(stream, buf, start, end, endStream)
    if (at < end) {
      if (queue.bytes === 0) stream.movedAt = this.#session.age
      queue.push(buf, at, end)
      this.queuedBytes += end - at
      if (stream.sendWindowBytes > 0) this.#ready.add(stream)
      if (this.#isTooMuch()) {
        this.#refuseUnread(stream)
        return end - start
      }
    }
    if (endStream && queue.bytes > 0) stream.isEndQueued = true
    return at - start
  }

  // ── Windows ──

  /** The stream's window opened, or the peer changed its initial size. */
  onStreamWindow(stream: Http2Stream): void {
    if (stream.queue.bytes === 0 || stream.sendWindowBytes <= 0) return
    this.#ready.add(stream)
    this.flush()
  }

  /** The stream is over: nothing of it waits any more. */
  forget(stream: Http2Stream): void {
    this.#ready.delete(stream)
    this.queuedBytes -= stream.queue.bytes
    stream.queue.clear()
  }

  /** Called about every second. */
  tick(): void {
    this.#sentAtTickBefore = this.#sentAtTick
    this.#sentAtTick = this.sentBytes
  }

  /** Ends the streams whose peer has taken nothing of what waits for `limitMs`. */
  endStalled(limitMs: number): void {
    if (this.queuedBytes === 0) return
    const { age, streams } = this.#session
    for (const stream of streams.open.all()) {
      if (stream.queue.bytes === 0 || (age - stream.movedAt) * TICK_MS < limitMs) continue
      const message = `stream ${stream.id}: the peer took none of ${stream.queue.bytes} bytes within ${limitMs} ms`
      this.#session.giveUp(stream, ErrorCode.cancel, message, 'unread_content')
    }
  }

  /** A server's client leaves more unread than it may. Servers are not judged: their windows bound what waits for them. */
  #isTooMuch(): boolean {
    if (this.queuedBytes < PRESSURE_BOUNDS.perConnectionWhenCrowdedBytes && held.bytes < PRESSURE_BOUNDS.fullBytes)
      return false
    const takenBytes = (this.sentBytes - this.#sentAtTickBefore) & SENT_MASK
    return this.#session.isServer && this.queuedBytes > allowedUnreadBytes(held.bytes, takenBytes)
  }

  #refuseUnread(stream: Http2Stream): void {
    const message = `stream ${stream.id}: the peer leaves ${this.queuedBytes} bytes unread`
    this.#session.giveUp(stream, ErrorCode.cancel, message, 'unread_content')
  }

  /** Sends what waits, until a window or the kernel stops it. */
  flush(): void {
    const { transport } = this.#session
    // A set is walked in the order of insertion, and what is added again meanwhile comes last: the streams take turns.
    for (const stream of this.#ready) {
      if (this.windowBytes <= 0 || !transport.isWritable) return
      this.#ready.delete(stream)
      this.#sendQueued(stream)
      if (stream.queue.bytes > 0 && stream.sendWindowBytes > 0) this.#ready.add(stream)
    }
  }

  #sendQueued(stream: Http2Stream): void {
    const { queue } = stream
    const length = Math.min(queue.bytes, MAX_FRAME_BYTES, stream.sendWindowBytes, this.windowBytes)
    if (length <= 0) return
    const { transport } = this.#session
    const ends = length === queue.bytes && stream.isEndQueued && stream.trailersQueued === undefined
    transport.ensure(FRAME_HEADER_LENGTH + length)
    writeDataHeader(transport, length, stream.id, ends)
    queue.take(transport.buf, transport.at, length)
    transport.at += length
    this.queuedBytes -= length
    stream.movedAt = this.#session.age
    this.#spend(stream, length, queue.bytes === 0)
    transport.flushSoon()
    // The stream may end below; who sent the content hears of it all the same.
    const { handler } = stream
    if (queue.bytes === 0 && stream.trailersQueued !== undefined) this.#sendQueuedTrailers(stream)
    else if (ends) this.#sendEnd(stream)
    if (this.#session.isServer) handler.onResponseSent(length)
    else handler.onRequestSent(length)
  }

  #sendQueuedTrailers(stream: Http2Stream): void {
    const trailers = stream.trailersQueued!
    stream.trailersQueued = undefined
    this.sendBlock(stream.id, trailers, true)
    this.#sendEnd(stream)
  }

  // ── Frames ──

  /** One field block as HEADERS, and CONTINUATION where it is larger than a frame. */
  sendBlock(streamId: number, head: Head, endStream: boolean): void {
    const out = this.#session.transport
    const { keepsHttp1Form } = this.#session
    out.ensure(FRAME_HEADER_LENGTH + TABLE_SIZE_BYTES + blockBound(head, keepsHttp1Form))
    const frameAt = out.at
    out.at += FRAME_HEADER_LENGTH
    // A table size of zero is said once, before the first block (RFC 7541 §4.2): then forwarded literals "with incremental
    // indexing" change nothing at the peer, and no state has to be kept on either side.
    if (!this.#hasSentBlock) {
      this.#hasSentBlock = true
      writeTableSizeZero(out)
    }
    putHpackBlock(out, head, keepsHttp1Form)
    const blockAt = frameAt + FRAME_HEADER_LENGTH
    const length = out.at - blockAt
    const flags = endStream ? Flag.endStream : 0
    if (length <= MAX_FRAME_BYTES)
      putFrameHeader(out.buf, frameAt, length, FrameType.headers, flags | Flag.endHeaders, streamId)
    else {
      const block = Buffer.from(out.buf.subarray(blockAt, out.at))
      out.at = frameAt
      this.#writeSplitBlock(streamId, block, flags)
    }
    this.#session.onHead()
    out.flushSoon()
  }

  #writeSplitBlock(streamId: number, block: Buffer, flags: number): void {
    const out = this.#session.transport
    for (let at = 0; at < block.length; at += MAX_FRAME_BYTES) {
      const end = Math.min(at + MAX_FRAME_BYTES, block.length)
      const type = at === 0 ? FrameType.headers : FrameType.continuation
      const endHeaders = end === block.length ? Flag.endHeaders : 0
      out.ensure(FRAME_HEADER_LENGTH + end - at)
      writeFrameHeader(out, end - at, type, (at === 0 ? flags : 0) | endHeaders, streamId)
      out.at = copyBytes(block, at, end, out.buf, out.at)
    }
  }

  /** Writes DATA frames as far as both windows allow; returns the offset it got to. END_STREAM goes with the last byte. */
  #writeData(stream: Http2Stream, buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    const out = this.#session.transport
    let at = start
    while (at < end) {
      const length = Math.min(end - at, MAX_FRAME_BYTES, stream.sendWindowBytes, this.windowBytes)
      // A window may be below zero (RFC 9113 §6.9.2).
      if (length <= 0) {
        if (at > start) out.flushSoon()
        return at
      }
      out.ensure(FRAME_HEADER_LENGTH + length)
      const next = at + length
      writeDataHeader(out, length, stream.id, endStream && next === end)
      out.at = copyBytes(buf, at, next, out.buf, out.at)
      this.#spend(stream, length, next === end)
      at = next
    }
    if (endStream) {
      if (start === end) writeDataHeader(out, 0, stream.id, true)
      this.#sendEnd(stream)
    }
    out.flushSoon()
    return at
  }

  #spend(stream: Http2Stream, bytes: number, isWhole: boolean): void {
    stream.sendWindowBytes -= bytes
    this.windowBytes -= bytes
    this.sentBytes = (this.sentBytes + bytes) & SENT_MASK
    this.#session.onContent(bytes, isWhole)
  }

  #sendEnd(stream: Http2Stream): void {
    stream.transition(StreamEvent.sendEnd)
    if (stream.state === StreamState.closed) this.#session.complete(stream)
  }

  /** Gives a client's stream its id; where no stream can be opened any more its handler hears so. */
  #open(stream: Http2Stream): boolean {
    const { streams, config, isServer, isClosed, isDraining } = this.#session
    if (isServer) return false
    if (isClosed || isDraining) {
      this.#failUnsent(stream, 'the connection to the endpoint ended before the request was sent')
      return false
    }
    stream.id = streams.nextOwnId
    streams.nextOwnId += 2
    stream.sendWindowBytes = this.initialWindowBytes
    stream.receiveWindowBytes = config.initialStreamWindowBytes
    stream.state = StreamState.open
    streams.open.add(stream)
    return true
  }

  #failUnsent(stream: Http2Stream, message: string): void {
    this.#session.streams.ownCount--
    stream.state = StreamState.closed
    stream.fail({ code: ErrorCode.refusedStream, kind: 'refused', isUnprocessed: true, message }, false)
  }
}
