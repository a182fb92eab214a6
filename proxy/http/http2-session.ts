/**
 * What the parts of one HTTP/2 connection share, and how streams and the connection end (RFC 9113 §5.4, §6.8).
 *
 * The receiving half (`http2-receive.ts`, `http2-heads.ts`) and the sending half (`http2-send.ts`) meet only here.
 */
import { ConnectionError, ErrorCode, errorName } from '../wire/connection-error.ts'
import { writeGoaway, writePing, writeRstStream } from '../wire/frame-writer.ts'
import { HTTP2_BOUNDS, type Http2Config } from './http2-config.ts'
import { Http2Sender } from './http2-send.ts'
import type { Http2Stream } from './http2-stream.ts'
import { ReceiveWindow } from './receive-window.ts'
import type { RequestListener } from './stream.ts'
import type { StreamError } from './stream-error.ts'
import { StreamState } from './stream-state.ts'
import { MAX_STREAM_ID, StreamTable } from './stream-table.ts'
import type { Transport } from './transport.ts'

/** The PING behind a server's first GOAWAY: its answer proves that the peer has read both. */
const SHUTDOWN_PING = Buffer.from('weft-bye', 'latin1')

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

export class Http2Session {
  readonly transport: Transport
  readonly config: Http2Config
  readonly owner: Http2Owner
  readonly onRequest: RequestListener | undefined
  readonly isServer: boolean
  readonly streams: StreamTable
  readonly window: ReceiveWindow
  readonly sender: Http2Sender
  hasPeerSettings = false
  /** Both sides said that they restore the names of HTTP/1 fields. */
  keepsHttp1Names = false
  /** No new streams: ours when we are a client, and a server says so by GOAWAY. */
  isDraining = false
  isClosed = false
  /** Streams that ended in order. */
  completedStreams = 0
  #isGoawaySent = false
  /** A client that said GOAWAY opens no more streams; the connection ends with its last one. */
  #isPeerLeaving = false
  #idleFrames = 0
  #peerResets = 0

  constructor(transport: Transport, config: Http2Config, owner: Http2Owner, onRequest: RequestListener | undefined) {
    this.transport = transport
    this.config = config
    this.owner = owner
    this.onRequest = onRequest
    this.isServer = onRequest !== undefined
    this.streams = new StreamTable(this.isServer)
    this.window = new ReceiveWindow(transport, config)
    this.sender = new Http2Sender(this)
  }

  /** Our final GOAWAY is out: streams above the id it named are ignored (RFC 9113 §6.8). */
  get isRefusing(): boolean {
    return this.#isGoawaySent
  }

  // ── The end of a stream ──

  /** Our side gives up the stream. */
  reset(stream: Http2Stream, code: number): void {
    const { state } = stream
    stream.state = StreamState.closed
    stream.silence()
    this.window.release(stream)
    if (state === StreamState.closed) return
    if (state === StreamState.idle) {
      this.streams.ownCount--
      if (!this.isDraining && !this.isClosed) this.owner.onCapacity()
      return
    }
    if (!this.isClosed) this.sendReset(stream.id, code)
    this.#forget(stream)
  }

  /** Resets a stream because its peer broke the protocol, and tells its handler. */
  abort(stream: Http2Stream, code: number, message: string): void {
    this.sendReset(stream.id, code)
    stream.state = StreamState.closed
    this.window.release(stream)
    this.#forget(stream)
    stream.fail({ code, kind: 'protocol', isUnprocessed: false, message }, this.isServer)
    if (this.isServer) this.countPeerReset()
    this.guardUnsent()
  }

  /** The peer gave up the stream. */
  onPeerReset(stream: Http2Stream, code: number): void {
    const isUnprocessed = code === ErrorCode.refusedStream
    stream.state = StreamState.closed
    this.streams.rememberReset(stream.id, false)
    this.window.release(stream)
    this.#forget(stream)
    stream.fail(
      {
        code,
        kind: isUnprocessed ? 'refused' : 'reset',
        isUnprocessed,
        message: `${this.isServer ? 'the client' : 'the endpoint'} reset the stream with ${errorName(code)}`,
      },
      this.isServer,
    )
    if (this.isServer) this.countPeerReset()
  }

