/**
 * One HTTP/2 connection (RFC 9113), client or server: bytes in, calls on stream handlers out.
 *
 * Everything is synchronous: a frame is handled where it lies in the read buffer, and what it causes is written into the
 * output buffer of some transport before the next frame is looked at. There is no socket and no clock here.
 *
 * The parts: `frame-assembly.ts` (bytes to frames), `http2-receive.ts` and `http2-heads.ts` (what frames do),
 * `http2-send.ts` (frames out), `receive-window.ts`, `http2-settings.ts`, `stream-table.ts`, `keep-alive.ts`, and
 * `http2-session.ts`, which holds what they share.
 */
import { ConnectionError, ErrorCode } from '../wire/connection-error.ts'
import { writePing } from '../wire/frame-writer.ts'
import type { Refusal } from '../wire/refusal.ts'
import { held } from './chunk-pool.ts'
import { FrameAssembly } from './frame-assembly.ts'
import { HTTP2_BOUNDS, type Http2Config } from './http2-config.ts'
import { Http2Receiver } from './http2-receive.ts'
import { type Http2Owner, Http2Session } from './http2-session.ts'
import { announceConnect, announceSettings } from './http2-settings.ts'
import { Http2Stream } from './http2-stream.ts'
import { KeepAlive } from './keep-alive.ts'
import { isMemoryCrowded } from './memory-pressure.ts'
import { CROWDED_MS, DEFAULT_TIME_BOUNDS, Patience, type TimeBounds } from './patience.ts'
import type { RequestListener } from './stream.ts'
import type { StreamAllowance } from './stream-allowance.ts'
import { MAX_STREAM_ID } from './stream-table.ts'
import type { Transport, TransportHandler } from './transport.ts'

export type { Http2Owner } from './http2-session.ts'

/** From a client's first tick until the server's SETTINGS must be there. */
const SETTINGS_TIMEOUT_MS = 5_000

const KEEP_ALIVE_PING = Buffer.from('weft-liv', 'latin1')

export class Http2Connection implements TransportHandler {
  readonly transport: Transport
  readonly #config: Http2Config
  readonly #session: Http2Session
  readonly #assembly: FrameAssembly
  readonly #receiver: Http2Receiver
  readonly #keepAlive: KeepAlive
  #firstTickMs = -1
  readonly #head = new Patience()
  readonly #reader = new Patience()
  readonly #idle = new Patience()

