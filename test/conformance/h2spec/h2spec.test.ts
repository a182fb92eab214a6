import t, { test } from 'tap'
import { findH2spec, type H2spec, runH2spec } from './h2spec.ts'
import { SIDES } from './sides.ts'

const BUILD_AND_RUN_MS = 300_000

t.setTimeout(BUILD_AND_RUN_MS)
const h2spec = await findH2spec()

test('h2spec, all cases and strictly', { skip: typeof h2spec === 'string' ? h2spec : false }, async (t) => {
  for (const side of SIDES) {
    await t.test(side.name, async (t) => {
      const door = await side.open()
      t.teardown(() => door.close())
      const result = await runH2spec(h2spec as H2spec, door)
      t.equal(result.failed, 0, result.failures)
      t.equal(result.passed, result.tests, 'none is skipped')
      t.ok(result.tests >= 145, 'the whole suite ran')
    })
  }
})
