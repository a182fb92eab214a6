/** The live table: a report in, text out. Refreshed in place on a terminal; printed again elsewhere. Pure. */
import type { EdgeRow, ReplicaRow, Report, RouteRow } from './metrics/report.ts'
import { alignColumns } from './object-table.ts'

export interface TableHeading {
  readonly title: string
  /** Lines under the title: what was found out so far. */
  readonly notes: readonly string[]
}

/** Lines without trailing blanks. @param width columns of the terminal; longer lines are cut */
export function renderTable(report: Report, heading: TableHeading, width = Number.POSITIVE_INFINITY): string[] {
  const pods = report.pods.filter(({ namespace }) => namespace !== 'linkerd')
  const meshed = pods.filter(({ injected }) => injected).length
  const ready = pods.filter((pod) => pod.ready).length
  const lines = [heading.title, `${pods.length} pods, ${ready} ready, ${meshed} injected`, ...heading.notes, '']
  if (report.routes.length === 0) lines.push('no requests yet')
  else lines.push(...routeLines(report.routes, report.periodMs), '', ...replicaLines(report.replicas))
  return lines.map((line) => (line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line))
}

/** Moves the cursor back over `previousLines` lines and replaces them. */
export function refreshInPlace(lines: readonly string[], previousLines: number): string {
  const back = previousLines > 0 ? `\u001b[${previousLines}A` : ''
  // Each line clears what stood behind it, the last escape what stood below.
  return `${back}\r${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`
}

/** The pods at start-up: that each is ready and injected. */
export function renderPods(report: Report): string {
  return alignColumns([
    ['NAMESPACE', 'POD', 'READY', 'INJECTED'],
    ...report.pods.map(({ namespace, name, ready, injected }) => [
      namespace,
      name,
      ready ? 'yes' : 'no',
      injected ? 'yes' : 'no',
    ]),
  ])
}

const HEADINGS = ['FROM', 'TO', 'ROUTE', 'PROTOCOL', 'MESHED', 'SUCCESS', 'RPS', 'P50', 'P95', 'P99', 'RETRIES']
const NUMERIC_FROM = 5

function routeLines(routes: readonly RouteRow[], periodMs: number): string[] {
  const rows = routes.map((row) => [
    row.from,
    row.to,
    row.route === '' ? '-' : row.route,
    row.protocol,
    row.mtls ? 'yes' : 'no',
    formatShare(row.successRate),
    formatRate(row.requests, periodMs),
    formatMs(row.p50Ms),
    formatMs(row.p95Ms),
    formatMs(row.p99Ms),
    String(Math.round(row.retries)),
  ])
  return alignRight([HEADINGS, ...rows], NUMERIC_FROM)
}

/** One line per service: the share of each replica. */
function replicaLines(replicas: readonly ReplicaRow[]): string[] {
  const services = [...new Set(replicas.map(({ service }) => service))]
  const several = services.filter((service) => replicas.filter((each) => each.service === service).length > 1)
  if (several.length === 0) return []
  const rows = several.flatMap((service) =>
    replicas
      .filter((each) => each.service === service)
      .map(({ pod, share, requests }, index) => [
        index === 0 ? service : '',
        pod,
        formatShare(share),
        String(Math.round(requests)),
        bar(share),
      ]),
  )
  return alignRight([['SERVICE', 'REPLICA', 'SHARE', 'REQUESTS', ''], ...rows], 2, 4)
}

const BAR_LENGTH = 20

function bar(share: number): string {
  return '█'.repeat(Math.round(share * BAR_LENGTH))
}

function alignRight(rows: readonly (readonly string[])[], from: number, to = Number.POSITIVE_INFINITY): string[] {
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, index) => Math.max(most[index] ?? 0, cell.length)),
    [],
  )
  const isNumber = (index: number) => index >= from && index < to
  return rows.map((row) =>
    row
      .map((cell, index) => (isNumber(index) ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

export function formatShare(share: EdgeRow['successRate']): string {
  if (share === null) return '-'
  // Rounded down, so that 100.0% means all of them.
  return `${(Math.floor(share * 1_000) / 10).toFixed(1)}%`
}

function formatRate(requests: number, periodMs: number): string {
  return periodMs <= 0 ? '-' : ((requests * 1_000) / periodMs).toFixed(1)
}

function formatMs(ms: number | null): string {
  if (ms === null) return '-'
  return ms < 10 ? `${ms.toFixed(1)}ms` : `${Math.round(ms)}ms`
}
