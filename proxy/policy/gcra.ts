/**
 * A rate of requests per second as a bucket of one number (GCRA, the generic cell rate algorithm of ITU-T I.371): the time
 * at which the bucket will be full again. Each request moves it by one interval; a request that would move it further ahead
 * than the burst lasts has to wait. Time is an argument, and nothing runs between requests.
 */

/** As much as the clock's own resolution, so that rounding never costs the last request of a burst. */
const TOLERANCE_MS = 0.001

const BURST_MS = 1_000

export class Gcra {
  readonly #intervalMs: number = 0
  readonly #burstMs: number = 0
  #fullAtMs = 0

  /**
   * Begins full.
   *
   * @param perSecond above 0; also the burst, of one request at least
   */
  constructor(perSecond: number) {
    this.#intervalMs = 1_000 / perSecond
    this.#burstMs = burstMsOf(perSecond)
  }

  /** How long until one request may pass; 0 when it may now. Takes nothing. */
  waitMs(nowMs: number): number {
    const waitMs = this.#fullAtMs + this.#intervalMs - this.#burstMs - nowMs
    return waitMs > TOLERANCE_MS ? waitMs : 0
  }

  /** One request passes, for which `waitMs` was 0. */
  take(nowMs: number): void {
    this.#fullAtMs = Math.max(this.#fullAtMs, nowMs) + this.#intervalMs
  }
}

/** The time in which an empty bucket fills: one that nobody asked for so long is like a new one. */
export function burstMsOf(perSecond: number): number {
  return Math.max(BURST_MS, 1_000 / perSecond)
}
