/**
 * Circuit breaker of one endpoint: so many failures in a row make it unavailable for a while, then one probe decides.
 *
 * `closed` (available) → `open` (not ready until the back-off has passed) → `probing` (one request let through, the
 * others wait) → `closed` after its success, `open` with twice the back-off after its failure.
 */
import { Backoff } from './backoff.ts'
import type { Classification } from './classify.ts'
import type { FailureAccrualParams } from './outbound-policy.ts'

export class FailureAccrual {
  readonly #maxFailures: number = 0
  readonly #backoff: Backoff
  #failures = 0
  #isOpen = false
  #isProbing = false
  #openUntilMs = 0

  constructor({ maxFailures, backoff }: FailureAccrualParams, random: () => number) {
    this.#maxFailures = maxFailures
    this.#backoff = new Backoff(backoff, random)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** When an open breaker may let its probe through: for a timer that wakes waiting requests. */
  get openUntilMs(): number {
    return this.#openUntilMs
  }

  /** Whether a request may be sent now. No side effects. */
  isReady(nowMs: number): boolean {
    return !this.#isOpen || (!this.#isProbing && nowMs >= this.#openUntilMs)
  }

  /** A request is being sent. Returns whether it is the probe behind an open breaker; hand that to `done`. */
  start(): boolean {
    if (!this.#isOpen) return false
    this.#isProbing = true
    return true
  }

  /**
   * A request has ended. While the breaker is open only its probe counts: answers to requests that were sent before it
   * opened say how the endpoint was, not how it is.
   */
  done(isProbe: boolean, classification: Classification, nowMs: number): void {
    if (this.#isOpen && !isProbe) return
    this.#isProbing = false
    if (classification === 'success') {
      this.#failures = 0
      this.#isOpen = false
      this.#backoff.reset()
      return
    }
    this.#failures++
    if (!this.#isOpen && this.#failures < this.#maxFailures) return
    this.#isOpen = true
    this.#openUntilMs = nowMs + this.#backoff.nextMs()
  }

  /** A request was given up by its client: it says nothing about the endpoint, but a probe has to be sent again. */
  abandoned(isProbe: boolean): void {
    if (isProbe) this.#isProbing = false
  }
}
