/** What was asked for, as a table: each row looks at the results and says what came out. */
import { CASES } from './cases.ts'
import { cpuRatio, rateRatio } from './ratios.ts'
import type { BenchResults, Sides } from './results.ts'

export interface Verdict {
  readonly what: string
  readonly target: string
  readonly measured: string
  readonly isMet: boolean
}

interface Target {
  readonly what: string
  readonly bound: number
  /** Most bounds are upper ones. */
  readonly isLower?: boolean
  /** `ms`; empty for ratios. */
  readonly unit: string
  readonly digits: number
  readonly measure: (results: BenchResults) => number | undefined
}

const MB = 1e6
const KB = 1_024

const TARGETS: readonly Target[] = [
  ...CASES.flatMap((bench) => {
    const find = ({ loads }: BenchResults) => loads?.cases.find(({ name }) => name === bench.name)
    const targets: Target[] = []
    if (bench.maxCpuRatio !== undefined) {
      targets.push({
        what: `${bench.name}: CPU per ${bench.unit}, to haproxy’s`,
        bound: bench.maxCpuRatio,
        ...{ unit: '', digits: 2 },
        measure: (results) => {
          const found = find(results)
          return found && cpuRatio(bench, found)
        },
      })
    }
    if (bench.minRateRatio !== undefined) {
      targets.push({
        what: `${bench.name}: requests/s, to haproxy’s`,
        bound: bench.minRateRatio,
        ...{ isLower: true, unit: '', digits: 2 },
        measure: (results) => {
          const found = find(results)
          return found && rateRatio(found)
        },
      })
    }
    return targets
  }),
  ...(['h2', 'h1'] as const).map(
    (kind): Target => ({
      what: `p99 added at 5,000 requests/s of ${kind === 'h2' ? 'HTTP/2' : 'HTTP/1.1'}, less what haproxy adds`,
      ...{ bound: 0, unit: 'ms', digits: 2 },
      measure: ({ latency }) => {
        const found = latency?.find((each) => each.kind === kind && each.ratePerSecond === 5_000)
        return found && found.weft.p99Ms - found.peer.p99Ms
      },
    }),
  ),
  ...(['outbound', 'inbound'] as const).flatMap((side) => {
    const of = ({ handshakes }: BenchResults) => handshakes?.find((each) => each.name === 'weft' && each.side === side)
    return [
      {
        what: `CPU of a full mTLS handshake, ${side}`,
        ...{ bound: 0.6, unit: 'ms', digits: 2 },
        measure: (results: BenchResults) => {
          const found = of(results)
          return found && (found.full.connectionUs - found.clearUs) / 1_000
        },
      },
      {
        what: `CPU of a resumed mTLS handshake, ${side}`,
        ...{ bound: 0.35, unit: 'ms', digits: 2 },
        measure: (results: BenchResults) => {
          const found = of(results)
          // A mix of full and resumed handshakes is neither.
          if (found === undefined) return undefined
          return found.resumed.resumedShare < 0.9 ? Number.NaN : (found.resumed.connectionUs - found.clearUs) / 1_000
        },
      },
    ]
  }),
  ...['h2-4x32', 'h1-64', 'grpc-unary'].map(
    (name): Target => ({
      what: `${name}: CPU with every policy on, to none`,
      ...{ bound: 1.25, unit: '', digits: 2 },
      measure: ({ policies }) => policies?.find((each) => each.name === name)?.turns.cpuRatio.median,
    }),
  ),
  {
    what: 'private memory, one more sidecar, idle',
    ...{ bound: 24, unit: 'MB', digits: 1 },
    measure: ({ memory }) => memory && memory.idleBytes.weft / MB,
  },
  {
    what: 'private memory, 1,000 connections with 5,000 requests/s',
    ...{ bound: 40, unit: 'MB', digits: 1 },
    measure: ({ memory }) => memory && larger(memory.loaded.weft) / MB,
  },
  ...(
    [
      ['tls', 20],
      ['plain', 8],
    ] as const
  ).map(
    ([client, bound]): Target => ({
      what: `per idle kept-alive connection, client side ${client === 'tls' ? 'TLS' : 'plain'}`,
      ...{ bound, unit: 'KB', digits: 1 },
      measure: ({ memory }) => {
        const found = memory?.perConnectionBytes.find((each) => each.client === client)
        return found && found.weft / KB
      },
    }),
  ),
  {
    what: 'start to /ready',
    ...{ bound: 150, unit: 'ms', digits: 0 },
    measure: ({ start }) => start?.toReadyMs,
  },
]

/** One verdict for each target that these results say something about. */
export function verdicts(results: BenchResults): Verdict[] {
  return TARGETS.flatMap(({ what, bound, isLower = false, unit, digits, measure }) => {
    const value = measure(results)
    if (value === undefined) return []
    const text = (number: number) => `${number.toFixed(digits)}${unit === '' ? ' ×' : ` ${unit}`}`
    return [
      {
        what,
        target: `${isLower ? '≥' : '≤'} ${bound}${unit === '' ? ' ×' : ` ${unit}`}`,
        measured: Number.isNaN(value) ? 'too few were resumed' : text(value),
        isMet: isLower ? value >= bound : value <= bound,
      },
    ]
  })
}

export function larger({ outbound, inbound }: Sides): number {
  return Math.max(outbound, inbound)
}