  /** The stream ended in both directions. What its reader has not consumed yet still counts. */
  complete(stream: Http2Stream): void {
    if (this.#peerResets > 0) this.#peerResets--
    this.completedStreams++
    this.streams.rememberEnd(stream.id)
    this.#forget(stream)
  }

  /** RST_STREAM for a stream whether or not it is known here. */
  sendReset(streamId: number, code: number): void {
    this.streams.rememberReset(streamId, true)
    writeRstStream(this.transport, streamId, code)
    this.transport.flushSoon()
  }

  #forget(stream: Http2Stream): void {
    if (!this.streams.open.delete(stream.id)) return
    this.sender.forget(stream)
    if (!this.isServer) {
      this.streams.ownCount--
      if (!this.isDraining && !this.isClosed) this.owner.onCapacity()
    }
    if (this.isDraining || this.#isPeerLeaving) this.#endWhenIdle()
  }

  // ── The end of the connection ──

  /** Graceful end: no new streams, the ones in flight finish, then the connection closes (RFC 9113 §6.8). */
  shutdown(): void {
    if (this.isClosed || this.isDraining) return
    this.isDraining = true
    if (this.isServer && !this.#isPeerLeaving && this.hasPeerSettings) {
      // Two steps: requests already on their way when the peer reads the first GOAWAY are still taken.
      writeGoaway(this.transport, MAX_STREAM_ID, ErrorCode.noError)
      writePing(this.transport, false, SHUTDOWN_PING, 0)
    } else this.#sendFinalGoaway()
    this.transport.flushSoon()
    this.owner.onDraining()
    this.#endWhenIdle()
  }

  /** An acknowledged PING with the eight bytes at `buf[start…]`. */
  onPong(buf: Buffer, start: number, end: number): void {
    if (!this.isDraining || this.#isGoawaySent || SHUTDOWN_PING.compare(buf, start, end) !== 0) return
    this.#sendFinalGoaway()
    this.#endWhenIdle()
  }

  onPeerGoaway(lastStreamId: number, code: number): void {
    if (this.isServer) {
      this.#isPeerLeaving = true
      return this.#endWhenIdle()
    }
    const wasDraining = this.isDraining
    this.isDraining = true
    const error: StreamError = {
      code,
      kind: 'goaway',
      isUnprocessed: true,
      message: `the endpoint sent GOAWAY (${errorName(code)}) before it took the request`,
    }
    for (const stream of [...this.streams.open.values()]) {
      if (stream.id <= lastStreamId) continue
      stream.state = StreamState.closed
      this.window.release(stream)
      this.#forget(stream)
      stream.fail(error, false)
    }
    if (!wasDraining) this.owner.onDraining()
    this.#endWhenIdle()
  }

  /** A connection error (RFC 9113 §5.4.1): says why, and closes. */
  fail(error: ConnectionError): void {
    if (this.isClosed) return
    writeGoaway(this.transport, this.streams.lastTakenId, error.code, error.message)
    this.transport.flushSoon()
    this.close(error)
    this.transport.close()
  }

  /** The transport is gone or about to be: everything in flight fails. */
  close(error: Error | undefined): void {
    if (this.isClosed) return
    this.isClosed = true
    const cause: StreamError = {
      code: ErrorCode.internalError,
      kind: 'connection',
      isUnprocessed: false,
      message: error?.message ?? 'the connection closed',
    }
    for (const stream of [...this.streams.open.values()]) {
      // A handler that fails before may have reset it meanwhile.
      if (!this.streams.open.delete(stream.id)) continue
      stream.state = StreamState.closed
      this.sender.forget(stream)
      this.window.release(stream)
      stream.fail(cause, this.isServer)
    }
    this.owner.onClosed(error)
  }

  #sendFinalGoaway(): void {
    if (this.#isGoawaySent) return
    this.#isGoawaySent = true
    writeGoaway(this.transport, this.streams.lastTakenId, ErrorCode.noError)
    this.transport.flushSoon()
  }

  #endWhenIdle(): void {
    if (this.isClosed || this.streams.open.size > 0) return
    // A server that drains waits until the peer knows: a request may be on its way.
    if (this.isServer && !this.#isPeerLeaving && !this.#isGoawaySent) return
    if (!this.isDraining && !this.#isPeerLeaving) return
    this.#sendFinalGoaway()
    this.transport.close()
  }

  // ── Bounds on what costs a peer nothing ──

  /** Between two calls a second passes or so: what was bounded per second starts anew. */
  tick(): void {
    this.#idleFrames = 0
    this.#peerResets = 0
  }

  /** A frame that moved content, in either direction. */
  onProgress(): void {
    this.#idleFrames = 0
  }

  /** A frame that carries nothing. */
  countIdleFrame(): void {
    if (++this.#idleFrames <= HTTP2_BOUNDS.maxIdleFrames) return
    throw new ConnectionError(ErrorCode.enhanceYourCalm, `${this.#idleFrames} frames in a row that carry nothing`)
  }

  /** A stream the peer made us give up. Only streams that complete weigh against it (rapid reset, CVE-2023-44487). */
  countPeerReset(): void {
    if (++this.#peerResets <= HTTP2_BOUNDS.maxPendingResets) return
    throw new ConnectionError(
      ErrorCode.enhanceYourCalm,
      `the peer reset ${this.#peerResets} streams more than it completed within a second`,
    )
  }

  /** Called for frames that make us answer. Only while reading: it throws what `fail` is called for. */
  guardUnsent(): void {
    const { pendingBytes } = this.transport
    if (pendingBytes <= HTTP2_BOUNDS.maxUnsentBytes) return
    throw new ConnectionError(ErrorCode.enhanceYourCalm, `the peer does not read: ${pendingBytes} bytes wait for it`)
  }
}
