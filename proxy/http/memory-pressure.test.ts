import { test } from 'tap'
import { allowedUnreadBytes, isMemoryCrowded, PRESSURE_BOUNDS } from './memory-pressure.ts'

test('what a connection may leave unread', async (t) => {
  const { perConnectionBytes, perConnectionWhenCrowdedBytes, crowdedBytes, fullBytes, secondsToDrain } = PRESSURE_BOUNDS
  const cases = [
    { name: 'a reader of nothing', held: 0, taken: 0, allowed: perConnectionBytes },
    { name: 'a fast reader', held: 0, taken: 1e6, allowed: perConnectionBytes + secondsToDrain * 1e6 },
    {
      name: 'a reader of nothing while it is crowded',
      held: crowdedBytes,
      taken: 0,
      allowed: perConnectionWhenCrowdedBytes,
    },
    { name: 'a reader of nothing while it is full', held: fullBytes, taken: 0, allowed: 0 },
    { name: 'a fast reader while it is full', held: fullBytes, taken: 1e6, allowed: secondsToDrain * 1e6 },
  ]
  for (const { name, held, taken, allowed } of cases) t.equal(allowedUnreadBytes(held, taken), allowed, name)
  t.equal(isMemoryCrowded(crowdedBytes - 1), false)
  t.equal(isMemoryCrowded(crowdedBytes), true)
})
