/** The figures as tables for a terminal, and whether they keep what the control plane promises. */
import { formatTable } from '../report.ts'
import type { ChangeResult, ControlResults, StatesResult, Summary } from './results.ts'

/** A change reaches every proxy that it concerns within this time. */
const MAX_P99_MS = 1_000
const MAX_BYTES_PER_PROXY = 100_000

export function formatControlReport(results: ControlResults): string {
  const { changes, memory, opened, restarted, size, streams } = results
  const tables = [
    [
      ['change', 'streams', 'p50 ms', 'p99 ms', 'max ms', 'missing', 'stray', 'repeated', 'CPU ms'],
      ...changes.map((change) => [
        change.name,
        `${change.concerned}`,
        ...cells(change.latencyMs),
        `${change.missing}`,
        `${change.stray}`,
        `${change.repeated}`,
        change.cpuMs.toFixed(1),
      ]),
    ],
    [
      ['states', 'proxies', 'p50 ms', 'p99 ms', 'max ms', 'missing'],
      statesRow('all proxies start', opened),
      statesRow('the control plane restarts', restarted),
    ],
    [
      ['memory', 'kB'],
      ['control plane without proxies', kilobytes(memory.baseBytes)],
      ['per proxy', kilobytes(memory.perProxyBytes)],
      ['of it JavaScript heap', kilobytes(memory.heapPerProxyBytes)],
      ['per proxy, after the changes', kilobytes(memory.perProxyAfterChangesBytes)],
      ['of it JavaScript heap', kilobytes(memory.heapPerProxyAfterChangesBytes)],
    ],
    verdicts(results).map(({ what, isMet }) => [what, isMet ? 'met' : 'missed']),
  ]
  const head = `${size.proxies} proxies with ${streams} streams, ${size.services} Services with as many routes\n`
  return `${[head, ...tables.map(formatTable)].join('\n')}\n`
}

export interface ControlVerdict {
  readonly what: string
  readonly isMet: boolean
}

export function verdicts({ changes, memory, restarted, size }: ControlResults): readonly ControlVerdict[] {
  const every = (isMet: (change: ChangeResult) => boolean) => changes.every(isMet)
  return [
    {
      what: `a change reaches all proxies that it concerns within ${MAX_P99_MS} ms (p99)`,
      isMet: every(({ missing, latencyMs }) => missing === 0 && (latencyMs?.p99 ?? 0) <= MAX_P99_MS),
    },
    { what: 'no other stream hears of it', isMet: every(({ stray }) => stray === 0) },
    {
      what: `less than ${kilobytes(MAX_BYTES_PER_PROXY)} kB per proxy`,
      isMet: Math.max(memory.perProxyBytes, memory.perProxyAfterChangesBytes) < MAX_BYTES_PER_PROXY,
    },
    { what: 'all proxies are back after a restart', isMet: restarted.proxies === size.proxies },
  ]
}

function cells(summary: Summary | undefined): readonly string[] {
  return summary === undefined
    ? ['-', '-', '-']
    : [summary.p50, summary.p99, summary.max].map((value) => value.toFixed(1))
}

function statesRow(name: string, { proxies, missing, afterMs }: StatesResult): string[] {
  return [name, `${proxies}`, ...cells(afterMs), `${missing}`]
}

function kilobytes(bytes: number): string {
  return (bytes / 1_000).toFixed(bytes < 1e6 ? 1 : 0)
}
