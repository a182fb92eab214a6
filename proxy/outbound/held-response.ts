/**
 * The beginning of a gRPC response that is held back until it is known whether its trailers ask for a retry.
 *
 * Bounded: one message and a bit. A second frame of content lets everything go, so streams are never buffered.
 */
import { releaseHead, takeHead } from '../http/request-record.ts'
import type { Head } from '../wire/head.ts'

const MAX_HELD_BYTES = 65_536

export class HeldResponse {
  readonly head: Head
  readonly chunks: Buffer[] = []

  constructor(head: Head) {
    this.head = takeHead()
    this.head.copyFrom(head)
  }

  /** Keeps the first frame of content; false when there is more than that: forward. */
  push(buf: Uint8Array, start: number, end: number): boolean {
    if (this.chunks.length > 0 || end - start > MAX_HELD_BYTES) return false
    this.chunks.push(Buffer.from(buf.subarray(start, end)))
    return true
  }

  release(): void {
    releaseHead(this.head)
    this.chunks.length = 0
  }
}
