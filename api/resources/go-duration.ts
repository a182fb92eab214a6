/**
 * Durations as Go prints and reads them (`300ms`, `1m30s`, `1.5h`): the notation of service profiles and of the
 * injector's annotations. The proxy's environment has a smaller grammar of its own and does not come through here.
 */
const MS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/** Milliseconds (may be fractional or negative), or `undefined` when `text` is not a Go duration. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign, rest] = /^([-+]?)(.+)$/.exec(text) ?? []
  if (rest === undefined) return undefined
  if (rest === '0') return 0
  const term = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y
  let totalMs = 0
  while (term.lastIndex < rest.length) {
    const [, count, unit] = term.exec(rest) ?? []
    if (count === undefined || unit === undefined) return undefined
    totalMs += Number(count) * (MS_PER_UNIT.get(unit) ?? Number.NaN)
  }
  return sign === '-' ? -totalMs : totalMs
}
