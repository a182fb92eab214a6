/**
 * Retry budget of a service profile: retries may add a fixed share to the load, and a trickle always.
 *
 * Every request that is not itself a retry deposits `retryRatio`; a retry withdraws one. `minRetriesPerSecond` is a
 * reserve on top, so that a client with little traffic can retry at all. Deposits and withdrawals are forgotten after
 * `ttlMs`, in ten slots. One budget per profile: when everything fails, all its routes share the one limit.
 */
export interface RetryBudgetParams {
  /** Retries per request, 0 to 1000: 0.2 adds at most 20 % load. */
  readonly retryRatio: number
  readonly minRetriesPerSecond: number
  /** 1 s to 60 s. */
  readonly ttlMs: number
}

const SLOTS = 10

export class RetryBudget {
  readonly #ratio: number = 0
  readonly #reserve: number = 0
  readonly #slotMs: number = 0
  // What each tenth of the window added (deposits minus withdrawals), and their sum.
  readonly #slots = new Float64Array(SLOTS)
  #balance = 0
  #slot = 0
  #slotStartMs = 0

  constructor({ retryRatio, minRetriesPerSecond, ttlMs }: RetryBudgetParams, nowMs: number) {
    this.#ratio = retryRatio
    this.#reserve = (minRetriesPerSecond * ttlMs) / 1_000
    this.#slotMs = ttlMs / SLOTS
    this.#slotStartMs = nowMs
  }

  /** A first attempt was made. */
  deposit(nowMs: number): void {
    this.#advance(nowMs)
    this.#add(this.#ratio)
  }

  /** Pays for one retry; `false` when the budget does not allow it now. */
  tryWithdraw(nowMs: number): boolean {
    this.#advance(nowMs)
    // Ratios such as 0.2 have no exact binary form: five deposits must still pay for one retry.
    if (this.#balance + this.#reserve < 1 - 1e-9) return false
    this.#add(-1)
    return true
  }

  #add(amount: number): void {
    this.#slots[this.#slot]! += amount
    this.#balance += amount
  }

  #advance(nowMs: number): void {
    let behind = Math.floor((nowMs - this.#slotStartMs) / this.#slotMs)
    if (behind <= 0) return
    this.#slotStartMs += behind * this.#slotMs
    if (behind >= SLOTS) {
      this.#slots.fill(0)
      this.#balance = 0
      return
    }
    for (; behind > 0; behind--) {
      this.#slot = (this.#slot + 1) % SLOTS
      this.#slots[this.#slot] = 0
    }
    // Summed anew so that rounding cannot pile up over days.
    let balance = 0
    for (const slot of this.#slots) balance += slot
    this.#balance = balance
  }
}
