/**
 * HEADERS and CONTINUATION (RFC 9113 §6.2, §6.10): field blocks put together, decoded, and handed to their stream as a
 * request, a response or trailers (§8.1).
 */
import { u31 } from '../wire/bytes.ts'
import { ConnectionError, ErrorCode } from '../wire/connection-error.ts'
import { Flag } from '../wire/frame.ts'
import { Head } from '../wire/head.ts'
import { HpackDecoder } from '../wire/hpack-decoder.ts'
import { restoreNames } from '../wire/http1-names.ts'
import { restoreReason } from '../wire/http1-reason.ts'
import type { MessageKind } from '../wire/message-check.ts'
import { refusal } from './error-response.ts'
import { HTTP2_BOUNDS } from './http2-config.ts'
import type { Http2Session } from './http2-session.ts'
import { announceNoTable } from './http2-settings.ts'
import { Http2Stream } from './http2-stream.ts'
import { StreamEvent, StreamState } from './stream-state.ts'
import { Gone } from './stream-table.ts'

/** The HPACK table of a peer that has not acknowledged another size. */
const DEFAULT_TABLE_BYTES = 4_096
/**
 * After so many blocks a peer is asked to do without its HPACK table. A connection of a few requests (a probe, a command
 * line tool) is not worth the exchange; on a busy one every block can then be forwarded as it came.
 */
const BLOCKS_WITH_TABLE = 8
/** A first block that begins so comes from a peer that keeps no table anyway (a size update to 0, RFC 7541 §6.3). */
const TABLE_SIZE_ZERO = 0x20
const PRIORITY_BYTES = 5

/**
 * Heads are decoded into this one and handed on during the call that decodes them: nothing here is asynchronous, so one
 * for the process is enough, and a connection without traffic owns no head.
 */
const received = new Head()

export class HeadReceiver {
  readonly #session: Http2Session
  readonly #decoder: HpackDecoder
  #blocks = 0
  #isTableRefused = false
  /** Field block under assembly, and its stream; 0 when there is none. */
  readonly #block: Buffer[] = []
  #blockBytes = 0
  #blockStreamId = 0
  #blockEndsStream = false
  #continuations = 0

  constructor(session: Http2Session) {
    this.#session = session
    this.#decoder = new HpackDecoder(DEFAULT_TABLE_BYTES, session.config.maxHeaderListBytes)
  }

  /** The stream whose CONTINUATION must be the next frame; 0 when any may come. */
  get openStreamId(): number {
    return this.#blockStreamId
  }

