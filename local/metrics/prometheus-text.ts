/** Reads the samples of a `/metrics` page (Prometheus text format), of the families that the caller wants. */
export interface Sample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
  /** Name and labels as they stand in the page: the same in every scrape. */
  readonly series: string
}

/** Longer pages are cut: a page of our proxies has some hundred kilobytes at most. */
const MAX_TEXT_LENGTH = 16 * 1024 * 1024

export function* readSamples(text: string, wants: (name: string) => boolean): Generator<Sample> {
  let at = 0
  const end = Math.min(text.length, MAX_TEXT_LENGTH)
  while (at < end) {
    const newline = text.indexOf('\n', at)
    const lineEnd = newline === -1 ? end : newline
    if (text.charCodeAt(at) !== HASH && lineEnd > at) {
      const sample = readLine(text.slice(at, lineEnd), wants)
      if (sample !== undefined) yield sample
    }
    at = lineEnd + 1
  }
}

const HASH = 0x23

function readLine(line: string, wants: (name: string) => boolean): Sample | undefined {
  const name = /^[a-zA-Z_:][\w:]*/.exec(line)?.[0]
  if (name === undefined || !wants(name)) return undefined
  const labels = new Map<string, string>()
  let at = name.length
  if (line[at] === '{') {
    at++
    const pair = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/y
    while (line[at] !== '}') {
      pair.lastIndex = at
      const match = pair.exec(line)
      if (match === null) return undefined
      labels.set(match[1]!, unescapeLabel(match[2]!))
      at = pair.lastIndex
    }
    at++
  }
  // A timestamp may follow the value.
  const [value = ''] = line.slice(at).trim().split(' ')
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
  return value === '' || Number.isNaN(number) ? undefined : { name, labels, value: number, series: line.slice(0, at) }
}

function unescapeLabel(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)) : text
}
