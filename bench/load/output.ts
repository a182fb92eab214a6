/**
 * Bytes for one socket, gathered and written once per turn of the event loop, as the proxies under test do: a load
 * generator that writes per request would measure its own system calls.
 */
import type { Socket } from 'node:net'

const INITIAL_BYTES = 65_536

export class SocketOutput {
  buf = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  at = 0
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Bytes that the kernel has not taken yet. */
  get waitingBytes(): number {
    return this.#socket.writableLength
  }

  ensure(bytes: number): void {
    if (this.at + bytes <= this.buf.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, this.at + bytes))
    this.buf.copy(grown, 0, 0, this.at)
    this.buf = grown
  }

  append(bytes: Uint8Array): number {
    this.ensure(bytes.length)
    const from = this.at
    this.buf.set(bytes, from)
    this.at += bytes.length
    return from
  }

  flush(): void {
    if (this.at === 0 || this.#socket.destroyed) return
    this.#socket.write(this.buf.subarray(0, this.at))
    // What the kernel took at once is free again; anything else belongs to the socket until it is written.
    if (this.#socket.writableLength > 0) this.buf = Buffer.allocUnsafeSlow(this.buf.length)
    this.at = 0
  }
}
