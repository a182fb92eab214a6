/**
 * Moves clients that only hold long streams. Requests are balanced one by one, but a stream that stays open for hours stays
 * at its endpoint, and new replicas get nothing from a client that opens no other.
 *
 * When an endpoint has held more than its share of the long streams for a while, connections with streams there get an
 * orderly GOAWAY: the client opens its next streams on a new connection, which are balanced anew. What is still open after
 * a grace period is ended as unavailable, which gRPC clients take as "open it again". Off unless it is configured.
 *
 * Time is an argument; nothing here runs per request except that a stream is remembered while it lasts.
 */
import { surplusStreams } from '../policy/balance/fair-share.ts'
import type { Backend } from './backend.ts'
import type { Endpoint } from './endpoint.ts'

export interface RebalanceConfig {
  /** A stream is long when it is this old, and an imbalance lasts when it is. */
  readonly afterMs: number
  /** From the GOAWAY until streams that are still open are ended. */
  readonly graceMs: number
}

/** One request in flight, as far as it can be moved. */
export interface MovableStream {
  readonly startedAtMs: number
  /** Where it is; `undefined` while it is nowhere. */
  readonly backend: Backend | undefined
  readonly endpoint: Endpoint | undefined
  /** Ends it in a way that asks the client to open it again. */
  move(): void
}

/** A client's HTTP/2 connection. */
export class MovableConnection {
  readonly streams = new Set<MovableStream>()
  /** Says GOAWAY; streams that are open go on. */
  readonly shutdown: () => void

  constructor(shutdown: () => void) {
    this.shutdown = shutdown
  }
}

export class Rebalancer {
  readonly #config: RebalanceConfig
  readonly #connections = new Set<MovableConnection>()
  /** Connections that were told to go, and when their time is up. */
  readonly #leaving = new Map<MovableConnection, number>()
  /** Since when an endpoint has held too many. */
  #since = new Map<Endpoint, number>()

  constructor(config: RebalanceConfig) {
    this.#config = config
  }

  add(connection: MovableConnection): void {
    this.#connections.add(connection)
  }

  delete(connection: MovableConnection): void {
    this.#connections.delete(connection)
    this.#leaving.delete(connection)
  }

  /** Every second or so. */
  tick(nowMs: number): void {
    for (const [connection, untilMs] of [...this.#leaving]) {
      if (nowMs < untilMs) continue
      this.#leaving.delete(connection)
      for (const stream of [...connection.streams]) stream.move()
    }
    const since = new Map<Endpoint, number>()
    for (const [backend, counts] of this.#longStreams(nowMs)) {
      let endpoints = 0
      for (const endpoint of backend.endpoints) if (endpoint.isReady()) endpoints++
      let total = 0
      for (const count of counts.values()) total += count
      for (const [endpoint, count] of counts) {
        const surplus = surplusStreams(count, total, endpoints)
        if (surplus === 0) continue
        const sinceMs = this.#since.get(endpoint) ?? nowMs
        if (nowMs - sinceMs < this.#config.afterMs) since.set(endpoint, sinceMs)
        else this.#relieve(endpoint, surplus, nowMs)
      }
    }
    this.#since = since
  }

  /** Long streams of connections that stay, counted by backend and endpoint. */
  #longStreams(nowMs: number): Map<Backend, Map<Endpoint, number>> {
    const found = new Map<Backend, Map<Endpoint, number>>()
    for (const connection of this.#connections) {
      if (this.#leaving.has(connection)) continue
      for (const stream of connection.streams) {
        const { backend, endpoint } = stream
        if (backend === undefined || endpoint === undefined || !this.#isLong(stream, nowMs)) continue
        const counts = found.get(backend) ?? new Map<Endpoint, number>()
        found.set(backend, counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1))
      }
    }
    return found
  }

  #isLong({ startedAtMs }: MovableStream, nowMs: number): boolean {
    return nowMs - startedAtMs >= this.#config.afterMs
  }

  /** Tells connections with long streams at `endpoint` to go until `surplus` streams will. */
  #relieve(endpoint: Endpoint, surplus: number, nowMs: number): void {
    let left = surplus
    for (const connection of this.#connections) {
      if (left <= 0) return
      if (this.#leaving.has(connection)) continue
      let count = 0
      for (const stream of connection.streams) if (stream.endpoint === endpoint && this.#isLong(stream, nowMs)) count++
      if (count === 0) continue
      left -= count
      this.#leaving.set(connection, nowMs + this.#config.graceMs)
      connection.shutdown()
    }
  }
}
