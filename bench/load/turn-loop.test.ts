/** Turns, in time that the test makes up. */
import { test } from 'tap'
import type { Slot } from './load.ts'
import { TurnLoop } from './turn-loop.ts'

test('what is under way at the end of a turn is answered before the pause, and starts again with the next turn', async (t) => {
  const started: string[] = []
  const slot = (name: string): Slot => ({ start: (atMs) => started.push(`${name} ${atMs}`) })
  const [a, b] = [slot('a'), slot('b')]
  const loop = new TurnLoop(3)

  loop.onFree(a, 1)
  loop.onFree(a, 2)
  t.same(started, [], 'a loop begins paused')

  loop.go(10)
  t.same(started.splice(0), ['a 10', 'a 10'], 'two streams of one connection')
  loop.onFree(b, 11)
  t.same(started.splice(0), ['b 11'], 'a connection that comes up during a turn')
  loop.onFree(a, 12)
  t.same(started.splice(0), ['a 12'])

  let pausedAtMs = 0
  const paused = loop.pause(20).then((atMs) => {
    pausedAtMs = atMs
  })
  loop.onFree(b, 21)
  loop.onFree(a, 22)
  await Promise.resolve()
  t.equal(pausedAtMs, 0, 'one is still under way')
  loop.onFree(a, 25)
  await paused
  t.equal(pausedAtMs, 25, 'the turn lasted until its last answer')
  t.same(started, [])
  t.equal(await loop.pause(30), 30, 'nothing is under way')

  loop.go(40)
  t.same(started, ['b 40', 'a 40', 'a 40'])
})
