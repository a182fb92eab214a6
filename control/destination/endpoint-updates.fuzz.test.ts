import { test } from 'tap'
import { fuzz } from './endpoint-updates.fuzz.ts'

/** Mulberry32: small, and the same everywhere for the same seed. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test('updates lead every client to the same endpoints', async (t) => {
  for (const seed of [1, 2, 3, 4]) t.doesNotThrow(() => fuzz(seeded(seed), 200), `seed ${seed}`)
})
