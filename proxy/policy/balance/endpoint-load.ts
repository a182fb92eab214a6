/**
 * How busy one endpoint is for this proxy: latency estimate × requests that wait for an answer.
 *
 * Only what this proxy saw counts; there is no exchange with other clients. A request is in flight until its first
 * response content (or its end without any), so a long stream does not count as load for its whole life.
 */
import { DECAY_MS, PeakEwma, SEED_RTT_MS } from './peak-ewma.ts'

/**
 * Round trips shorter than this count as this long. Below a millisecond the measured time is mostly scheduling noise of
 * the two proxies; without the floor one endpoint that happened to answer in 0.2 ms would draw most requests from equal
 * neighbours at 0.4 ms. Above it the estimate decides.
 */
export const RTT_FLOOR_MS = 1

/**
 * An endpoint that was not asked for this many of its round trips, and for so long at least, is asked once when it is
 * drawn: an estimate nobody refreshes is only a memory, perhaps of one cold start.
 */
export const REVISIT_AFTER_RTTS = 10
export const REVISIT_MIN_MS = 100

export class EndpointLoad {
  readonly #rtt: PeakEwma
  #inFlight = 0
  #askedAtMs = 0
  /** Something was measured: until then the estimate is only the seed. */
  isMeasured = false

  constructor(nowMs: number, seedMs: number = SEED_RTT_MS, decayMs: number = DECAY_MS) {
    this.#rtt = new PeakEwma(decayMs, seedMs, nowMs)
    this.#askedAtMs = nowMs
  }

  /** Idle for so long that its estimate should be refreshed. */
  isForgotten(nowMs: number): boolean {
    if (this.#inFlight > 0) return false
    const idleMs = nowMs - this.#askedAtMs
    return idleMs >= REVISIT_MIN_MS && idleMs >= REVISIT_AFTER_RTTS * this.#rtt.at(nowMs)
  }

  /** The latency estimate; before anything was measured only the seed. */
  latencyMs(nowMs: number): number {
    return this.#rtt.at(nowMs)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** What the balancer compares: the expected wait of one more request. */
  at(nowMs: number): number {
    return Math.max(this.#rtt.at(nowMs), RTT_FLOOR_MS) * (this.#inFlight + 1)
  }

  /**
   * Whether a request waits less here than at `other`. An endpoint that never answered is compared by its requests in
   * flight alone: a guess against a measurement would keep it idle.
   */
  isLessThan(other: EndpointLoad, nowMs: number): boolean {
    if (!this.isMeasured || !other.isMeasured) return this.#inFlight < other.#inFlight
    return this.at(nowMs) < other.at(nowMs)
  }

  /** As `isLessThan`, for an endpoint that is to have `part` of the other's requests. */
  isLessThanAt(part: number, other: EndpointLoad, nowMs: number): boolean {
    const inFlight = this.#inFlight / part
    if (!this.isMeasured || !other.isMeasured) return inFlight < other.#inFlight
    return Math.max(this.#rtt.at(nowMs), RTT_FLOOR_MS) * (inFlight + 1) < other.at(nowMs)
  }

  /** A request was given to this endpoint. Exactly one of `firstByte` and `failed` follows. */
  start(nowMs: number): void {
    this.#inFlight++
    this.#askedAtMs = nowMs
  }

  /** The answer began: its first content arrived, or its head when it has no content. */
  firstByte(latencyMs: number, nowMs: number): void {
    this.#inFlight--
    if (!this.isMeasured) this.#rtt.replace(latencyMs, nowMs)
    else this.#rtt.observe(latencyMs, nowMs)
    this.isMeasured = true
  }

  /** What an answer, or none, is held against the endpoint: as long as that, whatever it took. */
  penalise(penaltyMs: number, nowMs: number): void {
    this.#rtt.raise(penaltyMs, nowMs)
    this.isMeasured = true
  }

  /**
   * The request ended without an answer (reset, timeout, connection lost, given up by the client).
   * A quick failure is no sign of a quick endpoint, so this only ever raises the estimate.
   */
  failed(afterMs: number, nowMs: number): void {
    this.#inFlight--
    this.#rtt.raise(afterMs, nowMs)
  }
}
