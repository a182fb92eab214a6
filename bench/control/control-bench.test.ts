/** The benchmark in small: what it promises about streams holds for any size. */
import { test } from 'tap'
import { CHANGES } from './changes.ts'
import { measureControl } from './measure.ts'
import { formatControlReport, verdicts } from './report.ts'
import type { ControlResults } from './results.ts'

const SIZE = { namespaces: 4, services: 16, proxies: 32 }

test('every change reaches the streams that it concerns, once, and no others', async (t) => {
  const results = await measureControl({ size: SIZE, rounds: 1, processes: 1, settleMs: 200 })
  t.same(
    results.changes.map(({ name, missing, stray, repeated }) => ({ name, missing, stray, repeated })),
    CHANGES.map(({ name }) => ({ name, missing: 0, stray: 0, repeated: 0 })),
  )
  const concerned = Object.fromEntries(results.changes.map((change) => [change.name, change.concerned]))
  t.match(concerned, { HTTPRoute: 4, 'consumer route': 2, 'route of the common Service': 32, Server: 2 })
  t.match(results, { opened: { proxies: 32, missing: 0 }, restarted: { proxies: 32, missing: 0 } })
})

const change = { name: 'Server', concerned: 2, missing: 0, stray: 0, repeated: 0, cpuMs: 3.25 }
const quick = { p50: 2, p99: 8, max: 9 }
const states = { proxies: 32, streams: 340, missing: 0, afterMs: quick }
const good: ControlResults = {
  machine: { cpu: 'one', cores: 2, kernel: '6', node: 'v26', date: '2026-01-01', loadBefore: 0 },
  size: SIZE,
  streams: 340,
  changes: [{ ...change, latencyMs: quick }, change],
  memory: {
    baseBytes: 9e7,
    perProxyBytes: 70_000,
    perProxyAfterChangesBytes: 80_000,
    heapPerProxyBytes: 30_000,
    heapPerProxyAfterChangesBytes: 31_000,
  },
  opened: states,
  restarted: states,
}

test('verdicts', async (t) => {
  const broken = (results: Partial<ControlResults>) =>
    verdicts({ ...good, ...results })
      .filter(({ isMet }) => !isMet)
      .map(({ what }) => what)
  t.same(broken({}), [])
  const late = 'a change reaches all proxies that it concerns within 1000 ms (p99)'
  t.same(broken({ changes: [{ ...change, latencyMs: { ...quick, p99: 1_001 } }] }), [late])
  t.same(broken({ changes: [{ ...change, missing: 1 }] }), [late], 'also when it never comes')
  t.same(broken({ changes: [{ ...change, stray: 1 }] }), ['no other stream hears of it'])
  t.same(broken({ memory: { ...good.memory, perProxyAfterChangesBytes: 100_000 } }), ['less than 100.0 kB per proxy'])
  t.same(broken({ restarted: { ...states, proxies: 31 } }), ['all proxies are back after a restart'])
})

test('the report', async (t) => {
  const text = formatControlReport(good)
  t.match(text, '32 proxies with 340 streams, 16 Services')
  t.match(text, /Server +2 +2\.0 +8\.0 +9\.0 +0 +0 +0 +3\.3/)
  t.match(text, /Server +2 +- +- +- +0/, 'a change that nobody hears of has no latency')
})
