/**
 * Where encoders write: one growing region of bytes per connection and turn of the event loop.
 *
 * An encoder calls `ensure(n)`, writes at most `n` bytes at `buf[at…]` and moves `at`. `ensure` may hand what is there
 * to the socket and replace `buf`, so nobody keeps `buf` across a call of it.
 */
export interface Output {
  buf: Buffer
  at: number
  /** Makes room for `bytes` contiguous bytes behind `at`. */
  ensure(bytes: number): void
}

/** An `Output` without a socket: for tests, fuzzers and messages built ahead. */
export class MemoryOutput implements Output {
  buf = Buffer.allocUnsafe(1024)
  at = 0

  ensure(bytes: number): void {
    if (this.buf.length - this.at >= bytes) return
    const grown = Buffer.allocUnsafe(Math.max(this.buf.length * 2, this.at + bytes))
    this.buf.copy(grown, 0, 0, this.at)
    this.buf = grown
  }

  /** A copy of what was written. */
  taken(): Buffer {
    return Buffer.from(this.buf.subarray(0, this.at))
  }
}
