/**
 * Brings views up to date after changes of the cluster: once per turn of the event loop, however many batches came.
 */
export class Refresher {
  readonly #refresh: () => void
  readonly #schedule: (run: () => void) => void
  #isScheduled = false
  #isClosed = false

  constructor(refresh: () => void, schedule: (run: () => void) => void = setImmediate) {
    this.#refresh = refresh
    this.#schedule = schedule
  }

  changed(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    this.#schedule(() => {
      this.#isScheduled = false
      if (!this.#isClosed) this.#refresh()
    })
  }

  close(): void {
    this.#isClosed = true
  }
}
