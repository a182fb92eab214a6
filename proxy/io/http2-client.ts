/**
 * HTTP/2 to one endpoint: one connection, kept open; more only while the peer's stream limit, or what it bears
 * (`http/stream-allowance.ts`), holds requests back.
 *
 * A lost connection is opened again with exponential back-off, so an endpoint becomes ready without a request that waits.
 */

import type { Http2Config } from '../http/http2-config.ts'
import { Http2Connection, type Http2Owner } from '../http/http2-connection.ts'
import type { Http2Stream } from '../http/http2-stream.ts'
import { StreamAllowance } from '../http/stream-allowance.ts'
import type { Transport } from '../http/transport.ts'
import type { Backoff } from '../policy/backoff.ts'
import type { OnRefused, Refusal } from '../wire/refusal.ts'
import type { ConnectError, Connector } from './connector.ts'

/** Connections to one endpoint when its SETTINGS_MAX_CONCURRENT_STREAMS is not enough; beyond it requests wait. */
const MAX_CONNECTIONS = 8

export interface Http2ClientEvents {
  /** A stream may be opened that could not before. */
  onReady(): void
  /** No connection is left, or an attempt to get one failed. */
  onUnready(error: ConnectError): void
  /** Something of the endpoint was refused. */
  readonly onRefused?: OnRefused | undefined
}

export class Http2Client {
  readonly #connector: Connector
  readonly #config: Http2Config
  readonly #events: Http2ClientEvents
  /** Connections that take streams, oldest first. */
  readonly #links: Link[] = []
  /** Connections that only finish theirs. */
  readonly #draining = new Set<Link>()
  #connecting: { cancel(): void } | undefined = undefined
  #retryTimer: NodeJS.Timeout | undefined = undefined
  readonly #backoff: Backoff
  /** `undefined` where the peer only passes on what others refuse. */
  readonly #allowance: StreamAllowance | undefined
  #isStarted = false
  #isClosed = false

  constructor(connector: Connector, config: Http2Config, backoff: Backoff, events: Http2ClientEvents) {
    this.#connector = connector
    this.#config = config
    this.#events = events
    this.#backoff = backoff
    this.#allowance = config.isMeshed ? undefined : new StreamAllowance()
  }

  get isStarted(): boolean {
    return this.#isStarted
  }

  /** Whether `open` would give a stream now. */
  get isReady(): boolean {
    for (let at = 0; at < this.#links.length; at++) if (this.#links[at]!.connection.canOpen) return true
    return false
  }

  /** The endpoint takes extended CONNECT (RFC 8441), as far as it is known. */
  get takesConnect(): boolean {
    return this.#links.some(({ connection }) => connection.takesConnect)
  }

  /** The endpoint has refused streams that it had said it would take. */
  get hasRefused(): boolean {
    return this.#allowance !== undefined && this.#allowance.limit !== Number.POSITIVE_INFINITY
  }

  get streamCount(): number {
    let count = 0
    for (const link of this.#links) count += link.connection.streamCount
    for (const link of this.#draining) count += link.connection.streamCount
    return count
  }

  /** Connects if nothing is connected or being connected. */
  start(): void {
    this.#isStarted = true
    if (this.#links.length === 0) this.#connect()
  }

  open(): Http2Stream | undefined {
    let isOpening = false
    for (let at = 0; at < this.#links.length; at++) {
      const { connection } = this.#links[at]!
      if (connection.canOpen) return connection.openStream()
      isOpening ||= !connection.isReady
    }
    if (!isOpening && this.#links.length < MAX_CONNECTIONS) this.#connect()
    return undefined
  }

  /** Ends gracefully: streams in flight finish. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#connecting?.cancel()
    clearTimeout(this.#retryTimer)
    for (const link of [...this.#links]) link.connection.shutdown()
  }

  tick(nowMs: number): void {
    for (const link of [...this.#links, ...this.#draining]) link.tick(nowMs)
  }

  #connect(): void {
    if (this.#isClosed || this.#connecting !== undefined || this.#retryTimer !== undefined) return
    this.#connecting = this.#connector.connect(
      'http2',
      (transport) => {
        this.#connecting = undefined
        this.#links.push(new Link(this, transport, this.#config, this.#allowance))
      },
      (error) => {
        this.#connecting = undefined
        this.#retryLater()
        // One connection more was wanted, but those there are still serve: what waits goes on waiting for them.
        if (this.#links.length === 0) this.#events.onUnready(error)
      },
    )
  }

  #retryLater(): void {
    if (this.#isClosed || this.#retryTimer !== undefined) return
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined
      this.#connect()
    }, this.#backoff.nextMs())
  }

  // ── For Link ──

  onLinkRefused(reason: Refusal, message: string, isFirst: boolean): void {
    this.#events.onRefused?.(reason, message, isFirst)
  }

  onLinkCapacity(): void {
    this.#events.onReady()
  }

  /** The link takes no new streams: a fresh one replaces it while the old streams finish. */
  onLinkDraining(link: Link): void {
    if (!this.#remove(link)) return
    this.#draining.add(link)
    this.#replace(link)
  }

  onLinkClosed(link: Link, error: Error | undefined): void {
    this.#draining.delete(link)
    if (!this.#remove(link) || this.#isClosed || this.#links.length > 0) return
    this.#replace(link)
    this.#events.onUnready({ kind: 'io', message: error?.message ?? 'the endpoint closed the connection' })
  }

  #remove(link: Link): boolean {
    const at = this.#links.indexOf(link)
    if (at === -1) return false
    this.#links.splice(at, 1)
    return true
  }

  #replace(link: Link): void {
    if (this.#isClosed || this.#links.length > 0) return
    // A connection that was of no use is a failed attempt: another one at once would be a busy loop.
    if (!link.hasWorked) return this.#retryLater()
    this.#backoff.reset()
    this.#connect()
  }
}

/** One connection of the client. */
class Link implements Http2Owner {
  readonly connection: Http2Connection
  readonly #client: Http2Client
  #isReady = false
  #hasLasted = false

  constructor(client: Http2Client, transport: Transport, config: Http2Config, allowance: StreamAllowance | undefined) {
    this.#client = client
    this.connection = new Http2Connection(transport, config, this, undefined, allowance)
  }

  /** It spoke HTTP/2, and served a request or at least lasted a while. */
  get hasWorked(): boolean {
    return this.#isReady && (this.#hasLasted || this.connection.completedStreams > 0)
  }

  tick(nowMs: number): void {
    this.#hasLasted = true
    this.connection.tick(nowMs)
  }

  onReady(): void {
    this.#isReady = true
    this.#client.onLinkCapacity()
  }

  onCapacity(): void {
    this.#client.onLinkCapacity()
  }

  onRefused(reason: Refusal, message: string, isFirst: boolean): void {
    this.#client.onLinkRefused(reason, message, isFirst)
  }

  onDraining(): void {
    this.#client.onLinkDraining(this)
  }

  onClosed(error: Error | undefined): void {
    this.#client.onLinkClosed(this, error)
  }
}
