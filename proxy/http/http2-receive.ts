/**
 * The receiving half of an HTTP/2 connection: every frame type and what it does (RFC 9113 §6). Field blocks are left to
 * `http2-heads.ts`.
 */
import { u31, u32 } from '../wire/bytes.ts'
import { ConnectionError, ErrorCode } from '../wire/connection-error.ts'
import { Flag, FrameType } from '../wire/frame.ts'
import type { FrameSink } from '../wire/frame-reader.ts'
import { writePing } from '../wire/frame-writer.ts'
import { refusalOfCode } from '../wire/refusal.ts'
import { HTTP2_BOUNDS } from './http2-config.ts'
import { HeadReceiver, onGoneStream, receiveEnd } from './http2-heads.ts'
import type { Http2Session } from './http2-session.ts'
import { applySettings } from './http2-settings.ts'
import type { Http2Stream } from './http2-stream.ts'

const MAX_WINDOW_BYTES = 0x7fff_ffff
const PRIORITY_BYTES = 5
const RST_STREAM_BYTES = 4
const PING_BYTES = 8
const MIN_GOAWAY_BYTES = 8
const WINDOW_UPDATE_BYTES = 4
const SETTING_BYTES = 6

export class Http2Receiver implements FrameSink {
  readonly #session: Http2Session
  readonly #heads: HeadReceiver
  #settingsAcks = 0
  /** Whole frames so far, CONTINUATION apart: changes as long as the peer gets on. */
  frameCount = 0

  constructor(session: Http2Session) {
    this.#session = session
    this.#heads = new HeadReceiver(session)
  }

  /** A field block has begun and not ended. */
  get isInsideBlock(): boolean {
    return this.#heads.openStreamId !== 0
  }

  onFrame(type: number, flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    const session = this.#session
    if (session.isClosed) return
    const open = this.#heads.openStreamId
    if (open === 0) this.frameCount++
    if (open !== 0 && (type !== FrameType.continuation || streamId !== open))
      throw protocolError(`stream ${open}: a field block was interrupted by another frame (RFC 9113 §4.3)`)
    if (!session.hasPeerSettings && (type !== FrameType.settings || (flags & Flag.ack) !== 0))
      throw protocolError('the first frame was not SETTINGS (RFC 9113 §3.4)')
    switch (type) {
      case FrameType.data:
        requireStream(streamId, 'DATA')
        return this.#onData(flags, streamId, buf, start, end)
      case FrameType.headers:
        requireStream(streamId, 'HEADERS')
        return this.#heads.onHeaders(flags, streamId, buf, start, end)
      case FrameType.priority:
        requireStream(streamId, 'PRIORITY')
        return this.#onPriority(streamId, buf, start, end)
      case FrameType.rstStream:
        requireStream(streamId, 'RST_STREAM')
        requireLength(end - start, RST_STREAM_BYTES, 'RST_STREAM', '§6.4')
        return this.#onRstStream(streamId, u32(buf, start))
      case FrameType.settings:
        requireConnection(streamId, 'SETTINGS')
        return this.#onSettings(flags, buf, start, end)
      case FrameType.pushPromise:
        throw protocolError('PUSH_PROMISE though push is disabled (RFC 9113 §8.4)')
      case FrameType.ping:
        requireConnection(streamId, 'PING')
        requireLength(end - start, PING_BYTES, 'PING', '§6.7')
        return this.#onPing(flags, buf, start, end)
      case FrameType.goaway:
        requireConnection(streamId, 'GOAWAY')
        if (end - start < MIN_GOAWAY_BYTES)
          throw new ConnectionError(ErrorCode.frameSizeError, 'GOAWAY is shorter than 8 bytes (RFC 9113 §6.8)')
        session.countIdleFrame()
        return session.onPeerGoaway(u31(buf, start), u32(buf, start + 4))
      case FrameType.windowUpdate:
        requireLength(end - start, WINDOW_UPDATE_BYTES, 'WINDOW_UPDATE', '§6.9')
        return this.#onWindowUpdate(streamId, u31(buf, start))
      case FrameType.continuation:
        requireStream(streamId, 'CONTINUATION')
        return this.#heads.onContinuation(flags, streamId, buf, start, end)
      default:
        // RFC 9113 §4.1: unknown types are ignored; they still count, so that they cannot keep us busy for nothing.
        return session.countIdleFrame()
    }
  }

