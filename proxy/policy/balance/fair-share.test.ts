import { test } from 'tap'
import { surplusStreams } from './fair-share.ts'

test('surplusStreams', async (t) => {
  const cases = [
    { name: 'one endpoint has them all, whatever they are', streams: 10, total: 10, endpoints: 1, surplus: 0 },
    { name: 'all at one of three', streams: 9, total: 9, endpoints: 3, surplus: 6 },
    { name: 'one stream has to be somewhere', streams: 1, total: 1, endpoints: 3, surplus: 0 },
    { name: 'two at one of three', streams: 2, total: 2, endpoints: 3, surplus: 1 },
    { name: 'within the slack', streams: 6, total: 12, endpoints: 3, surplus: 0 },
    { name: 'beyond it', streams: 7, total: 12, endpoints: 3, surplus: 3 },
    { name: 'spread evenly', streams: 4, total: 12, endpoints: 3, surplus: 0 },
  ]
  for (const { name, streams, total, endpoints, surplus } of cases)
    t.equal(surplusStreams(streams, total, endpoints), surplus, name)
})
