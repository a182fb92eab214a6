/**
 * How long a container that ended waits for its next start: 1 s, doubled up to 60 s, forgotten after it ran for ten
 * minutes. Kubernetes begins with 10 s and ends with 5 minutes, which is right for a cluster and slow at a desk.
 */
export const INITIAL_DELAY_MS = 1_000
export const MAX_DELAY_MS = 60_000
export const RESET_AFTER_MS = 600_000

export class RestartBackoff {
  #nextMs = INITIAL_DELAY_MS

  /** The delay before the next start of a container that ran for `ranForMs`. */
  next(ranForMs: number): number {
    if (ranForMs >= RESET_AFTER_MS) this.#nextMs = INITIAL_DELAY_MS
    const delayMs = this.#nextMs
    this.#nextMs = Math.min(delayMs * 2, MAX_DELAY_MS)
    return delayMs
  }
}
