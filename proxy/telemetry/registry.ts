/** All families of a process, and the page that `/metrics` serves (facts: text, two generations, ends in `# EOF`). */
import { Family, type FamilyOptions, type MetricType } from './family.ts'
import { Counter, Gauge, Histogram, type Metric } from './metrics.ts'

export interface RegistryOptions {
  readonly nowMs: () => number
  /** How long idle series of the legacy generation stay: `LINKERD2_PROXY_METRICS_RETAIN_IDLE`. */
  readonly retainIdleMs: number
}

/** What to declare besides name and help. Without options a family is of the new generation and keeps its series. */
export type Declaration = 'legacy' | 'new' | 'owned'

export class Registry {
  readonly #options: RegistryOptions
  readonly #families: Family[] = []
  readonly #collectors: (() => void)[] = []
  readonly #dropped: Counter

  constructor(options: RegistryOptions) {
    this.#options = options
    this.#dropped = new Counter()
    const dropped = this.counter('weft_metrics_dropped_series', 'Label sets not counted because a family was full')
    this.#dropped = dropped.child()
  }

  /** @param name without `_total` */
  counter(name: string, help: string, declaration: Declaration = 'new'): Family<Counter> {
    return this.#declare(name, help, 'counter', declaration, () => new Counter())
  }

  gauge(name: string, help: string, declaration: Declaration = 'new'): Family<Gauge> {
    return this.#declare(name, help, 'gauge', declaration, () => new Gauge())
  }

  histogram(
    name: string,
    help: string,
    bounds: readonly number[],
    declaration: Declaration = 'new',
  ): Family<Histogram> {
    return this.#declare(name, help, 'histogram', declaration, () => new Histogram(bounds))
  }

  /** `collect` runs before each page: for numbers that are read elsewhere. */
  onCollect(collect: () => void): void {
    this.#collectors.push(collect)
  }

  /** Brings what is counted elsewhere up to date, and lets idle series go; also when nobody scrapes. */
  collect(): void {
    for (const collect of this.#collectors) collect()
    for (const family of this.#families) family.sweep()
  }

  render(): string {
    for (const collect of this.#collectors) collect()
    const lines: string[] = []
    for (const family of this.#families) family.render(lines)
    lines.push('# EOF', '')
    return lines.join('\n')
  }

  #declare<M extends Metric>(
    name: string,
    help: string,
    type: MetricType,
    declaration: Declaration,
    make: () => M,
  ): Family<M> {
    const family = new Family<M>(
      name,
      help,
      type,
      optionsOf(declaration, this.#options),
      make,
      this.#options.nowMs,
      () => {
        this.#dropped.value++
      },
    )
    this.#families.push(family as unknown as Family)
    return family
  }
}

function optionsOf(declaration: Declaration, { retainIdleMs }: RegistryOptions): FamilyOptions {
  switch (declaration) {
    case 'legacy':
      return { generation: 'legacy', retainMs: retainIdleMs }
    case 'new':
      return { generation: 'new', retainMs: Number.POSITIVE_INFINITY }
    // Belongs to a stack, balancer or route and goes with it.
    case 'owned':
      return { generation: 'new', retainMs: 0 }
  }
}
