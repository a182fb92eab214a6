/** HTTP to one address: HTTP/2 over a kept connection, HTTP/1 over a pool, whichever a request needs. */
import type { Http2Config } from '../http/http2-config.ts'
import type { ClientStream } from '../http/stream.ts'
import { Backoff, type BackoffParams } from '../policy/backoff.ts'
import type { OnRefused } from '../wire/refusal.ts'
import type { ConnectError, Connector } from './connector.ts'
import { Http1Pool, type Http1PoolConfig } from './http1-pool.ts'
import { Http2Client } from './http2-client.ts'

/** Who wants a stream that cannot be had at once. Exactly one of the two is called, later. */
export interface StreamWaiter {
  onStreamOpen(stream: ClientStream): void
  onStreamFailed(error: ConnectError): void
}

/** How one request has to travel. Unpooled: HTTP/1.0, requests without Host, upgrades. */
export const Carriage = { http2: 0, http1: 1, http1Unpooled: 2 } as const
export type Carriage = (typeof Carriage)[keyof typeof Carriage]

export interface HttpClientsConfig {
  readonly http1: Http1PoolConfig
  readonly http2: Http2Config
  readonly backoff: BackoffParams
  /** Something of the endpoint was refused. */
  readonly onRefused?: OnRefused | undefined
}

export class HttpClients {
  readonly #connector: Connector
  readonly #config: HttpClientsConfig
  readonly #nowMs: () => number
  readonly #onReady: () => void
  readonly #http2: Http2Client
  #http1: Http1Pool | undefined = undefined
  #waiters: StreamWaiter[] = []
  /** Why the last attempt to connect failed; `undefined` once one succeeded. */
  lastError: ConnectError | undefined = undefined

  /** `onReady`: an HTTP/2 stream may be opened that could not before. */
  constructor(
    connector: Connector,
    config: HttpClientsConfig,
    nowMs: () => number,
    random: () => number,
    onReady: () => void,
  ) {
    this.#connector = connector
    this.#config = config
    this.#nowMs = nowMs
    this.#onReady = onReady
    this.#http2 = new Http2Client(connector, config.http2, new Backoff(config.backoff, random), {
      onReady: () => this.#onHttp2Ready(),
      onUnready: (error) => this.#onHttp2Unready(error),
      onRefused: config.onRefused,
    })
  }

  /** Connects HTTP/2 ahead of the first request. */
  start(): void {
    this.#http2.start()
  }

  get isHttp2Ready(): boolean {
    return this.#http2.isReady
  }

  /** The endpoint takes extended CONNECT (RFC 8441), as far as it is known: over a connection that is open. */
  get takesConnect(): boolean {
    return this.#http2.takesConnect
  }

  /** The endpoint has refused HTTP/2 streams that it had said it would take. */
  get hasRefused(): boolean {
    return this.#http2.hasRefused
  }

  /** HTTP/2 streams in flight. */
  get streamCount(): number {
    return this.#http2.streamCount
  }

  /** A stream at once, or `undefined` and a call of `waiter` later. */
  open(carriage: Carriage, waiter: StreamWaiter): ClientStream | undefined {
    if (carriage === Carriage.http2) {
      const stream = this.#http2.open()
      if (stream !== undefined) return stream
      this.#waiters.push(waiter)
      this.#http2.start()
      return undefined
    }
    this.#http1 ??= new Http1Pool(
      this.#connector,
      { ...this.#config.http1, onRefused: this.#config.onRefused },
      this.#nowMs,
    )
    const pool = this.#http1
    if (carriage === Carriage.http1) {
      const stream = pool.openIdle()
      if (stream !== undefined) return stream
    }
    pool.openNew(
      carriage === Carriage.http1,
      (stream) => {
        this.lastError = undefined
        waiter.onStreamOpen(stream)
      },
      (error) => {
        this.lastError = error
        waiter.onStreamFailed(error)
      },
    )
    return undefined
  }

  /** Requests in flight finish, then the connections close. */
  close(): void {
    this.#http2.close()
    this.#http1?.close()
    this.#failWaiters({ kind: 'io', message: 'the endpoint was removed' })
  }

  tick(nowMs: number): void {
    this.#http2.tick(nowMs)
  }

  #onHttp2Ready(): void {
    this.lastError = undefined
    while (this.#waiters.length > 0) {
      const stream = this.#http2.open()
      if (stream === undefined) break
      this.#waiters.shift()!.onStreamOpen(stream)
    }
    this.#onReady()
  }

  #onHttp2Unready(error: ConnectError): void {
    this.lastError = error
    this.#failWaiters(error)
  }

  #failWaiters(error: ConnectError): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.onStreamFailed(error)
  }
}
