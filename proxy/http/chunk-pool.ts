/**
 * Memory for reading and writing, shared by all connections: a connection owns a chunk only between the first byte of a
 * write and its system call, so ten thousand idle connections own none.
 *
 * Two sizes, because nearly all writes are heads and small messages, and a few are bulk.
 */

/** A turn's worth of heads and messages of one connection. */
export const SMALL_CHUNK_BYTES = 8_192
/** Several DATA frames of the largest size, one read of the kernel's. */
export const LARGE_CHUNK_BYTES = 65_536

/** Chunks kept for reuse, 1 MiB of each size; more are left to the garbage collector. */
export const MAX_SMALL = 128
const MAX_LARGE = 16

const small: Buffer[] = []
const large: Buffer[] = []

/** What all connections hold in chunks: content and answers that wait for a reader. */
export const held = { bytes: 0 }

/** Whoever takes a chunk releases it, exactly once. */
export function takeChunk(bytes: number): Buffer {
  const chunk = pooledChunk(bytes)
  held.bytes += chunk.length
  return chunk
}

function pooledChunk(bytes: number): Buffer {
  if (bytes <= SMALL_CHUNK_BYTES) return small.pop() ?? Buffer.allocUnsafeSlow(SMALL_CHUNK_BYTES)
  if (bytes <= LARGE_CHUNK_BYTES) return large.pop() ?? Buffer.allocUnsafeSlow(LARGE_CHUNK_BYTES)
  return Buffer.allocUnsafeSlow(bytes)
}

/** Gives back a chunk that nobody reads any more. */
export function releaseChunk(chunk: Buffer): void {
  held.bytes -= chunk.length
  if (chunk.length === SMALL_CHUNK_BYTES && small.length < MAX_SMALL) small.push(chunk)
  else if (chunk.length === LARGE_CHUNK_BYTES && large.length < MAX_LARGE) large.push(chunk)
}

/** Empties the pool: its memory goes back with the next garbage collection. */
export function releaseChunks(): void {
  small.length = 0
  large.length = 0
}
