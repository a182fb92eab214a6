import { test } from 'tap'
import { compare, percentile, seededRandom } from './noise.ts'
import { withMeasured } from './page.ts'
import { figuresOf, formatReport, isFleetWithinLimits, isWithinLimits } from './report.ts'
import type { AttackResult, FleetResult, HostileResults, Round } from './results.ts'

const ROUND: Round = {
  closedAfterSeconds: 0.02,
  watchedSeconds: 1,
  cpuSeconds: 0.05,
  quietCpuSeconds: 0.02,
  megabytes: 31,
  quietMegabytes: 30,
  p99Ms: [2.1],
  quietP99Ms: [2, 2],
}
const { closedAfterSeconds: _, ...OPEN } = { ...ROUND, watchedSeconds: 3 }

function result(...rounds: Round[]): AttackResult {
  return { attack: 'client: h2 PING', rounds, reasons: ['idle_frames'] }
}

test('verdicts', async (t) => {
  const noisy = { quietP99Ms: [2, 4], p99Ms: [3.5] }
  const cases = [
    { name: 'within all limits', rounds: [ROUND], cost: 'held', p99: 'held' },
    { name: 'CPU', rounds: [{ ...ROUND, cpuSeconds: 0.08 }], cost: 'over', p99: 'held' },
    { name: 'the same CPU over a longer life', rounds: [{ ...OPEN, cpuSeconds: 0.08 }], cost: 'held', p99: 'held' },
    { name: 'less than the ordinary traffic', rounds: [{ ...ROUND, cpuSeconds: 0.01 }], cost: 'held', p99: 'held' },
    { name: 'memory', rounds: [{ ...ROUND, megabytes: 38.1 }], cost: 'over', p99: 'held' },
    { name: 'one round of three', rounds: [ROUND, ROUND, { ...ROUND, megabytes: 90 }], cost: 'held', p99: 'held' },
    { name: 'p99', rounds: [{ ...ROUND, p99Ms: [2.3] }], cost: 'held', p99: 'over' },
    { name: 'p99 in noise', rounds: [{ ...ROUND, ...noisy }], cost: 'held', p99: 'not told from noise' },
  ]
  for (const { name, rounds, cost, p99 } of cases) {
    t.match(figuresOf(result(...rounds)), { cost, p99 }, name)
    t.equal(isWithinLimits(result(...rounds)), cost === 'held' && p99 !== 'over', name)
  }
})

test('the table', async (t) => {
  const report = formatReport({ attacks: [result(ROUND, ROUND, OPEN)] })
  t.match(
    report,
    '| client: h2 PING | `idle_frames` | 0.02 s | 3.0 | 1.0 | held | 1.05 (1.00–1.00) | held |',
    'closed in most rounds',
  )
  t.match(report, '1 attacks, 3 rounds each: 1 within 5 % of a core and 8 MB, 0 over;')
  t.match(formatReport({ attacks: [result(OPEN)] }), '| open after 3 s | 1.0 |')
})

test('the fleet', async (t) => {
  const fleet: FleetResult = {
    connections: 5_000,
    openAtMost: 4_900,
    dialled: 16_000,
    baseMb: 50,
    peakMb: 200,
    afterMb: 60,
    boundMb: 214,
  }
  t.equal(isFleetWithinLimits(fleet), true)
  t.equal(isFleetWithinLimits({ ...fleet, peakMb: 215 }), false)
  t.equal(isFleetWithinLimits({ ...fleet, afterMb: 61 }), false)
  t.match(formatReport({ attacks: [], fleet }), '5,000 hostile connections (4,900 open at most, 16,000 dialled)')
})

test('windows of a noisy machine', async (t) => {
  const quiet = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
  const { ratio, quietLow, quietHigh } = compare([11, 11, 11], quiet, seededRandom(1))
  t.equal(ratio, 2)
  t.ok(quietLow < 0.6 && quietLow > 0.1, `quiet windows differ by themselves: from ${quietLow}…`)
  t.ok(quietHigh > 1.4 && quietHigh < 4, `…to ${quietHigh}`)
  t.same(compare([11, 11, 11], quiet, seededRandom(1)), { ratio, quietLow, quietHigh }, 'the same draws each time')
  t.equal(percentile([3, 1, 2], 0.5), 2)
})

test('the page keeps what people wrote', async (t) => {
  const machine: HostileResults['machine'] = {
    cpu: 'Some CPU (x64)',
    cores: 2,
    kernel: '6.1',
    node: 'v26.0.0',
    date: '2026-01-31',
    loadBefore: 0.4,
  }
  const begin = '<!-- Made by `npm run hostile -- --write`, from here … -->'
  const end = '<!-- … to here. -->'
  const page = withMeasured(`before\n${begin}\nold\n${end}\nafter\n`, { machine, attacks: [result(ROUND)] })
  t.match(page, /^before\n/)
  t.match(page, /\nafter\n$/)
  t.notMatch(page, '\nold\n')
  t.match(page, 'Measured on 2026-01-31: Some CPU (x64), 2 cores')
  t.equal(withMeasured(page, { machine, attacks: [result(ROUND)] }), page, 'again and again')
  t.throws(() => withMeasured('no marks', { machine, attacks: [] }), /no part between/)
})
