/** Two transports joined in memory, for tests: what one writes the other reads when the test says so. */
import type { Transport, TransportHandler } from './transport.ts'

const NOBODY: TransportHandler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} }

export class MemoryTransport implements Transport {
  buf: Buffer = Buffer.allocUnsafe(4_096)
  at = 0
  handler: TransportHandler = NOBODY
  isWritable = true
  isPaused = false
  /** The last bound asked for. */
  unsentBound = 0
  isEnded = false
  isDestroyed = false
  /** Everything handed to "the kernel" and not yet delivered. */
  #sent: Buffer[] = []
  #isFlushAsked = false

  get pendingBytes(): number {
    return this.at
  }

  ensure(bytes: number): void {
    if (this.buf.length - this.at >= bytes) return
    this.#flush()
    if (this.buf.length < bytes) this.buf = Buffer.allocUnsafe(bytes)
  }

  flushSoon(): void {
    this.#isFlushAsked = true
  }

  boundUnsent(bytes: number): void {
    this.unsentBound = bytes
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  end(): void {
    this.isEnded = true
  }

  close(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isDestroyed = true
  }

  cut(): void {
    this.isDestroyed = true
  }

  /** Takes what was written so far, as at the end of a turn: what nobody asked to flush would never leave. */
  take(): Buffer {
    if (this.at > 0 && !this.#isFlushAsked) throw new Error(`${this.at} bytes were written without flushSoon()`)
    this.#isFlushAsked = false
    this.#flush()
    const bytes = Buffer.concat(this.#sent)
    this.#sent = []
    return bytes
  }

  #flush(): void {
    if (this.at === 0) return
    this.#sent.push(Buffer.from(this.buf.subarray(0, this.at)))
    this.at = 0
  }
}

/** Delivers what both sides wrote, in pieces of `pieceBytes`, until neither has anything to say. */
export function exchange(a: MemoryTransport, b: MemoryTransport, pieceBytes = Number.POSITIVE_INFINITY): void {
  for (;;) {
    const fromA = a.take()
    const fromB = b.take()
    if (fromA.length === 0 && fromB.length === 0) return
    deliver(b, fromA, pieceBytes)
    deliver(a, fromB, pieceBytes)
  }
}

function deliver(to: MemoryTransport, bytes: Buffer, pieceBytes: number): void {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    // A copy of its own per piece, spoiled afterwards: nobody may keep what it was only shown.
    const piece = Buffer.from(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)))
    to.handler.onBytes(piece, 0, piece.length)
    piece.fill(0xee)
  }
}
