/**
 * One HTTP/2 connection (RFC 9113), client or server: frames in, calls on stream handlers out.
 *
 * Everything is synchronous: a frame is handled where it lies in the read buffer, and what it causes is written into the
 * output buffer of some transport before the next frame is looked at. There is no socket and no clock here.
 */

import { u16, u24, u31, u32 } from '../wire/bytes.ts'
import { ConnectionError, ERROR_NAMES, ErrorCode } from '../wire/connection-error.ts'
import { Flag, FRAME_HEADER_LENGTH, FrameType } from '../wire/frame.ts'
import { type FrameSink, readFrames } from '../wire/frame-reader.ts'
import {
  writeDataHeader,
  writeFrameHeader,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from '../wire/frame-writer.ts'
import { Head } from '../wire/head.ts'
import { HpackDecoder } from '../wire/hpack-decoder.ts'
import { blockBound, writeHpackBlock, writeTableSizeZero } from '../wire/hpack-encoder.ts'
import { token } from '../wire/tokens.ts'
import { HTTP2_BOUNDS, type Http2Config, MAX_FRAME_BYTES } from './http2-config.ts'
import { Http2Stream, resetBy } from './http2-stream.ts'
import type { RequestListener } from './stream.ts'
import type { StreamError } from './stream-error.ts'
import { StreamEvent, StreamState } from './stream-state.ts'
import type { Transport, TransportHandler } from './transport.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
const MAX_WINDOW_BYTES = 0x7fff_ffff
const MAX_STREAM_ID = 0x7fff_ffff
const DEFAULT_WINDOW_BYTES = 65_535
const PING_BYTES = 8
const KEEP_ALIVE_PING = Buffer.from('weft-liv', 'latin1')
const SHUTDOWN_PING = Buffer.from('weft-bye', 'latin1')

const METHOD = token(':method')

const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const

/**
 * Heads are decoded into this one and handed on during the call that decodes them: nothing here is asynchronous, so one
 * for the process is enough, and a connection without traffic owns no head.
 */
const received = new Head()

/** Who owns the connection: hears what concerns no single stream. */
export interface Http2Owner {
  /** The connection takes no new streams: the peer sent GOAWAY, or we did. Streams in flight may still finish. */
  onDraining(): void
  /** A stream ended or the peer raised its limit: `canOpen` may have become true. */
  onCapacity(): void
  /** The peer's SETTINGS arrived: the connection works. */
  onReady(): void
  onClosed(error: Error | undefined): void
}

export class Http2Connection implements TransportHandler, FrameSink {
  readonly transport: Transport
  readonly #isServer: boolean
  readonly #config: Http2Config
  readonly #owner: Http2Owner
  readonly #onRequest: RequestListener | undefined
  readonly #decoder: HpackDecoder
  readonly #streams = new Map<number, Http2Stream>()
  /** Streams with content that waits for a window or for the kernel. */
  readonly #waiting = new Set<Http2Stream>()
  readonly #resetIds = new Set<number>()
  /** A frame of which only the beginning has arrived. */
  #partial = Buffer.alloc(0)
  #partialBytes = 0
  #prefaceBytes = 0
  /** Field block under assembly (CONTINUATION). */
  #block: Buffer | undefined = undefined
  #blockStreamId = 0
  #blockEndsStream = false
  #continuations = 0
  #sendWindowBytes = DEFAULT_WINDOW_BYTES
  #receiveWindowBytes = DEFAULT_WINDOW_BYTES
  #creditBytes = 0
  #retainedBytes = 0
  #peerInitialWindowBytes = DEFAULT_WINDOW_BYTES
  #peerMaxFrameBytes = MAX_FRAME_BYTES
  #peerMaxStreams = MAX_STREAM_ID
  #hasPeerSettings = false
  #hasSentBlock = false
  #nextStreamId = 1
  #lastPeerStreamId = 0
  #ownStreams = 0
  #idleFrames = 0
  #peerResets = 0
  #isDraining = false
  #isGoawaySent = false
  #isClosed = false
  /** Time of the last byte received and of the unanswered keep-alive PING, for `tick`. */
  #lastReadAtMs = 0
  #hasRead = false
  #pingSentAtMs = -1

  /** `onRequest` makes it a server; without it the connection is a client. */
  constructor(transport: Transport, config: Http2Config, owner: Http2Owner, onRequest?: RequestListener) {
    this.transport = transport
    this.#config = config
    this.#owner = owner
    this.#onRequest = onRequest
    this.#isServer = onRequest !== undefined
    this.#decoder = new HpackDecoder(4096, config.maxHeaderListBytes)
    transport.handler = this
    this.#sendPreface()
  }

  /** Streams in flight. */
  get streamCount(): number {
    return this.#streams.size
  }

  get isDraining(): boolean {
    return this.#isDraining || this.#isClosed
  }

  /** Whether a client may open one more stream now. */
  get canOpen(): boolean {
    return (
      !this.#isDraining &&
      !this.#isClosed &&
      this.#ownStreams < this.#peerMaxStreams &&
      this.#nextStreamId < MAX_STREAM_ID
    )
  }

  /** A new stream of a client; it gets its id when its head is sent. */
  openStream(): Http2Stream {
    this.#ownStreams++
    return new Http2Stream(this)
  }

  /** Graceful end: no new streams, the ones in flight finish, then the connection closes (RFC 9113 §6.8). */
  shutdown(): void {
    if (this.#isClosed || this.#isDraining) return
    this.#isDraining = true
    if (this.#isServer) {
      // Two steps: requests already on their way when the peer reads the first GOAWAY are still taken.
      writeGoaway(this.transport, MAX_STREAM_ID, ErrorCode.noError)
      writePing(this.transport, false, SHUTDOWN_PING, 0)
    } else {
      writeGoaway(this.transport, this.#lastPeerStreamId, ErrorCode.noError)
      this.#isGoawaySent = true
    }
    this.transport.flushSoon()
    this.#owner.onDraining()
    this.#endWhenIdle()
  }

  /** Keep-alive: call it every second or so. `nowMs` is monotonic. */
  tick(nowMs: number): void {
    if (this.#hasRead) {
      this.#hasRead = false
      this.#lastReadAtMs = nowMs
      this.#pingSentAtMs = -1
    }
    if (this.#config.keepAliveIntervalMs === 0 || this.#isClosed) return
    if (this.#pingSentAtMs !== -1) {
      if (nowMs - this.#pingSentAtMs >= this.#config.keepAliveTimeoutMs)
        this.#fail(
          new ConnectionError(
            ErrorCode.noError,
            `no answer to a keep-alive PING within ${this.#config.keepAliveTimeoutMs} ms`,
          ),
        )
      return
    }
    if (nowMs - this.#lastReadAtMs < this.#config.keepAliveIntervalMs) return
    this.#pingSentAtMs = nowMs
    writePing(this.transport, false, KEEP_ALIVE_PING, 0)
    this.transport.flushSoon()
  }

  // ── TransportHandler ──

  onBytes(buf: Buffer, start: number, end: number): void {
    this.#hasRead = true
    try {
      let at = start
      if (this.#isServer && this.#prefaceBytes < PREFACE.length) {
        at = this.#readPreface(buf, at, end)
        if (at === end) return
      }
      if (this.#partialBytes > 0) at = this.#finishPartial(buf, at, end)
      if (at < end) {
        at = readFrames(buf, at, end, MAX_FRAME_BYTES, this)
        if (at < end && !this.#isClosed) this.#keepPartial(buf, at, end)
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#fail(error)
    }
  }

  onEnd(): void {
    // HTTP/2 has no half-close of the connection: a peer that sends no more cannot answer anything either.
    this.#close(this.#streams.size === 0 ? undefined : new Error('the peer closed the connection'))
    this.transport.destroy()
  }

  onDrain(): void {
    this.#flushWaiting()
  }

  onClose(error: Error | undefined): void {
    this.#close(error)
  }

  // ── FrameSink ──

  onFrame(type: number, flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (this.#isClosed) return
    if (this.#block !== undefined && (type !== FrameType.continuation || streamId !== this.#blockStreamId)) {
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${this.#blockStreamId}: a field block was interrupted by another frame (RFC 9113 §4.3)`,
      )
    }
    if (!this.#hasPeerSettings && type !== FrameType.settings) {
      throw new ConnectionError(ErrorCode.protocolError, 'the first frame was not SETTINGS (RFC 9113 §3.4)')
    }
    switch (type) {
      case FrameType.data:
        return this.#onData(flags, streamId, buf, start, end)
      case FrameType.headers:
        return this.#onHeaders(flags, streamId, buf, start, end)
      case FrameType.priority:
        if (end - start !== 5) return this.#streamError(streamId, ErrorCode.frameSizeError)
        requireStream(streamId, 'PRIORITY')
        if (u31(buf, start) === streamId) return this.#streamError(streamId, ErrorCode.protocolError)
        return this.#countIdleFrame()
      case FrameType.rstStream:
        return this.#onRstStream(streamId, buf, start, end)
      case FrameType.settings:
        return this.#onSettings(flags, streamId, buf, start, end)
      case FrameType.pushPromise:
        throw new ConnectionError(ErrorCode.protocolError, 'PUSH_PROMISE though push is disabled (RFC 9113 §8.4)')
      case FrameType.ping:
        return this.#onPing(flags, streamId, buf, start, end)
      case FrameType.goaway:
        return this.#onGoaway(streamId, buf, start, end)
      case FrameType.windowUpdate:
        return this.#onWindowUpdate(streamId, buf, start, end)
      case FrameType.continuation:
        return this.#onContinuation(flags, streamId, buf, start, end)
      default:
        // RFC 9113 §4.1: unknown types are ignored; they still count, so that they cannot keep us busy for nothing.
        return this.#countIdleFrame()
    }
  }

  // ── Sending, for Http2Stream ──

  sendHead(stream: Http2Stream, head: Head, endStream: boolean): void {
    if (stream.state === StreamState.idle) {
      if (this.#isClosed || this.#isServer) return
      stream.id = this.#nextStreamId
      this.#nextStreamId += 2
      stream.sendWindowBytes = this.#peerInitialWindowBytes
      stream.receiveWindowBytes = this.#config.initialStreamWindowBytes
      this.#streams.set(stream.id, stream)
      stream.state = StreamState.open
      const method = head.find(METHOD)
      stream.isBodyless = method !== -1 && head.valueAt(method) === 'HEAD'
    } else if (!stream.canSend) return
    this.sendFieldBlock(stream, head, endStream)
    if (endStream) this.#sendEnd(stream)
  }

  sendTrailers(stream: Http2Stream, trailers: Head): void {
    this.sendFieldBlock(stream, trailers, true)
    this.#sendEnd(stream)
  }

  sendFieldBlock(stream: Http2Stream, head: Head, endStream: boolean): void {
    const out = this.transport
    // A table size of zero is said once, before the first block (RFC 7541 §4.2): then forwarded literals "with
    // incremental indexing" change nothing at the peer, and no state has to be kept on either side.
    out.ensure(FRAME_HEADER_LENGTH + 1 + blockBound(head))
    const frameAt = out.at
    out.at += FRAME_HEADER_LENGTH
    if (!this.#hasSentBlock) {
      this.#hasSentBlock = true
      writeTableSizeZero(out)
    }
    writeHpackBlock(out, head)
    const blockAt = frameAt + FRAME_HEADER_LENGTH
    const length = out.at - blockAt
    const flags = endStream ? Flag.endStream : 0
    if (length <= this.#peerMaxFrameBytes) {
      out.at = frameAt
      writeFrameHeader(out, length, FrameType.headers, flags | Flag.endHeaders, stream.id)
      out.at = blockAt + length
    } else {
      const block = Buffer.from(out.buf.subarray(blockAt, out.at))
      out.at = frameAt
      this.#writeSplitBlock(stream.id, block, flags)
    }
    out.flushSoon()
  }

  sendData(stream: Http2Stream, buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (!stream.canSend || stream.isEndQueued) return end - start
    let at = start
    if (stream.queue.bytes === 0 && this.transport.isWritable) at = this.#writeData(stream, buf, start, end, endStream)
    else if (start === end && endStream && stream.queue.bytes === 0) {
      at = this.#writeData(stream, buf, start, end, endStream)
    }
    if (at < end) {
      stream.queue.push(buf, at, end)
      stream.isEndQueued = endStream
      this.#waiting.add(stream)
    } else if (endStream && start === end && stream.queue.bytes > 0) {
      stream.isEndQueued = true
    }
    return at - start
  }

  resetStream(stream: Http2Stream, code: number): void {
    if (stream.state === StreamState.closed) return
    if (stream.state === StreamState.idle) {
      stream.state = StreamState.closed
      this.#ownStreams--
      stream.silence()
      return
    }
    this.#sendReset(stream.id, code)
    stream.state = StreamState.closed
    stream.silence()
    this.#forget(stream)
  }

  consumed(stream: Http2Stream, bytes: number): void {
    this.#retainedBytes -= bytes
    if (stream.canReceive) {
      stream.creditBytes += bytes
      if (stream.creditBytes * 2 >= this.#config.initialStreamWindowBytes) {
        writeWindowUpdate(this.transport, stream.id, stream.creditBytes)
        stream.receiveWindowBytes += stream.creditBytes
        stream.creditBytes = 0
        this.transport.flushSoon()
      }
    }
    this.#refillConnection()
  }

  // ── Receiving ──

  #onData(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    requireStream(streamId, 'DATA')
    const length = end - start
    this.#receiveWindowBytes -= length
    if (this.#receiveWindowBytes < 0) {
      throw new ConnectionError(
        ErrorCode.flowControlError,
        `the peer sent ${-this.#receiveWindowBytes} bytes more than the connection window (RFC 9113 §6.9.1)`,
      )
    }
    this.#creditBytes += length
    const stream = this.#streams.get(streamId)
    if (stream === undefined || !stream.canReceive) {
      this.#refillConnection()
      return this.#onClosedStream(streamId, stream, 'DATA')
    }
    let dataStart = start
    let dataEnd = end
    if ((flags & Flag.padded) !== 0) {
      const padding = start < end ? buf[start]! : 0
      if (padding >= length)
        throw new ConnectionError(
          ErrorCode.protocolError,
          `stream ${streamId}: more padding than payload (RFC 9113 §6.1)`,
        )
      dataStart++
      dataEnd -= padding
    }
    stream.receiveWindowBytes -= length
    if (stream.receiveWindowBytes < 0) {
      this.#refillConnection()
      return this.#abort(
        stream,
        ErrorCode.flowControlError,
        `stream ${streamId}: the peer sent more than the stream's window (RFC 9113 §6.9.1); the stream was reset with FLOW_CONTROL_ERROR`,
      )
    }
    const bytes = dataEnd - dataStart
    if (bytes === 0 && (flags & Flag.endStream) === 0) this.#countIdleFrame()
    else this.#idleFrames = 0
    if (!this.#isServer && !stream.hasResponse)
      return this.#abort(
        stream,
        ErrorCode.protocolError,
        `stream ${streamId}: DATA before the response head (RFC 9113 §8.1)`,
      )
    if (stream.receiveLengthLeft !== -1 && !this.#countContent(stream, bytes)) return
    // Padding is nobody's content: give it back at once, it was never buffered.
    const padding = length - bytes
    if (padding > 0) stream.creditBytes += padding
    this.#retainedBytes += bytes
    const endStream = (flags & Flag.endStream) !== 0
    if (endStream) {
      if (stream.receiveLengthLeft > 0)
        return this.#abort(
          stream,
          ErrorCode.protocolError,
          `stream ${streamId}: content ended ${stream.receiveLengthLeft} bytes before its content-length (RFC 9113 §8.1.1)`,
        )
      this.#receiveEnd(stream)
    }
    if (this.#isServer) stream.handler.onRequestData(buf, dataStart, dataEnd, endStream)
    else stream.handler.onResponseData(buf, dataStart, dataEnd, endStream)
    this.#refillConnection()
  }

  #countContent(stream: Http2Stream, bytes: number): boolean {
    stream.receiveLengthLeft -= bytes
    if (stream.receiveLengthLeft >= 0) return true
    this.#abort(
      stream,
      ErrorCode.protocolError,
      `stream ${stream.id}: more content than its content-length says (RFC 9113 §8.1.1)`,
    )
    return false
  }

  #onHeaders(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    requireStream(streamId, 'HEADERS')
    let at = start
    let blockEnd = end
    if ((flags & Flag.padded) !== 0) {
      const padding = at < end ? buf[at]! : 0
      at++
      blockEnd -= padding
    }
    if ((flags & Flag.priority) !== 0) {
      if (at + 5 <= end && u31(buf, at) === streamId) {
        // RFC 9113 §5.3.1 (and 7540): a stream that depends on itself is a stream error; the block keeps HPACK in sync.
        this.#decoder.decode(received, buf, at + 5, Math.max(at + 5, blockEnd), 'trailers')
        this.#lastPeerStreamId = Math.max(this.#lastPeerStreamId, streamId)
        return this.#streamError(streamId, ErrorCode.protocolError)
      }
      at += 5
    }
    if (at > blockEnd)
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: more padding than payload (RFC 9113 §6.2)`,
      )
    const endStream = (flags & Flag.endStream) !== 0
    if ((flags & Flag.endHeaders) !== 0) return this.#onBlock(streamId, endStream, buf, at, blockEnd)
    this.#block = Buffer.from(buf.subarray(at, blockEnd))
    this.#blockStreamId = streamId
    this.#blockEndsStream = endStream
    this.#continuations = 0
  }

  #onContinuation(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (this.#block === undefined)
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: CONTINUATION without HEADERS (RFC 9113 §6.10)`,
      )
    this.#continuations++
    const bytes = this.#block.length + end - start
    if (this.#continuations > HTTP2_BOUNDS.maxContinuations || bytes > 2 * this.#config.maxHeaderListBytes) {
      throw new ConnectionError(
        ErrorCode.enhanceYourCalm,
        `stream ${streamId}: a field block of ${bytes} bytes in ${this.#continuations + 1} frames is too large`,
      )
    }
    const block = Buffer.concat([this.#block, buf.subarray(start, end)])
    this.#block = block
    if ((flags & Flag.endHeaders) === 0) return
    this.#block = undefined
    this.#onBlock(streamId, this.#blockEndsStream, block, 0, block.length)
  }

  #onBlock(streamId: number, endStream: boolean, buf: Buffer, start: number, end: number): void {
    this.#idleFrames = 0
    const stream = this.#streams.get(streamId)
    if (this.#isServer) {
      if (stream === undefined) return this.#onNewRequest(streamId, endStream, buf, start, end)
      this.#decoder.decode(received, buf, start, end, 'trailers')
      return this.#onTrailers(stream, endStream)
    }
    if (stream === undefined) {
      this.#decoder.decode(received, buf, start, end, 'trailers')
      return this.#onClosedStream(streamId, stream, 'HEADERS')
    }
    const isTrailers = stream.hasResponse
    this.#decoder.decode(received, buf, start, end, isTrailers ? 'trailers' : 'response')
    if (isTrailers) return this.#onTrailers(stream, endStream)
    this.#onResponse(stream, endStream)
  }

  #onNewRequest(streamId: number, endStream: boolean, buf: Buffer, start: number, end: number): void {
    if (streamId % 2 === 0)
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: a client's streams are odd (RFC 9113 §5.1.1)`,
      )
    if (streamId <= this.#lastPeerStreamId) {
      this.#decoder.decode(received, buf, start, end, 'trailers')
      return this.#onClosedStream(streamId, undefined, 'HEADERS')
    }
    this.#lastPeerStreamId = streamId
    this.#decoder.decode(received, buf, start, end, 'request')
    if (this.#isGoawaySent) return
    if (this.#streams.size >= this.#config.maxConcurrentStreams)
      return this.#sendReset(streamId, ErrorCode.refusedStream)
    if (received.malformed !== undefined) return this.#sendReset(streamId, ErrorCode.protocolError)
    const stream = new Http2Stream(this)
    stream.id = streamId
    stream.state = endStream ? StreamState.halfClosedRemote : StreamState.open
    stream.sendWindowBytes = this.#peerInitialWindowBytes
    stream.receiveWindowBytes = this.#config.initialStreamWindowBytes
    stream.receiveLengthLeft = received.contentLength
    if (endStream && stream.receiveLengthLeft > 0) return this.#sendReset(streamId, ErrorCode.protocolError)
    this.#streams.set(streamId, stream)
    const handler = this.#onRequest!(received, endStream, stream)
    // The listener may have answered and closed the stream already.
    if (!stream.isClosed) stream.handler = handler as typeof stream.handler
  }

  #onResponse(stream: Http2Stream, endStream: boolean): void {
    if (!stream.canReceive) return this.#onClosedStream(stream.id, stream, 'HEADERS')
    if (received.malformed !== undefined)
      return this.#abort(stream, ErrorCode.protocolError, `stream ${stream.id}: ${received.malformed}`)
    if (received.status < 200) {
      if (endStream || received.status === 101)
        return this.#abort(
          stream,
          ErrorCode.protocolError,
          `stream ${stream.id}: a ${received.status} response must not end the stream (RFC 9113 §8.1)`,
        )
      return stream.handler.onInformational(received)
    }
    stream.hasResponse = true
    const hasNoContent = stream.isBodyless || received.status === 204 || received.status === 304
    stream.receiveLengthLeft = hasNoContent ? -1 : received.contentLength
    if (endStream) {
      if (stream.receiveLengthLeft > 0)
        return this.#abort(
          stream,
          ErrorCode.protocolError,
          `stream ${stream.id}: the response ended before its content-length`,
        )
      this.#receiveEnd(stream)
    }
    stream.handler.onResponseHead(received, endStream)
  }

  #onTrailers(stream: Http2Stream, endStream: boolean): void {
    if (!stream.canReceive) return this.#onClosedStream(stream.id, stream, 'HEADERS')
    if (!endStream)
      return this.#abort(
        stream,
        ErrorCode.protocolError,
        `stream ${stream.id}: trailers without END_STREAM (RFC 9113 §8.1)`,
      )
    if (received.malformed !== undefined)
      return this.#abort(stream, ErrorCode.protocolError, `stream ${stream.id}: ${received.malformed}`)
    if (stream.receiveLengthLeft > 0)
      return this.#abort(
        stream,
        ErrorCode.protocolError,
        `stream ${stream.id}: content ended before its content-length (RFC 9113 §8.1.1)`,
      )
    this.#receiveEnd(stream)
    if (this.#isServer) stream.handler.onRequestTrailers(received)
    else stream.handler.onResponseTrailers(received)
  }

  #onRstStream(streamId: number, buf: Buffer, start: number, end: number): void {
    requireStream(streamId, 'RST_STREAM')
    if (end - start !== 4)
      throw new ConnectionError(ErrorCode.frameSizeError, 'RST_STREAM is not 4 bytes (RFC 9113 §6.4)')
    this.#requireNotIdle(streamId, 'RST_STREAM')
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return this.#countIdleFrame()
    const code = u32(buf, start)
    if (this.#isServer && ++this.#peerResets > HTTP2_BOUNDS.maxPendingResets) {
      throw new ConnectionError(
        ErrorCode.enhanceYourCalm,
        `the peer reset ${this.#peerResets} streams more than it completed`,
      )
    }
    stream.state = StreamState.closed
    this.#forget(stream)
    stream.fail(
      resetBy(this.#isServer ? 'the client' : 'the endpoint', code, ERROR_NAMES[code] ?? `code ${code}`),
      this.#isServer,
    )
  }

  #onSettings(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw new ConnectionError(ErrorCode.protocolError, 'SETTINGS on a stream (RFC 9113 §6.5)')
    const length = end - start
    if ((flags & Flag.ack) !== 0) {
      if (length !== 0)
        throw new ConnectionError(ErrorCode.frameSizeError, 'a SETTINGS acknowledgement with content (RFC 9113 §6.5)')
      // From now on the peer's blocks are self-contained: it may not use a table any more.
      this.#decoder.setMaxTableBytes(0)
      return this.#countIdleFrame()
    }
    if (length % 6 !== 0)
      throw new ConnectionError(ErrorCode.frameSizeError, 'SETTINGS is not a multiple of 6 bytes (RFC 9113 §6.5)')
    for (let at = start; at < end; at += 6) this.#applySetting(u16(buf, at), u32(buf, at + 2))
    writeSettingsAck(this.transport)
    this.transport.flushSoon()
    this.#guardUnsent()
    this.#countIdleFrame()
    if (!this.#hasPeerSettings) {
      this.#hasPeerSettings = true
      this.#owner.onReady()
    }
    this.#flushWaiting()
  }

  #applySetting(setting: number, value: number): void {
    switch (setting) {
      case Setting.enablePush:
        if (value > 1 || (value === 1 && !this.#isServer))
          throw new ConnectionError(ErrorCode.protocolError, `SETTINGS_ENABLE_PUSH is ${value} (RFC 9113 §6.5.2)`)
        return
      case Setting.maxConcurrentStreams:
        this.#peerMaxStreams = value
        if (!this.#isServer) this.#owner.onCapacity()
        return
      case Setting.initialWindowSize: {
        if (value > MAX_WINDOW_BYTES)
          throw new ConnectionError(
            ErrorCode.flowControlError,
            `SETTINGS_INITIAL_WINDOW_SIZE is ${value} (RFC 9113 §6.5.2)`,
          )
        // RFC 9113 §6.9.2: a smaller value may push a window below zero. No clamp: the peer pays that debt first.
        const change = value - this.#peerInitialWindowBytes
        this.#peerInitialWindowBytes = value
        for (const stream of this.#streams.values()) {
          stream.sendWindowBytes += change
          if (stream.sendWindowBytes > MAX_WINDOW_BYTES)
            throw new ConnectionError(
              ErrorCode.flowControlError,
              `stream ${stream.id}: SETTINGS_INITIAL_WINDOW_SIZE overflows its window (RFC 9113 §6.9.2)`,
            )
        }
        return
      }
      case Setting.maxFrameSize:
        if (value < 16_384 || value > 16_777_215)
          throw new ConnectionError(ErrorCode.protocolError, `SETTINGS_MAX_FRAME_SIZE is ${value} (RFC 9113 §6.5.2)`)
        // Larger frames than the default buy nothing here and would hold up other streams.
        this.#peerMaxFrameBytes = MAX_FRAME_BYTES
        return
      default:
        // The table size needs no action: this encoder never uses the dynamic table. Unknown settings are ignored.
        return
    }
  }

  #onPing(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw new ConnectionError(ErrorCode.protocolError, 'PING on a stream (RFC 9113 §6.7)')
    if (end - start !== PING_BYTES)
      throw new ConnectionError(ErrorCode.frameSizeError, 'PING is not 8 bytes (RFC 9113 §6.7)')
    if ((flags & Flag.ack) !== 0) {
      if (this.#isDraining && !this.#isGoawaySent && SHUTDOWN_PING.compare(buf, start, end) === 0) {
        this.#isGoawaySent = true
        writeGoaway(this.transport, this.#lastPeerStreamId, ErrorCode.noError)
        this.transport.flushSoon()
        this.#endWhenIdle()
      }
      return
    }
    this.#countIdleFrame()
    writePing(this.transport, true, buf, start)
    this.transport.flushSoon()
    this.#guardUnsent()
  }

  #onGoaway(streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw new ConnectionError(ErrorCode.protocolError, 'GOAWAY on a stream (RFC 9113 §6.8)')
    if (end - start < 8)
      throw new ConnectionError(ErrorCode.frameSizeError, 'GOAWAY is shorter than 8 bytes (RFC 9113 §6.8)')
    const lastStreamId = u31(buf, start)
    const code = u32(buf, start + 4)
    const wasDraining = this.#isDraining
    this.#isDraining = true
    if (!this.#isServer) {
      const error: StreamError = {
        code,
        kind: 'goaway',
        isUnprocessed: true,
        message: `the endpoint sent GOAWAY (${ERROR_NAMES[code] ?? code}) before it took the request`,
      }
      for (const stream of [...this.#streams.values()]) {
        if (stream.id <= lastStreamId) continue
        stream.state = StreamState.closed
        this.#forget(stream)
        stream.fail(error, false)
      }
    }
    if (!wasDraining) this.#owner.onDraining()
    this.#endWhenIdle()
  }

  #onWindowUpdate(streamId: number, buf: Buffer, start: number, end: number): void {
    if (end - start !== 4)
      throw new ConnectionError(ErrorCode.frameSizeError, 'WINDOW_UPDATE is not 4 bytes (RFC 9113 §6.9)')
    const increment = u31(buf, start)
    this.#countIdleFrame()
    if (streamId === 0) {
      if (increment === 0) throw new ConnectionError(ErrorCode.protocolError, 'WINDOW_UPDATE of 0 (RFC 9113 §6.9)')
      this.#sendWindowBytes += increment
      if (this.#sendWindowBytes > MAX_WINDOW_BYTES)
        throw new ConnectionError(
          ErrorCode.flowControlError,
          'the connection window grew beyond 2^31-1 (RFC 9113 §6.9.1)',
        )
      return this.#flushWaiting()
    }
    this.#requireNotIdle(streamId, 'WINDOW_UPDATE')
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return
    if (increment === 0)
      return this.#abort(stream, ErrorCode.protocolError, `stream ${streamId}: WINDOW_UPDATE of 0 (RFC 9113 §6.9)`)
    stream.sendWindowBytes += increment
    if (stream.sendWindowBytes > MAX_WINDOW_BYTES)
      return this.#abort(
        stream,
        ErrorCode.flowControlError,
        `stream ${streamId}: its window grew beyond 2^31-1 (RFC 9113 §6.9.1)`,
      )
    if (stream.queue.bytes > 0) this.#flushWaiting()
  }

  /** A frame for a stream that does not take it: ignored when we reset it, an error when the peer ended or never began it. */
  #onClosedStream(streamId: number, stream: Http2Stream | undefined, frame: string): void {
    if (stream !== undefined)
      return this.#abort(
        stream,
        ErrorCode.streamClosed,
        `stream ${streamId}: ${frame} after END_STREAM (RFC 9113 §5.1)`,
      )
    this.#requireNotIdle(streamId, frame)
    if (this.#resetIds.has(streamId)) return this.#countIdleFrame()
    this.#sendReset(streamId, ErrorCode.streamClosed)
  }

  #receiveEnd(stream: Http2Stream): void {
    stream.transition(StreamEvent.recvEnd)
    if (stream.state === StreamState.closed) this.#complete(stream)
  }

  // ── Sending ──

  #sendPreface(): void {
    if (!this.#isServer) {
      this.transport.ensure(PREFACE.length)
      PREFACE.copy(this.transport.buf, this.transport.at)
      this.transport.at += PREFACE.length
    }
    const settings: [number, number][] = [
      [Setting.headerTableSize, 0],
      [Setting.initialWindowSize, this.#config.initialStreamWindowBytes],
      [Setting.maxHeaderListSize, this.#config.maxHeaderListBytes],
    ]
    if (this.#isServer) settings.push([Setting.maxConcurrentStreams, this.#config.maxConcurrentStreams])
    else settings.push([Setting.enablePush, 0])
    writeSettings(this.transport, settings)
    const extra = this.#config.initialConnectionWindowBytes - DEFAULT_WINDOW_BYTES
    if (extra > 0) {
      writeWindowUpdate(this.transport, 0, extra)
      this.#receiveWindowBytes += extra
    }
    this.transport.flushSoon()
  }

  #writeSplitBlock(streamId: number, block: Buffer, flags: number): void {
    const out = this.transport
    const limit = this.#peerMaxFrameBytes
    for (let at = 0; at < block.length; at += limit) {
      const end = Math.min(at + limit, block.length)
      const type = at === 0 ? FrameType.headers : FrameType.continuation
      out.ensure(FRAME_HEADER_LENGTH + end - at)
      writeFrameHeader(
        out,
        end - at,
        type,
        (at === 0 ? flags : 0) | (end === block.length ? Flag.endHeaders : 0),
        streamId,
      )
      block.copy(out.buf, out.at, at, end)
      out.at += end - at
    }
  }

  /** Writes DATA frames as far as both windows allow; returns the offset it got to. END_STREAM goes with the last byte. */
  #writeData(stream: Http2Stream, buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    const out = this.transport
    let at = start
    for (;;) {
      const length = Math.min(end - at, this.#peerMaxFrameBytes, stream.sendWindowBytes, this.#sendWindowBytes)
      const isLast = at + Math.max(length, 0) === end
      if (length <= 0 && !(isLast && at === end && endStream)) break
      const ends = isLast && endStream
      out.ensure(FRAME_HEADER_LENGTH + length)
      writeDataHeader(out, length, stream.id, ends)
      if (length > 0) {
        copyBytes(buf, at, out.buf, out.at, length)
        out.at += length
        stream.sendWindowBytes -= length
        this.#sendWindowBytes -= length
        at += length
      }
      if (ends) {
        this.#sendEnd(stream)
        break
      }
      if (isLast) break
    }
    out.flushSoon()
    return at
  }

  #sendEnd(stream: Http2Stream): void {
    stream.transition(StreamEvent.sendEnd)
    if (stream.state === StreamState.closed) this.#complete(stream)
  }

  /** Sends what waits, a frame per stream and round, so that one large stream does not hold up the others. */
  #flushWaiting(): void {
    if (this.#waiting.size === 0) return
    let hasProgress = true
    while (hasProgress && this.#sendWindowBytes > 0 && this.transport.isWritable) {
      hasProgress = false
      for (const stream of this.#waiting) {
        if (this.#sendWindowBytes <= 0 || !this.transport.isWritable) break
        if (this.#flushFrame(stream)) hasProgress = true
      }
    }
  }

  #flushFrame(stream: Http2Stream): boolean {
    const queue = stream.queue
    if (queue.bytes === 0) {
      this.#waiting.delete(stream)
      return false
    }
    const length = Math.min(queue.bytes, this.#peerMaxFrameBytes, stream.sendWindowBytes, this.#sendWindowBytes)
    if (length <= 0) return false
    const out = this.transport
    const ends = stream.isEndQueued && length === queue.bytes
    out.ensure(FRAME_HEADER_LENGTH + length)
    writeDataHeader(out, length, stream.id, ends)
    queue.take(out.buf, out.at, length)
    out.at += length
    stream.sendWindowBytes -= length
    this.#sendWindowBytes -= length
    out.flushSoon()
    const handler = stream.handler
    if (queue.bytes === 0) {
      this.#waiting.delete(stream)
      if (stream.trailersQueued !== undefined) this.sendTrailers(stream, stream.trailersQueued)
    }
    if (ends) this.#sendEnd(stream)
    if (this.#isServer) handler.onResponseSent(length)
    else handler.onRequestSent(length)
    return true
  }

  #refillConnection(): void {
    if (
      this.#creditBytes * 2 < this.#config.initialConnectionWindowBytes ||
      this.#retainedBytes > HTTP2_BOUNDS.maxRetainedBytes
    )
      return
    writeWindowUpdate(this.transport, 0, this.#creditBytes)
    this.#receiveWindowBytes += this.#creditBytes
    this.#creditBytes = 0
    this.transport.flushSoon()
  }

  #sendReset(streamId: number, code: number): void {
    if (this.#resetIds.size >= HTTP2_BOUNDS.maxRememberedResets)
      this.#resetIds.delete(this.#resetIds.values().next().value!)
    this.#resetIds.add(streamId)
    writeRstStream(this.transport, streamId, code)
    this.transport.flushSoon()
    this.#guardUnsent()
  }

  // ── Errors and the end ──

  /** A stream error (RFC 9113 §5.4.2) for a stream that may not exist. */
  #streamError(streamId: number, code: number): void {
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) return this.#abort(stream, code, `stream ${streamId}: ${ERROR_NAMES[code] ?? code}`)
    this.#sendReset(streamId, code)
  }

  /** Resets a stream because its peer broke the protocol, and tells its handler. */
  #abort(stream: Http2Stream, code: number, message: string): void {
    this.#sendReset(stream.id, code)
    stream.state = StreamState.closed
    this.#forget(stream)
    if (this.#isServer) this.#peerResets++
    stream.fail({ code, kind: 'protocol', isUnprocessed: false, message }, this.#isServer)
  }

  /** The stream ended in both directions. */
  #complete(stream: Http2Stream): void {
    if (this.#peerResets > 0) this.#peerResets--
    this.#forget(stream)
  }

  #forget(stream: Http2Stream): void {
    if (!this.#streams.delete(stream.id)) return
    this.#waiting.delete(stream)
    if (!this.#isServer) {
      this.#ownStreams--
      if (!this.#isDraining) this.#owner.onCapacity()
    }
    if (this.#isDraining) this.#endWhenIdle()
  }

  #endWhenIdle(): void {
    if (!this.#isDraining || this.#streams.size > 0 || this.#isClosed) return
    // A server waits until its final GOAWAY is out; a client that drains has nothing left to wait for.
    if (this.#isServer && !this.#isGoawaySent && this.#hasPeerSettings) return
    this.transport.close()
  }

  #fail(error: ConnectionError): void {
    if (this.#isClosed) return
    writeGoaway(this.transport, this.#lastPeerStreamId, error.code, error.message)
    this.transport.flushSoon()
    this.#close(error)
    this.transport.close()
  }

  #close(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const cause: StreamError = {
      code: ErrorCode.internalError,
      kind: 'connection',
      isUnprocessed: false,
      message: error?.message ?? 'the connection closed',
    }
    for (const stream of [...this.#streams.values()]) {
      this.#streams.delete(stream.id)
      stream.state = StreamState.closed
      stream.fail(cause, this.#isServer)
    }
    this.#waiting.clear()
    this.#owner.onClosed(error)
  }

  #countIdleFrame(): void {
    if (++this.#idleFrames > HTTP2_BOUNDS.maxIdleFrames) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, `${this.#idleFrames} frames in a row that carry nothing`)
    }
  }

  #guardUnsent(): void {
    if (this.transport.pendingBytes > HTTP2_BOUNDS.maxUnsentBytes) {
      throw new ConnectionError(
        ErrorCode.enhanceYourCalm,
        `the peer does not read: ${this.transport.pendingBytes} bytes wait for it`,
      )
    }
  }

  #requireNotIdle(streamId: number, frame: string): void {
    const isOwn = (streamId % 2 === 1) !== this.#isServer
    const isIdle = isOwn ? streamId >= this.#nextStreamId : streamId > this.#lastPeerStreamId
    if (isIdle)
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: ${frame} on an idle stream (RFC 9113 §5.1)`,
      )
  }

  // ── Bytes ──

  #readPreface(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#prefaceBytes < PREFACE.length) {
      if (buf[at] !== PREFACE[this.#prefaceBytes])
        throw new ConnectionError(
          ErrorCode.protocolError,
          'the connection does not begin with the HTTP/2 preface (RFC 9113 §3.4)',
        )
      at++
      this.#prefaceBytes++
    }
    return at
  }

  /** Completes the frame whose beginning was kept, copying no more than that frame. */
  #finishPartial(buf: Buffer, start: number, end: number): number {
    let at = start
    if (this.#partialBytes < FRAME_HEADER_LENGTH) at = this.#extendPartial(buf, at, end, FRAME_HEADER_LENGTH)
    if (this.#partialBytes < FRAME_HEADER_LENGTH) return at
    const length = u24(this.#partial, 0)
    if (length > MAX_FRAME_BYTES)
      throw new ConnectionError(
        ErrorCode.frameSizeError,
        `a frame of ${length} bytes; at most ${MAX_FRAME_BYTES} are accepted (RFC 9113 §4.2)`,
      )
    at = this.#extendPartial(buf, at, end, FRAME_HEADER_LENGTH + length)
    if (this.#partialBytes < FRAME_HEADER_LENGTH + length) return at
    const bytes = this.#partialBytes
    this.#partialBytes = 0
    readFrames(this.#partial, 0, bytes, MAX_FRAME_BYTES, this)
    return at
  }

  #extendPartial(buf: Buffer, start: number, end: number, wanted: number): number {
    const missing = wanted - this.#partialBytes
    const taken = Math.min(missing, end - start)
    if (this.#partial.length < wanted) {
      const grown = Buffer.allocUnsafeSlow(Math.max(wanted, 256))
      this.#partial.copy(grown, 0, 0, this.#partialBytes)
      this.#partial = grown
    }
    buf.copy(this.#partial, this.#partialBytes, start, start + taken)
    this.#partialBytes += taken
    return start + taken
  }

  #keepPartial(buf: Buffer, start: number, end: number): void {
    this.#partialBytes = 0
    this.#extendPartial(buf, start, end, end - start)
  }
}

function requireStream(streamId: number, frame: string): void {
  if (streamId === 0) throw new ConnectionError(ErrorCode.protocolError, `${frame} on stream 0 (RFC 9113 §6)`)
}

function copyBytes(from: Uint8Array, start: number, to: Buffer, at: number, length: number): void {
  // Below some dozens of bytes a loop beats the call into the runtime.
  if (length < 48) for (let i = 0; i < length; i++) to[at + i] = from[start + i]!
  else to.set(from.subarray(start, start + length), at)
}
