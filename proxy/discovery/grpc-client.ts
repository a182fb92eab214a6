/**
 * gRPC calls to one control-plane service over the proxy's own HTTP/2 engine: a second HTTP/2 stack would cost a sidecar
 * several megabytes.
 *
 * All calls share one connection. While there is none, calls wait: the connection alone has the back-off, so every watch
 * goes on as soon as the control plane is back.
 */
import { DEFAULT_HTTP2 } from '../http/http2-config.ts'
import type { ConnectError } from '../io/connector.ts'
import { Http2Client } from '../io/http2-client.ts'
import { type Lookup, type OnResolution, parseTarget, type Target } from '../io/resolve.ts'
import type { Timers } from '../io/timers.ts'
import { Backoff, type BackoffParams } from '../policy/backoff.ts'
import { ControlConnector, type ControlTls } from './control-connector.ts'
import { type CallEvents, GrpcCall, type Status } from './grpc-call.ts'
import { describeStatus, GrpcError, GrpcStatus } from './grpc-status.ts'

/** For `control_request_total`, `control_response_total` and `control_response_latency_ms`. */
export interface ControlMetrics {
  onRequest(): void
  /** `latencyMs` until the response head, `undefined` when the call ended without one. */
  onResponse(grpcStatus: number, latencyMs: number | undefined): void
  onResolution?: OnResolution
}

export interface GrpcChannelOptions {
  /** `host:port` as configured, see `parseTarget`. */
  readonly target: string
  /** Mandatory unless the target is loopback. */
  readonly tls?: ControlTls | undefined
  readonly connectTimeoutMs?: number | undefined
  readonly backoff?: BackoffParams | undefined
  readonly keepAliveIntervalMs?: number | undefined
  readonly keepAliveTimeoutMs?: number | undefined
  readonly timers: Timers
  readonly random: () => number
  readonly lookup?: Lookup | undefined
  readonly metrics?: ControlMetrics | undefined
  /** Once when the service becomes unreachable, and when it is reached again. */
  readonly log?: ((level: 'info' | 'warn', message: string) => void) | undefined
}

export interface Cancelable {
  cancel(): void
}

const BACKOFF = { minMs: 100, jitter: 0.1 } as const
const MAX_BACKOFF_MS = 60_000
const MAX_LOOPBACK_BACKOFF_MS = 10_000
const CONNECT_TIMEOUT_MS = 1_000
const LOOPBACK_CONNECT_TIMEOUT_MS = 300
const KEEP_ALIVE_INTERVAL_MS = 10_000
const KEEP_ALIVE_TIMEOUT_MS = 3_000
/** Calls that wait for a connection; more fail at once with RESOURCE_EXHAUSTED. One call is one watched name. */
const MAX_WAITING = 10_000

export class GrpcChannel {
  readonly target: Target
  readonly #options: GrpcChannelOptions
  readonly #client: Http2Client
  readonly #waiting = new Set<GrpcCall>()
  readonly #running = new Set<GrpcCall>()
  #isUnreachable = false
  #isClosed = false

