/** Time as an argument: what waits takes a `Timers`, so that a test moves the clock instead of sleeping. */
export interface Timers {
  /** Wall clock, for what certificates say. */
  wallMs(): number
  /** Never runs backwards, for what lasts. */
  nowMs(): number
  /** Calls `run` once after `delayMs`; calling the result before that takes it back. */
  after(delayMs: number, run: () => void): () => void
}

/** `setTimeout` turns longer delays into 1 ms. */
const MAX_DELAY_MS = 2 ** 31 - 1

export const REAL_TIMERS: Timers = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(delayMs, MAX_DELAY_MS))
    return () => clearTimeout(timer)
  },
}

/** A clock that stands still until it is moved. */
export class FakeTimers implements Timers {
  #nowMs: number
  readonly #pending = new Map<number, { readonly atMs: number; readonly run: () => void }>()
  #nextId = 0

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const id = this.#nextId++
    this.#pending.set(id, { atMs: this.#nowMs + delayMs, run })
    return () => this.#pending.delete(id)
  }

  /** Delays until each timer that waits, shortest first. */
  get delaysMs(): readonly number[] {
    return [...this.#pending.values()].map(({ atMs }) => atMs - this.#nowMs).sort((a, b) => a - b)
  }

  /** Moves the clock and runs what is due on the way, in order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      let next: [number, { readonly atMs: number; readonly run: () => void }] | undefined
      for (const entry of this.#pending)
        if (entry[1].atMs <= untilMs && (next === undefined || entry[1].atMs < next[1].atMs)) next = entry
      if (next === undefined) break
      this.#pending.delete(next[0])
      this.#nowMs = Math.max(this.#nowMs, next[1].atMs)
      next[1].run()
    }
    this.#nowMs = untilMs
  }
}
