/** Closed loops through both pairs, in turns: what a request, a message or a gigabyte costs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bed } from '../bed.ts'
import type { BenchCase } from '../cases.ts'
import type { LoadResult } from '../load/load.ts'
import type { Pair } from '../peers/haproxy.ts'
import { VIP } from '../pods.ts'
import { privateBytesOfTree } from '../process-stat.ts'
import { cpuRatio } from '../ratios.ts'
import type { CaseResult, LoadsResult } from '../results.ts'
import { runLoad } from '../run-load.ts'
import { sideOf } from '../statistics.ts'
import { attempt, type SectionContext } from './section.ts'

/** From the end of the last load until memory is read: a quiet sidecar gives memory back after some seconds. */
export const SETTLE_MS = 8_000

export async function measureLoads(
  bed: Bed,
  cases: readonly BenchCase[],
  context: SectionContext,
): Promise<LoadsResult> {
  const weft = await bed.startWeft()
  const results: CaseResult[] = []
  for (const bench of cases) {
    const result = await attempt(context, `loads ${bench.name}`, () => compare(bed, bench, weft, context))
    if (result !== undefined) {
      results.push(result)
      context.say(`${bench.name}: CPU ratio ${cpuRatio(bench, result).toFixed(2)}`)
    }
  }
  await sleep(SETTLE_MS)
  const larger = ({ outbound, inbound }: Pair) =>
    Math.max(...[outbound, inbound].map(({ pid }) => privateBytesOfTree(pid!)))
  const afterBytes = { weft: larger(weft), peer: larger(bed.peer) }
  return { cases: results, afterBytes }
}

/** The two sides take turns, so that whatever the machine does meanwhile happens to both. */
async function compare(bed: Bed, bench: BenchCase, weft: Pair, { timing }: SectionContext): Promise<CaseResult> {
  const rounds: { weft: LoadResult[]; peer: LoadResult[] } = { weft: [], peer: [] }
  const run = (pair: Pair, vip: string) =>
    runLoad(bed.route(pair.name, vip, bench.origin.port), bench.load, {
      ...timing,
      pids: [pair.outbound.pid!, pair.inbound.pid!],
    })
  for (let round = 0; round < timing.rounds; round++) {
    rounds.weft.push(await run(weft, VIP.weft))
    rounds.peer.push(await run(bed.peer, VIP.haproxy))
  }
  return { name: bench.name, weft: sideOf(weft.name, rounds.weft), peer: sideOf(bed.peer.name, rounds.peer) }
}
