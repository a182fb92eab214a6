import { test } from 'tap'
import { seededRandom } from '../seeded-random.ts'
import { fuzz } from './manifests.fuzz.ts'

test('broken manifests', async (t) => {
  fuzz(seededRandom(1), 600)
  t.pass('nothing threw')
})
