/**
 * The increases of the last minutes, one entry per scrape, and the sum of everything before: so a report can be about
 * any time since a moment that is not too long ago, or about the whole run. Time is an argument.
 */

import { readSamples } from './prometheus-text.ts'
import { isWanted, OPEN_CONNECTIONS, type Source, Totals } from './totals.ts'

/** Entries kept apart: with one scrape a second, ten minutes. */
const MAX_ENTRIES = 600

export interface Page extends Source {
  /** Uid of the pod: its counters begin at zero with it. */
  readonly uid: string
  readonly text: string
}

export class MetricsHistory {
  readonly #before = new Totals()
  readonly #entries: { readonly atMs: number; readonly totals: Totals }[] = []
  /** Last value of each series, by pod. */
  #last = new Map<string, Map<string, number>>()
  /** What is open now: a connection that lasts is traffic, also in a minute in which none was opened. */
  #open = new Totals()

  /** Takes in the pages of one scrape. Pods without a page keep their last values. */
  add(pages: readonly Page[], alive: ReadonlySet<string>, nowMs: number): void {
    const totals = new Totals()
    this.#open = new Totals()
    for (const page of pages) {
      const before = this.#last.get(page.uid)
      const now = new Map<string, number>()
      for (const sample of readSamples(page.text, isWanted)) {
        if (sample.name === OPEN_CONNECTIONS) {
          this.#open.add(page, sample, sample.value)
          continue
        }
        const previous = before?.get(sample.series) ?? 0
        // A counter that fell began again: a restarted proxy.
        totals.add(page, sample, sample.value >= previous ? sample.value - previous : sample.value)
        now.set(sample.series, sample.value)
      }
      this.#last.set(page.uid, now)
    }
    for (const uid of this.#last.keys()) {
      if (!alive.has(uid)) this.#last.delete(uid)
    }
    this.#entries.push({ atMs: nowMs, totals })
    while (this.#entries.length > MAX_ENTRIES) this.#before.addAll(this.#entries.shift()!.totals)
  }

  /** Everything counted after `sinceMs`; all of it when that is longer ago than is kept apart. */
  since(sinceMs: number): Totals {
    const totals = new Totals()
    const [oldest] = this.#entries
    if (oldest === undefined || sinceMs < oldest.atMs) totals.addAll(this.#before)
    for (const entry of this.#entries) {
      if (entry.atMs > sinceMs) totals.addAll(entry.totals)
    }
    totals.addAll(this.#open)
    return totals
  }
}
