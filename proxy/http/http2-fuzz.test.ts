import { test } from 'tap'
import { seededRandom } from '../wire/seeded-random.ts'
import { fuzz } from './http2.fuzz.ts'

test('HTTP/2 connections survive frames at random', async (t) => {
  for (const seed of [1, 2, 3, 4]) {
    fuzz(seededRandom(seed), 1_000)
    t.pass(`seed ${seed}`)
  }
})
