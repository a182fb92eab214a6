/** Latencies as the proxies count them: buckets with upper bounds, of which percentiles are estimated. */
export class Latency {
  /** Upper bound in ms → requests at or below it, cumulative as in the page. */
  readonly #atMost = new Map<number, number>()

  add(boundMs: number, count: number): void {
    this.#atMost.set(boundMs, (this.#atMost.get(boundMs) ?? 0) + count)
  }

  addAll(other: Latency): void {
    for (const [bound, count] of other.#atMost) this.add(bound, count)
  }

  get count(): number {
    return this.#atMost.get(Number.POSITIVE_INFINITY) ?? 0
  }

  /** The estimate in ms, linear inside a bucket as Prometheus does it; `undefined` without requests. */
  percentileMs(share: number): number | undefined {
    const total = this.count
    if (total <= 0) return undefined
    const rank = share * total
    let lowerMs = 0
    let below = 0
    for (const [boundMs, atMost] of [...this.#atMost].sort(([a], [b]) => a - b)) {
      if (atMost >= rank) {
        if (boundMs === Number.POSITIVE_INFINITY) return lowerMs
        const inside = atMost - below
        return inside <= 0 ? boundMs : lowerMs + ((boundMs - lowerMs) * (rank - below)) / inside
      }
      lowerMs = boundMs
      below = atMost
    }
    return lowerMs
  }
}
