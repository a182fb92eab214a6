/** Targets by original destination, dropped some seconds after their last connection ended. */
import type { Target } from './target.ts'

interface Entry {
  readonly target: Target
  users: number
  eviction: NodeJS.Timeout | undefined
}

export class TargetCache {
  readonly #entries = new Map<string, Entry>()
  readonly #idleMs: number
  readonly #newTarget: (ip: string, port: number) => Target

  constructor(idleMs: number, newTarget: (ip: string, port: number) => Target) {
    this.#idleMs = idleMs
    this.#newTarget = newTarget
  }

  acquire(ip: string, port: number): Target {
    const key = `${ip} ${port}`
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { target: this.#newTarget(ip, port), users: 0, eviction: undefined }
      this.#entries.set(key, entry)
    }
    entry.users++
    clearTimeout(entry.eviction)
    entry.eviction = undefined
    return entry.target
  }

  release({ ip, port }: Target): void {
    const key = `${ip} ${port}`
    const entry = this.#entries.get(key)
    if (entry === undefined || --entry.users > 0) return
    entry.eviction = setTimeout(() => {
      this.#entries.delete(key)
      entry.target.close()
    }, this.#idleMs)
    entry.eviction.unref()
  }

  closeAll(): void {
    for (const { target, eviction } of this.#entries.values()) {
      clearTimeout(eviction)
      target.close()
    }
    this.#entries.clear()
  }
}
