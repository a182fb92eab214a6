/**
 * Values computed from the cluster, shared by all streams that want the same one.
 *
 * A thousand proxies that watch one service cost one computation per change. A view lives as long as somebody
 * watches it.
 */
import type { Kind } from '../../api/resources/kinds.ts'
export interface Watch<V> {
  current(): V
  close(): void
}

/**
 * Computes the value. `previous` is returned again when nothing changed, which is what keeps clients undisturbed:
 * values are compared by identity.
 */
export type Compute<V> = (previous: V | undefined) => V

/** Runs a computation and says which kinds of objects it read (`Cluster.tracked`). */
export type Track = <T>(compute: () => T) => { readonly value: T; readonly kinds: ReadonlySet<Kind> }

export class Views<V> {
  readonly #views = new Map<string, View<V>>()
  readonly #track: Track

  constructor(track: Track) {
    this.#track = track
  }

  get size(): number {
    return this.#views.size
  }

  /** @param key names what `compute` computes: equal keys must mean equal values */
  watch(key: string, compute: Compute<V>, onChange: () => void): Watch<V> {
    let view = this.#views.get(key)
    if (view === undefined) {
      view = { compute, ...this.#track(() => compute(undefined)), listeners: new Set() }
      this.#views.set(key, view)
    }
    const watched = view
    const listener = () => onChange()
    watched.listeners.add(listener)
    return {
      current: () => watched.value,
      close: () => {
        watched.listeners.delete(listener)
        if (watched.listeners.size === 0 && this.#views.get(key) === watched) this.#views.delete(key)
      },
    }
  }

  /** Computes every view anew that read one of these kinds, and tells those who watch a changed one. */
  refresh(changed: ReadonlySet<Kind>): void {
    for (const view of [...this.#views.values()]) {
      if (view.kinds.isDisjointFrom(changed)) continue
      const { value, kinds } = this.#track(() => view.compute(view.value))
      view.kinds = kinds
      if (value === view.value) continue
      view.value = value
      for (const listener of [...view.listeners]) listener()
    }
  }
}

interface View<V> {
  readonly compute: Compute<V>
  value: V
  /** Read when it was computed last. */
  kinds: ReadonlySet<Kind>
  readonly listeners: Set<() => void>
}
