/**
 * An open loop: request `i` is due at `beginMs + i / rate`, whatever became of those before it. Where none of the slots
 * is free it waits, and its latency counts from when it was due, not from when it could be sent. So a proxy that stalls
 * for a second at 1,000 requests per second has made a thousand requests slow, not one (coordinated omission).
 *
 * Time is an argument; main.ts brings the clock and wakes it.
 */
import type { Pacing, Slot } from './load.ts'

export class OpenLoop implements Pacing {
  /** Requests that were given to a slot. */
  started = 0
  readonly #ratePerMs: number
  readonly #beginMs: number
  /** Requests of the whole run. */
  readonly total: number
  /** Slots without a request. First in, first out: every connection gets its share. */
  readonly #free: Slot[] = []

  constructor(ratePerSecond: number, beginMs: number, durationMs: number) {
    this.#ratePerMs = ratePerSecond / 1_000
    this.#beginMs = beginMs
    this.total = Math.floor(durationMs * this.#ratePerMs)
  }

  dueAtMs(index: number): number {
    return this.#beginMs + index / this.#ratePerMs
  }

  onFree(slot: Slot, nowMs: number): void {
    this.#free.push(slot)
    this.tick(nowMs)
  }

  /** Starts what is due, as far as there are slots. */
  tick(nowMs: number): void {
    while (this.started < this.total && this.#free.length > 0) {
      const dueMs = this.dueAtMs(this.started)
      if (dueMs > nowMs) return
      this.started++
      this.#free.shift()!.start(dueMs)
    }
  }
}
