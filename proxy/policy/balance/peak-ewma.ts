/**
 * Peak EWMA: a latency estimate that believes a slow answer at once and forgives it slowly.
 *
 * A plain average needs several slow answers before it moves, and meanwhile requests keep going to the stalled endpoint.
 * Time is an argument: there is no clock here, so a test needs no waiting.
 */

/** Where the estimate starts, before anything was measured: slow enough that a new endpoint is not flooded. */
export const SEED_RTT_MS = 30
/** How long an answer is remembered: after this time its weight is 1/e. */
export const DECAY_MS = 10_000
/** A smaller seed would make every endpoint look equal until the first answer. */
const MIN_SEED_MS = 1

export class PeakEwma {
  readonly #decayMs: number = 0
  #estimateMs = 0
  #atMs = 0

  constructor(decayMs: number, seedMs: number, nowMs: number) {
    this.#decayMs = decayMs
    this.#estimateMs = Math.max(seedMs, MIN_SEED_MS)
    this.#atMs = nowMs
  }

  /** The estimate, decayed to `nowMs`; reading it changes nothing. An idle endpoint's estimate falls towards zero. */
  at(nowMs: number): number {
    const elapsedMs = nowMs - this.#atMs
    return elapsedMs === 0 ? this.#estimateMs : this.#estimateMs * Math.exp(-elapsedMs / this.#decayMs)
  }

  /**
   * Takes in one answer of `sampleMs`. `nowMs` never runs backwards.
   *
   * The estimate decays towards zero all the time, so a faster answer needs no averaging of its own: it changes nothing,
   * and endpoints with the same past keep exactly the same estimate instead of one ordered by noise.
   */
  observe(sampleMs: number, nowMs: number): void {
    if (sampleMs <= this.at(nowMs)) return
    this.#estimateMs = sampleMs
    this.#atMs = nowMs
  }
}
