/**
 * Consistent hashing with bounded loads: a session's requests go to the endpoint that owns its place on the ring, as long
 * as that is ready and has no more than its part of the load; otherwise to the next one on the ring that is and has.
 *
 * Nothing is remembered of a session, so there is nothing to fill up, and a session returns as soon as its endpoint does.
 */
import type { BalancedEndpoint, P2cBalancer } from './balancer.ts'
import { HashRing, type RingMember } from './hash-ring.ts'

export interface StickyEndpoint extends BalancedEndpoint, RingMember {}

/**
 * Requests that an endpoint may hold whatever the mean: with little traffic the mean says nothing, and a browser that
 * opens six connections at once is still one session.
 */
export const FREE_IN_FLIGHT = 8

/** Points looked at for one request; more are only needed where nearly nothing is ready, and there it is balanced. */
const MAX_STEPS = 1_024

/** Endpoints looked at per request to know the mean load: of a thousand it is as old as some sixteen requests. */
const COUNTED_PER_PICK = 64

export class StickyBalancer<E extends StickyEndpoint> {
  readonly #balancer: P2cBalancer<E>
  readonly #maxLoad: number = 1
  #ring: HashRing<E> | undefined = undefined
  #weight = 0
  /** Requests in flight at all endpoints as last counted, and those that were given out since. */
  #inFlight = 0
  #picksUntilCount = 0
  /** Requests that went to the owner of their session, and to another endpoint. */
  atHome = 0
  elsewhere = 0

  constructor(balancer: P2cBalancer<E>, maxLoad: number) {
    this.#balancer = balancer
    this.#maxLoad = maxLoad
  }

  /** The balancer has other endpoints now; the next pick makes the ring anew. */
  onChange(): void {
    this.#ring = undefined
    this.#picksUntilCount = 0
  }

  /**
   * An endpoint for one request of the session at `hash`; `undefined` when none is ready.
   *
   * @param failed the endpoint that this request has failed at: another one is preferred
   */
  pick(hash: number, failed: E | undefined, nowMs: number): E | undefined {
    const ring = this.#ring ?? this.#newRing()
    const bound = this.#boundPerWeight()
    let at = ring.find(hash)
    const steps = Math.min(ring.size, MAX_STEPS)
    const home = steps === 0 ? undefined : ring.owner(at)
    let full: E | undefined
    let last: E | undefined
    for (let step = 0; step < steps; step++, at = ring.next(at)) {
      const endpoint = ring.owner(at)
      if (endpoint === last || endpoint === failed || !endpoint.isReady()) continue
      const share = this.#balancer.share(endpoint, nowMs)
      if (endpoint.load.inFlight < Math.max(FREE_IN_FLIGHT, bound * endpoint.weight) * share)
        return this.#count(endpoint, home)
      full ??= endpoint
      last = endpoint
    }
    if (full === undefined && failed?.isReady()) full = failed
    const picked = full ?? this.#balancer.pick(nowMs)
    return picked && this.#count(picked, home)
  }

  #count(endpoint: E, home: E | undefined): E {
    if (endpoint === home) this.atHome++
    else this.elsewhere++
    return endpoint
  }

  #newRing(): HashRing<E> {
    this.#ring = new HashRing(this.#balancer.endpoints)
    this.#weight = 0
    for (const { weight } of this.#balancer.endpoints) this.#weight += weight
    return this.#ring
  }

  /** What an endpoint of weight 1 may hold when this request is among what is in flight. */
  #boundPerWeight(): number {
    const ready = this.#balancer.estimateReady()
    const readyWeight = (this.#weight * Math.max(ready, 1)) / Math.max(this.#balancer.size, 1)
    return (this.#maxLoad * this.#countRequest()) / readyWeight
  }

  /** Requests in flight, this one included. */
  #countRequest(): number {
    if (this.#picksUntilCount === 0) {
      this.#inFlight = 0
      for (const { load } of this.#balancer.endpoints) this.#inFlight += load.inFlight
      this.#picksUntilCount = 1 + Math.floor(this.#balancer.size / COUNTED_PER_PICK)
    }
    this.#picksUntilCount--
    return ++this.#inFlight
  }
}
