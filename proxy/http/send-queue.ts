/**
 * Content of one stream that cannot leave yet: the flow-control window is shut or the kernel takes no more.
 *
 * Bounded by the window the other side was given: a receiver gets credit only for what left this queue.
 */
export class SendQueue {
  #chunks: Buffer[] = []
  #offset = 0
  /** Bytes waiting. */
  bytes = 0

  /** Keeps a copy of `buf[start, end)`. */
  push(buf: Uint8Array, start: number, end: number): void {
    const copy = Buffer.allocUnsafe(end - start)
    copy.set(buf.subarray(start, end))
    this.#chunks.push(copy)
    this.bytes += copy.length
  }

  /** Moves up to `limit` bytes to `target[at…]`; returns how many. */
  take(target: Buffer, at: number, limit: number): number {
    let taken = 0
    while (taken < limit) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) break
      const length = Math.min(limit - taken, chunk.length - this.#offset)
      chunk.copy(target, at + taken, this.#offset, this.#offset + length)
      taken += length
      this.#offset += length
      if (this.#offset === chunk.length) {
        this.#chunks.shift()
        this.#offset = 0
      }
    }
    this.bytes -= taken
    return taken
  }

  clear(): void {
    this.#chunks = []
    this.#offset = 0
    this.bytes = 0
  }
}