  #onData(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    const session = this.#session
    const { window } = session
    const length = end - start
    window.receive(length)
    const stream = session.streams.open.get(streamId)
    if (stream === undefined || !stream.canReceive) {
      window.refill()
      if (stream === undefined) return onGoneStream(session, streamId, 'DATA')
      const problem = `stream ${streamId}: DATA after END_STREAM (RFC 9113 §5.1)`
      return session.abort(stream, ErrorCode.streamClosed, problem)
    }
    let dataStart = start
    let dataEnd = end
    if ((flags & Flag.padded) !== 0) {
      const padding = start < end ? buf[start]! : 0
      if (padding >= length) throw protocolError(`stream ${streamId}: more padding than payload (RFC 9113 §6.1)`)
      dataStart++
      dataEnd -= padding
    }
    const endStream = (flags & Flag.endStream) !== 0
    if (!this.#acceptContent(stream, length, dataEnd - dataStart, endStream)) return window.refill()
    // The handler as it is now: content that ends the stream may end its registration too.
    const { handler } = stream
    window.retain(stream, dataEnd - dataStart)
    if (endStream && !receiveEnd(session, stream)) return
    if (session.isServer) handler.onRequestData(buf, dataStart, dataEnd, endStream)
    else handler.onResponseData(buf, dataStart, dataEnd, endStream)
    window.refill()
  }

