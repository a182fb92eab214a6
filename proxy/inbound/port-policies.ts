/**
 * The policy of every inbound port, watched. Until the control plane answers the default of the environment holds, so a
 * lookup never delays traffic; afterwards the last answer does.
 */
import type { Discovery, Watch } from '../discovery/discovery.ts'
import type { InboundServer } from '../policy/inbound-policy.ts'
import { RateLimiter } from '../policy/rate-limit.ts'

/** A port's policy now, and who wants to know when it changes. */
export interface PortPolicy {
  readonly port: number
  readonly server: InboundServer
  /** The control plane has answered; until then `server` is the default of the environment. */
  readonly isKnown: boolean
  /** What the server's rate limit has let through; its buckets outlive updates that leave the limit as it is. */
  readonly limiter: RateLimiter | undefined
  /** Open connections that have to be authorised again after an update. */
  readonly connections: Set<Recheckable>
}

export interface Recheckable {
  /** The policy changed: end what it no longer allows. */
  recheck(server: InboundServer): void
}

interface Entry extends PortPolicy {
  server: InboundServer
  isKnown: boolean
  limiter: RateLimiter | undefined
  readonly watch: Watch
  readonly isPermanent: boolean
  users: number
  eviction: NodeJS.Timeout | undefined
}

export class PortPolicies {
  readonly #entries = new Map<number, Entry>()
  readonly #discovery: Discovery
  readonly #defaultServer: (port: number) => InboundServer
  readonly #idleMs: number
  readonly #workers: number

  /** @param workers processes that share the ports, and so the rate limits */
  constructor(discovery: Discovery, idleMs: number, workers: number, defaultServer: (port: number) => InboundServer) {
    this.#discovery = discovery
    this.#idleMs = idleMs
    this.#workers = workers
    this.#defaultServer = defaultServer
  }

  /** Watches a port from now on and for good: those the pod declares. */
  watchAlways(port: number): void {
    this.#get(port, true)
  }

  /** The policy of a port for one connection; `release` it when the connection ends. */
  acquire(port: number): PortPolicy {
    const entry = this.#get(port, false)
    entry.users++
    clearTimeout(entry.eviction)
    entry.eviction = undefined
    return entry
  }

  release({ port }: PortPolicy): void {
    const entry = this.#entries.get(port)
    if (entry === undefined || --entry.users > 0 || entry.isPermanent) return
    entry.eviction = setTimeout(() => {
      this.#entries.delete(port)
      entry.watch.close()
    }, this.#idleMs)
    entry.eviction.unref()
  }

  closeAll(): void {
    for (const { watch, eviction } of this.#entries.values()) {
      clearTimeout(eviction)
      watch.close()
    }
    this.#entries.clear()
  }

  #get(port: number, isPermanent: boolean): Entry {
    const known = this.#entries.get(port)
    if (known !== undefined) return known
    const server = this.#defaultServer(port)
    const entry: Entry = {
      port,
      server,
      isKnown: false,
      limiter: undefined,
      connections: new Set(),
      isPermanent,
      users: 0,
      eviction: undefined,
      watch: this.#discovery.watchPort(port, (updated) => {
        const { rateLimit } = updated
        entry.limiter = rateLimit && new RateLimiter(rateLimit, this.#workers, entry.limiter)
        entry.server = updated
        entry.isKnown = true
        for (const connection of [...entry.connections]) connection.recheck(updated)
      }),
    }
    this.#entries.set(port, entry)
    return entry
  }
}
