/**
 * The receiving half of flow control (RFC 9113 §5.2, §6.9): what the peer may still send, and when it gets credit.
 *
 * A stream's window opens as its content is passed on. The connection's window opens as content arrives, whoever reads it,
 * so that one slow reader does not stop its neighbours; only when very much waits unread in all does it stay shut.
 */
import { ConnectionError, ErrorCode } from '../wire/connection-error.ts'
import { writeWindowUpdate } from '../wire/frame-writer.ts'
import { HTTP2_BOUNDS, type Http2Config } from './http2-config.ts'
import type { Http2Stream } from './http2-stream.ts'
import type { Transport } from './transport.ts'

/** SETTINGS_INITIAL_WINDOW_SIZE nobody has changed, and the connection's first window (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65_535

export class ReceiveWindow {
  readonly #transport: Transport
  readonly #config: Http2Config
  readonly #maxRetainedBytes: number
  #windowBytes = DEFAULT_WINDOW_BYTES
  #creditBytes = 0
  /** Received content that nobody has consumed yet. */
  retainedBytes = 0

  constructor(transport: Transport, config: Http2Config, isServer: boolean) {
    this.#transport = transport
    this.#config = config
    this.#maxRetainedBytes = isServer ? HTTP2_BOUNDS.maxRetainedBytes : HTTP2_BOUNDS.maxRetainedFromServerBytes
  }

  /** Opens the connection's window to its configured size. */
  announce(): void {
    const extra = this.#config.initialConnectionWindowBytes - DEFAULT_WINDOW_BYTES
    if (extra <= 0) return
    writeWindowUpdate(this.#transport, 0, extra)
    this.#windowBytes += extra
  }

  /**
   * A DATA frame of `bytes`, padding included, whatever becomes of its stream.
   * @throws ConnectionError FLOW_CONTROL_ERROR when the peer had no credit for it
   */
  receive(bytes: number): void {
    this.#windowBytes -= bytes
    if (this.#windowBytes < 0) {
      throw new ConnectionError(
        ErrorCode.flowControlError,
        `the peer sent ${-this.#windowBytes} bytes more than the connection window (RFC 9113 §6.9.1)`,
      )
    }
    this.#creditBytes += bytes
  }

  /** `bytes` of content are handed to whoever reads `stream`, who has to consume them. */
  retain(stream: Http2Stream, bytes: number): void {
    this.retainedBytes += bytes
    stream.unconsumedBytes += bytes
  }

  /** The reader has passed on `bytes`. */
  consumed(stream: Http2Stream, bytes: number): void {
    const consumed = Math.min(bytes, stream.unconsumedBytes)
    stream.unconsumedBytes -= consumed
    this.retainedBytes -= consumed
    this.credit(stream, consumed)
    this.refill()
  }

  /** Gives the peer back `bytes` of a stream's window: in steps of half a window, so that small reads cost few frames. */
  credit(stream: Http2Stream, bytes: number): void {
    if (!stream.canReceive) return
    stream.creditBytes += bytes
    if (stream.creditBytes * 2 < this.#config.initialStreamWindowBytes) return
    writeWindowUpdate(this.#transport, stream.id, stream.creditBytes)
    stream.receiveWindowBytes += stream.creditBytes
    stream.creditBytes = 0
    this.#transport.flushSoon()
  }

  /** Nobody will read what `stream` still holds. */
  release(stream: Http2Stream): void {
    if (stream.unconsumedBytes === 0) return
    this.retainedBytes -= stream.unconsumedBytes
    stream.unconsumedBytes = 0
    this.refill()
  }

  /** Opens the connection's window again when half of it is used and not too much waits unread. */
  refill(): void {
    if (this.#creditBytes * 2 < this.#config.initialConnectionWindowBytes) return
    if (this.retainedBytes > this.#maxRetainedBytes) return
    writeWindowUpdate(this.#transport, 0, this.#creditBytes)
    this.#windowBytes += this.#creditBytes
    this.#creditBytes = 0
    this.#transport.flushSoon()
  }
}
