/**
 * What becomes of bytes that arrive on a connection which is over: they are read and dropped, so that they do not reset it
 * before its last words are heard, but only so many. A peer that goes on sending fills its own buffers then, not our time.
 */
import type { Transport, TransportHandler } from './transport.ts'

/** What was on its way, in good faith, when the connection ended. */
export const MAX_LINGERING_BYTES = 262_144

export class Lingering implements TransportHandler {
  readonly #transport: Transport
  readonly #before: TransportHandler
  #leftBytes = MAX_LINGERING_BYTES

  /** Takes the place of the transport's handler, which still hears of its end. */
  constructor(transport: Transport) {
    this.#transport = transport
    this.#before = transport.handler
    transport.handler = this
  }

  onBytes(_buf: Buffer, start: number, end: number): void {
    this.#leftBytes -= end - start
    if (this.#leftBytes < 0) this.#transport.pause()
  }

  onEnd(): void {
    this.#before.onEnd()
  }

  onDrain(): void {
    this.#before.onDrain()
  }

  onClose(error: Error | undefined): void {
    this.#before.onClose(error)
  }
}
