import { test } from 'tap'
import { GROWTH_BYTES, TrimMemory } from './trim-memory.ts'

const MB = 1_048_576

test('a process is trimmed when it has grown', async (t) => {
  // What a trim leaves of the bytes that a tick finds; without one nothing is trimmed.
  const ticks = [
    { name: 'as it started', bytes: 40 * MB },
    { name: 'a little more', bytes: 40 * MB + GROWTH_BYTES - 1 },
    { name: 'enough', bytes: 40 * MB + GROWTH_BYTES, left: 42 * MB },
    { name: 'counted from what was left', bytes: 45 * MB },
    { name: 'less by itself', bytes: 30 * MB },
    { name: 'counted from the lowest', bytes: 34 * MB, left: 34 * MB },
    { name: 'nothing was free: not again at once', bytes: 34 * MB },
    { name: 'grown once more', bytes: 38 * MB, left: 31 * MB },
  ]
  let resident = 40 * MB
  let left: number | undefined
  let trims = 0
  const memory = new TrimMemory(
    () => resident,
    () => {
      trims++
      resident = left ?? resident
    },
  )
  for (const tick of ticks) {
    resident = tick.bytes
    left = tick.left
    trims = 0
    memory.tick()
    t.equal(trims, tick.left === undefined ? 0 : 1, tick.name)
  }
})
