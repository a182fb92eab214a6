/**
 * What was sent of one request so far, kept so that it can be sent again: to another endpoint, or to the first one that
 * becomes ready.
 *
 * Bounded: content beyond a limit makes the record incomplete, and the request is then sent at most once. While nothing
 * was sent yet the limit is the flow-control window, for then the sender gets no credit.
 */
import { Head } from '../wire/head.ts'

const MAX_POOLED_HEADS = 256
const pool: Head[] = []

/** A head to copy into; give it back with `releaseHead`. */
export function takeHead(): Head {
  return pool.pop() ?? new Head()
}

/** A head that grew for an unusually large message is not kept. */
const MAX_POOLED_HEAD_BYTES = 8_192

export function releaseHead(head: Head): void {
  if (pool.length < MAX_POOLED_HEADS && head.bytes.length <= MAX_POOLED_HEAD_BYTES) pool.push(head)
}

export class RequestRecord {
  readonly head: Head
  #chunks: Buffer[] | undefined = undefined
  #trailers: Head | undefined = undefined
  #isReleased = false
  /** Content kept. */
  bytes = 0
  /** The whole request is here. */
  isEnded: boolean
  /** False when content did not fit: this request cannot be sent again. */
  isComplete = true

  constructor(head: Head, endStream: boolean) {
    this.head = takeHead()
    this.head.copyFrom(head)
    this.isEnded = endStream
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks ?? []
  }

  get trailers(): Head | undefined {
    return this.#trailers
  }

  /** Keeps a copy of content; beyond `maxBytes` in all the record becomes incomplete. */
  push(buf: Uint8Array, start: number, end: number, endStream: boolean, maxBytes: number): void {
    if (endStream) this.isEnded = true
    if (start === end || !this.isComplete) return
    this.bytes += end - start
    if (this.bytes > maxBytes) return this.#drop()
    this.#chunks ??= []
    this.#chunks.push(Buffer.from(buf.subarray(start, end)))
  }

  /** What was kept has been sent: from now on only `maxBytes` are worth keeping. */
  limit(maxBytes: number): void {
    if (this.bytes > maxBytes) this.#drop()
  }

  pushTrailers(trailers: Head): void {
    this.isEnded = true
    this.#trailers = takeHead()
    this.#trailers.copyFrom(trailers)
  }

  /** Gives the memory back; once, for a head in the pool twice would be two messages' at the same time. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    releaseHead(this.head)
    if (this.#trailers !== undefined) releaseHead(this.#trailers)
    this.#trailers = undefined
    this.#chunks = undefined
    this.isComplete = false
  }

  #drop(): void {
    this.isComplete = false
    this.#chunks = undefined
  }
}
