/** Timeouts in the fields of a route (GEP-1742), read alike by admission and by the index. */
import { parseGoDurationMs } from '../../../api/duration.ts'

/** @returns milliseconds; `undefined` without a text, and for one that `onProblem` is told about */
export function timeoutMs(text: string | undefined, onProblem: (message: string) => void): number | undefined {
  if (text === undefined) return undefined
  const ms = parseGoDurationMs(text)
  if (ms !== undefined && ms >= 0) return ms
  onProblem(`"${text}" is not a duration such as 300ms, 10s or 1m30s`)
  return undefined
}
