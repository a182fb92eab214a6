/**
 * One backend: the endpoints of a name, the balancer over them and the queue in front.
 *
 * While no endpoint is ready requests wait; when none becomes ready in time the backend enters fail-fast: what waits
 * fails (504), and later requests fail at once (503) until an endpoint is ready again.
 */
import type { EndpointUpdate } from '../discovery/discovery.ts'
import { P2cBalancer } from '../policy/balance/balancer.ts'
import { type EndpointMeta, endpointKey, sameEndpoint } from '../policy/endpoint.ts'
import type { Endpoint } from './endpoint.ts'

export interface BackendWaiter {
  /** An endpoint is ready: pick again. */
  onEndpointReady(): void
  onFailFast(): void
  /** Given up meanwhile: skipped. */
  readonly isAbandoned: boolean
}

export interface QueueConfig {
  readonly capacity: number
  readonly failFastTimeoutMs: number
}

/** What the metrics page tells about a backend. */
export interface BackendCounters {
  updatesAdd: number
  updatesRemove: number
  updatesReset: number
  queueRequests: number
  gateOpen: number
  gateShut: number
}

export class Backend {
  /** What is discovered: `name:port`, or the address of a fixed endpoint. */
  readonly name: string
  readonly counters: BackendCounters = {
    updatesAdd: 0,
    updatesRemove: 0,
    updatesReset: 0,
    queueRequests: 0,
    gateOpen: 0,
    gateShut: 0,
  }
  readonly #balancer: P2cBalancer<Endpoint>
  readonly #byAddress = new Map<string, Endpoint>()
  readonly #queueConfig: QueueConfig
  readonly #newEndpoint: (meta: EndpointMeta, onReady: () => void) => Endpoint
  #queue: BackendWaiter[] = []
  #failFastTimer: NodeJS.Timeout | undefined = undefined
  #isFailFast = false
  #isDraining = false
  /** Set when the control plane refuses the name for good. */
  failure: string | undefined = undefined

  constructor(
    name: string,
    queue: QueueConfig,
    random: () => number,
    newEndpoint: (meta: EndpointMeta, onReady: () => void) => Endpoint,
  ) {
    this.name = name
    this.#queueConfig = queue
    this.#balancer = new P2cBalancer(random)
    this.#newEndpoint = newEndpoint
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#byAddress.values()
  }

  get size(): number {
    return this.#byAddress.size
  }

  get readyCount(): number {
    return this.#balancer.readyCount
  }

  get queueLength(): number {
    return this.#queue.length
  }

  get isFailFast(): boolean {
    return this.#isFailFast
  }

  /** Whether a request would find an endpoint now. */
  hasReady(): boolean {
    return this.#balancer.hasReady()
  }

  pick(nowMs: number): Endpoint | undefined {
    // Those who came first go first.
    if (this.#queue.length > 0 && !this.#isDraining) return undefined
    return this.#balancer.pick(nowMs)
  }

  /** Queues a request that found no endpoint; false when it is shed instead. */
  wait(waiter: BackendWaiter): boolean {
    if (this.#isFailFast || this.#queue.length >= this.#queueConfig.capacity) return false
    this.counters.queueRequests++
    this.#queue.push(waiter)
    this.#failFastTimer ??= setTimeout(() => this.#enterFailFast(), this.#queueConfig.failFastTimeoutMs)
    return true
  }

  /** Why nothing is ready: for the error a client reads. */
  reason(): string {
    if (this.failure !== undefined) return this.failure
    if (this.#byAddress.size === 0) return `${this.name} has no endpoint`
    for (const endpoint of this.#byAddress.values()) {
      if (endpoint.lastError !== undefined)
        return `none of ${this.#byAddress.size} endpoints is ready; ${endpoint.lastError.message}`
    }
    return `none of ${this.#byAddress.size} endpoints is ready`
  }

  update(update: EndpointUpdate): void {
    switch (update.kind) {
      case 'reset': {
        this.counters.updatesReset++
        const addresses = new Set(update.endpoints.map(endpointKey))
        for (const address of [...this.#byAddress.keys()]) if (!addresses.has(address)) this.#remove(address)
        for (const meta of update.endpoints) this.#put(meta)
        break
      }
      case 'add':
        this.counters.updatesAdd++
        for (const meta of update.endpoints) this.#put(meta)
        break
      case 'remove':
        this.counters.updatesRemove++
        for (const address of update.addresses) this.#remove(address)
        break
    }
    this.#drainQueue()
  }

  close(): void {
    clearTimeout(this.#failFastTimer)
    for (const address of [...this.#byAddress.keys()]) this.#remove(address)
    const queue = this.#queue
    this.#queue = []
    for (const waiter of queue) if (!waiter.isAbandoned) waiter.onFailFast()
  }

  tick(nowMs: number): void {
    for (const endpoint of this.#byAddress.values()) endpoint.tick(nowMs)
  }

  #put(meta: EndpointMeta): void {
    const address = endpointKey(meta)
    const known = this.#byAddress.get(address)
    if (known !== undefined) {
      if (sameEndpoint(known.meta, meta)) return
      this.#remove(address)
    }
    const endpoint = this.#newEndpoint(meta, () => this.#drainQueue())
    this.#byAddress.set(address, endpoint)
    this.#balancer.add(endpoint)
  }

  #remove(address: string): void {
    const endpoint = this.#byAddress.get(address)
    if (endpoint === undefined) return
    this.#byAddress.delete(address)
    this.#balancer.remove(endpoint)
    endpoint.close()
  }

  #drainQueue(): void {
    if (this.#queue.length === 0 && !this.#isFailFast) return
    if (!this.#balancer.hasReady()) return
    if (this.#isFailFast) {
      this.#isFailFast = false
      this.counters.gateOpen++
    }
    this.#isDraining = true
    while (this.#queue.length > 0 && this.#balancer.hasReady()) {
      const waiter = this.#queue.shift()!
      if (!waiter.isAbandoned) waiter.onEndpointReady()
    }
    this.#isDraining = false
    if (this.#queue.length === 0) {
      clearTimeout(this.#failFastTimer)
      this.#failFastTimer = undefined
    }
  }

  #enterFailFast(): void {
    this.#failFastTimer = undefined
    const queue = this.#queue
    this.#queue = []
    if (queue.every((waiter) => waiter.isAbandoned)) return
    this.#isFailFast = true
    this.counters.gateShut++
    for (const waiter of queue) if (!waiter.isAbandoned) waiter.onFailFast()
  }
}
