/**
 * One proxy alone in clear text, in the client's pod, each on the first core: what a proxy costs without TLS and without
 * a second one, beside proxies people know.
 */
import type { Bed } from '../bed.ts'
import { type BenchCase, CASES } from '../cases.ts'
import type { LoadResult } from '../load/load.ts'
import { type Hop, startNghttpx, startNginx, startSplice } from '../peers/hops.ts'
import { VIP } from '../pods.ts'
import type { HopFigures, HopResult } from '../results.ts'
import { runLoad } from '../run-load.ts'
import { sum } from '../statistics.ts'
import { attempt, type SectionContext } from './section.ts'

const LOADS = ['h1-64', 'h2-4x32', 'h2-64x1']

interface Candidate extends Hop {
  readonly vip: string
  /** Why it cannot carry a kind of load. */
  readonly refusals: Readonly<Partial<Record<string, string>>>
}

export async function measureHops(bed: Bed, context: SectionContext): Promise<HopResult[]> {
  const weft = await bed.startWeft()
  const candidates: Candidate[] = [
    { name: weft.name, process: weft.outbound, vip: VIP.weftHop, refusals: {} },
    { name: bed.peer.name, process: bed.peer.outbound, vip: VIP.haproxyHop, refusals: {} },
    { ...(await startNginx(bed)), vip: VIP.nginx, refusals: { h2: 'sends HTTP/1.1 to what is behind it' } },
    { ...(await startNghttpx(bed)), vip: VIP.nghttpx, refusals: { h1: 'has one protocol per backend, here HTTP/2' } },
    { ...(await startSplice(bed)), vip: VIP.splice, refusals: {} },
  ]
  const results: HopResult[] = []
  for (const bench of CASES.filter(({ name }) => LOADS.includes(name))) {
    const result = await attempt(context, `hops ${bench.name}`, () => measureLoad(bed, bench, candidates, context))
    if (result === undefined) continue
    results.push(result)
    const figures = result.proxies.map(({ name, cpuUs }) => `${name} ${cpuUs?.toFixed(1) ?? '–'}`)
    context.say(`${bench.name}, one hop, CPU µs: ${figures.join(', ')}`)
  }
  return results
}

async function measureLoad(
  bed: Bed,
  bench: BenchCase,
  candidates: readonly Candidate[],
  { timing }: SectionContext,
): Promise<HopResult> {
  const rounds = new Map(candidates.map((candidate) => [candidate, [] as LoadResult[]]))
  for (let round = 0; round < timing.rounds; round++) {
    for (const [candidate, results] of rounds) {
      if (candidate.refusals[bench.load.kind] !== undefined) continue
      const route = bed.route(candidate.name, candidate.vip, bench.origin.port)
      results.push(await runLoad(route, bench.load, { ...timing, pids: [candidate.process.pid!] }))
    }
  }
  const proxies = [...rounds].map(([{ name, refusals }, results]): HopFigures => {
    const note = refusals[bench.load.kind]
    if (note !== undefined) return { name, note }
    const requests = sum(results, (each) => each.requests)
    return {
      name,
      cpuUs: (sum(results, (each) => each.cpuSeconds[0]!) / requests) * 1e6,
      rps: requests / sum(results, (each) => each.seconds),
    }
  })
  return { load: bench.name, proxies }
}
