/**
 * Share of successes among the requests of a trailing window.
 *
 * Ten buckets, of which the oldest is forgotten at once: the window is right to a tenth, and costs the same however many
 * requests it counts.
 */
import type { SuccessRateParams } from './outbound-policy.ts'

const BUCKETS = 10

export class SuccessRate {
  readonly #params: SuccessRateParams
  readonly #bucketMs: number = 0
  readonly #successes: number[] = new Array(BUCKETS).fill(0)
  readonly #totals: number[] = new Array(BUCKETS).fill(0)
  #success = 0
  #total = 0
  /** Number of the current bucket since the beginning of time. */
  #bucket = 0

  constructor(params: SuccessRateParams) {
    this.#params = params
    this.#bucketMs = params.windowMs / BUCKETS
  }

  /** Counts one request. `nowMs` never runs backwards. */
  add(isSuccess: boolean, nowMs: number): void {
    this.#advance(nowMs)
    const at = this.#bucket % BUCKETS
    this.#total++
    this.#totals[at]!++
    if (!isSuccess) return
    this.#success++
    this.#successes[at]!++
  }

  /** Too few successes among enough requests, as of the last one counted. */
  get isTooLow(): boolean {
    const { threshold, minRequests } = this.#params
    return this.#total > 0 && this.#total >= minRequests && this.#success < threshold * this.#total
  }

  clear(): void {
    this.#successes.fill(0)
    this.#totals.fill(0)
    this.#success = 0
    this.#total = 0
  }

  #advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.#bucketMs)
    if (bucket - this.#bucket >= BUCKETS) this.clear()
    else
      while (this.#bucket < bucket) {
        const at = ++this.#bucket % BUCKETS
        this.#success -= this.#successes[at]!
        this.#total -= this.#totals[at]!
        this.#successes[at] = 0
        this.#totals[at] = 0
      }
    this.#bucket = bucket
  }
}
