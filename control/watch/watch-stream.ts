/**
 * One client's stream of one view: the state at once, then whatever changed.
 *
 * At most one step is on its way. What changes meanwhile is only remembered as "changed", so a slow client costs
 * nothing but its last step, and gets the latest state when it reads again.
 */
import type { StreamingCall } from '../grpc/call.ts'
import type { Encoded } from '../grpc/encoded.ts'
import { GrpcError } from '../grpc/error.ts'
import type { Watch } from './views.ts'

/** What brings a client up to date: messages, and then perhaps the end of the stream. */
export interface Step<M> {
  readonly messages: readonly (M | Encoded<M>)[]
  /** `ok` ends with status OK, so that the client asks again; an error ends with its status. */
  readonly end?: 'ok' | Error
}

export interface WatchStreamOptions<V, M> {
  readonly open: (onChange: () => void) => Watch<V>
  /** The messages from the client's last state to `value`; keeps what it needs to know for the next time. */
  readonly step: (value: V) => Step<M>
  /** Called when the messages of `value` have left through the client's flow-control window. */
  readonly onSent?: (value: V) => void
  /** Called once when the stream is over, whoever ended it. */
  readonly onClosed?: () => void
  /** Hears of what no client was meant to see: our own bugs. */
  readonly onError: (error: unknown) => void
}

/** The streams of a server, for its graceful end. */
export class WatchStreams {
  readonly #streams = new Set<{ end(): void }>()

  get size(): number {
    return this.#streams.size
  }

  serve<V, M>(call: StreamingCall<unknown, M>, options: WatchStreamOptions<V, M>): void {
    try {
      const stream = new WatchStream(call, options, () => this.#streams.delete(stream))
      this.#streams.add(stream)
      stream.pump()
    } catch (error) {
      if (!(error instanceof GrpcError)) options.onError(error)
      call.fail(error)
    }
  }

  /** Ends every stream with OK: clients keep their state and look for another server. */
  endAll(): void {
    for (const stream of [...this.#streams]) stream.end()
  }
}

class WatchStream<V, M> {
  readonly #call: StreamingCall<unknown, M>
  readonly #step: (value: V) => Step<M>
  readonly #onError: (error: unknown) => void
  readonly #onSent: (value: V) => void
  readonly #onDone: () => void
  readonly #watch: Watch<V>
  #seen: V | undefined = undefined
  #isWriting = false
  #isDone = false

  constructor(call: StreamingCall<unknown, M>, options: WatchStreamOptions<V, M>, onDone: () => void) {
    this.#call = call
    this.#step = options.step
    this.#onError = options.onError
    this.#onSent = options.onSent ?? (() => {})
    this.#onDone = () => {
      onDone()
      options.onClosed?.()
    }
    this.#watch = options.open(() => this.pump())
    call.onCancelled = () => this.#close()
  }

  pump(): void {
    while (!this.#isWriting && !this.#isDone) {
      const value = this.#watch.current()
      if (value === this.#seen) return
      this.#seen = value
      try {
        this.#send(value, this.#step(value))
      } catch (error) {
        if (!(error instanceof GrpcError)) this.#onError(error)
        this.#finish(error as Error)
      }
    }
  }

  end(): void {
    this.#finish('ok')
  }

  #send(value: V, { messages, end }: Step<M>): void {
    let left = messages.length
    if (left > 0) this.#isWriting = true
    for (const message of messages) {
      this.#call.write(message, () => {
        left -= 1
        if (left > 0) return
        this.#isWriting = false
        if (!this.#isDone) this.#onSent(value)
        this.pump()
      })
    }
    if (end !== undefined) this.#finish(end)
  }

  #finish(end: 'ok' | Error): void {
    if (this.#isDone) return
    this.#close()
    if (end === 'ok') this.#call.end()
    else this.#call.fail(end)
  }

  #close(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#watch.close()
    this.#onDone()
  }
}
