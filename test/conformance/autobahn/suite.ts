/** Autobahn's whole list of cases, without the mesh, behind one proxy and behind two. */
import { parseArgs } from 'node:util'
import type { Suite } from '../suite.ts'
import { type Autobahn, findAutobahn, isOutOfTime } from './autobahn.ts'
import { type Compared, compare, describe } from './doors.ts'

/** Of one group at all doors; the compressed ones exchange thousands of messages per case. */
const RUN_MS = 2 * 3_600_000
/** One after the other, the slow ones last, so that a run which is cut has told most of what it found. */
const GROUPS = [
  ...['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '10.*'],
  ...['9.1.*', '9.2.*', '9.3.*', '9.4.*', '9.5.*', '9.6.*', '9.7.*', '9.8.*'],
  ...['12.1.*', '12.2.*', '12.3.*', '12.4.*', '12.5.*'],
  ...['13.1.*', '13.2.*', '13.3.*', '13.4.*', '13.5.*', '13.6.*', '13.7.*'],
]

export const autobahnSuite: Suite = {
  name: 'autobahn',
  usage:
    'autobahn [--cases PATTERN]...   WebSocket, without and with the mesh; every case, or those that match ("6.4.*")',
  async run(args, say) {
    const { values } = parseArgs({ args: [...args], options: { cases: { type: 'string', multiple: true } } })
    const autobahn = await findAutobahn()
    if (typeof autobahn === 'string') throw new Error(autobahn)
    const compared: Compared[] = []
    for (const group of values.cases ?? GROUPS) {
      const ofGroup = await onceMoreWhereLate(autobahn, await compare(autobahn, [group], RUN_MS), say)
      for (const one of ofGroup) say(describe(one))
      compared.push(...ofGroup)
      say(`so far, without the mesh:   ${tally(compared, ({ direct }) => direct.behavior)}`)
      say(`so far, behind one proxy:   ${tally(compared, ({ oneProxy }) => oneProxy?.behavior)}`)
      say(`so far, behind two proxies: ${tally(compared, ({ twoProxies }) => twoProxies?.behavior)}`)
    }
    const worse = compared.filter(({ isAsGood }) => !isAsGood)
    say(`${compared.length} cases, ${worse.length} of them worse with the mesh`)
    for (const one of worse) say(`worse: ${describe(one)}`)
    return compared.length > 0 && worse.length === 0
  },
}

/** What ran out of Autobahn's time is tried a second time, which counts: it says more of the machine than of a proxy. */
async function onceMoreWhereLate(
  autobahn: Autobahn,
  compared: readonly Compared[],
  say: (line: string) => void,
): Promise<readonly Compared[]> {
  const late = compared.filter((one) => [one.direct, one.oneProxy, one.twoProxies].some(isOutOfTime))
  if (late.length === 0) return compared
  for (const one of late) say(`out of time, once more: ${describe(one)}`)
  const ids = late.map(({ id }) => id)
  const again = new Map((await compare(autobahn, ids, RUN_MS)).map((one) => [one.id, one]))
  return compared.map((one) => again.get(one.id) ?? one)
}

/** `296 OK, 4 NON-STRICT` */
function tally(compared: readonly Compared[], behaviorOf: (one: Compared) => string | undefined): string {
  const counts = new Map<string, number>()
  for (const one of compared) {
    const behavior = behaviorOf(one) ?? 'not run'
    counts.set(behavior, (counts.get(behavior) ?? 0) + 1)
  }
  return [...counts].map(([behavior, count]) => `${count} ${behavior}`).join(', ')
}
