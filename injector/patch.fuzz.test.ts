import { test } from 'tap'
import { fuzz } from './patch.fuzz.ts'

const ITERATIONS = 500

test('whatever the pod, patch and patched pod agree', async (t) => {
  t.doesNotThrow(() => fuzz(mulberry32(0x77656674), ITERATIONS))
})

/** A small generator with a seed, so that a failure can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
