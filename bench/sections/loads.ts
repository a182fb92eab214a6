/** Closed loops through both pairs, in short turns: what a request, a message or a gigabyte costs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bed } from '../bed.ts'
import type { BenchCase } from '../cases.ts'
import type { Pair } from '../peers/haproxy.ts'
import { VIP } from '../pods.ts'
import { privateBytesOfTree } from '../process-stat.ts'
import { compareTurns, cpuRatio, spread } from '../ratios.ts'
import type { CaseResult, LoadsResult, Timing } from '../results.ts'
import { sideOf } from '../statistics.ts'
import { TURN_MS, TurnLoad } from '../turn-load.ts'
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
      context.say(`${bench.name}: CPU ratio ${cpuRatio(bench, result).toFixed(2)}${spread(result.turns?.cpuRatio)}`)
    }
  }
  await sleep(SETTLE_MS)
  const larger = ({ outbound, inbound }: Pair) =>
    Math.max(...[outbound, inbound].map(({ pid }) => privateBytesOfTree(pid!)))
  const afterBytes = { weft: larger(weft), peer: larger(bed.peer) }
  return { cases: results, afterBytes }
}

/** Both sides are warm before the first turn of either is measured. */
async function compare(bed: Bed, bench: BenchCase, weft: Pair, { timing, say }: SectionContext): Promise<CaseResult> {
  const loadOf = ({ name, outbound, inbound }: Pair, vip: string) =>
    new TurnLoad(bed.route(name, vip, bench.origin.port), bench.load, [outbound.pid!, inbound.pid!])
  const weftLoad = loadOf(weft, VIP.weft)
  const peerLoad = loadOf(bed.peer, VIP.haproxy)
  const both = [weftLoad, peerLoad]
  try {
    while (!both.every((load) => load.isWarm(timing.warmupSeconds))) for (const load of both) await load.warmUp()
    const carried = ({ warmup }: TurnLoad) => `${warmup.requests} in ${warmup.seconds.toFixed(1)} s`
    say(
      `${bench.name}: warm after ${carried(weftLoad)} (${weft.name}) and ${carried(peerLoad)} (${bed.peer.name}), in turns`,
    )
    for (let turn = 0; turn < turnsOf(timing); turn++) for (const load of both) await load.measure()
    return {
      name: bench.name,
      weft: sideOf(weft.name, await weftLoad.end()),
      peer: sideOf(bed.peer.name, await peerLoad.end()),
      turns: compareTurns(weftLoad.turns, peerLoad.turns),
    }
  } finally {
    for (const load of both) load.kill()
  }
}

/** Of each side: as long together as the rounds of other sections. */
export function turnsOf({ rounds, seconds }: Timing): number {
  return Math.ceil((rounds * seconds * 1_000) / TURN_MS)
}
