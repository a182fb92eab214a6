/**
 * Backends by what they discover, shared by every target that routes to them and dropped some seconds after the last one
 * let go, so that a connection per request does not mean a discovery per request.
 */
import type { Watch } from '../discovery/discovery.ts'
import { endpointKey } from '../policy/endpoint.ts'
import type { BackendTarget, FailureAccrualParams } from '../policy/outbound-policy.ts'
import type { Backend } from './backend.ts'

/** Endpoints that one policy trips and another does not are two sets of endpoints. */
export type BalancedTarget = Exclude<BackendTarget, { kind: 'none' }> & {
  readonly failureAccrual?: FailureAccrualParams | undefined
}

/** Makes a backend and starts what keeps it up to date. */
export type NewBackend = (target: BalancedTarget) => { readonly backend: Backend; readonly watch: Watch | undefined }

interface Entry {
  readonly backend: Backend
  readonly watch: Watch | undefined
  users: number
  eviction: NodeJS.Timeout | undefined
}

export class BackendCache {
  readonly #entries = new Map<string, Entry>()
  readonly #newBackend: NewBackend
  readonly #idleMs: number

  constructor(idleMs: number, newBackend: NewBackend) {
    this.#idleMs = idleMs
    this.#newBackend = newBackend
  }

  /** Somebody holds the backend, or did so a moment ago. */
  has(target: BalancedTarget): boolean {
    return this.#entries.has(targetKey(target))
  }

  acquire(target: BalancedTarget): Backend {
    const key = targetKey(target)
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { ...this.#newBackend(target), users: 0, eviction: undefined }
      this.#entries.set(key, entry)
    }
    entry.users++
    clearTimeout(entry.eviction)
    entry.eviction = undefined
    return entry.backend
  }

  release(target: BalancedTarget): void {
    const key = targetKey(target)
    const entry = this.#entries.get(key)
    if (entry === undefined || --entry.users > 0) return
    entry.eviction = setTimeout(() => this.#evict(key, entry), this.#idleMs)
    entry.eviction.unref()
  }

  get backends(): Iterable<Backend> {
    return [...this.#entries.values()].map(({ backend }) => backend)
  }

  tick(nowMs: number): void {
    for (const { backend } of this.#entries.values()) backend.tick(nowMs)
  }

  closeAll(): void {
    for (const [key, entry] of [...this.#entries]) this.#evict(key, entry)
  }

  #evict(key: string, entry: Entry): void {
    clearTimeout(entry.eviction)
    this.#entries.delete(key)
    entry.watch?.close()
    entry.backend.close()
  }
}

/** What two targets have in common when one backend serves both. */
export function targetKey(target: BalancedTarget): string {
  const accrual = target.failureAccrual === undefined ? '' : JSON.stringify(target.failureAccrual)
  switch (target.kind) {
    case 'balancer':
      return `${target.path} ${target.seedRttMs} ${target.decayMs} ${extrasKey(target)} ${accrual}`
    case 'forward': {
      const { endpoint } = target
      return `=${endpointKey(endpoint)} ${endpoint.identity?.name ?? ''} ${endpoint.protocolHint} ${endpoint.opaqueTransportPort ?? ''} ${accrual}`
    }
  }
}

/** Most backends have none of these, and opaque connections ask for their key each time. */
function extrasKey({ penalty, affinity, slowStartMs }: Extract<BalancedTarget, { kind: 'balancer' }>): string {
  if (penalty === undefined && affinity === undefined && slowStartMs === undefined) return ''
  return JSON.stringify([penalty ?? null, affinity ?? null, slowStartMs ?? null])
}
