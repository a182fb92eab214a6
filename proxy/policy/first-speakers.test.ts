import { test } from 'tap'
import { FirstSpeakers, GREETS_FOR_MS, MAX_REMEMBERED, WAITS_FOR_MS } from './first-speakers.ts'

test('who speaks first at a server', async (t) => {
  t.test('is forgotten after a while', async (t) => {
    const speakers = new FirstSpeakers()
    t.equal(speakers.of('db', 0), undefined)
    speakers.learn('db', 'server', 0)
    speakers.learn('web', 'client', 0)
    t.equal(speakers.of('db', GREETS_FOR_MS - 1), 'server')
    t.equal(speakers.of('db', GREETS_FOR_MS), undefined)
    t.equal(speakers.of('web', WAITS_FOR_MS - 1), 'client')
    t.equal(speakers.of('web', WAITS_FOR_MS), undefined)
  })

  t.test('a greeting counts more than a silence', async (t) => {
    const speakers = new FirstSpeakers()
    speakers.learn('db', 'client', 0)
    speakers.learn('db', 'server', 1)
    t.equal(speakers.of('db', 2), 'server', 'it greeted after all')
    speakers.learn('db', 'client', 2)
    t.equal(speakers.of('db', 3), 'server', 'it was slow once')
    speakers.learn('db', 'client', GREETS_FOR_MS + 1)
    t.equal(speakers.of('db', GREETS_FOR_MS + 2), 'client', 'its last greeting is long ago')
  })

  t.test('so many are remembered; the one learnt longest ago goes first', async (t) => {
    const speakers = new FirstSpeakers()
    for (let at = 0; at < MAX_REMEMBERED; at++) speakers.learn(`${at}`, 'server', 0)
    speakers.learn('0', 'server', 1)
    speakers.learn('one more', 'server', 1)
    t.equal(speakers.of('0', 2), 'server', 'renewed')
    t.equal(speakers.of('1', 2), undefined)
    t.equal(speakers.of('2', 2), 'server')
  })
})
