/**
 * Values computed from the cluster, shared by all streams that want the same one.
 *
 * A thousand proxies that watch one service cost one computation per change. A view lives as long as somebody
 * watches it.
 */
export interface Watch<V> {
  current(): V
  close(): void
}

/**
 * Computes the value. `previous` is returned again when nothing changed, which is what keeps clients undisturbed:
 * values are compared by identity.
 */
export type Compute<V> = (previous: V | undefined) => V

export class Views<V> {
  readonly #views = new Map<string, View<V>>()

  get size(): number {
    return this.#views.size
  }

  /** @param key names what `compute` computes: equal keys must mean equal values */
  watch(key: string, compute: Compute<V>, onChange: () => void): Watch<V> {
    let view = this.#views.get(key)
    if (view === undefined) {
      view = { compute, value: compute(undefined), listeners: new Set() }
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

  /** Computes every view anew and tells those who watch a changed one. */
  refresh(): void {
    for (const view of [...this.#views.values()]) {
      const value = view.compute(view.value)
      if (value === view.value) continue
      view.value = value
      for (const listener of [...view.listeners]) listener()
    }
  }
}

interface View<V> {
  readonly compute: Compute<V>
  value: V
  readonly listeners: Set<() => void>
}
