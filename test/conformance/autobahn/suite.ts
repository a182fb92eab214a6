/** Autobahn's whole list of cases, without the mesh, behind one proxy and behind two. */
import { parseArgs } from 'node:util'
import type { Suite } from '../suite.ts'
import { findAutobahn } from './autobahn.ts'
import { type Compared, compare, describe } from './doors.ts'

const RUN_MS = 3 * 3_600_000

export const autobahnSuite: Suite = {
  name: 'autobahn',
  usage:
    'autobahn [--cases PATTERN]...   WebSocket, without and with the mesh; every case, or those that match ("6.4.*")',
  async run(args, say) {
    const { values } = parseArgs({ args: [...args], options: { cases: { type: 'string', multiple: true } } })
    const autobahn = await findAutobahn()
    if (typeof autobahn === 'string') throw new Error(autobahn)
    const compared = await compare(autobahn, values.cases ?? ['*'], RUN_MS)
    for (const one of compared) say(describe(one))
    say(`without the mesh:   ${tally(compared, ({ direct }) => direct.behavior)}`)
    say(`behind one proxy:   ${tally(compared, ({ oneProxy }) => oneProxy?.behavior)}`)
    say(`behind two proxies: ${tally(compared, ({ twoProxies }) => twoProxies?.behavior)}`)
    const worse = compared.filter(({ isAsGood }) => !isAsGood)
    say(`${compared.length} cases, ${worse.length} of them worse with the mesh`)
    for (const one of worse) say(`worse: ${describe(one)}`)
    return compared.length > 0 && worse.length === 0
  },
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
