/** Log lines that peers cause: not more than some per second, so that nobody fills a disk; the next one says what was left out. */
export class PacedLines {
  readonly #maxPerSecond: number
  readonly #what: string
  readonly #write: (line: string) => void
  readonly #nowMs: () => number
  #second = 0
  #lines = 0
  #leftOut = 0

  /** @param what a line is about, in the plural */
  constructor(maxPerSecond: number, what: string, write: (line: string) => void, nowMs: () => number) {
    this.#maxPerSecond = maxPerSecond
    this.#what = what
    this.#write = write
    this.#nowMs = nowMs
  }

  /** @param line is only built when it is written */
  tell(line: () => string): void {
    const second = Math.floor(this.#nowMs() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#lines = 0
    }
    if (++this.#lines > this.#maxPerSecond) {
      this.#leftOut++
      return
    }
    const others = this.#leftOut === 0 ? '' : ` (${this.#leftOut} more ${this.#what} since the last line)`
    this.#leftOut = 0
    this.#write(`${line()}${others}`)
  }
}
