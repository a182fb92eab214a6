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
/** Each answer in less than half of the estimate takes this part of it away: a single outlier is not remembered for long. */
const FORGIVEN_PER_ANSWER = 0.3
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

  /** Forgets what was: the first answer takes the place of the seed. */
  replace(sampleMs: number, nowMs: number): void {
    this.#estimateMs = sampleMs
    this.#atMs = nowMs
  }

  /**
   * Takes in one answer of `sampleMs`. `nowMs` never runs backwards.
   *
   * The estimate decays towards zero all the time, so a somewhat faster answer needs no averaging of its own: it changes
   * nothing, and endpoints with the same past keep the same estimate instead of one ordered by noise. An estimate far
   * above the answers is the memory of an outlier (a cold start, a pause) and shrinks with each of them.
   */
  observe(sampleMs: number, nowMs: number): void {
    const estimateMs = this.at(nowMs)
    if (sampleMs > estimateMs) return this.replace(sampleMs, nowMs)
    if (sampleMs * 2 < estimateMs) this.replace(estimateMs * (1 - FORGIVEN_PER_ANSWER), nowMs)
  }

  /** Takes in a time that says "at least so slow": it never lowers the estimate. */
  raise(sampleMs: number, nowMs: number): void {
    if (sampleMs > this.at(nowMs)) this.replace(sampleMs, nowMs)
  }
}
