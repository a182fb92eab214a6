/** How results of loads become figures. */
import type { LoadResult } from './load/load.ts'
import type { Percentiles, Quartiles, Side } from './results.ts'

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function quartiles(values: readonly number[]): Quartiles {
  return { lower: quantile(values, 0.25), median: median(values), upper: quantile(values, 0.75) }
}

/** What `share` of the values do not exceed, between two of them in proportion. */
function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const [below, above] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return below + (above - below) * (at % 1)
}

export function sum(rounds: readonly LoadResult[], value: (round: LoadResult) => number): number {
  return rounds.reduce((total, round) => total + value(round), 0)
}

/** The figures of one pair. */
export function sideOf(name: string, result: LoadResult): Side {
  const { requests, seconds, contentBytes, cpuSeconds, p50Ms, p99Ms } = result
  const [outbound, inbound] = cpuSeconds as [number, number]
  return {
    name,
    cpuUs: { outbound: (outbound / requests) * 1e6, inbound: (inbound / requests) * 1e6 },
    cpuSecondsPerGb: (outbound + inbound) / (contentBytes / 1e9),
    rps: requests / seconds,
    busyShare: Math.max(outbound, inbound) / seconds,
    p50Ms,
    p99Ms,
  }
}

export function percentilesOf(rounds: readonly LoadResult[]): Percentiles {
  return {
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
    p999Ms: median(rounds.map(({ p999Ms }) => p999Ms)),
  }
}
