/** A transport that keeps what is written in one buffer until the benchmark takes it: no copies but the engine's own. */
import type { Transport, TransportHandler } from '../../../proxy/http/transport.ts'

const NOBODY: TransportHandler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} }
const INITIAL_BYTES = 1 << 18

export class BenchTransport implements Transport {
  buf: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  at = 0
  handler: TransportHandler = NOBODY
  isWritable = true
  #spare: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)

  get pendingBytes(): number {
    return 0
  }

  ensure(bytes: number): void {
    if (this.buf.length - this.at < bytes) throw new Error(`a turn wrote more than ${INITIAL_BYTES} bytes`)
  }

  /** Hands over what was written: valid until the next call. */
  take(read: (buf: Buffer, end: number) => void): void {
    const { buf, at } = this
    this.buf = this.#spare
    this.#spare = buf
    this.at = 0
    read(buf, at)
  }

  flushSoon(): void {}
  boundUnsent(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  close(): void {}
  destroy(): void {}
  cut(): void {}
}
