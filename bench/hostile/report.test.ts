import { test } from 'tap'
import { type AttackResult, corePercent, formatReport, isWithinLimits, percentile } from './report.ts'

const RESULT: AttackResult = {
  attack: 'client: h2 PING',
  closedAfterSeconds: 0.02,
  watchedSeconds: 4,
  cpuSeconds: 0.03,
  megabytes: 1,
  p99BeforeMs: 2,
  p99DuringMs: 2.1,
}

test('verdicts', async (t) => {
  t.equal(corePercent(RESULT), 3, 'a short life counts as a second')
  t.equal(corePercent({ ...RESULT, closedAfterSeconds: undefined, cpuSeconds: 0.4 }), 10)
  t.equal(corePercent({ ...RESULT, cpuSeconds: -0.01 }), 0, 'less than the ordinary traffic is noise')
  t.equal(isWithinLimits(RESULT), true)
  t.equal(isWithinLimits({ ...RESULT, cpuSeconds: 0.06 }), false)
  t.equal(isWithinLimits({ ...RESULT, megabytes: 8.1 }), false)
  t.match(formatReport({ attacks: [RESULT] }), '| client: h2 PING | 0.02 s | 3.0 | 1.0 | 2.0 / 2.1 ms | held |')
  t.match(formatReport({ attacks: [RESULT] }), '5 % more than before')
  t.match(formatReport({ attacks: [{ ...RESULT, closedAfterSeconds: undefined }] }), 'open after 4 s')
  t.equal(percentile([3, 1, 2], 0.5), 2)
})
