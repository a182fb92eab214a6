/**
 * `tcp_*` of connections with the same labels. Bytes are counted by the connections themselves; here they are added up
 * when somebody scrapes and when a connection closes.
 */
import type { ByteCounters } from '../http/transport.ts'
import type { Family } from './family.ts'
import { type Counter, type Gauge, joinLabels, renderLabels } from './metrics.ts'

export interface TcpFamilies {
  readonly opens: Family<Counter>
  readonly open: Family<Gauge>
  readonly readBytes: Family<Counter>
  readonly writtenBytes: Family<Counter>
  readonly closes: Family<Counter>
  /** Groups with open connections, for the collector. */
  readonly active: Set<TcpMetrics>
}

/** The part of a connection that is counted: `SocketTransport` and every other that has a socket. */
export interface CountedTransport extends ByteCounters {
  readonly socket: {
    once(event: 'close', listener: () => void): unknown
    once(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
  }
}

/** Different errno labels per group; the system has about 130, traffic shows a handful. */
const MAX_ERRNOS = 32

export class TcpMetrics {
  readonly #families: TcpFamilies
  readonly #labels: string
  readonly #opens: Counter
  readonly #open: Gauge
  readonly #readBytes: Counter
  readonly #writtenBytes: Counter
  readonly #closes = new Map<string, Counter>()
  readonly #connections = new Set<ByteCounters>()
  // Bytes of connections that have closed, and what of all bytes is in the counters: groups may share those.
  #closedReadBytes = 0
  #closedWrittenBytes = 0
  #countedReadBytes = 0
  #countedWrittenBytes = 0

  /** @param labels rendered */
  constructor(families: TcpFamilies, labels: string) {
    this.#families = families
    this.#labels = labels
    this.#opens = families.opens.child(labels)
    this.#open = families.open.child(labels)
    this.#readBytes = families.readBytes.child(labels)
    this.#writtenBytes = families.writtenBytes.child(labels)
  }

  /** A connection is open; its end is noticed by itself. */
  opened(transport: CountedTransport): void {
    let errno = ''
    transport.socket.once('error', (error) => {
      errno = typeof error.code === 'string' ? error.code : ''
    })
    transport.socket.once('close', () => this.closed(transport, errno))
    this.started(transport)
  }

  /** As `opened`, for connections whose owner calls `closed`. */
  started(connection: ByteCounters): void {
    this.#opens.value++
    this.#open.value++
    this.#connections.add(connection)
    this.#families.active.add(this)
  }

  /** @param errno '' or a symbol such as `ECONNRESET` */
  closed(connection: ByteCounters, errno: string): void {
    if (!this.#connections.delete(connection)) return
    this.#open.value--
    this.#closedReadBytes += connection.readBytes
    this.#closedWrittenBytes += connection.writtenBytes
    this.#closesOf(errno).value++
    this.collect()
    if (this.#connections.size === 0) this.#families.active.delete(this)
  }

  collect(): void {
    let readBytes = this.#closedReadBytes
    let writtenBytes = this.#closedWrittenBytes
    for (const connection of this.#connections) {
      readBytes += connection.readBytes
      writtenBytes += connection.writtenBytes
    }
    this.#readBytes.value += readBytes - this.#countedReadBytes
    this.#writtenBytes.value += writtenBytes - this.#countedWrittenBytes
    this.#countedReadBytes = readBytes
    this.#countedWrittenBytes = writtenBytes
  }

  #closesOf(errno: string): Counter {
    const known = this.#closes.get(errno)
    if (known !== undefined) return known
    const label = this.#closes.size < MAX_ERRNOS ? errno : ''
    const made = this.#families.closes.child(joinLabels(this.#labels, renderLabels([['errno', label]])))
    this.#closes.set(errno, made)
    return made
  }
}