  /** @throws Error when the target is not `host:port`, or not loopback and without TLS */
  constructor(options: GrpcChannelOptions) {
    const { metrics, random } = options
    const target = parseTarget(options.target)
    if (target === undefined)
      throw new Error(
        `"${options.target}" is not the address of a control-plane service such as linkerd-policy.linkerd.svc.cluster.local.:8090`,
      )
    this.target = target
    this.#options = options
    const connector = new ControlConnector({
      target,
      tls: options.tls,
      connectTimeoutMs:
        options.connectTimeoutMs ?? (target.isLoopback ? LOOPBACK_CONNECT_TIMEOUT_MS : CONNECT_TIMEOUT_MS),
      random,
      lookup: options.lookup,
      onResolution: metrics?.onResolution?.bind(metrics),
    })
    const http2 = {
      ...DEFAULT_HTTP2,
      keepAliveIntervalMs: options.keepAliveIntervalMs ?? KEEP_ALIVE_INTERVAL_MS,
      keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? KEEP_ALIVE_TIMEOUT_MS,
    }
    this.#client = new Http2Client(connector, http2, new Backoff(controlBackoff(options.backoff, target), random), {
      onReady: () => this.#onReady(),
      onUnready: (error) => this.#onUnready(error),
    })
  }

  /** Begins to connect, for a call that will follow; the calls themselves do it too. */
  connect(): void {
    if (!this.#isClosed) this.#client.start()
  }

  /** Rejects with a `GrpcError`. `timeoutMs` includes the wait for a connection. */
  unary(path: string, request: Uint8Array, { timeoutMs }: { readonly timeoutMs: number }): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let answer: Uint8Array | undefined
      const call = this.#open(path, request, {
        onMessage: (message) => {
          answer ??= message
        },
        onEnd: ({ code, message }) => {
          stopTimer()
          if (code === GrpcStatus.ok && answer !== undefined) resolve(answer)
          else if (code === GrpcStatus.ok) reject(new GrpcError(GrpcStatus.internal, 'the server sent no answer'))
          else reject(new GrpcError(code, describeStatus(code, message)))
        },
      })
      const stopTimer = this.#options.timers.after(timeoutMs, () => {
        call.fail({
          code: GrpcStatus.deadlineExceeded,
          message: `${this.target.authority} did not answer within ${timeoutMs} ms`,
        })
      })
    })
  }

  serverStream(path: string, request: Uint8Array, events: CallEvents): Cancelable {
    return this.#open(path, request, events)
  }

  /** Keep-alive; call it every second or so with a monotonic time. */
  tick(nowMs: number): void {
    this.#client.tick(nowMs)
  }

  /** Ends the connection; calls under way end with CANCELLED. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const call of [...this.#waiting, ...this.#running])
      call.fail({ code: GrpcStatus.cancelled, message: 'the channel was closed' })
    this.#client.close()
  }

  #open(path: string, request: Uint8Array, events: CallEvents): GrpcCall {
    const call = new GrpcCall(this.target.authority, path, request, this.#counted(events), (done) => {
      this.#waiting.delete(done)
      this.#running.delete(done)
    })
    // Never during this call: the caller does not hold it yet.
    if (this.#isClosed)
      queueMicrotask(() => call.fail({ code: GrpcStatus.cancelled, message: 'the channel was closed' }))
    else if (this.#waiting.size >= MAX_WAITING)
      queueMicrotask(() =>
        call.fail({
          code: GrpcStatus.resourceExhausted,
          message: `${MAX_WAITING} calls wait for a connection to ${this.target.authority} already`,
        }),
      )
    else {
      this.#waiting.add(call)
      queueMicrotask(() => this.#sendWaiting())
    }
    return call
  }

  #counted(events: CallEvents): CallEvents {
    const { metrics } = this.#options
    if (metrics === undefined) return events
    const startedAtMs = performance.now()
    let latencyMs: number | undefined
    return {
      onSent() {
        metrics.onRequest()
        events.onSent?.()
      },
      onResponse() {
        latencyMs = performance.now() - startedAtMs
        events.onResponse?.()
      },
      onMessage: (message) => events.onMessage(message),
      onEnd(status) {
        metrics.onResponse(status.code, latencyMs)
        events.onEnd(status)
      },
    }
  }

  #sendWaiting(): void {
    if (this.#isClosed) return
    for (const call of this.#waiting) {
      const stream = this.#client.open()
      if (stream === undefined) {
        this.#client.start()
        return
      }
      this.#waiting.delete(call)
      this.#running.add(call)
      call.send(stream)
    }
  }

  #onReady(): void {
    if (this.#isUnreachable) this.#options.log?.('info', `${this.target.authority} is reachable again`)
    this.#isUnreachable = false
    this.#sendWaiting()
  }

  #onUnready(error: ConnectError): void {
    if (this.#isClosed || this.#isUnreachable) return
    this.#isUnreachable = true
    this.#options.log?.(
      'warn',
      `the control plane is unreachable, the last known state stays in force: ${error.message}`,
    )
  }
}

/** The back-off of control-plane clients: a control plane in the same pod is asked again within 10 s. */
export function controlBackoff(configured: BackoffParams | undefined, { isLoopback }: Target): BackoffParams {
  return configured ?? { ...BACKOFF, maxMs: isLoopback ? MAX_LOOPBACK_BACKOFF_MS : MAX_BACKOFF_MS }
}

export type { CallEvents, Status }
