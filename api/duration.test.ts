import { test } from 'tap'
import { durationFromMs, formatDurationMs, msFromDuration, parseDurationMs, parseGoDurationMs } from './duration.ts'

test('the grammar of environment and policy annotations', async (t) => {
  const cases = [
    { name: 'milliseconds', text: '300ms', ms: 300 },
    { name: 'seconds', text: '10s', ms: 10_000 },
    { name: 'minutes', text: '5m', ms: 300_000 },
    { name: 'hours', text: '1h', ms: 3_600_000 },
    { name: 'days', text: '365d', ms: 31_536_000_000 },
    { name: 'surrounding blanks are ignored', text: ' 1s\n', ms: 1_000 },
    { name: 'zero needs no unit', text: '0', ms: 0 },
    { name: 'another number does', text: '5', ms: undefined },
    { name: 'no fraction', text: '1.5s', ms: undefined },
    { name: 'no sign', text: '-1s', ms: undefined },
    { name: 'no combination', text: '1m30s', ms: undefined },
    { name: 'no unknown unit', text: '1w', ms: undefined },
    { name: 'nothing', text: '', ms: undefined },
    { name: 'more than a number can hold', text: '99999999999999999d', ms: undefined },
  ]
  for (const { name, text, ms } of cases) t.equal(parseDurationMs(text), ms, name)
})

test('the grammar of Go, for injector annotations', async (t) => {
  const cases = [
    { name: 'one unit', text: '500ms', ms: 500 },
    { name: 'several units add up', text: '1m30s', ms: 90_000 },
    { name: 'fractions', text: '1.5h', ms: 5_400_000 },
    { name: 'a fraction without a leading zero', text: '.5s', ms: 500 },
    { name: 'microseconds', text: '1500us', ms: 1.5 },
    { name: 'microseconds with the sign', text: '1500µs', ms: 1.5 },
    { name: 'negative', text: '-2s', ms: -2_000 },
    { name: 'zero needs no unit', text: '0', ms: 0 },
    { name: 'another number does', text: '10', ms: undefined },
    { name: 'no days', text: '1d', ms: undefined },
    { name: 'no blanks', text: '1m 30s', ms: undefined },
    { name: 'nothing', text: '', ms: undefined },
    { name: 'beyond an int64 of nanoseconds', text: '3000000h', ms: undefined },
  ]
  for (const { name, text, ms } of cases) t.equal(parseGoDurationMs(text), ms, name)
})

test('protobuf durations', async (t) => {
  t.match(durationFromMs(1_500), { seconds: 1n, nanos: 500_000_000 })
  t.match(durationFromMs(0), { seconds: 0n, nanos: 0 })
  t.match(durationFromMs(999.9999999), { seconds: 1n, nanos: 0 }, 'nanos never reach a full second')
  t.throws(() => durationFromMs(-1))
  t.equal(msFromDuration({ seconds: 3n, nanos: 250_000_000 }), 3_250)
  t.equal(msFromDuration({ seconds: -1n, nanos: 0 }), undefined, 'negative')
  t.equal(msFromDuration({ seconds: 1n, nanos: 1_000_000_000 }), undefined, 'nanos out of range')
})

test('formatting takes the largest unit that divides', async (t) => {
  for (const text of ['300ms', '10s', '90s', '5m', '1h', '365d', '0s']) {
    t.equal(formatDurationMs(parseDurationMs(text)!), text)
  }
})
