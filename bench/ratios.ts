/** How two sides compare. */
import type { BenchCase } from './cases.ts'
import type { Turn } from './load/load.ts'
import type { CaseResult, Quartiles, Side, TurnsResult } from './results.ts'
import { quartiles } from './statistics.ts'

/** CPU of both proxies: microseconds per request or message, or seconds per GB. */
export function costOf({ unit }: BenchCase, { cpuUs, cpuSecondsPerGb }: Side): number {
  return unit === 'GB' ? cpuSecondsPerGb : cpuUs.outbound + cpuUs.inbound
}

export function cpuRatio(bench: BenchCase, { weft, peer, turns }: CaseResult): number {
  return turns?.cpuRatio.median ?? costOf(bench, weft) / costOf(bench, peer)
}

export function rateRatio({ weft, peer, turns }: CaseResult): number {
  return turns?.rateRatio.median ?? weft.rps / peer.rps
}

/** Each turn of `weft` is compared with the turn of `peer` that followed it, when the machine was as fast. */
export function compareTurns(weft: readonly Turn[], peer: readonly Turn[]): TurnsResult {
  const ratios = (value: (turn: Turn) => number) =>
    quartiles(weft.map((turn, index) => value(turn) / value(peer[index]!)))
  return {
    count: weft.length,
    cpuRatio: ratios(({ cpuSeconds, requests }) => cpuSeconds.reduce((sum, each) => sum + each) / requests),
    rateRatio: ratios(({ requests, seconds }) => requests / seconds),
  }
}

/** ` (1.15–1.26)`: between these lies the middle half of the turns; empty where there were none. */
export function spread(ratio: Quartiles | undefined): string {
  return ratio === undefined ? '' : ` (${ratio.lower.toFixed(2)}–${ratio.upper.toFixed(2)})`
}
