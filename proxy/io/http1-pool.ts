/** HTTP/1 to one endpoint: a pool of connections, each carrying one request at a time. */
import { Http1ClientConnection, type Http1ClientOwner, type Http1ClientStream } from '../http/http1-client.ts'
import type { Transport } from '../http/transport.ts'
import type { OnRefused, Refusal } from '../wire/refusal.ts'
import type { ConnectError, Connector } from './connector.ts'

/** Idle connections are looked through this often. */
const SWEEP_MS = 1_000

export interface Http1PoolConfig {
  readonly maxHeadBytes: number
  readonly maxIdle: number
  readonly idleTimeoutMs: number
  readonly onRefused?: OnRefused | undefined
}

export interface Opening {
  cancel(): void
}

export class Http1Pool implements Http1ClientOwner {
  readonly #connector: Connector
  readonly #config: Http1PoolConfig
  readonly #nowMs: () => number
  readonly #idle: Http1ClientConnection[] = []
  readonly #unpooled = new Set<Http1ClientConnection>()
  #sweep: NodeJS.Timeout | undefined = undefined
  #isClosed = false

  constructor(connector: Connector, config: Http1PoolConfig, nowMs: () => number) {
    this.#connector = connector
    this.#config = config
    this.#nowMs = nowMs
  }

  /** A stream on an idle connection, most recently used first, or `undefined`. */
  openIdle(): Http1ClientStream | undefined {
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined) return undefined
      if (connection.isUsable) return connection.openStream()
    }
  }

  /** A stream on a new connection; `isPooled` false closes the connection after this request. */
  openNew(
    isPooled: boolean,
    onOpen: (stream: Http1ClientStream) => void,
    onFailed: (error: ConnectError) => void,
  ): Opening {
    return this.#connector.connect(
      'http1',
      (transport: Transport) => {
        const connection = new Http1ClientConnection(transport, this.#config, this)
        if (!isPooled) this.#unpooled.add(connection)
        onOpen(connection.openStream())
      },
      onFailed,
    )
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#sweep)
    for (const connection of this.#idle.splice(0)) connection.close()
  }

  // ── Http1ClientOwner ──

  onRefused(reason: Refusal, message: string): void {
    this.#config.onRefused?.(reason, message, true)
  }

  onIdle(connection: Http1ClientConnection): void {
    if (this.#isClosed || this.#unpooled.has(connection) || this.#idle.length >= this.#config.maxIdle) {
      this.#unpooled.delete(connection)
      return connection.close()
    }
    connection.idleSinceMs = this.#nowMs()
    this.#idle.push(connection)
    if (this.#sweep === undefined) {
      this.#sweep = setInterval(() => this.#closeIdle(), SWEEP_MS)
      this.#sweep.unref()
    }
  }

  onClosed(connection: Http1ClientConnection): void {
    this.#unpooled.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
  }

  #closeIdle(): void {
    const oldestMs = this.#nowMs() - this.#config.idleTimeoutMs
    // The least recently used are at the front.
    while (this.#idle.length > 0 && this.#idle[0]!.idleSinceMs <= oldestMs) this.#idle.shift()!.close()
    if (this.#idle.length > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }
}