  /** `onRequest` makes it a server; without it the connection is a client, which may go by an `allowance`. */
  constructor(
    transport: Transport,
    config: Http2Config,
    owner: Http2Owner,
    onRequest?: RequestListener,
    allowance?: StreamAllowance,
  ) {
    this.transport = transport
    this.#config = config
    this.#session = new Http2Session(transport, config, owner, onRequest, allowance)
    this.#assembly = new FrameAssembly(this.#session.isServer)
    this.#receiver = new Http2Receiver(this.#session)
    this.#keepAlive = new KeepAlive(config)
    transport.handler = this
    announceSettings(this.#session)
  }

  /** Streams in flight. */
  get streamCount(): number {
    return this.#session.streams.open.size
  }

  /** Streams that ended in order since the connection began. */
  get completedStreams(): number {
    return this.#session.completedStreams
  }

  /** Received content that was handed on and not consumed yet, of all streams. */
  get retainedBytes(): number {
    return this.#session.window.retainedBytes
  }

  get isDraining(): boolean {
    return this.#session.isDraining || this.#session.isClosed
  }

  /** A client's peer takes extended CONNECT (RFC 8441). */
  get takesConnect(): boolean {
    return this.#session.takesConnect && !this.isDraining
  }

  /** The peer's SETTINGS have arrived. */
  get isReady(): boolean {
    return this.#session.hasPeerSettings
  }

  /**
   * Whether a client may open one more stream now. Not before the peer's SETTINGS: they say how many streams it takes and
   * what it understands.
   */
  get canOpen(): boolean {
    const { isDraining, isClosed, hasPeerSettings, streams, sender, allowance } = this.#session
    if (allowance !== undefined && streams.ownCount >= allowance.limit) return false
    return (
      hasPeerSettings &&
      !isDraining &&
      !isClosed &&
      streams.ownCount < sender.maxStreams &&
      streams.nextOwnId < MAX_STREAM_ID
    )
  }

  /** A new stream of a client; it gets its id when its head is sent. Whoever takes it sends a head or resets it. */
  openStream(): Http2Stream {
    this.#session.streams.ownCount++
    return new Http2Stream(this.#session)
  }

  /** Graceful end: no new streams, the ones in flight finish, then the connection closes (RFC 9113 §6.8). */
  shutdown(): void {
    this.#session.shutdown()
  }

  /**
   * Keep-alive and bounds by time: call it every second or so. `nowMs` is monotonic; `isCrowded` asks to make room for others.
   */
  tick(nowMs: number, bounds: TimeBounds = DEFAULT_TIME_BOUNDS, isCrowded = false): void {
    if (this.#session.isClosed) return
    this.#session.tick()
    if (this.#session.isServer) announceConnect(this.#session)
    if (!this.#session.isServer && !this.#session.hasPeerSettings && this.#isSettingsLate(nowMs)) return
    if (this.#isTooSlow(nowMs, bounds, isCrowded)) return
    switch (this.#keepAlive.tick(nowMs)) {
      case 'none':
        return
      case 'ping':
        writePing(this.transport, false, KEEP_ALIVE_PING, 0)
        return this.transport.flushSoon()
      case 'dead': {
        const message = `no answer to a keep-alive PING within ${this.#config.keepAliveTimeoutMs} ms`
        this.#session.fail(new ConnectionError(ErrorCode.noError, message))
        // Nobody is there to take the GOAWAY.
        return this.transport.destroy()
      }
    }
  }

  /** A peer that accepts and then says nothing must not hold up the requests that wait for it. */
  #isSettingsLate(nowMs: number): boolean {
    if (this.#firstTickMs === -1) this.#firstTickMs = nowMs
    if (nowMs - this.#firstTickMs < SETTINGS_TIMEOUT_MS) return false
    const message = `the peer sent no SETTINGS within ${SETTINGS_TIMEOUT_MS} ms (RFC 9113 §3.4)`
    this.#session.fail(new ConnectionError(ErrorCode.settingsTimeout, message))
    this.transport.destroy()
    return true
  }

  /** Whether the peer has overstretched a bound; the connection ends then. */
  #isTooSlow(nowMs: number, { headMs, unreadMs, idleMs }: TimeBounds, isCrowded: boolean): boolean {
    const session = this.#session
    const { sender, streams, isServer } = session
    const isHalf = !session.hasPeerSettings || this.#receiver.isInsideBlock || this.#assembly.isInsideFrame
    if (this.#head.isOver(isHalf ? this.#receiver.frameCount : -1, nowMs, headMs)) {
      const what = session.hasPeerSettings ? 'a frame or field block' : 'the beginning of the connection'
      return this.#giveUp(`${what} did not end within ${headMs} ms`, 'slow_head')
    }
    const readMs = isCrowded || isMemoryCrowded(held.bytes) ? Math.min(unreadMs, CROWDED_MS) : unreadMs
    const { pendingBytes, isWritable } = this.transport
    if (this.#reader.isOver(isWritable ? -1 : pendingBytes, nowMs, readMs)) {
      this.#giveUp(`the peer took none of ${pendingBytes} bytes within ${readMs} ms`, 'unread_content')
      this.transport.cut()
      return true
    }
    sender.endStalled(readMs)
    const quietMs = isCrowded ? Math.min(idleMs, CROWDED_MS) : idleMs
    const isIdle = isServer && streams.open.size === 0 && !session.isDraining
    if (this.#idle.isOver(isIdle ? streams.lastPeerId : -1, nowMs, quietMs)) {
      session.refuse('idle', `no request within ${quietMs} ms`)
      session.shutdown()
    }
    return false
  }

  #giveUp(message: string, reason: Refusal): true {
    this.#session.fail(new ConnectionError(ErrorCode.enhanceYourCalm, message, reason))
    return true
  }

  // ── TransportHandler ──

  onBytes(buf: Buffer, start: number, end: number): void {
    this.#keepAlive.onRead()
    try {
      this.#assembly.push(buf, start, end, this.#receiver)
      // A frame in tiny pieces costs a read for each of them.
      if (end - start < HTTP2_BOUNDS.minReadBytes && this.#assembly.isInsideFrame) this.#session.countIdleFrame()
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#session.fail(error)
    }
  }

  onEnd(): void {
    // HTTP/2 has no half-close of the connection: a peer that sends no more cannot answer anything either.
    this.#session.close(this.streamCount === 0 ? undefined : new Error('the peer closed the connection'))
    this.transport.destroy()
  }

  onDrain(): void {
    if (!this.#session.isClosed) this.#session.sender.flush()
  }

  onClose(error: Error | undefined): void {
    this.#assembly.clear()
    this.#session.close(error)
  }
}
