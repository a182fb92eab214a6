/**
 * Which endpoints are new, and how much of their share they get.
 *
 * A program that has just started answers slowly for a while: caches are empty, code is not compiled, its own connections
 * are not open. A new endpoint has no requests in flight either, so two random choices would even prefer it. Its share
 * grows over a window instead. Only differences count: where all endpoints are new nobody is held back.
 */

/** What a new endpoint gets at once: with nothing it would never become warm. */
export const LEAST_SHARE = 0.1

/** An endpoint that was away for less is not new: it has reconnected, and is as warm as before. */
export const FORGIVEN_AWAY_MS = 1_000

interface Presence {
  readySinceMs: number
  /** When it was last seen going; 0 while it is here. */
  awaySinceMs: number
}

export class SlowStart<E extends object> {
  readonly #windowMs: number = 0
  readonly #nowMs: () => number
  readonly #presences = new Map<E, Presence>()
  /** Until then somebody is new. */
  #untilMs = 0

  constructor(windowMs: number, nowMs: () => number) {
    this.#windowMs = windowMs
    this.#nowMs = nowMs
  }

  /** Somebody is new: otherwise all shares are whole. */
  isRamping(nowMs: number): boolean {
    return nowMs < this.#untilMs
  }

  /** The part of its share that `endpoint` gets: from `LEAST_SHARE` to 1. */
  share(endpoint: E, nowMs: number): number {
    const presence = this.#presences.get(endpoint)
    if (presence === undefined) return 1
    return Math.min(1, Math.max(LEAST_SHARE, (nowMs - presence.readySinceMs) / this.#windowMs))
  }

  /** `endpoint` was found ready. */
  onReady(endpoint: E): void {
    const nowMs = this.#nowMs()
    const presence = this.#presences.get(endpoint)
    if (presence !== undefined && nowMs - presence.awaySinceMs < FORGIVEN_AWAY_MS) return
    this.#presences.set(endpoint, { readySinceMs: nowMs, awaySinceMs: 0 })
    this.#untilMs = nowMs + this.#windowMs
  }

  /** `endpoint` was found not ready. */
  onAway(endpoint: E): void {
    const presence = this.#presences.get(endpoint)
    if (presence !== undefined) presence.awaySinceMs = this.#nowMs()
  }

  /** `endpoint` is gone for good. */
  forget(endpoint: E): void {
    this.#presences.delete(endpoint)
  }
}
