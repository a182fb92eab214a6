/** The results as tables for a terminal. */
import { CASES } from './cases.ts'
import { costOf, cpuRatio, rateRatio, spread } from './ratios.ts'
import type {
  BenchResults,
  CaseResult,
  HandshakeResult,
  HopResult,
  LatencyResult,
  MemoryResult,
  Percentiles,
  PoliciesResult,
  Side,
  Sides,
} from './results.ts'
import { verdicts } from './targets.ts'

export function formatReport(results: BenchResults): string {
  const { loads, latency, handshakes, memory, hops, policies, failed } = results
  const parts: string[] = []
  if (loads !== undefined) parts.push(formatTable([LOAD_HEADINGS, ...loads.cases.flatMap(loadRows)]))
  if (latency !== undefined) parts.push(formatTable([LATENCY_HEADINGS, ...latency.map(latencyRow)]))
  if (handshakes !== undefined) parts.push(formatTable([HANDSHAKE_HEADINGS, ...handshakes.map(handshakeRow)]))
  if (memory !== undefined) parts.push(formatTable(memoryRows(memory)))
  if (policies !== undefined) parts.push(formatTable([POLICY_HEADINGS, ...policies.flatMap(policyRows)]))
  if (hops !== undefined) parts.push(formatTable([HOP_HEADINGS, ...hops.flatMap(hopRows)]))
  const rows = verdicts(results).map(({ what, target, measured, isMet }) => [
    what,
    '',
    measured,
    target,
    isMet ? 'met' : 'missed',
  ])
  if (rows.length > 0) parts.push(formatTable(rows))
  if (failed.length > 0) parts.push(failed.map(({ what, reason }) => `${what} failed: ${reason}`).join('\n'))
  return `${parts.join('\n\n')}\n`
}

const LOAD_HEADINGS = [
  'load',
  'side',
  'CPU',
  '',
  'out + in µs',
  'busy',
  'rate/s',
  'p50 ms',
  'p99 ms',
  'CPU ratio',
  'rate ratio',
]

function loadRows(result: CaseResult): string[][] {
  const bench = CASES.find(({ name }) => name === result.name)!
  const columns = (side: Side) => [
    side.name,
    costOf(bench, side).toFixed(bench.unit === 'GB' ? 2 : 1),
    bench.unit === 'GB' ? 's/GB' : `µs/${bench.unit}`,
    `${side.cpuUs.outbound.toFixed(1)} + ${side.cpuUs.inbound.toFixed(1)}`,
    percent(side.busyShare),
    side.rps.toFixed(0),
    side.p50Ms.toFixed(2),
    side.p99Ms.toFixed(2),
  ]
  return [
    [
      result.name,
      ...columns(result.weft),
      `${cpuRatio(bench, result).toFixed(2)}${spread(result.turns?.cpuRatio)}`,
      `${rateRatio(result).toFixed(2)}${spread(result.turns?.rateRatio)}`,
    ],
    ['', ...columns(result.peer), '', ''],
  ]
}

const POLICY_HEADINGS = [
  'policies',
  'side',
  'CPU µs',
  'out + in µs',
  'rate/s',
  'p50 ms',
  'p99 ms',
  'CPU ratio',
  'rate ratio',
]

function policyRows({ name, all, none, turns }: PoliciesResult): string[][] {
  const columns = (side: Side) => [
    side.name,
    (side.cpuUs.outbound + side.cpuUs.inbound).toFixed(1),
    `${side.cpuUs.outbound.toFixed(1)} + ${side.cpuUs.inbound.toFixed(1)}`,
    side.rps.toFixed(0),
    side.p50Ms.toFixed(2),
    side.p99Ms.toFixed(2),
  ]
  const ratios = [turns.cpuRatio, turns.rateRatio].map((ratio) => `${ratio.median.toFixed(2)}${spread(ratio)}`)
  return [
    [name, ...columns(all), ...ratios],
    ['', ...columns(none), '', ''],
  ]
}

const LATENCY_HEADINGS = [
  'latency ms',
  'requests/s',
  'no mesh p50 p99 p99.9',
  'weft',
  'haproxy',
  'p99 added',
  'by haproxy',
]

function latencyRow({ kind, ratePerSecond, direct, weft, peer }: LatencyResult): string[] {
  const three = ({ p50Ms, p99Ms, p999Ms }: Percentiles) => [p50Ms, p99Ms, p999Ms].map((ms) => ms.toFixed(2)).join(' ')
  const added = ({ p99Ms }: Percentiles) => (p99Ms - direct.p99Ms).toFixed(2)
  return [kind, String(ratePerSecond), ...[direct, weft, peer].map(three), added(weft), added(peer)]
}

const HOP_HEADINGS = ['one hop', 'proxy', 'CPU µs', 'req/s', '']

function hopRows({ load, proxies }: HopResult): string[][] {
  return proxies.map(({ name, cpuUs, rps, note }, index) => [
    index === 0 ? load : '',
    name,
    cpuUs?.toFixed(1) ?? '',
    rps?.toFixed(0) ?? '',
    note ?? '',
  ])
}

const HANDSHAKE_HEADINGS = [
  'handshakes',
  'side',
  'clear µs',
  'full µs',
  '− clear',
  'resumed µs',
  '− clear',
  'were resumed',
  'full/s',
  'resumed/s',
]

function handshakeRow({ name, side, clearUs, full, resumed }: HandshakeResult): string[] {
  return [
    name,
    side,
    ...[clearUs, full.connectionUs, full.connectionUs - clearUs].map((us) => us.toFixed(0)),
    ...[resumed.connectionUs, resumed.connectionUs - clearUs].map((us) => us.toFixed(0)),
    percent(resumed.resumedShare),
    ...[full, resumed].map(({ perSecond }) => perSecond.toFixed(0)),
  ]
}

function memoryRows(memory: MemoryResult): string[][] {
  const mb = (bytes: number) => (bytes / 1e6).toFixed(1)
  const both = ({ outbound, inbound }: Sides) => `${mb(outbound)} + ${mb(inbound)}`
  const { idleBytes, perConnectionBytes, per1000StreamsBytes, loaded, afterBytes } = memory
  return [
    ['private memory', '', 'weft', 'haproxy', ''],
    ['idle', '', mb(idleBytes.weft), mb(idleBytes.peer), 'MB'],
    ...perConnectionBytes.map(({ client, weft, peer }) => [
      `per idle connection, client side ${client}`,
      '',
      (weft / 1_024).toFixed(1),
      (peer / 1_024).toFixed(1),
      'KB',
    ]),
    ['per 1,000 open streams', '', both(per1000StreamsBytes.weft), both(per1000StreamsBytes.peer), 'MB'],
    [`${loaded.connections} connections, ${loaded.ratePerSecond}/s`, '', both(loaded.weft), both(loaded.peer), 'MB'],
    ['afterwards', '', both(afterBytes.weft), both(afterBytes.peer), 'MB'],
  ]
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}

/** The first two columns are words and stand left, figures stand right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
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
