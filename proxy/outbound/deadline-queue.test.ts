import { mock } from 'node:test'
import { test } from 'tap'
import { DeadlineQueue, type Waiting } from './deadline-queue.ts'

let nowMs = 1_000

function clock(t: { teardown(run: () => void): void }) {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  return (ms: number) => {
    nowMs += ms
    mock.timers.tick(ms)
  }
}

function waiting(name: string, heard: string[]): Waiting {
  return { dueAtMs: 0, next: undefined, previous: undefined, onDue: () => heard.push(`${name} at ${nowMs}`) }
}

test('those who are still there are called, in order', async (t) => {
  const advance = clock(t)
  const startMs = nowMs
  const queue = new DeadlineQueue(100, () => nowMs)
  const heard: string[] = []
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => waiting(name, heard)) as [Waiting, Waiting, Waiting, Waiting]
  queue.add(a, nowMs)
  queue.add(b, nowMs)
  advance(40)
  queue.add(c, nowMs)
  queue.remove(a)
  advance(30)
  queue.add(d, nowMs)
  queue.remove(c)
  advance(29)
  t.same(heard, [])
  advance(1)
  t.same(heard, [`b at ${startMs + 100}`])
  advance(69)
  advance(1)
  t.same(heard, [`b at ${startMs + 100}`, `d at ${startMs + 170}`])
})

test('empty again, and used again', async (t) => {
  const advance = clock(t)
  const queue = new DeadlineQueue(100, () => nowMs)
  const heard: string[] = []
  const a = waiting('a', heard)
  queue.add(a, nowMs)
  queue.remove(a)
  advance(50)
  const startMs = nowMs
  queue.add(a, nowMs)
  advance(50)
  t.same(heard, [], 'the timer of the one before it fires for nobody')
  advance(50)
  t.same(heard, [`a at ${startMs + 100}`])
  advance(500)
  t.equal(heard.length, 1)
})

test('one that waits again when it is called', async (t) => {
  const advance = clock(t)
  const queue = new DeadlineQueue(10, () => nowMs)
  let calls = 0
  const again: Waiting = {
    ...{ dueAtMs: 0, next: undefined, previous: undefined },
    onDue: (atMs) => {
      if (++calls < 3) queue.add(again, atMs)
    },
  }
  queue.add(again, nowMs)
  for (let i = 0; i < 50; i++) advance(1)
  t.equal(calls, 3)
})

test('taken out while another one is called', async (t) => {
  const advance = clock(t)
  const queue = new DeadlineQueue(10, () => nowMs)
  const heard: string[] = []
  const b = waiting('b', heard)
  const a: Waiting = { ...waiting('a', heard), onDue: () => queue.remove(b) }
  const c = waiting('c', heard)
  for (const each of [a, b, c]) queue.add(each, nowMs)
  advance(10)
  t.equal(heard.length, 1)
  t.match(heard[0], /^c /)
})
