/** How two sides compare. */
import type { BenchCase } from './cases.ts'
import type { CaseResult, Side } from './results.ts'

/** CPU of both proxies: microseconds per request or message, or seconds per GB. */
export function costOf({ unit }: BenchCase, { cpuUs, cpuSecondsPerGb }: Side): number {
  return unit === 'GB' ? cpuSecondsPerGb : cpuUs.outbound + cpuUs.inbound
}

export function cpuRatio(bench: BenchCase, { weft, peer }: CaseResult): number {
  return costOf(bench, weft) / costOf(bench, peer)
}

export function rateRatio({ weft, peer }: CaseResult): number {
  return weft.rps / peer.rps
}
