import { test } from 'tap'
import { Backoff, backoffMs } from './backoff.ts'

test('the delay doubles up to the maximum and includes jitter', async (t) => {
  const params = { minMs: 100, maxMs: 60_000, jitter: 0.1 }
  const cases = [
    { name: 'the first, without luck', attempt: 0, random: 0, ms: 100 },
    { name: 'the first, with half the jitter', attempt: 0, random: 0.5, ms: 105 },
    { name: 'doubled three times', attempt: 3, random: 0, ms: 800 },
    { name: 'capped', attempt: 10, random: 0, ms: 60_000 },
    { name: 'capped also with jitter', attempt: 10, random: 0.9, ms: 60_000 },
    { name: 'an absurd number of attempts', attempt: 5_000, random: 0.9, ms: 60_000 },
  ]
  for (const { name, attempt, random, ms } of cases)
    t.equal(
      backoffMs(params, attempt, () => random),
      ms,
      name,
    )
})

test('a success starts over', async (t) => {
  const backoff = new Backoff({ minMs: 25, maxMs: 250, jitter: 1 }, () => 0)
  t.same([backoff.nextMs(), backoff.nextMs(), backoff.nextMs()], [25, 50, 100])
  backoff.reset()
  t.equal(backoff.nextMs(), 25)
})
