/**
 * One backend: the endpoints of a name, the balancer over them and the queue in front.
 *
 * While no endpoint is ready requests wait; when none becomes ready in time the backend enters fail-fast: what waits
 * fails (504), and later requests fail at once (503) until an endpoint is ready again.
 */
import type { EndpointUpdate } from '../discovery/discovery.ts'
import { P2cBalancer } from '../policy/balance/balancer.ts'
import type { Session, SessionAffinity } from '../policy/balance/session-affinity.ts'
import { SlowStart } from '../policy/balance/slow-start.ts'
import { StickyBalancer } from '../policy/balance/sticky-balancer.ts'
import { type EndpointMeta, endpointKey, sameEndpoint } from '../policy/endpoint.ts'
import type { Endpoint, EndpointPool } from './endpoint.ts'

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

export interface BackendParams {
  readonly queue: QueueConfig
  readonly random: () => number
  /** The circuit breakers of the policy leave so many endpoints ready. */
  readonly minReadyEndpoints: number
  /** Requests of one session stay at one endpoint. */
  readonly affinity: SessionAffinity | undefined
  /** New endpoints get their share in a ramp of this length. */
  readonly slowStartMs: number | undefined
  readonly nowMs: () => number
  readonly newEndpoint: (meta: EndpointMeta, pool: EndpointPool) => Endpoint
}

/** What the metrics page tells about a backend. */
export interface BackendCounters {
  updatesAdd: number
  updatesRemove: number
  updatesReset: number
  queueRequests: number
  gateOpen: number
  gateShut: number
  /** Endpoints that a breaker took out while others were ready; the last one ready; and those that had to stay. */
  ejected: number
  ejectedLast: number
  spared: number
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
    ejected: 0,
    ejectedLast: 0,
    spared: 0,
  }
  readonly #balancer: P2cBalancer<Endpoint>
  readonly #byAddress = new Map<string, Endpoint>()
  readonly #params: BackendParams
  readonly #pool: EndpointPool = {
    onReady: () => this.#drainQueue(),
    mayEject: (endpoint) => this.#mayEject(endpoint),
  }
  readonly #sticky: StickyBalancer<Endpoint> | undefined
  #queue: BackendWaiter[] = []
  #failFastTimer: NodeJS.Timeout | undefined = undefined
  #isFailFast = false
  #isDraining = false
  /** Set when the control plane refuses the name for good. */
  failure: string | undefined = undefined

  constructor(name: string, params: BackendParams) {
    this.name = name
    this.#params = params
    const { affinity, slowStartMs, nowMs, random } = params
    this.#balancer = new P2cBalancer(random, slowStartMs === undefined ? undefined : new SlowStart(slowStartMs, nowMs))
    this.#sticky = affinity && new StickyBalancer(this.#balancer, affinity.maxLoad)
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#byAddress.values()
  }

  /** Discovery has told its endpoints, or that there will be none. */
  get isDiscovered(): boolean {
    return this.counters.updatesReset + this.counters.updatesAdd > 0 || this.failure !== undefined
  }

  get size(): number {
    return this.#byAddress.size
  }

  get readyCount(): number {
    return this.#balancer.readyCount
  }

  /** Endpoints that their breakers keep out now. */
  get ejectedCount(): number {
    let count = 0
    for (const { isTripped } of this.#byAddress.values()) if (isTripped) count++
    return count
  }

  /** Where requests of sessions went; `undefined` where sessions are not kept together. */
  get sessions(): { readonly atHome: number; readonly elsewhere: number } | undefined {
    return this.#sticky
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

  /**
   * @param session of the request, where its policy keeps sessions together
   * @param failed the endpoint that an earlier attempt of it has failed at
   */
  pick(nowMs: number, session?: Session, failed?: Endpoint): Endpoint | undefined {
    // Those who came first go first.
    if (this.#queue.length > 0 && !this.#isDraining) return undefined
    if (session === undefined || this.#sticky === undefined) return this.#balancer.pick(nowMs)
    return this.#sticky.pick(session.hash, failed, nowMs)
  }

  /** Queues a request that found no endpoint; false when it is shed instead. */
  wait(waiter: BackendWaiter): boolean {
    const { capacity, failFastTimeoutMs } = this.#params.queue
    if (this.#isFailFast || this.#queue.length >= capacity) return false
    this.counters.queueRequests++
    this.#queue.push(waiter)
    this.#failFastTimer ??= setTimeout(() => this.#enterFailFast(), failFastTimeoutMs)
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
    const endpoint = this.#params.newEndpoint(meta, this.#pool)
    this.#byAddress.set(address, endpoint)
    this.#balancer.add(endpoint)
    this.#sticky?.onChange()
  }

  #remove(address: string): void {
    const endpoint = this.#byAddress.get(address)
    if (endpoint === undefined) return
    this.#byAddress.delete(address)
    this.#balancer.remove(endpoint)
    this.#sticky?.onChange()
    endpoint.close()
  }

  /** A breaker is about to take `endpoint` out. Where that is not allowed, it asks again with the next failure. */
  #mayEject(endpoint: Endpoint): boolean {
    const { minReadyEndpoints } = this.#params
    const others = this.#readyBeside(endpoint, Math.max(minReadyEndpoints, 1))
    if (others < minReadyEndpoints) {
      this.counters.spared++
      return false
    }
    if (others === 0) this.counters.ejectedLast++
    else this.counters.ejected++
    return true
  }

  /** Others that are ready, counted up to `enough`. One that waits for its probe is not: it may well fail again. */
  #readyBeside(self: Endpoint, enough: number): number {
    let count = 0
    for (const endpoint of this.#byAddress.values()) {
      if (count >= enough) break
      if (endpoint !== self && !endpoint.isTripped && endpoint.isReady()) count++
    }
    return count
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
