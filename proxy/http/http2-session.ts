/**
 * What the parts of one HTTP/2 connection share, and how streams and the connection end (RFC 9113 §5.4, §6.8).
 *
 * The receiving half (`http2-receive.ts`, `http2-heads.ts`) and the sending half (`http2-send.ts`) meet only here.
 */
import { ConnectionError, ErrorCode, errorName } from '../wire/connection-error.ts'
import { writeGoaway, writePing, writeRstStream } from '../wire/frame-writer.ts'
import { type OnRefused, type Refusal, refusalOfCode } from '../wire/refusal.ts'
import { HTTP2_BOUNDS, type Http2Config } from './http2-config.ts'
import { Http2Sender } from './http2-send.ts'
import type { Http2Stream } from './http2-stream.ts'
import { ReceiveWindow } from './receive-window.ts'
import type { RequestListener } from './stream.ts'
import type { StreamAllowance } from './stream-allowance.ts'
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
  /** Asked of a server now and then: extended CONNECT (RFC 8441) can be served on this connection. Never taken back. */
  takesConnect?(): boolean
  /** The peer's SETTINGS arrived: the connection works. */
  onReady(): void
  /** Something of the peer was refused: a stream, or the whole connection, which then closes. */
  readonly onRefused: OnRefused
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
  /** What the endpoint bears; shared by all connections of a client. */
  readonly allowance: StreamAllowance | undefined
  hasPeerSettings = false
  /** Extended CONNECT (RFC 8441 §3): a server has announced it, or a client's peer has. */
  takesConnect = false
  /** SETTINGS we sent, and which of them gave up the peer's HPACK table; 0 while none has. */
  settingsSent = 0
  noTableSettings = 0
  /** Both sides said that they restore how HTTP/1 was written: names, Cookie lines, reason phrases. */
  keepsHttp1Form = false
  /** No new streams: ours when we are a client, and a server says so by GOAWAY. */
  isDraining = false
  isClosed = false
  /** Streams that ended in order. */
  completedStreams = 0
  #isGoawaySent = false
  /** A client that said GOAWAY opens no more streams; the connection ends with its last one. */
  #isPeerLeaving = false
  #hasRefused = false
  #idleFramesLeft: number = HTTP2_BOUNDS.idleFrames.burst
  #resetsLeft: number = HTTP2_BOUNDS.resets.burst
  /** Ticks so far: about the connection's age in seconds. */
  #age = 0

  constructor(
    transport: Transport,
    config: Http2Config,
    owner: Http2Owner,
    onRequest: RequestListener | undefined,
    allowance: StreamAllowance | undefined,
  ) {
    this.allowance = allowance
    this.transport = transport
    this.config = config
    this.owner = owner
    this.onRequest = onRequest
    this.isServer = onRequest !== undefined
    this.streams = new StreamTable(this.isServer)
    this.window = new ReceiveWindow(transport, config, this.isServer)
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
    this.sender.forget(stream)
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

  /** Resets a stream because its peer broke the protocol, and tells its handler. Only while reading: see `guardUnsent`. */
  abort(stream: Http2Stream, code: number, message: string, reason: Refusal = refusalOfCode(code)): void {
    this.giveUp(stream, code, message, reason)
    if (this.isServer) this.countReset(stream.resetCount)
    this.guardUnsent()
  }

  /** Resets a stream for what its peer did or failed to do, at any time. */
  giveUp(stream: Http2Stream, code: number, message: string, reason: Refusal): void {
    this.refuse(reason, message)
    this.sendReset(stream.id, code)
    stream.state = StreamState.closed
    this.window.release(stream)
    this.#forget(stream)
    stream.fail({ code, kind: 'protocol', isUnprocessed: false, message }, this.isServer)
  }

  /** The peer gave up the stream. */
  onPeerReset(stream: Http2Stream, code: number): void {
    const isUnprocessed = code === ErrorCode.refusedStream
    stream.state = StreamState.closed
    this.streams.rememberReset(stream.id, false)
    this.window.release(stream)
    // Before anybody hears of the room it leaves.
    if (code === ErrorCode.enhanceYourCalm && !stream.hasResponse) this.allowance?.onRefused(this.streams.open.size - 1)
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
    if (this.isServer && stream.openedAt === this.#age) this.countReset(stream.resetCount)
  }

  /** The stream ended in both directions. What its reader has not consumed yet still counts. */
  complete(stream: Http2Stream): void {
    if (this.#resetsLeft < HTTP2_BOUNDS.resets.burst) this.#resetsLeft++
    this.completedStreams++
    this.allowance?.onEnded()
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
    if (!this.streams.open.delete(stream)) return
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
    for (const stream of this.streams.open.all()) {
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
    const { code, refusal, message } = error
    if (code !== ErrorCode.noError || refusal !== undefined) this.refuse(refusal ?? refusalOfCode(code), message)
    writeGoaway(this.transport, this.streams.lastTakenId, code, message)
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
    for (const stream of this.streams.open.all()) {
      // A handler that fails before may have reset it meanwhile.
      if (!this.streams.open.delete(stream)) continue
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

  /** Between two calls a second passes or so: time gives credit. */
  tick(): void {
    const { idleFrames, resets } = HTTP2_BOUNDS
    this.#age++
    this.sender.tick()
    this.streams.open.tidy()
    this.#earnIdleFrames(idleFrames.perSecond)
    this.#resetsLeft = Math.min(resets.burst, this.#resetsLeft + resets.perSecond)
  }

  /** Ticks so far; a stream remembers when it was opened. */
  get age(): number {
    return this.#age
  }

  /** Tells the owner what was refused. */
  refuse(reason: Refusal, message: string): void {
    const isFirst = !this.#hasRefused
    this.#hasRefused = true
    this.owner.onRefused(reason, message, isFirst)
  }

  /** A head, in either direction. */
  onHead(): void {
    this.#earnIdleFrames(HTTP2_BOUNDS.idleFramesPerHead)
  }

  /** Content, in either direction. `isWhole`: not cut short by the peer's window, which may be made tiny on purpose. */
  onContent(bytes: number, isWhole: boolean): void {
    const { idleFramesPerHead, idleFrameBytesShift } = HTTP2_BOUNDS
    this.#earnIdleFrames((bytes >> idleFrameBytesShift) + (isWhole ? idleFramesPerHead : 0))
  }

  #earnIdleFrames(frames: number): void {
    const left = this.#idleFramesLeft + frames
    this.#idleFramesLeft = Math.min(left, HTTP2_BOUNDS.idleFrames.burst)
  }

  /** A frame that carries nothing; `count` for what costs more than most. */
  countIdleFrame(count = 1): void {
    this.#idleFramesLeft -= count
    if (this.#idleFramesLeft >= 0) return
    const { burst, perSecond } = HTTP2_BOUNDS.idleFrames
    const message = `more than ${burst} frames that carry nothing, and ${perSecond} more per second`
    throw new ConnectionError(ErrorCode.enhanceYourCalm, message, 'idle_frames')
  }

  /** A stream the peer gave up at once, or made us give up. */
  countReset(count = 1): void {
    this.#resetsLeft -= count
    if (this.#resetsLeft >= 0) return
    const { burst, perSecond } = HTTP2_BOUNDS.resets
    const message = `${burst} streams more were reset at once than completed, and ${perSecond} more per second`
    throw new ConnectionError(ErrorCode.enhanceYourCalm, message, 'resets')
  }

  /** Called for frames that make us answer. Only while reading: it throws what `fail` is called for. */
  guardUnsent(): void {
    const { pendingBytes } = this.transport
    if (pendingBytes <= HTTP2_BOUNDS.maxUnsentBytes) return
    const message = `the peer does not read: ${pendingBytes} bytes wait for it`
    throw new ConnectionError(ErrorCode.enhanceYourCalm, message, 'unread_answers')
  }
}
