/**
 * Power of two choices: of two random ready endpoints the less loaded one gets the request.
 *
 * One balancer per backend, never per request. Choosing the best of *all* endpoints would send every client's next
 * request to the same one; two random ones spread as well and cost the same with ten thousand endpoints as with three.
 */
import type { EndpointLoad } from './endpoint-load.ts'
import type { SlowStart } from './slow-start.ts'

export interface BalancedEndpoint {
  readonly load: EndpointLoad
  /** May take a request now: connected (or able to connect on demand) and not tripped by its breaker. No side effects. */
  isReady(): boolean
}

/** Endpoints believed unready that each pick looks at again, so that they come back without having to announce it. */
const PROBES_PER_PICK = 2

export class P2cBalancer<E extends BalancedEndpoint> {
  readonly #random: () => number
  readonly #slowStart: SlowStart<E> | undefined
  // The first #ready entries were ready when last seen, the others not. Beliefs are corrected where a pick meets them.
  readonly #endpoints: E[] = []
  #ready = 0
  #probeAt = 0

  /** @param slowStart gives new endpoints their share in a ramp; without it they have it at once */
  constructor(random: () => number, slowStart?: SlowStart<E>) {
    this.#random = random
    this.#slowStart = slowStart
  }

  get endpoints(): readonly E[] {
    return this.#endpoints
  }

  get size(): number {
    return this.#endpoints.length
  }

  /** Exact number of ready endpoints now. Looks at all of them: for metrics, not per request. */
  get readyCount(): number {
    let count = 0
    for (const endpoint of this.#endpoints) if (endpoint.isReady()) count++
    return count
  }

  /** About how many are ready: what was last seen of each, after looking at a few of them again. */
  estimateReady(): number {
    if (this.#ready < this.#endpoints.length) this.#probe()
    if (this.#ready > 0) {
      const at = (this.#random() * this.#ready) | 0
      if (!this.#endpoints[at]!.isReady()) this.#demote(at)
    }
    return this.#ready
  }

  /** Whether `pick` would find one; does not draw. */
  hasReady(): boolean {
    while (this.#ready > 0) {
      if (this.#endpoints[this.#ready - 1]!.isReady()) return true
      this.#demote(this.#ready - 1)
    }
    return this.#scan()
  }

  /** Replaces the whole set. */
  setEndpoints(endpoints: Iterable<E>): void {
    for (const endpoint of [...this.#endpoints]) this.remove(endpoint)
    this.#probeAt = 0
    for (const endpoint of endpoints) this.add(endpoint)
  }

  add(endpoint: E): void {
    this.#endpoints.push(endpoint)
    if (endpoint.isReady()) this.#promote(this.#endpoints.length - 1)
  }

  /** Removes one endpoint; `false` when it is not here. Its requests in flight go on. */
  remove(endpoint: E): boolean {
    const endpoints = this.#endpoints
    let at = endpoints.indexOf(endpoint)
    if (at === -1) return false
    if (at < this.#ready) {
      this.#demote(at)
      at = this.#ready
    }
    endpoints[at] = endpoints[endpoints.length - 1]!
    endpoints.pop()
    this.#slowStart?.forget(endpoint)
    return true
  }

  /** Picks an endpoint for one request; `undefined` when none is ready. The caller calls `load.start()` on it. */
  pick(nowMs: number): E | undefined {
    const endpoints = this.#endpoints
    if (this.#ready < endpoints.length) this.#probe()
    for (;;) {
      const ready = this.#ready
      if (ready === 0) {
        if (!this.#scan()) return undefined
        continue
      }
      if (ready === 1) {
        if (endpoints[0]!.isReady()) return endpoints[0]
        this.#demote(0)
        continue
      }
      const first = (this.#random() * ready) | 0
      let second = (this.#random() * (ready - 1)) | 0
      if (second >= first) second++
      const a = endpoints[first]!
      const b = endpoints[second]!
      if (!a.isReady()) this.#demote(first)
      else if (!b.isReady()) this.#demote(second)
      else if (this.#slowStart?.isRamping(nowMs)) return this.#chooseRamping(a, b, this.#slowStart, nowMs)
      else if (a.load.isForgotten(nowMs) !== b.load.isForgotten(nowMs)) return a.load.isForgotten(nowMs) ? a : b
      else return b.load.isLessThan(a.load, nowMs) ? b : a
    }
  }

  /** The part of its share that `endpoint` gets, because it is new; 1 for all others. */
  share(endpoint: E, nowMs: number): number {
    return this.#slowStart?.isRamping(nowMs) ? this.#slowStart.share(endpoint, nowMs) : 1
  }

  /**
   * The newer of the two is given up at random where its share is smaller, and otherwise compared as if it were as much
   * busier. The first alone is not enough under load, where it would win whenever it is compared; the second alone would
   * leave it idle where nobody is busy.
   */
  #chooseRamping(a: E, b: E, slowStart: SlowStart<E>, nowMs: number): E {
    const shareA = slowStart.share(a, nowMs)
    const shareB = slowStart.share(b, nowMs)
    const [newer, older] = shareA < shareB ? [a, b] : [b, a]
    const part = Math.min(shareA, shareB) / Math.max(shareA, shareB)
    if (part < 1 && this.#random() >= part) return older
    if (a.load.isForgotten(nowMs) !== b.load.isForgotten(nowMs)) return a.load.isForgotten(nowMs) ? a : b
    return newer.load.isLessThanAt(part, older.load, nowMs) ? newer : older
  }

  #probe(): void {
    for (let probe = 0; probe < PROBES_PER_PICK && this.#ready < this.#endpoints.length; probe++) {
      if (this.#probeAt < this.#ready || this.#probeAt >= this.#endpoints.length) this.#probeAt = this.#ready
      const at = this.#probeAt++
      if (this.#endpoints[at]!.isReady()) this.#promote(at)
    }
  }

  /** Looks at every endpoint again; only when none was believed ready. */
  #scan(): boolean {
    for (let at = 0; at < this.#endpoints.length; at++) if (this.#endpoints[at]!.isReady()) this.#promote(at)
    return this.#ready > 0
  }

  #promote(at: number): void {
    this.#slowStart?.onReady(this.#endpoints[at]!)
    this.#swap(at, this.#ready++)
  }

  #demote(at: number): void {
    this.#slowStart?.onAway(this.#endpoints[at]!)
    this.#swap(at, --this.#ready)
  }

  #swap(at: number, other: number): void {
    const endpoints = this.#endpoints
    const endpoint = endpoints[at]!
    endpoints[at] = endpoints[other]!
    endpoints[other] = endpoint
  }
}
