import { test } from 'tap'
import { Gcra } from './gcra.ts'

/** Offers `offered` requests per second for `seconds`, evenly. @returns how many passed */
function passedOf(gcra: Gcra, offered: number, fromMs: number, seconds: number): number {
  let passed = 0
  for (let at = 0; at < offered * seconds; at++) {
    const nowMs = fromMs + (at * 1_000) / offered
    if (gcra.waitMs(nowMs) > 0) continue
    gcra.take(nowMs)
    passed++
  }
  return passed
}

test('a burst of one second passes at once, then the rate', async (t) => {
  for (const perSecond of [1, 3, 7, 10, 100, 1_000, 33_333]) {
    // Late, so that rounding has its say: a proxy that runs for four months.
    for (const startedMs of [0, 1e10]) {
      const gcra = new Gcra(perSecond)
      let burst = 0
      while (gcra.waitMs(startedMs) === 0) {
        gcra.take(startedMs)
        burst++
      }
      t.ok(Math.abs(burst - perSecond) <= perSecond / 10_000, `${burst} of ${perSecond}/s at ${startedMs}`)
      const passed = passedOf(gcra, perSecond * 3, startedMs, 10)
      t.ok(Math.abs(passed - perSecond * 10) <= 1 + perSecond / 1_000, `${passed} of ${perSecond * 10} in 10 s`)
    }
  }
})

test('what is offered below the rate passes whole', async (t) => {
  t.equal(passedOf(new Gcra(100), 99, 5_000, 10), 990)
})

test('the wait ends when it says', async (t) => {
  for (const perSecond of [0.25, 1, 7, 100]) {
    const gcra = new Gcra(perSecond)
    while (gcra.waitMs(1_000) === 0) gcra.take(1_000)
    const waitMs = gcra.waitMs(1_000)
    t.ok(waitMs > 0 && waitMs < 1_000 / perSecond + 1e-6, `${waitMs} ms for ${perSecond}/s`)
    t.ok(gcra.waitMs(1_000 + waitMs - 0.1) > 0, 'not sooner')
    t.equal(gcra.waitMs(1_000 + waitMs), 0, 'then')
  }
})

test('time without requests fills the bucket, and no further', async (t) => {
  const gcra = new Gcra(10)
  t.equal(passedOf(gcra, 1_000, 0, 0.01), 10)
  t.equal(passedOf(gcra, 1_000, 60_000, 0.01), 10)
})
