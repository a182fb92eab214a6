import { test } from 'tap'
import { pushbackMs, retryAfterMs } from './retry-after.ts'

test('Retry-After, RFC 9110 §10.2.3', async (t) => {
  const nowMs = Date.UTC(1994, 10, 6, 8, 49, 30)
  const cases = [
    { name: 'seconds', value: '120', ms: 120_000 },
    { name: 'zero', value: '0', ms: 0 },
    { name: 'IMF-fixdate', value: 'Sun, 06 Nov 1994 08:49:37 GMT', ms: 7_000 },
    { name: 'RFC 850', value: 'Sunday, 06-Nov-94 08:49:37 GMT', ms: 7_000 },
    { name: 'asctime', value: 'Sun Nov  6 08:49:37 1994', ms: 7_000 },
    { name: 'a date that has passed', value: 'Sun, 06 Nov 1994 08:49:29 GMT', ms: 0 },
    { name: 'a date that does not exist', value: 'Sun, 66 Nov 1994 08:49:29 GMT', ms: 0 },
    { name: 'negative', value: '-1', ms: 0 },
    { name: 'a fraction', value: '1.5', ms: 0 },
    { name: 'more digits than anybody waits for', value: '9999999999', ms: 0 },
    { name: 'words', value: 'tomorrow', ms: 0 },
    { name: 'nothing', value: '', ms: 0 },
  ]
  for (const { name, value, ms } of cases) t.equal(retryAfterMs(value, nowMs), ms, name)
})

test('grpc-retry-pushback-ms', async (t) => {
  for (const [value, ms] of [
    ['1500', 1_500],
    ['0', 0],
    ['-1', 0],
    ['soon', 0],
  ] as const)
    t.equal(pushbackMs(value), ms, value)
})
