/** h2spec many times in a row, against every side: what passes once may still be a race. */
import { parseArgs } from 'node:util'
import type { Suite } from '../suite.ts'
import { findH2spec, runH2spec } from './h2spec.ts'
import { SIDES } from './sides.ts'

export const h2specSuite: Suite = {
  name: 'h2spec',
  usage: 'h2spec [--times N]      every case, also the strict ones, against every side, N times in a row (1)',
  async run(args, say) {
    const { values } = parseArgs({ args: [...args], options: { times: { type: 'string', default: '1' } } })
    const times = Number(values.times)
    if (!Number.isInteger(times) || times < 1)
      throw new Error(`--times ${values.times}: a whole number from 1 on is wanted`)
    const h2spec = await findH2spec()
    if (typeof h2spec === 'string') throw new Error(h2spec)

    let hasPassed = true
    for (let time = 1; time <= times; time++) {
      for (const side of SIDES) {
        const door = await side.open()
        try {
          const { tests, passed, failures } = await runH2spec(h2spec, door)
          say(`${time}/${times} ${side.name}: ${passed} of ${tests} passed`)
          if (passed === tests && tests > 0) continue
          hasPassed = false
          say(failures)
        } finally {
          door.close()
        }
      }
    }
    return hasPassed
  },
}
