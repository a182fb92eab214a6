/**
 * The numbers behind `/metrics`: counters, gauges and histograms as plain objects.
 *
 * An owner (a connection, an endpoint, a route) asks its family for the object once and then only adds to a number;
 * labels are rendered when the object is made, text when somebody scrapes.
 */

export class Counter {
  value = 0
}

export class Gauge {
  value = 0
}

export class Histogram {
  /** Upper bounds, inclusive, ascending; the last bucket has none. */
  readonly bounds: readonly number[]
  /** Not cumulative; one more than `bounds`. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds } = this
    // From the left: most values are small, and 25 comparisons cost less than a mispredicted search.
    let at = 0
    while (at < bounds.length && value > bounds[at]!) at++
    this.counts[at]!++
    this.sum += value
  }

  get count(): number {
    let count = 0
    for (const bucket of this.counts) count += bucket
    return count
  }
}

export type Metric = Counter | Gauge | Histogram

export type LabelPairs = readonly (readonly [name: string, value: string])[]

/** `a="1",b="2"`, escaped; the empty string without labels. */
export function renderLabels(labels: LabelPairs): string {
  let text = ''
  for (const [name, value] of labels) {
    if (text !== '') text += ','
    text += `${name}="${escapeLabel(value)}"`
  }
  return text
}

/** Appends labels to rendered ones. */
export function joinLabels(first: string, second: string): string {
  if (first === '') return second
  return second === '' ? first : `${first},${second}`
}

function escapeLabel(value: string): string {
  if (!/[\\"\n]/.test(value)) return value
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
