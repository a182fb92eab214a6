/**
 * One metric name and its series.
 *
 * A series lives as long as somebody holds its object, and for a while after its last change. Holding is an ordinary
 * reference: an idle series is only remembered weakly, so nobody has to give anything back, and a holder that wakes up
 * after hours still adds to the series it got.
 */
import { Histogram, joinLabels, type LabelPairs, type Metric, renderLabels } from './metrics.ts'

/** The two generations of Linkerd's families; they differ in how names, `le` and numbers are written. */
export type Generation = 'legacy' | 'new'

export interface FamilyOptions {
  readonly generation: Generation
  /** How long an unheld series stays after its last change; `Infinity` for ever. */
  readonly retainMs: number
}

/**
 * Series of one family. Labels come from traffic in part (ports, identities), so a peer could make them grow without
 * end; beyond the bound new label sets share one series that is not printed, and are counted.
 */
export const MAX_SERIES_PER_FAMILY = 10_000
/** Idle series are looked for this often. */
const SWEEP_MS = 10_000

interface Series<M> {
  strong: M | undefined
  readonly weak: WeakRef<M & object>
  /** What the value was at the last look, and when it last differed. */
  seen: number
  changedAtMs: number
}

export type MetricType = 'counter' | 'gauge' | 'histogram'

export class Family<M extends Metric = Metric> {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  readonly #options: FamilyOptions
  readonly #make: () => M
  readonly #nowMs: () => number
  readonly #onDropped: () => void
  readonly #series = new Map<string, Series<M>>()
  #overflow: M | undefined = undefined
  #sweptAtMs = 0

  constructor(
    name: string,
    help: string,
    type: MetricType,
    options: FamilyOptions,
    make: () => M,
    nowMs: () => number,
    onDropped: () => void,
  ) {
    this.name = name
    this.help = help
    this.type = type
    this.#options = options
    this.#make = make
    this.#nowMs = nowMs
    this.#onDropped = onDropped
  }

  get size(): number {
    return this.#series.size
  }

  /** The series with these labels, in this order. Once per owner, never per request. */
  child(labels: LabelPairs | string = ''): M {
    const key = typeof labels === 'string' ? labels : renderLabels(labels)
    const known = this.#series.get(key)
    const metric = known?.weak.deref()
    if (known !== undefined && metric !== undefined) {
      known.strong = metric
      known.changedAtMs = this.#nowMs()
      return metric
    }
    if (this.#isFull()) {
      this.#onDropped()
      this.#overflow ??= this.#make()
      return this.#overflow
    }
    const made = this.#make()
    this.#series.set(key, { strong: made, weak: new WeakRef(made), seen: changeOf(made), changedAtMs: this.#nowMs() })
    return made
  }

  /** Appends the text of the family, nothing when it has no series. */
  render(lines: string[]): void {
    this.sweep()
    if (this.#series.size === 0) return
    const { name, type, help } = this
    const isLegacy = this.#options.generation === 'legacy'
    const family = isLegacy && type === 'counter' ? `${name}_total` : name
    lines.push(`# HELP ${family} ${help}${isLegacy ? '' : '.'}`, `# TYPE ${family} ${type}`)
    for (const [labels, { weak }] of this.#series) {
      const metric = weak.deref()
      if (metric !== undefined) this.#renderSeries(lines, labels, metric)
    }
  }

  /** Lets go of idle series, and forgets those nobody holds. */
  sweep(): void {
    const nowMs = this.#nowMs()
    this.#sweptAtMs = nowMs
    for (const [labels, series] of this.#series) {
      const metric = series.weak.deref()
      if (metric === undefined) {
        this.#series.delete(labels)
        continue
      }
      const change = changeOf(metric)
      if (change !== series.seen) {
        series.seen = change
        series.changedAtMs = nowMs
        series.strong = metric
      } else if (nowMs - series.changedAtMs >= this.#options.retainMs) {
        series.strong = undefined
      }
    }
  }

  #isFull(): boolean {
    if (this.#series.size < MAX_SERIES_PER_FAMILY) return false
    if (this.#nowMs() - this.#sweptAtMs >= SWEEP_MS) this.sweep()
    return this.#series.size >= MAX_SERIES_PER_FAMILY
  }

  #renderSeries(lines: string[], labels: string, metric: M): void {
    if (metric instanceof Histogram) {
      this.#renderHistogram(lines, labels, metric)
      return
    }
    const suffix = this.type === 'counter' ? '_total' : ''
    lines.push(`${this.name}${suffix}${labels === '' ? '' : `{${labels}}`} ${metric.value}`)
  }

  #renderHistogram(lines: string[], labels: string, metric: Histogram): void {
    const { name } = this
    const isLegacy = this.#options.generation === 'legacy'
    let cumulative = 0
    metric.counts.forEach((count, at) => {
      cumulative += count
      const bound = metric.bounds[at]
      const le = bound === undefined ? 'le="+Inf"' : `le="${isLegacy ? bound : floatText(bound)}"`
      lines.push(`${name}_bucket{${isLegacy ? joinLabels(labels, le) : joinLabels(le, labels)}} ${cumulative}`)
    })
    const braced = labels === '' ? '' : `{${labels}}`
    const sum = isLegacy ? Math.round(metric.sum) : floatText(metric.sum)
    lines.push(`${name}_sum${braced} ${sum}`, `${name}_count${braced} ${cumulative}`)
  }
}

/** A number that differs whenever the metric was touched (almost: a gauge may return to its value, which is as good). */
function changeOf(metric: Metric): number {
  return metric instanceof Histogram ? metric.count : metric.value
}

/** `1` is `1.0`, as the new families write their floats. */
function floatText(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : `${value}`
}
