/**
 * Notices that a peer has not moved for too long. Nothing is done where bytes move: whoever is watched keeps a number that
 * changes with its progress, and a tick about every second compares it. Time is an argument.
 */
export class Patience {
  #mark = -1
  #sinceMs = 0

  /**
   * @param mark a number >= 0 that changes with every progress; -1 while nothing is awaited of the peer
   * @returns true when `mark` has been the same for `limitMs`
   */
  isOver(mark: number, nowMs: number, limitMs: number): boolean {
    if (mark === this.#mark) return mark !== -1 && nowMs - this.#sinceMs >= limitMs
    this.#mark = mark
    this.#sinceMs = nowMs
    return false
  }
}

/** How long a peer may take. A connection ends at the bound; `docs/threat-model.md` says why these. */
export interface TimeBounds {
  /** From the first byte of a head (or of the connection) to its last; for HTTP/2 also the preface and any one frame. */
  readonly headMs: number
  /** Without a byte of the content that an HTTP/1 request announced. HTTP/2 streams may be silent for ever. */
  readonly contentMs: number
  /** While content waits for the peer and it takes none. */
  readonly unreadMs: number
  /** Between two requests of a kept connection. */
  readonly idleMs: number
}

export const DEFAULT_TIME_BOUNDS: TimeBounds = {
  headMs: 30_000,
  contentMs: 300_000,
  unreadMs: 300_000,
  idleMs: 3_600_000,
}

/** While connections are short or memory is, a peer gets this much at most. */
export const CROWDED_MS = 5_000

/** A listener with more than this share of its connections open is crowded: idle ones have to make room. */
export const CROWDED_SHARE = 0.8
