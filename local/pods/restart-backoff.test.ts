import { test } from 'tap'
import { RestartBackoff } from './restart-backoff.ts'

test('a container that keeps ending waits longer and longer, up to a minute', async (t) => {
  const backoff = new RestartBackoff()
  const delays = Array.from({ length: 8 }, () => backoff.next(100))
  t.same(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
})

test('ten minutes of running are forgiven', async (t) => {
  const backoff = new RestartBackoff()
  backoff.next(0)
  backoff.next(599_999)
  t.equal(backoff.next(600_000), 1_000)
})
