import { test } from 'tap'
import { SuccessRate } from './success-rate.ts'

test('the rate is too low only with enough requests, all of them inside the window', async (t) => {
  const params = { threshold: 0.8, windowMs: 10_000, minRequests: 5 }
  const cases: { name: string; counted: [atMs: number, successes: number, failures: number][]; isTooLow: boolean }[] = [
    { name: 'nothing counted', counted: [], isTooLow: false },
    { name: 'all failed, but too few', counted: [[0, 0, 4]], isTooLow: false },
    { name: 'all failed', counted: [[0, 0, 5]], isTooLow: true },
    { name: 'exactly the threshold', counted: [[0, 8, 2]], isTooLow: false },
    { name: 'one below', counted: [[0, 7, 3]], isTooLow: true },
    {
      name: 'failures in another bucket of the window',
      counted: [
        [0, 0, 5],
        [8_999, 5, 0],
      ],
      isTooLow: true,
    },
    {
      name: 'failures that have left the window',
      counted: [
        [0, 0, 5],
        [10_000, 5, 0],
      ],
      isTooLow: false,
    },
    {
      name: 'successes that have left the window no longer outweigh',
      counted: [
        [0, 100, 0],
        [5_000, 0, 5],
        [10_500, 1, 0],
      ],
      isTooLow: true,
    },
    {
      name: 'a silence of many windows',
      counted: [
        [3, 0, 100],
        [1e9, 0, 4],
      ],
      isTooLow: false,
    },
  ]
  for (const { name, counted, isTooLow } of cases) {
    const rate = new SuccessRate(params)
    for (const [atMs, successes, failures] of counted) {
      for (let at = 0; at < successes; at++) rate.add(true, atMs)
      for (let at = 0; at < failures; at++) rate.add(false, atMs)
    }
    t.equal(rate.isTooLow, isTooLow, name)
  }
})

test('no minimum of requests still needs one, and clear forgets', async (t) => {
  const rate = new SuccessRate({ threshold: 1, windowMs: 10, minRequests: 0 })
  t.notOk(rate.isTooLow)
  rate.add(false, 5)
  t.ok(rate.isTooLow)
  rate.clear()
  t.notOk(rate.isTooLow)
})