  /** The peer acknowledged `count` SETTINGS; one of them told it to use no table. */
  onSettingsAck(count: number): void {
    if (count === this.#session.noTableSettings) this.#decoder.setMaxTableBytes(0)
  }

  onHeaders(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    let at = start
    let blockEnd = end
    if ((flags & Flag.padded) !== 0) {
      blockEnd -= at < end ? buf[at]! : 0
      at++
    }
    let dependsOnItself = false
    if ((flags & Flag.priority) !== 0) {
      dependsOnItself = at + PRIORITY_BYTES <= end && u31(buf, at) === streamId
      at += PRIORITY_BYTES
    }
    if (at > blockEnd) {
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: more padding than payload (RFC 9113 §6.2)`,
      )
    }
    if (dependsOnItself) return this.#onSelfDependency(flags, streamId, buf, at, blockEnd)
    const endStream = (flags & Flag.endStream) !== 0
    if ((flags & Flag.endHeaders) !== 0) return this.#onBlock(streamId, endStream, buf, at, blockEnd)
    this.#block.push(Buffer.from(buf.subarray(at, blockEnd)))
    this.#blockBytes = blockEnd - at
    this.#blockStreamId = streamId
    this.#blockEndsStream = endStream
    this.#continuations = 0
  }

  onContinuation(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (this.#blockStreamId === 0) {
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: CONTINUATION without HEADERS (RFC 9113 §6.10)`,
      )
    }
    this.#continuations++
    const bytes = this.#blockBytes + end - start
    if (this.#continuations > HTTP2_BOUNDS.maxContinuations || bytes > 2 * this.#session.config.maxHeaderListBytes) {
      throw new ConnectionError(
        ErrorCode.enhanceYourCalm,
        `stream ${streamId}: a field block of ${bytes} bytes in ${this.#continuations + 1} frames is too large`,
        'continuations',
      )
    }
    this.#blockBytes = bytes
    if ((flags & Flag.endHeaders) === 0) {
      if (start < end) this.#block.push(Buffer.from(buf.subarray(start, end)))
      return
    }
    const block = Buffer.concat([...this.#block.splice(0), buf.subarray(start, end)])
    this.#blockStreamId = 0
    this.#onBlock(streamId, this.#blockEndsStream, block, 0, block.length)
  }

  /** RFC 7540 §5.3.1: a stream that depends on itself is a stream error; its block keeps HPACK in step. */
  #onSelfDependency(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if ((flags & Flag.endHeaders) === 0)
      throw new ConnectionError(ErrorCode.protocolError, `stream ${streamId} depends on itself (RFC 7540 §5.3.1)`)
    this.#decode(buf, start, end, 'trailers')
    const { streams } = this.#session
    if (this.#session.isServer && streamId > streams.lastPeerId) streams.usePeerId(streamId)
    const stream = streams.open.get(streamId)
    const problem = `stream ${streamId} depends on itself (RFC 7540 §5.3.1)`
    if (stream !== undefined) return this.#session.abort(stream, ErrorCode.protocolError, problem)
    this.#session.refuse('protocol_error', problem)
    this.#session.sendReset(streamId, ErrorCode.protocolError)
    this.#session.countReset()
  }

  #onBlock(streamId: number, endStream: boolean, buf: Buffer, start: number, end: number): void {
    const session = this.#session
    const stream = session.streams.open.get(streamId)
    if (stream === undefined) {
      if (session.isServer && streamId > session.streams.lastPeerId)
        return this.#onRequest(streamId, endStream, buf, start, end)
      this.#decode(buf, start, end, 'trailers')
      return onGoneStream(session, streamId, 'HEADERS')
    }
    const isTrailers = session.isServer || stream.hasResponse
    this.#decode(buf, start, end, isTrailers ? 'trailers' : 'response')
    if (!stream.canReceive)
      return session.abort(
        stream,
        ErrorCode.streamClosed,
        `stream ${streamId}: HEADERS after END_STREAM (RFC 9113 §5.1)`,
      )
    if (received.malformed !== undefined)
      return session.abort(stream, ErrorCode.protocolError, `stream ${streamId}: ${received.malformed}`, 'malformed')
    if (isTrailers) this.#onTrailers(stream, endStream)
    else this.#onResponse(stream, endStream)
  }

  #onRequest(streamId: number, endStream: boolean, buf: Buffer, start: number, end: number): void {
    const session = this.#session
    const { streams, sender, config } = session
    if (streamId % 2 === 0) {
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: a client's streams are odd (RFC 9113 §5.1.1)`,
      )
    }
    streams.usePeerId(streamId)
    this.#decode(buf, start, end, 'request')
    if (received.isExtendedConnect && !session.takesConnect)
      received.malformed ??= 'extended CONNECT though it was not announced (RFC 8441 §4)'
    if (session.isRefusing) return
    session.guardUnsent()
    if (streams.open.size >= config.maxConcurrentStreams) return this.#refuseStream(streamId)
    streams.lastTakenId = streamId
    if (received.malformed !== undefined) return this.#refuse(streamId, endStream)
    if (endStream && received.contentLength > 0) return this.#refuse(streamId, endStream)
    session.onHead()
    const stream = new Http2Stream(session)
    stream.id = streamId
    stream.state = endStream ? StreamState.halfClosedRemote : StreamState.open
    stream.openedAt = session.age
    stream.resetCount = resetsFor(received)
    stream.sendWindowBytes = sender.initialWindowBytes
    stream.receiveWindowBytes = config.initialStreamWindowBytes
    stream.receiveLengthLeft = received.contentLength
    streams.open.add(stream)
    const handler = session.onRequest!(received, endStream, stream)
    // The listener may have answered and closed the stream already.
    if (!stream.isClosed) stream.handler = handler as typeof stream.handler
  }

  /** A malformed request is reset; one that is only too large is told so, its client may do something about it. */
  #refuse(streamId: number, endStream: boolean): void {
    const session = this.#session
    const problem = received.malformed ?? `content-length ${received.contentLength} without content (RFC 9113 §8.1.1)`
    if (!received.isTooLarge) {
      session.refuse('malformed', `stream ${streamId}: ${problem}`)
      session.sendReset(streamId, ErrorCode.protocolError)
      return session.countReset(resetsFor(received))
    }
    session.refuse('head_too_large', `stream ${streamId}: ${problem}`)
    session.sender.sendBlock(streamId, refusal(431, problem, session.config.isInformational), true)
    if (!endStream) session.sendReset(streamId, ErrorCode.noError)
    session.countReset(HTTP2_BOUNDS.resetsPerLargeHead)
  }

  /** One stream too many: nothing was done for it, so its client may send it again. */
  #refuseStream(streamId: number): void {
    const session = this.#session
    const { maxConcurrentStreams } = session.config
    session.refuse('stream_limit', `stream ${streamId}: ${maxConcurrentStreams} streams are open already`)
    session.sendReset(streamId, ErrorCode.refusedStream)
    session.countIdleFrame()
  }

  #onResponse(stream: Http2Stream, endStream: boolean): void {
    const session = this.#session
    const { status } = received
    if (status < 200) {
      if (!endStream) return this.#onInformational(stream)
      const problem = `a ${status} response must not end the stream (RFC 9113 §8.1)`
      return session.abort(stream, ErrorCode.protocolError, `stream ${stream.id}: ${problem}`, 'malformed')
    }
    session.onHead()
    stream.hasResponse = true
    const hasNoContent = stream.isBodyless || status === 204 || status === 304
    stream.receiveLengthLeft = hasNoContent ? -1 : received.contentLength
    if (endStream && !this.#receiveEnd(stream)) return
    stream.handler.onResponseHead(received, endStream)
  }

  #onInformational(stream: Http2Stream): void {
    if (++stream.informationalCount <= HTTP2_BOUNDS.maxInformational) return stream.handler.onInformational(received)
    const problem = `more than ${HTTP2_BOUNDS.maxInformational} informational responses`
    this.#session.abort(stream, ErrorCode.enhanceYourCalm, `stream ${stream.id}: ${problem}`, 'informational')
  }

  #onTrailers(stream: Http2Stream, endStream: boolean): void {
    const session = this.#session
    if (!endStream) {
      const problem = 'trailers without END_STREAM (RFC 9113 §8.1)'
      return session.abort(stream, ErrorCode.protocolError, `stream ${stream.id}: ${problem}`, 'malformed')
    }
    session.onHead()
    // The handler is called last: it may answer, and the stream is complete then.
    const { handler } = stream
    if (!this.#receiveEnd(stream)) return
    if (session.isServer) handler.onRequestTrailers(received)
    else handler.onResponseTrailers(received)
  }

  #receiveEnd(stream: Http2Stream): boolean {
    return receiveEnd(this.#session, stream)
  }

  #decode(buf: Buffer, start: number, end: number, kind: MessageKind): void {
    if (this.#blocks < BLOCKS_WITH_TABLE && !this.#isTableRefused) this.#weighTable(buf, start, end)
    this.#decoder.decode(received, buf, start, end, kind)
    if (!this.#session.keepsHttp1Form) return
    if (received.namesRow !== -1) restoreNames(received)
    if (received.reasonRow !== -1) restoreReason(received)
  }

  #weighTable(buf: Buffer, start: number, end: number): void {
    if (this.#blocks === 0 && start < end && buf[start] === TABLE_SIZE_ZERO) this.#blocks = BLOCKS_WITH_TABLE
    else if (++this.#blocks === BLOCKS_WITH_TABLE) {
      this.#isTableRefused = true
      announceNoTable(this.#session)
    }
  }
}

/** END_STREAM of the peer; false when the message is shorter than its content-length and was reset for it. */
export function receiveEnd(session: Http2Session, stream: Http2Stream): boolean {
  if (stream.receiveLengthLeft > 0) {
    const problem = `content ended ${stream.receiveLengthLeft} bytes before its content-length (RFC 9113 §8.1.1)`
    session.abort(stream, ErrorCode.protocolError, `stream ${stream.id}: ${problem}`, 'malformed')
    return false
  }
  stream.transition(StreamEvent.recvEnd)
  if (stream.state === StreamState.closed) session.complete(stream)
  return true
}

/**
 * DATA or HEADERS for a stream that is not open (RFC 9113 §5.1).
 * @throws ConnectionError where the peer can be proved to be wrong
 */
export function onGoneStream(session: Http2Session, streamId: number, frame: string): void {
  switch (session.streams.fateOf(streamId)) {
    case Gone.idle:
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: ${frame} on an idle stream (RFC 9113 §5.1)`,
      )
    case Gone.ended:
      throw new ConnectionError(ErrorCode.streamClosed, `stream ${streamId}: ${frame} after END_STREAM (RFC 9113 §5.1)`)
    case Gone.skipped:
      throw new ConnectionError(
        ErrorCode.protocolError,
        `stream ${streamId}: ${frame} below a stream that was opened before (RFC 9113 §5.1.1)`,
      )
    case Gone.resetByUs:
      return session.countIdleFrame()
    case Gone.resetByPeer:
    case Gone.forgotten:
      session.countIdleFrame()
      // Behind our final GOAWAY such frames are ignored (RFC 9113 §6.8).
      if (session.isRefusing && streamId > session.streams.lastTakenId) return
      session.refuse('stream_closed', `stream ${streamId}: ${frame} on a stream that is gone (RFC 9113 §5.1)`)
      session.sendReset(streamId, ErrorCode.streamClosed)
      return session.guardUnsent()
  }
}

/** A head of many fields is no cheaper for being given up at once. */
function resetsFor({ count }: Head): number {
  return 1 + Math.trunc(count / HTTP2_BOUNDS.fieldsPerReset)
}
