/**
 * A closed loop that takes turns: while it is paused it starts nothing, and what was under way is answered first. So
 * every request belongs to one turn whole, with its latency and what it cost. It begins paused.
 *
 * Time is an argument; main.ts brings the clock.
 */
import type { Pacing, Slot } from './load.ts'

export class TurnLoop implements Pacing {
  readonly #slotCount: number
  #free: Slot[] = []
  #isPaused = true
  #onIdle: (lastAnswerAtMs: number) => void = () => {}

  /** `slotCount`: of all connections together; those that are not up yet are waited for like answers. */
  constructor(slotCount: number) {
    this.#slotCount = slotCount
  }

  go(nowMs: number): void {
    this.#isPaused = false
    const free = this.#free
    this.#free = []
    for (const slot of free) slot.start(nowMs)
  }

  /** Comes back with the time of the last answer when all of them are there. */
  pause(nowMs: number): Promise<number> {
    this.#isPaused = true
    if (this.#free.length === this.#slotCount) return Promise.resolve(nowMs)
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  onFree(slot: Slot, nowMs: number): void {
    if (!this.#isPaused) return slot.start(nowMs)
    this.#free.push(slot)
    if (this.#free.length === this.#slotCount) this.#onIdle(nowMs)
  }
}
