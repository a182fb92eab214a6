/**
 * What policies cost: the same requests through the same two proxies, in turns with every policy on and with none
 * (`../policies.ts` says which).
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Bed } from '../bed.ts'
import { CASES, type LoadSpec } from '../cases.ts'
import { ORIGINS, type Origin } from '../origin-ports.ts'
import { VIP } from '../pods.ts'
import { compareTurns, spread } from '../ratios.ts'
import type { PoliciesResult } from '../results.ts'
import { sideOf } from '../statistics.ts'
import { TurnLoad } from '../turn-load.ts'
import { turnsOf } from './loads.ts'
import { attempt, type SectionContext } from './section.ts'

const LOADS: readonly { readonly name: string; readonly with: Origin }[] = [
  { name: 'h2-4x32', with: ORIGINS.h2Policies },
  { name: 'h1-64', with: ORIGINS.h1Policies },
  { name: 'grpc-unary', with: ORIGINS.grpcPolicies },
]

export async function measurePolicies(bed: Bed, context: SectionContext): Promise<readonly PoliciesResult[]> {
  const { outbound, inbound } = await bed.startWeft()
  const pids = [outbound.pid!, inbound.pid!]
  await requireRule(bed)
  const results: PoliciesResult[] = []
  for (const load of LOADS) {
    const result = await attempt(context, `policies ${load.name}`, () => compare(bed, load, pids, context))
    if (result === undefined) continue
    results.push(result)
    context.say(`${load.name}: CPU ratio ${result.turns.cpuRatio.median.toFixed(2)}${spread(result.turns.cpuRatio)}`)
  }
  return results
}

/** A load that another rule took would cost something else. */
async function requireRule(bed: Bed): Promise<void> {
  const options = {
    host: VIP.weftPolicies,
    port: ORIGINS.h1Policies.port,
    path: '/api/v1/products/1/reviews?expand=author,photos',
    headers: { tracestate: 'vendor=t61rcWkgMzE' },
  }
  const script = `require('node:http').get(${JSON.stringify(options)}, (res) => {
    console.log(res.statusCode, res.headers['x-served-by'])
    process.exit()
  })`
  const child = bed.spawn(bed.client, [process.execPath, '-e', script])
  const [answer] = await once(createInterface({ input: child.stdout! }), 'line')
  if (answer !== '200 mesh') throw new Error(`the rule with all filters should have answered, but it was: ${answer}`)
}

async function compare(
  bed: Bed,
  { name, with: withPolicies }: (typeof LOADS)[number],
  pids: readonly number[],
  { timing }: SectionContext,
): Promise<PoliciesResult> {
  const { load, origin } = CASES.find((each) => each.name === name)!
  const turnsOn = (through: string, vip: string, { port }: Origin, spec: LoadSpec) =>
    new TurnLoad(bed.route(through, vip, port), spec, pids)
  const all = turnsOn('all policies', VIP.weftPolicies, withPolicies, load)
  const none = turnsOn('no policy', VIP.weft, origin, load)
  const both = [all, none]
  try {
    while (!both.every((each) => each.isWarm(timing.warmupSeconds))) for (const each of both) await each.warmUp()
    for (let turn = 0; turn < turnsOf(timing); turn++) for (const each of both) await each.measure()
    return {
      name,
      all: sideOf('all policies', await all.end()),
      none: sideOf('no policy', await none.end()),
      turns: compareTurns(all.turns, none.turns),
    }
  } finally {
    for (const each of both) each.kill()
  }
}
