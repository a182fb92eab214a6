/**
 * One standing question to the control plane: a server stream that is asked again whenever it ends (facts: stream
 * lifetime, retry, gRPC status codes). What it told last stays in force meanwhile; that is the listener's business.
 */
import type { Timers } from '../io/timers.ts'
import { Backoff, type BackoffParams } from '../policy/backoff.ts'
import type { Watch } from './discovery.ts'
import type { CallEvents, Cancelable, Status } from './grpc-client.ts'
import { describeStatus, GrpcStatus } from './grpc-status.ts'

/** `LINKERD2_PROXY_CONTROL_STREAM_*`; absent is no limit. */
export interface StreamLimits {
  /** From the request until the first message. */
  readonly initialMs?: number | undefined
  /** Without a message for this long the stream is asked again. */
  readonly idleMs?: number | undefined
  readonly lifetimeMs?: number | undefined
}

/** The half of `GrpcChannel` that a watch needs. */
export interface StreamChannel {
  serverStream(path: string, request: Uint8Array, events: CallEvents): Cancelable
}

export interface StreamWatchOptions {
  readonly channel: StreamChannel
  readonly path: string
  readonly request: Uint8Array
  readonly limits: StreamLimits
  readonly backoff: BackoffParams
  /** After an established stream ends: ask again at once, or after one step of the back-off. */
  readonly isReissuedAtOnce: boolean
  /** Statuses that end the watch for good. */
  readonly terminal: ReadonlySet<number>
  readonly timers: Timers
  readonly random: () => number
  /** A new stream begins: what follows is complete by itself. */
  onStream?(): void
  /** @throws when the message does not decode; the stream is then asked again after back-off */
  onMessage(message: Uint8Array): void
  /** One of the `terminal` statuses; nothing follows. */
  onTerminal(status: Status): void
  /** The first failure of a kind in a row, for the log. */
  onFailure(reason: string): void
}

/** A stream that ends sooner counts as a failure even if it said something, so that no peer can keep us re-asking. */
const SHORT_STREAM_MS = 1_000

export class StreamWatch implements Watch {
  readonly #options: StreamWatchOptions
  readonly #backoff: Backoff
  #call: Cancelable | undefined = undefined
  #hasMessage = false
  #startedAtMs = 0
  #lastFailure = ''
  #isClosed = false
  #stopSilence: (() => void) | undefined = undefined
  #stopLifetime: (() => void) | undefined = undefined
  #stopRetry: (() => void) | undefined = undefined

  constructor(options: StreamWatchOptions) {
    this.#options = options
    this.#backoff = new Backoff(options.backoff, options.random)
    this.#open()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stopRetry?.()
    this.#abandon()
  }

  #open(): void {
    const { channel, path, request, onStream } = this.#options
    this.#hasMessage = false
    onStream?.call(this.#options)
    this.#call = channel.serverStream(path, request, {
      onSent: () => this.#onSent(),
      onMessage: (message) => this.#onMessage(message),
      onEnd: (status) => this.#onEnd(status),
    })
  }

  /** Limits count from here: the wait for a connection has the connection's own deadline and back-off. */
  #onSent(): void {
    const { limits, timers } = this.#options
    this.#startedAtMs = timers.nowMs()
    const { initialMs = limits.idleMs, lifetimeMs } = limits
    if (initialMs !== undefined) {
      this.#stopSilence = timers.after(initialMs, () => {
        this.#abandon()
        this.#onEnd({ code: GrpcStatus.deadlineExceeded, message: `no first message within ${initialMs} ms` })
      })
    }
    if (lifetimeMs !== undefined) this.#stopLifetime = timers.after(lifetimeMs, () => this.#complete())
  }

  #onMessage(message: Uint8Array): void {
    const { limits, timers } = this.#options
    this.#stopSilence?.()
    this.#stopSilence = limits.idleMs === undefined ? undefined : timers.after(limits.idleMs, () => this.#complete())
    try {
      this.#options.onMessage(message)
    } catch (error) {
      this.#abandon()
      this.#hasMessage = false
      this.#onEnd({ code: GrpcStatus.internal, message: `a message does not decode: ${(error as Error).message}` })
      return
    }
    this.#hasMessage = true
    this.#lastFailure = ''
  }

  /** A limit has passed: as if the server had ended the stream. */
  #complete(): void {
    this.#abandon()
    this.#onEnd({ code: GrpcStatus.ok, message: '' })
  }

  #onEnd(status: Status): void {
    this.#abandon()
    if (this.#isClosed) return
    if (this.#options.terminal.has(status.code)) {
      this.#isClosed = true
      this.#options.onTerminal(status)
      return
    }
    if (status.code !== GrpcStatus.ok) this.#report(describeStatus(status.code, status.message))
    this.#openAfter(this.#delayMs())
  }

  #delayMs(): number {
    const { timers, isReissuedAtOnce } = this.#options
    const wasEstablished = this.#hasMessage && timers.nowMs() - this.#startedAtMs >= SHORT_STREAM_MS
    if (!wasEstablished) return this.#backoff.nextMs()
    this.#backoff.reset()
    return isReissuedAtOnce ? 0 : this.#backoff.nextMs()
  }

  #openAfter(delayMs: number): void {
    if (delayMs === 0) this.#open()
    else this.#stopRetry = this.#options.timers.after(delayMs, () => this.#open())
  }

  #report(reason: string): void {
    if (reason === this.#lastFailure) return
    this.#lastFailure = reason
    this.#options.onFailure(reason)
  }

  /** Takes back the call and its timers, whatever their state. */
  #abandon(): void {
    this.#stopSilence?.()
    this.#stopLifetime?.()
    this.#stopSilence = undefined
    this.#stopLifetime = undefined
    const call = this.#call
    this.#call = undefined
    call?.cancel()
  }
}
