/** One HTTP/2 stream of a server: what it may still send, and what it has to (RFC 9113 §5.1, §5.2). */

/** Who answers the request of a stream. */
export interface Receiver {
  /** @param bytes valid during the call only */
  onData(bytes: Uint8Array): void
  /** The client has sent everything. */
  onEnd(): void
  /** Once, when the stream is over without having been answered to its end: reset, or its connection is gone. */
  onReset(): void
}

/** What a stream needs of its connection. */
export interface StreamOutput {
  /** There is something to send; it goes out with the next flush, together with that of others. */
  schedule(stream: Http2Stream): void
  reset(stream: Http2Stream, code: number): void
  /** So many received bytes are no longer held. */
  release(bytes: number): void
}

interface Outgoing {
  readonly bytes: Uint8Array
  readonly onSent: () => void
}

export class Http2Stream {
  readonly id: number
  readonly output: StreamOutput
  receiver: Receiver | undefined = undefined
  sendWindowBytes: number
  isHalfClosedRemote = false
  isClosed = false
  /** Field block that has not been sent, as the trailers' (`encodeFields`). */
  head: Uint8Array | undefined = undefined
  trailers: Uint8Array | undefined = undefined
  /** Ends with what was given, without trailers. */
  isEnding = false
  /** In order; `sentBytes` of the first have left. */
  queue: Outgoing[] = NOTHING
  sentBytes = 0
  /** Received and not released. */
  heldBytes = 0

  constructor(id: number, output: StreamOutput, sendWindowBytes: number) {
    this.id = id
    this.output = output
    this.sendWindowBytes = sendWindowBytes
  }

  respond(head: Uint8Array): void {
    this.head = head
    this.output.schedule(this)
  }

  /** @param onSent called when the bytes have left through the flow-control windows */
  write(bytes: Uint8Array, onSent: () => void): void {
    if (this.queue === NOTHING) this.queue = []
    this.queue.push({ bytes, onSent })
    this.output.schedule(this)
  }

  /** After everything written; without trailers, what was written ends the stream. */
  end(trailers?: Uint8Array): void {
    this.isEnding = true
    this.trailers = trailers
    this.output.schedule(this)
  }

  reset(code: number): void {
    this.output.reset(this, code)
  }

  /** What was received is used up or dropped. */
  release(): void {
    if (this.heldBytes > 0) this.output.release(this.heldBytes)
    this.heldBytes = 0
  }

  /** Everything written has left. */
  sentAll(): void {
    this.queue = NOTHING
  }
}

/** Shared by streams that have nothing to send, which is nearly all of them; never written to. */
const NOTHING: Outgoing[] = []
