/**
 * Circuit breaker of one endpoint: so many failures in a row, or too few successes over a window, make it unavailable for
 * a while, then one probe decides.
 *
 * `closed` (available) → `open` (not ready until the back-off has passed) → `probing` (one request let through, the
 * others wait) → `closed` after its success, `open` with twice the back-off after its failure.
 */
import { Backoff } from './backoff.ts'
import type { FailureAccrualParams } from './outbound-policy.ts'
import { SuccessRate } from './success-rate.ts'

/** `limited`: told to come back later (429, RESOURCE_EXHAUSTED). Counts where successes are, but is no failure in a row. */
export type Outcome = 'success' | 'failure' | 'limited'

export class FailureAccrual {
  readonly #params: FailureAccrualParams
  readonly #backoff: Backoff
  readonly #rate: SuccessRate | undefined
  readonly #mayOpen: () => boolean
  #failures = 0
  #isOpen = false
  #isProbing = false
  #openUntilMs = 0

  /** @param mayOpen asked each time before a closed breaker opens; while it says no, the endpoint stays available */
  constructor(params: FailureAccrualParams, random: () => number, mayOpen: () => boolean) {
    this.#params = params
    this.#backoff = new Backoff(params.backoff, random)
    this.#rate = params.successRate && new SuccessRate(params.successRate)
    this.#mayOpen = mayOpen
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** The request that decides over an open breaker is on its way. */
  get isProbing(): boolean {
    return this.#isProbing
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
   *
   * @param retryAfterMs when the endpoint asked to be tried again; 0 when it did not say
   */
  done(isProbe: boolean, outcome: Outcome, nowMs: number, retryAfterMs: number): void {
    if (this.#isOpen && !isProbe) return
    const rate = this.#rate
    const isBad = outcome === 'failure' || (outcome === 'limited' && rate !== undefined)
    if (isProbe) {
      this.#isProbing = false
      if (isBad) this.#open(nowMs, retryAfterMs)
      else this.#close()
      return
    }
    this.#failures = outcome === 'failure' ? this.#failures + 1 : 0
    rate?.add(!isBad, nowMs)
    if (!isBad) return
    const { maxFailures } = this.#params
    const isTripped = (maxFailures > 0 && this.#failures >= maxFailures) || rate?.isTooLow === true
    if (isTripped && this.#mayOpen()) this.#open(nowMs, retryAfterMs)
  }

  /** A request was given up by its client: it says nothing about the endpoint, but a probe has to be sent again. */
  abandoned(isProbe: boolean): void {
    if (isProbe) this.#isProbing = false
  }

  #open(nowMs: number, retryAfterMs: number): void {
    const { backoff, honorsRetryAfter } = this.#params
    // A server that asks for an hour does not get to say how long others are without it.
    const hintMs = honorsRetryAfter ? Math.min(retryAfterMs, backoff.maxMs) : 0
    this.#isOpen = true
    this.#openUntilMs = nowMs + Math.max(this.#backoff.nextMs(), hintMs)
  }

  #close(): void {
    this.#isOpen = false
    this.#failures = 0
    this.#rate?.clear()
    this.#backoff.reset()
  }
}
