/**
 * Calls those that are still there after a fixed time. A timer of Node for every clock of every request costs more than
 * the rest of a route's policy, and hardly one ever fires: so requests of one route wait in one list, which is in order
 * by itself, and the first of them has the timer.
 */

/** Waits in a queue, one at a time: the links are the queue's. */
export interface Waiting {
  dueAtMs: number
  next: Waiting | undefined
  previous: Waiting | undefined
  /** It has left the queue. */
  onDue(nowMs: number): void
}

export class DeadlineQueue {
  readonly #delayMs: number = 0
  readonly #nowMs: () => number
  #first: Waiting | undefined = undefined
  #last: Waiting | undefined = undefined
  #hasTimer = false

  constructor(delayMs: number, nowMs: () => number) {
    this.#delayMs = delayMs
    this.#nowMs = nowMs
  }

  /** `waiting.onDue` is called in `delayMs`, unless it is removed before. `nowMs` never runs backwards. */
  add(waiting: Waiting, nowMs: number): void {
    const last = this.#last
    waiting.dueAtMs = nowMs + this.#delayMs
    waiting.previous = last
    if (last === undefined) this.#first = waiting
    else last.next = waiting
    this.#last = waiting
    // Whoever is there already is due before.
    if (!this.#hasTimer) this.#arm(this.#delayMs)
  }

  /** Once for each `add`, and not when `onDue` was called. */
  remove(waiting: Waiting): void {
    const { previous, next } = waiting
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    waiting.previous = undefined
    waiting.next = undefined
  }

  #arm(delayMs: number): void {
    this.#hasTimer = true
    // It may outlive those who waited: no reason to keep the process.
    setTimeout(() => this.#onTimer(), Math.max(1, Math.ceil(delayMs))).unref()
  }

  #onTimer(): void {
    this.#hasTimer = false
    const nowMs = this.#nowMs()
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (first.dueAtMs > nowMs) return this.#arm(first.dueAtMs - nowMs)
      this.remove(first)
      first.onDue(nowMs)
    }
  }
}
