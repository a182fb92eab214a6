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

/** Chunks kept for reuse at any time, 1 MiB of each size. */
export const KEPT_SMALL = 128
const KEPT_LARGE = 16
/**
 * While readers are slow, as many as they can hold are kept (`PRESSURE_BOUNDS.fullBytes`): what is taken and released in
 * turn and left to the garbage collector piles up until it comes, which was as much memory again.
 */
const MAX_SMALL = 2_048
const MAX_LARGE = 1_024

const small: Buffer[] = []
const large: Buffer[] = []
/** The least that lay in the pools since `trimChunks`: nobody needed those. */
let unusedSmall = 0
let unusedLarge = 0

/** What all connections hold in chunks: content and answers that wait for a reader. */
export const held = { bytes: 0 }

/** Whoever takes a chunk releases it, exactly once. */
export function takeChunk(bytes: number): Buffer {
  const chunk = pooledChunk(bytes)
  held.bytes += chunk.length
  return chunk
}

function pooledChunk(bytes: number): Buffer {
  if (bytes <= SMALL_CHUNK_BYTES) {
    const chunk = small.pop()
    if (small.length < unusedSmall) unusedSmall = small.length
    return chunk ?? Buffer.allocUnsafeSlow(SMALL_CHUNK_BYTES)
  }
  if (bytes <= LARGE_CHUNK_BYTES) {
    const chunk = large.pop()
    if (large.length < unusedLarge) unusedLarge = large.length
    return chunk ?? Buffer.allocUnsafeSlow(LARGE_CHUNK_BYTES)
  }
  return Buffer.allocUnsafeSlow(bytes)
}

/** Gives back a chunk that nobody reads any more. */
export function releaseChunk(chunk: Buffer): void {
  held.bytes -= chunk.length
  if (chunk.length === SMALL_CHUNK_BYTES && small.length < MAX_SMALL) small.push(chunk)
  else if (chunk.length === LARGE_CHUNK_BYTES && large.length < MAX_LARGE) large.push(chunk)
}

/** Every second or so: half of what nobody needed since the last time goes to the garbage collector. */
export function trimChunks(): void {
  small.length -= Math.max(0, Math.min(unusedSmall >> 1, small.length - KEPT_SMALL))
  large.length -= Math.max(0, Math.min(unusedLarge >> 1, large.length - KEPT_LARGE))
  unusedSmall = small.length
  unusedLarge = large.length
}

/** What lies in the pools. */
export function pooledBytes(): number {
  return small.length * SMALL_CHUNK_BYTES + large.length * LARGE_CHUNK_BYTES
}

/** Empties the pool: its memory goes back with the next garbage collection. */
export function releaseChunks(): void {
  small.length = 0
  large.length = 0
  unusedSmall = 0
  unusedLarge = 0
}
