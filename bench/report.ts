/** The results as a table for people and as an object for programs. */
import type { BenchCase } from './cases.ts'
import type { Side } from './measure.ts'

export interface CaseResult {
  readonly name: string
  readonly weft: Side
  readonly peer: Side
  /** CPU of Weft's two proxies per request, divided by that of the peer's two. */
  readonly ratio: number
  readonly targetRatio: number
}

export interface MemoryResult {
  readonly sidecars: number
  readonly idleMb: number
  readonly afterLoadMb: number
}

/** A load that could not be measured, and why. */
export interface FailedCase {
  readonly name: string
  readonly reason: string
}

export interface BenchResults {
  readonly cases: readonly CaseResult[]
  readonly failed: readonly FailedCase[]
  readonly memory?: MemoryResult
  readonly startToReadyMs?: number
}

export const MEMORY_TARGET_MB = { idle: 32, afterLoad: 48 } as const
export const START_TARGET_MS = 250

export function caseResult(bench: BenchCase, weft: Side, peer: Side): CaseResult {
  return { name: bench.name, weft, peer, ratio: totalCpu(weft) / totalCpu(peer), targetRatio: bench.targetRatio }
}

function totalCpu({ cpuUsPerRequest: { outbound, inbound } }: Side): number {
  return outbound + inbound
}

const HEADINGS = ['load', 'side', 'CPU µs/req', 'out + in', 's/GB', 'req/s', 'p50 ms', 'p99 ms', 'ratio', 'target', '']

export function formatReport({ cases, failed, memory, startToReadyMs }: BenchResults): string {
  const rows = cases.flatMap(({ name, weft, peer, ratio, targetRatio }) => [
    [name, ...sideColumns(weft), ratio.toFixed(2), `≤ ${targetRatio}`, ratio <= targetRatio ? 'met' : 'missed'],
    ['', ...sideColumns(peer), '', '', ''],
  ])
  const lines = [formatTable([HEADINGS, ...rows]), ...failed.map(({ name, reason }) => `${name} failed: ${reason}`)]
  if (memory !== undefined) {
    lines.push(
      `private memory of one more sidecar, ${memory.sidecars} running: idle ${memory.idleMb.toFixed(1)} MB (≤ ${MEMORY_TARGET_MB.idle}), after the load ${memory.afterLoadMb.toFixed(1)} MB (≤ ${MEMORY_TARGET_MB.afterLoad})`,
    )
  }
  if (startToReadyMs !== undefined) {
    lines.push(`start to /ready with the control plane up: ${startToReadyMs.toFixed(0)} ms (≤ ${START_TARGET_MS})`)
  }
  return `${lines.join('\n')}\n`
}

function sideColumns(side: Side): string[] {
  const { outbound, inbound } = side.cpuUsPerRequest
  return [
    side.name,
    totalCpu(side).toFixed(1),
    `${outbound.toFixed(1)} + ${inbound.toFixed(1)}`,
    side.cpuSecondsPerGb?.toFixed(2) ?? '',
    side.rps.toFixed(0),
    side.p50Ms.toFixed(2),
    side.p99Ms.toFixed(2),
  ]
}

/** The first two columns are words and stand left, figures stand right. */
function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
