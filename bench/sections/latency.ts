/**
 * Latency at fixed rates: an open loop, so that a request that waits for a stall counts with its wait. The same client
 * goes through each pair and straight to the application, in turns; what a mesh adds is the difference.
 */
import type { Bed } from '../bed.ts'
import type { LoadSpec } from '../cases.ts'
import type { LoadResult } from '../load/load.ts'
import { ORIGINS, type Origin } from '../origin-ports.ts'
import { VIP } from '../pods.ts'
import type { LatencyResult } from '../results.ts'
import { runLoad } from '../run-load.ts'
import { percentilesOf } from '../statistics.ts'
import { attempt, type SectionContext } from './section.ts'

const RATES = [1_000, 5_000]

/** Places for more requests than are ever under way at these rates, unless something stalls. */
const LOADS: readonly { kind: 'h1' | 'h2'; origin: Origin; load: LoadSpec }[] = [
  { kind: 'h2', origin: ORIGINS.h2, load: { kind: 'h2', connections: 4, streams: 100 } },
  { kind: 'h1', origin: ORIGINS.h1, load: { kind: 'h1', connections: 64 } },
]

export async function measureLatency(bed: Bed, context: SectionContext): Promise<LatencyResult[]> {
  await bed.startWeft()
  const results: LatencyResult[] = []
  for (const { kind, origin, load } of LOADS) {
    for (const ratePerSecond of RATES) {
      const what = `latency ${kind} ${ratePerSecond}/s`
      const result = await attempt(context, what, async () => {
        const { direct, weft, peer } = await inTurns(bed, origin, load, ratePerSecond, context)
        return {
          ...{ kind, ratePerSecond },
          direct: percentilesOf(direct),
          weft: percentilesOf(weft),
          peer: percentilesOf(peer),
        }
      })
      if (result === undefined) continue
      results.push(result)
      const { direct, weft, peer } = result
      context.say(
        `${what}: p99 ${direct.p99Ms.toFixed(2)} ms without a mesh, + ${(weft.p99Ms - direct.p99Ms).toFixed(2)} weft, + ${(peer.p99Ms - direct.p99Ms).toFixed(2)} ${bed.peer.name}`,
      )
    }
  }
  return results
}

/** One round more than a load has: percentiles far out need a majority. */
async function inTurns(
  bed: Bed,
  { port }: Origin,
  load: LoadSpec,
  ratePerSecond: number,
  { timing }: SectionContext,
): Promise<Record<'direct' | 'weft' | 'peer', LoadResult[]>> {
  const rounds = { direct: [] as LoadResult[], weft: [] as LoadResult[], peer: [] as LoadResult[] }
  const run = (through: string, vip: string) =>
    runLoad(bed.route(through, vip, port), load, { ...timing, pids: [], ratePerSecond })
  for (let round = 0; round <= timing.rounds; round++) {
    rounds.direct.push(await run('no proxy', VIP.direct))
    rounds.weft.push(await run('weft', VIP.weft))
    rounds.peer.push(await run(bed.peer.name, VIP.haproxy))
  }
  return rounds
}
