/** One HTTP/2 stream (RFC 9113 §5): its state, its two flow-control windows and what waits to be sent. */
import { ErrorCode } from '../wire/connection-error.ts'
import { Head, type Version, Version as Versions } from '../wire/head.ts'
import type { Http2Connection } from './http2-connection.ts'
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
  sendWindowBytes = 0
  receiveWindowBytes = 0
  /** Consumed, not yet given back to the peer. */
  creditBytes = 0
  readonly queue = new SendQueue()
  /** END_STREAM follows the queue. */
  isEndQueued = false
  trailersQueued: Head | undefined = undefined
  /** A client received the final response head: a further block is trailers. */
  hasResponse = false
  /** Content bytes still due by content-length (RFC 9113 §8.1.1); -1 when not declared. */
  receiveLengthLeft = -1
  /** The request was HEAD, or the status carries no content: content-length does not count DATA. */
  isBodyless = false
  readonly #connection: Http2Connection

  constructor(connection: Http2Connection) {
    this.#connection = connection
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
    this.#connection.sendHead(this, head, endStream)
  }

  sendInformational(head: Head): void {
    if (this.canSend) this.#connection.sendFieldBlock(this, head, false)
  }

  sendData(buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    return this.#connection.sendData(this, buf, start, end, endStream)
  }

  sendTrailers(trailers: Head): void {
    if (!this.canSend || this.isEndQueued) return
    if (this.queue.bytes > 0) {
      this.trailersQueued = new Head()
      this.trailersQueued.copyFrom(trailers)
      return
    }
    this.#connection.sendTrailers(this, trailers)
  }

  reset(code: number): void {
    this.#connection.resetStream(this, code)
  }

  consumed(bytes: number): void {
    this.#connection.consumed(this, bytes)
  }

  becomeTunnel(): void {
    // Extended CONNECT needs nothing: its DATA frames already are the tunnel.
  }

  /** The stream is over without having ended: tells the handler once. */
  fail(error: StreamError, isServer: boolean): void {
    const handler = this.handler
    this.handler = NOBODY
    this.queue.clear()
    if (isServer) handler.onRequestReset(error)
    else handler.onResponseReset(error)
  }

  silence(): void {
    this.handler = NOBODY
    this.queue.clear()
  }
}

/** A peer's RST_STREAM code as the reason a stream ended. */
export function resetBy(peer: string, code: number, name: string): StreamError {
  const isUnprocessed = code === ErrorCode.refusedStream
  return {
    code,
    kind: isUnprocessed ? 'refused' : 'reset',
    isUnprocessed,
    message: `${peer} reset the stream with ${name}`,
  }
}
