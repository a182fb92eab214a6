/**
 * Two connections joined as raw bytes: opaque TCP. Half-close is passed on, a slow reader pauses its writer, and an error
 * on one side ends the other.
 */
import type { Transport, TransportHandler } from '../http/transport.ts'

export interface SpliceEnd {
  /** The first error of either side, `undefined` after an orderly end of both. */
  onEnd(error: Error | undefined): void
}

/** Joins `a` and `b`; what either has received before must be handed over by the caller. */
export function splice(a: Transport, b: Transport, end: SpliceEnd): void {
  const state: State = { open: 2, error: undefined, end }
  a.handler = new Half(a, b, state)
  b.handler = new Half(b, a, state)
}

interface State {
  open: number
  error: Error | undefined
  readonly end: SpliceEnd
}

class Half implements TransportHandler {
  readonly #from: Transport
  readonly #to: Transport
  readonly #state: State

  constructor(from: Transport, to: Transport, state: State) {
    this.#from = from
    this.#to = to
    this.#state = state
  }

  onBytes(buf: Buffer, start: number, end: number): void {
    const length = end - start
    this.#to.ensure(length)
    buf.copy(this.#to.buf, this.#to.at, start, end)
    this.#to.at += length
    this.#to.flushSoon()
    if (!this.#to.isWritable) this.#from.pause()
  }

  onEnd(): void {
    this.#to.end()
  }

  onDrain(): void {
    // What we send is drained: the other side may be read again.
    this.#to.resume()
  }

  onClose(error: Error | undefined): void {
    const state = this.#state
    state.error ??= error
    if (error !== undefined) this.#to.destroy()
    // Nobody is there to hear the other side any more: it may finish reading, but not keep the connection.
    else this.#to.close()
    if (--state.open === 0) state.end.onEnd(state.error)
  }
}
