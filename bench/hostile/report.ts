/** The harness's results as a table; `docs/threat-model.md` shows one. */

export interface AttackResult {
  readonly attack: string
  /** When the proxy ended it; `undefined` when the harness did, after `watchedSeconds`. */
  readonly closedAfterSeconds: number | undefined
  readonly watchedSeconds: number
  /** What the proxy spent on it beyond the ordinary traffic. */
  readonly cpuSeconds: number
  readonly megabytes: number
  readonly p99BeforeMs: number
  readonly p99DuringMs: number
}

export interface FleetResult {
  readonly connections: number
  readonly openAtMost: number
  readonly dialled: number
  readonly baseMb: number
  readonly peakMb: number
  readonly afterMb: number
  readonly boundMb: number
}

export interface HostileResults {
  readonly attacks: readonly AttackResult[]
  readonly fleet?: FleetResult | undefined
}

export const LIMITS = { corePercent: 5, megabytes: 8, p99Percent: 10, fleetAfterPercent: 20 } as const

/** CPU as a share of one core over the life of the connection, which counts as a second at least. */
export function corePercent({ cpuSeconds, closedAfterSeconds, watchedSeconds }: AttackResult): number {
  return (100 * Math.max(0, cpuSeconds)) / Math.max(1, closedAfterSeconds ?? watchedSeconds)
}

export function isWithinLimits(result: AttackResult): boolean {
  return corePercent(result) <= LIMITS.corePercent && result.megabytes <= LIMITS.megabytes
}

export function formatReport({ attacks, fleet }: HostileResults): string {
  const lines = [
    '| attack | closed after | % of a core | MB | p99 before / during | verdict |',
    '|---|---|---|---|---|---|',
  ]
  for (const result of attacks) {
    const { attack, closedAfterSeconds, watchedSeconds, megabytes, p99BeforeMs, p99DuringMs } = result
    const closed =
      closedAfterSeconds === undefined ? `open after ${watchedSeconds} s` : `${closedAfterSeconds.toFixed(2)} s`
    const p99 = `${p99BeforeMs.toFixed(1)} / ${p99DuringMs.toFixed(1)} ms`
    const verdict = isWithinLimits(result) ? 'held' : 'over'
    lines.push(
      `| ${attack} | ${closed} | ${corePercent(result).toFixed(1)} | ${Math.max(0, megabytes).toFixed(1)} | ${p99} | ${verdict} |`,
    )
  }
  if (attacks.length > 0) {
    const change = median(attacks.map(({ p99BeforeMs, p99DuringMs }) => p99DuringMs / p99BeforeMs))
    lines.push(
      '',
      `p99 of the ordinary traffic, median over the attacks: ${(100 * (change - 1)).toFixed(0)} % more than before.`,
    )
  }
  if (fleet !== undefined) {
    const { connections, openAtMost, dialled, baseMb, peakMb, afterMb, boundMb } = fleet
    const mb = (value: number): string => `${value.toFixed(1)} MB`
    lines.push(
      '',
      `${connections} hostile connections (${openAtMost} open at most, ${dialled} dialled): ${mb(baseMb)} before, ${mb(peakMb)} at most (bound: ${mb(boundMb)}), ${mb(afterMb)} 60 s after their end.`,
    )
  }
  return `${lines.join('\n')}\n`
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}
