/**
 * The metrics pages of processes that share the work of one proxy (`workers.ts`), as one page: counters, histograms and
 * most gauges add up; what is the same for all of them, or a time, does not.
 */

interface Family {
  readonly head: readonly string[]
  /** Values by series, labels included. */
  readonly series: Map<string, number>
}

type Combine = (a: number, b: number) => number

const add: Combine = (a, b) => a + b

/** By the beginning of a series' name; what is not here adds up. */
const NOT_ADDED: readonly (readonly [RegExp, Combine])[] = [
  // The certificate that has to be renewed first is the one to watch.
  [/_timestamp_seconds$/, Math.min],
  [/_info$/, Math.max],
  [/^process_(?:start_time|clock_time|uptime|network|max_fds)/, Math.max],
  [/_gate_(?:open|shut)_time|_gate_timeout/, Math.max],
]

/** @param pages each as `Registry.render` writes it; families stand in the order of the first page that has them */
export function mergePages(pages: readonly string[]): string {
  const families = new Map<string, Family>()
  for (const page of pages) addPage(page, families)
  const lines: string[] = []
  for (const { head, series } of families.values()) {
    lines.push(...head)
    for (const [name, value] of series) lines.push(`${name} ${value}`)
  }
  lines.push('# EOF', '')
  return lines.join('\n')
}

function addPage(page: string, families: Map<string, Family>): void {
  let family: Family = { head: [], series: new Map() }
  let head: string[] = []
  for (const line of page.split('\n')) {
    if (line === '' || line === '# EOF') continue
    if (line.startsWith('#')) {
      head.push(line)
      continue
    }
    if (head.length > 0) {
      const name = head[0]!.split(' ')[2] ?? ''
      family = families.get(name) ?? { head, series: new Map() }
      families.set(name, family)
      head = []
    }
    const at = line.lastIndexOf(' ')
    const series = line.slice(0, at)
    const value = Number(line.slice(at + 1))
    const known = family.series.get(series)
    family.series.set(series, known === undefined ? value : combineOf(series)(known, value))
  }
}

function combineOf(series: string): Combine {
  const brace = series.indexOf('{')
  const name = brace === -1 ? series : series.slice(0, brace)
  return NOT_ADDED.find(([pattern]) => pattern.test(name))?.[1] ?? add
}
