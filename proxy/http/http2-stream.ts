/** One HTTP/2 stream (RFC 9113 §5): its state, its two flow-control windows and what waits to be sent. */
import { Head, type Version, Version as Versions } from '../wire/head.ts'
import type { Http2Session } from './http2-session.ts'
import { SendQueue } from './send-queue.ts'
import type { ClientStream, RequestHandler, ResponseHandler, ServerStream } from './stream.ts'
import type { StreamError } from './stream-error.ts'
import { nextState, type StreamEvent, StreamState } from './stream-state.ts'

/** What a stream does until somebody listens: nothing. */
const NOBODY: RequestHandler & ResponseHandler = {
  onRequestData() {},
  onRequestTrailers() {},
  onRequestReset() {},
  onResponseSent() {},
  onInformational() {},
  onResponseHead() {},
  onResponseData() {},
  onResponseTrailers() {},
  onResponseReset() {},
  onRequestSent() {},
}

export class Http2Stream implements ServerStream, ClientStream {
  readonly version: Version = Versions.http2
  /** 0 until the head of a request is sent. */
  id = 0
  state: StreamState = StreamState.idle
  /** A server's stream hears requests, a client's responses; the connection's role decides which half is called. */
  handler: RequestHandler & ResponseHandler = NOBODY
  /** Below zero after the peer shrank its SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.9.2). */
  sendWindowBytes = 0
  receiveWindowBytes = 0
  /** Consumed, not yet given back to the peer. */
  creditBytes = 0
  /** Received and handed to the handler, not yet consumed. */
  unconsumedBytes = 0
  readonly queue = new SendQueue()
  /** The connection's age when the stream was opened, in ticks. */
  openedAt = 0
  /** How often a reset counts, by what its head cost. */
  resetCount = 1
  /** The connection's age when content last left the queue, or began to wait in it. */
  movedAt = 0
  /** 1xx responses received. */
  informationalCount = 0
  /** The message ends behind the queue: with its last frame, or with the trailers. */
  isEndQueued = false
  trailersQueued: Head | undefined = undefined
  /** A client received the final response head: a further block is trailers. */
  hasResponse = false
  /** Content bytes still due by content-length (RFC 9113 §8.1.1); -1 when not declared. */
  receiveLengthLeft = -1
  /** The request was HEAD: the response's content-length does not count DATA. */
  isBodyless = false
  readonly #session: Http2Session

  constructor(session: Http2Session) {
    this.#session = session
  }

  /** Moves the state by `event`; false where RFC 9113 §5.1 forbids it. */
  transition(event: StreamEvent): boolean {
    const next = nextState(this.state, event)
    if (next === undefined) return false
    this.state = next
    return true
  }

  get isClosed(): boolean {
    return this.state === StreamState.closed
  }

  get canReceive(): boolean {
    return this.state === StreamState.open || this.state === StreamState.halfClosedLocal
  }

  get canSend(): boolean {
    return this.state === StreamState.open || this.state === StreamState.halfClosedRemote
  }

  sendHead(head: Head, endStream: boolean): void {
    this.#session.sender.sendHead(this, head, endStream)
  }

  sendInformational(head: Head): void {
    this.#session.sender.sendInformational(this, head)
  }

  sendData(buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    return this.#session.sender.sendData(this, buf, start, end, endStream)
  }

  sendTrailers(trailers: Head): void {
    this.#session.sender.sendTrailers(this, trailers)
  }

  reset(code: number): void {
    this.#session.reset(this, code)
  }

  consumed(bytes: number): void {
    if (!this.#session.isClosed) this.#session.window.consumed(this, bytes)
  }

  becomeTunnel(): void {
    // CONNECT needs nothing: its DATA frames already are the tunnel.
  }

  // ── For the connection ──

  /** Trailers that leave behind the queue. */
  queueTrailers(trailers: Head): void {
    this.isEndQueued = true
    this.trailersQueued = new Head()
    this.trailersQueued.copyFrom(trailers)
  }

  /** The stream is over without having ended: tells the handler once. */
  fail(error: StreamError, isServer: boolean): void {
    const { handler } = this
    this.silence()
    if (isServer) handler.onRequestReset(error)
    else handler.onResponseReset(error)
  }

  /** Nobody listens any more, and nothing more leaves. */
  silence(): void {
    this.handler = NOBODY
    this.queue.clear()
    this.trailersQueued = undefined
  }
}