  /** Counts a DATA frame of `length` bytes with `bytes` of content; false when the stream was reset for it. */
  #acceptContent(stream: Http2Stream, length: number, bytes: number, endStream: boolean): boolean {
    const session = this.#session
    const { id } = stream
    stream.receiveWindowBytes -= length
    if (stream.receiveWindowBytes < 0) {
      const problem = `stream ${id}: the peer sent more than the stream's window (RFC 9113 §6.9.1); the stream was reset with FLOW_CONTROL_ERROR`
      session.abort(stream, ErrorCode.flowControlError, problem)
      return false
    }
    if (!session.isServer && !stream.hasResponse) {
      session.abort(stream, ErrorCode.protocolError, `stream ${id}: DATA before the response head (RFC 9113 §8.1)`)
      return false
    }
    if (stream.receiveLengthLeft !== -1) {
      stream.receiveLengthLeft -= bytes
      if (stream.receiveLengthLeft < 0) {
        const problem = `stream ${id}: more content than its content-length says (RFC 9113 §8.1.1)`
        session.abort(stream, ErrorCode.protocolError, problem, 'malformed')
        return false
      }
    }
    if (bytes > 0 || endStream) session.onContent(bytes, true)
    else session.countIdleFrame()
    // Padding is nobody's content: its credit goes back at once.
    if (length > bytes && !endStream) session.window.credit(stream, length - bytes)
    return true
  }

  /** Priorities are no longer used (RFC 9113 §5.3.2); only what is wrong with them matters. */
  #onPriority(streamId: number, buf: Buffer, start: number, end: number): void {
    if (end - start !== PRIORITY_BYTES)
      return this.#streamError(streamId, ErrorCode.frameSizeError, 'PRIORITY is not 5 bytes')
    if (u31(buf, start) === streamId)
      return this.#streamError(streamId, ErrorCode.protocolError, 'it depends on itself')
    this.#session.countIdleFrame()
  }

  #onRstStream(streamId: number, code: number): void {
    const session = this.#session
    session.streams.requireUsed(streamId, 'RST_STREAM')
    const stream = session.streams.open.get(streamId)
    if (stream === undefined) return session.countIdleFrame()
    session.onPeerReset(stream, code)
  }

  #onSettings(flags: number, buf: Buffer, start: number, end: number): void {
    const session = this.#session
    const isAck = (flags & Flag.ack) !== 0
    session.countIdleFrame(isAck ? 1 : HTTP2_BOUNDS.idleFramesPerSettings)
    if (isAck) {
      if (start !== end)
        throw new ConnectionError(ErrorCode.frameSizeError, 'a SETTINGS acknowledgement with content (RFC 9113 §6.5)')
      return this.#heads.onSettingsAck(++this.#settingsAcks)
    }
    if ((end - start) % SETTING_BYTES !== 0)
      throw new ConnectionError(ErrorCode.frameSizeError, 'SETTINGS is not a multiple of 6 bytes (RFC 9113 §6.5)')
    applySettings(session, buf, start, end)
    session.guardUnsent()
    if (session.hasPeerSettings) return
    session.hasPeerSettings = true
    session.owner.onReady()
  }

  #onPing(flags: number, buf: Buffer, start: number, end: number): void {
    const session = this.#session
    session.countIdleFrame()
    if ((flags & Flag.ack) !== 0) return session.onPong(buf, start, end)
    writePing(session.transport, true, buf, start)
    session.transport.flushSoon()
    session.guardUnsent()
  }

  #onWindowUpdate(streamId: number, increment: number): void {
    const session = this.#session
    const { sender } = session
    if (increment < HTTP2_BOUNDS.minWindowUpdateBytes) session.countIdleFrame()
    if (streamId === 0) {
      if (increment === 0) throw protocolError('WINDOW_UPDATE of 0 (RFC 9113 §6.9)')
      sender.windowBytes += increment
      if (sender.windowBytes > MAX_WINDOW_BYTES) {
        const problem = 'the connection window grew beyond 2^31-1 (RFC 9113 §6.9.1)'
        throw new ConnectionError(ErrorCode.flowControlError, problem)
      }
      return sender.flush()
    }
    const stream = session.streams.open.get(streamId)
    if (stream === undefined) return session.streams.requireUsed(streamId, 'WINDOW_UPDATE')
    if (increment === 0)
      return session.abort(stream, ErrorCode.protocolError, `stream ${streamId}: WINDOW_UPDATE of 0 (RFC 9113 §6.9)`)
    stream.sendWindowBytes += increment
    if (stream.sendWindowBytes > MAX_WINDOW_BYTES) {
      const problem = `stream ${streamId}: its window grew beyond 2^31-1 (RFC 9113 §6.9.1)`
      return session.abort(stream, ErrorCode.flowControlError, problem)
    }
    sender.onStreamWindow(stream)
  }

  /** A stream error (RFC 9113 §5.4.2) for a stream that may not exist. */
  #streamError(streamId: number, code: number, problem: string): void {
    const session = this.#session
    const stream = session.streams.open.get(streamId)
    if (stream !== undefined) return session.abort(stream, code, `stream ${streamId}: ${problem}`)
    session.refuse(refusalOfCode(code), `stream ${streamId}: ${problem}`)
    session.countIdleFrame()
    session.sendReset(streamId, code)
    session.guardUnsent()
  }
}

function protocolError(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocolError, message)
}

function requireStream(streamId: number, frame: string): void {
  if (streamId === 0) throw protocolError(`${frame} on stream 0 (RFC 9113 §6)`)
}

function requireConnection(streamId: number, frame: string): void {
  if (streamId !== 0) throw protocolError(`${frame} on a stream (RFC 9113 §6)`)
}

function requireLength(length: number, wanted: number, frame: string, section: string): void {
  if (length === wanted) return
  throw new ConnectionError(ErrorCode.frameSizeError, `${frame} is not ${wanted} bytes (RFC 9113 ${section})`)
}
