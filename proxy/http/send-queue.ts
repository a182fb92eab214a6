/**
 * Content of one stream that cannot leave yet: the flow-control window is shut or the kernel takes no more.
 *
 * Bounded by the window the other side was given: a receiver gets credit only for what left this queue. It waits in pooled
 * chunks that are given back as they empty, so a burst leaves nothing to the garbage collector.
 */
import { copyBytes } from '../wire/bytes.ts'
import { LARGE_CHUNK_BYTES, releaseChunk, SMALL_CHUNK_BYTES, takeChunk } from './chunk-pool.ts'

export class SendQueue {
  /** Made when something has to wait; most streams never need it. */
  #chunks: Buffer[] | undefined = undefined
  /** Where the first chunk is read and the last one written. */
  #readAt = 0
  #writeAt = 0
  /** Bytes waiting. */
  bytes = 0

  /** Keeps a copy of `buf[start, end)`. */
  push(buf: Uint8Array, start: number, end: number): void {
    this.#chunks ??= []
    for (let at = start; at < end; ) {
      let last = this.#chunks[this.#chunks.length - 1]
      if (last === undefined || this.#writeAt === last.length) {
        last = takeChunk(end - at <= SMALL_CHUNK_BYTES ? SMALL_CHUNK_BYTES : LARGE_CHUNK_BYTES)
        this.#chunks.push(last)
        this.#writeAt = 0
      }
      const length = Math.min(end - at, last.length - this.#writeAt)
      this.#writeAt = copyBytes(buf, at, at + length, last, this.#writeAt)
      this.bytes += length
      at += length
    }
  }

  /** Moves up to `limit` bytes to `target[at…]`; returns how many. */
  take(target: Buffer, at: number, limit: number): number {
    const wanted = Math.min(limit, this.bytes)
    for (let taken = 0; taken < wanted; ) {
      const chunk = this.#chunks![0]!
      const end = this.#chunks!.length === 1 ? this.#writeAt : chunk.length
      const length = Math.min(wanted - taken, end - this.#readAt)
      copyBytes(chunk, this.#readAt, this.#readAt + length, target, at + taken)
      taken += length
      this.bytes -= length
      this.#readAt += length
      if (this.#readAt < end) break
      this.#chunks!.shift()
      releaseChunk(chunk)
      this.#readAt = 0
      if (this.#chunks!.length === 0) this.#writeAt = 0
    }
    return wanted
  }

  clear(): void {
    for (const chunk of this.#chunks ?? []) releaseChunk(chunk)
    this.#chunks = undefined
    this.#readAt = 0
    this.#writeAt = 0
    this.bytes = 0
  }
}
