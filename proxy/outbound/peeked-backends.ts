/**
 * Backends for somebody who only looks: those that traffic uses, and for the others new ones whose endpoints are discovered
 * but never connected. They are as the first request would find them.
 */
import type { Watch } from '../discovery/discovery.ts'
import type { Backend } from './backend.ts'
import { type BackendCache, type BalancedTarget, type NewBackend, targetKey } from './backend-cache.ts'
import type { BackendSource } from './routing.ts'

/** How often discovery is looked at while somebody waits for it. */
const POLL_MS = 10

export class PeekedBackends implements BackendSource {
  readonly #live: BackendCache
  readonly #newBackend: NewBackend
  readonly #own = new Map<string, { readonly backend: Backend; readonly watch: Watch | undefined }>()

  /** @param newBackend makes backends whose endpoints never connect */
  constructor(live: BackendCache, newBackend: NewBackend) {
    this.#live = live
    this.#newBackend = newBackend
  }

  /** Backends that no traffic uses. */
  get size(): number {
    return this.#own.size
  }

  acquire(target: BalancedTarget): Backend {
    const key = targetKey(target)
    const own = this.#own.get(key)
    if (own !== undefined) return own.backend
    if (this.#live.has(target)) return this.#live.acquire(target)
    const made = this.#newBackend(target)
    this.#own.set(key, made)
    return made.backend
  }

  release(target: BalancedTarget): void {
    if (!this.#own.has(targetKey(target))) this.#live.release(target)
  }

  /** Waits until discovery has told the endpoints of all; false when it has not by then. */
  async discovered(deadlineMs: number): Promise<boolean> {
    for (let waitedMs = 0; ; waitedMs += POLL_MS) {
      if ([...this.#own.values()].every(({ backend }) => backend.isDiscovered)) return true
      if (waitedMs >= deadlineMs) return false
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  close(): void {
    for (const { backend, watch } of this.#own.values()) {
      watch?.close()
      backend.close()
    }
    this.#own.clear()
  }
}
