import { test } from 'tap'
import { fuzzRegex } from './regex.fuzz.ts'
import { seededRandom } from './seeded-random.ts'

test('regular expressions, 5,000 random sources', async (t) => {
  fuzzRegex(seededRandom(1), 5_000)
  t.pass('none throws, none runs away, a quoted text matches itself alone')
})
