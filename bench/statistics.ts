/** How rounds become figures. */
import type { LoadResult } from './load/load.ts'
import type { Percentiles, Side } from './results.ts'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function sum(rounds: readonly LoadResult[], value: (round: LoadResult) => number): number {
  return rounds.reduce((total, round) => total + value(round), 0)
}

/** The figures of one pair: CPU and requests are added up over the rounds, latencies are those of the median round. */
export function sideOf(name: string, rounds: readonly LoadResult[]): Side {
  const requests = sum(rounds, (round) => round.requests)
  const seconds = sum(rounds, (round) => round.seconds)
  const cpu = (index: number) => sum(rounds, (round) => round.cpuSeconds[index]!)
  return {
    name,
    cpuUs: { outbound: (cpu(0) / requests) * 1e6, inbound: (cpu(1) / requests) * 1e6 },
    cpuSecondsPerGb: (cpu(0) + cpu(1)) / (sum(rounds, (round) => round.contentBytes) / 1e9),
    rps: requests / seconds,
    busyShare: Math.max(cpu(0), cpu(1)) / seconds,
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
  }
}

export function percentilesOf(rounds: readonly LoadResult[]): Percentiles {
  return {
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
    p999Ms: median(rounds.map(({ p999Ms }) => p999Ms)),
  }
}
