/** What a container wrote: the last of it in memory for `logs`, more of it in a file. Both are bounded. */
import { closeSync, openSync, renameSync, writeSync } from 'node:fs'

/** Kept in memory per container; older lines are dropped. */
const MAX_MEMORY_BYTES = 512 * 1024
/** A log file that has grown to this is renamed to `.1`, replacing the one before. */
const MAX_FILE_BYTES = 8 * 1024 * 1024

export class ContainerLog {
  readonly #file: string
  readonly #followers = new Map<(chunk: Buffer) => void, () => void>()
  #chunks: Buffer[] = []
  #bytes = 0
  #fd: number | undefined
  #fileBytes = 0

  constructor(file: string) {
    this.#file = file
  }

  append(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    while (this.#bytes > MAX_MEMORY_BYTES && this.#chunks.length > 1) this.#bytes -= this.#chunks.shift()!.length
    this.#writeFile(chunk)
    for (const follower of this.#followers.keys()) follower(chunk)
  }

  /** A line of the node about this container. */
  note(text: string): void {
    this.append(Buffer.from(`[weft] ${text}\n`))
  }

  /** The last `lines` lines, or everything that is kept. */
  tail(lines?: number): Buffer {
    const all = Buffer.concat(this.#chunks)
    if (lines === undefined) return all
    let at = all.length
    if (at > 0 && all[at - 1] === 0x0a) at--
    for (let left = lines; left > 0 && at >= 0; left--) at = at === 0 ? -1 : all.lastIndexOf(0x0a, at - 1)
    return lines === 0 ? Buffer.alloc(0) : all.subarray(at + 1)
  }

  /**
   * Calls `follower` for everything that comes, and `onEnd` when nothing more will.
   *
   * @returns ends that
   */
  follow(follower: (chunk: Buffer) => void, onEnd: () => void): () => void {
    this.#followers.set(follower, onEnd)
    return () => this.#followers.delete(follower)
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    for (const onEnd of this.#followers.values()) onEnd()
    this.#followers.clear()
  }

  #writeFile(chunk: Buffer): void {
    try {
      if (this.#fd !== undefined && this.#fileBytes > MAX_FILE_BYTES) {
        closeSync(this.#fd)
        renameSync(this.#file, `${this.#file}.1`)
        this.#fd = undefined
      }
      if (this.#fd === undefined) {
        this.#fd = openSync(this.#file, 'w', 0o600)
        this.#fileBytes = 0
      }
      this.#fileBytes += writeSync(this.#fd, chunk)
    } catch {
      // A full disk must not stop the pods; the log in memory goes on.
    }
  }
}
