/** Exponential back-off with jitter, for reconnects, retries and the probes of a tripped endpoint. */
export interface BackoffParams {
  readonly minMs: number
  readonly maxMs: number
  /** A random 0 to `jitter` × delay is added, so that clients which failed together do not come back together. */
  readonly jitter: number
}

/** The delay before attempt `attempt` (0 is the first one after a failure); never above `maxMs`. */
export function backoffMs({ minMs, maxMs, jitter }: BackoffParams, attempt: number, random: () => number): number {
  const base = Math.min(minMs * 2 ** attempt, maxMs)
  return Math.min(base + base * jitter * random(), maxMs)
}

/** Counts the attempts of one thing that is tried again and again. */
export class Backoff {
  readonly #params: BackoffParams
  readonly #random: () => number
  #attempt = 0

  constructor(params: BackoffParams, random: () => number) {
    this.#params = params
    this.#random = random
  }

  /** The delay before the next attempt. */
  nextMs(): number {
    return backoffMs(this.#params, this.#attempt++, this.#random)
  }

  /** After a success: the next failure starts from the shortest delay. */
  reset(): void {
    this.#attempt = 0
  }
}
