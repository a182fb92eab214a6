/** What is counted, in time that the tests make up. */
import { test } from 'tap'
import type { Slot } from './load.ts'
import { OpenLoop } from './open-loop.ts'
import { Recorder } from './recorder.ts'

test('a closed loop counts what was answered between begin and end, failures always', async (t) => {
  const recorder = new Recorder()
  recorder.success(0, 1, 10)
  recorder.failure('first')
  recorder.failure('second')
  recorder.begin(1_000)
  recorder.success(999, 999.9, 10)
  for (let ms = 1; ms <= 100; ms++) recorder.success(1_000, 1_000 + ms, 1)
  recorder.end(1_200)
  recorder.success(1_100, 1_200, 10)
  t.equal(recorder.requests, 100)
  t.equal(recorder.contentBytes, 100)
  t.equal(recorder.failures, 2)
  t.equal(recorder.firstFailure, 'first')
  t.equal(recorder.percentileMs(0.5), 50)
  t.equal(recorder.percentileMs(0.99), 99)
  t.equal(recorder.percentileMs(0.999), 100)
})

test('an open loop counts what was due between begin and end, whenever it was answered', async (t) => {
  const recorder = new Recorder('due')
  recorder.begin(1_000)
  recorder.end(2_000)
  recorder.success(999, 1_500, 0)
  recorder.success(1_000, 1_001, 0)
  recorder.success(1_999, 9_000, 0)
  recorder.success(2_000, 2_001, 0)
  t.equal(recorder.requests, 2)
  t.equal(recorder.percentileMs(1), 3_999.999, 'slower answers share the last counter')
})

/** A server that answers one request at a time, each in `serviceMs`, except that it stops once for a while. */
function simulate(options: { slots: number; serviceMs: number; stall?: { atMs: number; forMs: number } }) {
  const { slots, serviceMs, stall } = options
  const recorder = new Recorder('due')
  recorder.begin(0)
  const loop = new OpenLoop(1_000, 0, 2_000)
  const starts: number[] = []
  let nowMs = 0
  let freeAtMs = 0
  const answers: { atMs: number; startedAtMs: number; slot: Slot }[] = []
  for (let i = 0; i < slots; i++) {
    const slot: Slot = {
      start(startedAtMs) {
        starts.push(nowMs)
        let begin = Math.max(nowMs, freeAtMs)
        if (stall !== undefined && begin >= stall.atMs && begin < stall.atMs + stall.forMs)
          begin = stall.atMs + stall.forMs
        freeAtMs = begin + serviceMs
        answers.push({ atMs: freeAtMs, startedAtMs, slot })
      },
    }
    loop.onFree(slot, -1)
  }
  for (; recorder.requests < loop.total && nowMs < 10_000; nowMs += 0.25) {
    loop.tick(nowMs)
    while (answers.length > 0 && answers[0]!.atMs <= nowMs) {
      const { startedAtMs, slot } = answers.shift()!
      recorder.success(startedAtMs, nowMs, 0)
      loop.onFree(slot, nowMs)
    }
  }
  return { recorder, starts, loop }
}

test('an open loop starts requests when they are due', async (t) => {
  const { recorder, starts, loop } = simulate({ slots: 4, serviceMs: 0.25 })
  t.equal(loop.total, 2_000)
  t.equal(recorder.requests, 2_000)
  t.same(starts.slice(0, 4), [0, 1, 2, 3])
  t.equal(recorder.percentileMs(0.999), 0.25)
})

test('a stall of a second makes a thousand requests slow, however few connections there are', async (t) => {
  for (const slots of [1, 8, 5_000]) {
    const { recorder } = simulate({ slots, serviceMs: 0.25, stall: { atMs: 500, forMs: 1_000 } })
    t.equal(recorder.requests, 2_000)
    // Those due during the stall waited between 0 and 1,000 ms, and the queue took some more to be worked off.
    t.ok(recorder.percentileMs(0.75) > 400, `p75 with ${slots} slots: ${recorder.percentileMs(0.75)} ms`)
    t.ok(recorder.percentileMs(0.99) > 900, `p99 with ${slots} slots: ${recorder.percentileMs(0.99)} ms`)
    t.ok(recorder.percentileMs(1) >= 1_000)
  }
})

test('slots take turns', async (t) => {
  const loop = new OpenLoop(1_000, 0, 100)
  const used: string[] = []
  const slot = (name: string): Slot => ({ start: () => used.push(name) })
  const [a, b] = [slot('a'), slot('b')]
  loop.onFree(a, -1)
  loop.onFree(b, -1)
  loop.tick(0)
  loop.onFree(a, 0.5)
  loop.tick(2)
  t.same(used, ['a', 'b', 'a'])
  t.equal(loop.started, 3)
})
