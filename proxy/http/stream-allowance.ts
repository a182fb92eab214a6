/**
 * How many streams on one connection an endpoint has turned out to bear, whatever its SETTINGS say.
 *
 * Servers bound what a connection may make them hold: node:http2 answers ENHANCE_YOUR_CALM to streams beyond 10 MB of
 * unsent content. Clients of their own would each come with a connection; a proxy that gathers them on one has to spread
 * them again. So a stream refused like that bounds the connections to its endpoint at what was left open, which makes
 * others open, and a bound that holds is tried again one stream higher.
 */
export class StreamAllowance {
  /** Streams one connection may have open. */
  limit = Number.POSITIVE_INFINITY
  #ended = 0

  /** The endpoint refused a stream though its connection had room; `open` others are left. */
  onRefused(open: number): void {
    this.limit = Math.max(1, Math.min(this.limit, open))
    this.#ended = 0
  }

  /** A stream ended in order. */
  onEnded(): void {
    if (this.limit === Number.POSITIVE_INFINITY || ++this.#ended < this.limit * ENDS_PER_STREAM) return
    this.limit++
    this.#ended = 0
  }
}

/** So many times the limit must have ended in order before one stream more is tried. */
const ENDS_PER_STREAM = 8
