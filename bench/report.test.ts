import { test } from 'tap'
import { CASES } from './cases.ts'
import { median, type Side, sideOf } from './measure.ts'
import { caseResult, formatReport } from './report.ts'

const round = (requests: number, outbound: number, inbound: number, p99Ms: number) => ({
  requests,
  failures: 0,
  firstFailure: '',
  contentBytes: requests * 2_000_000,
  seconds: 5,
  p50Ms: 1,
  p99Ms,
  cpuSeconds: [outbound, inbound],
})

test('rounds are added up, not averaged', async (t) => {
  const [small, , , bulk] = CASES as [(typeof CASES)[0], unknown, unknown, (typeof CASES)[0]]
  const side = sideOf('weft', small, [round(100_000, 1, 0.5, 3), round(300_000, 3, 1.5, 5)])
  t.same(side, { name: 'weft', cpuUsPerRequest: { outbound: 10, inbound: 5 }, rps: 40_000, p50Ms: 1, p99Ms: 4 })
  t.equal(sideOf('weft', bulk, [round(1_000, 2, 2, 3)]).cpuSecondsPerGb, 2, 'bulk also says seconds per GB')
})

test('median', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
})

test('the table says both sides, the ratio and whether it is what was asked for', async (t) => {
  const side = (name: string, cpu: number): Side => ({
    name,
    cpuUsPerRequest: { outbound: cpu, inbound: cpu },
    rps: 50_000,
    p50Ms: 1.234,
    p99Ms: 5.678,
  })
  const text = formatReport({
    cases: [
      caseResult(CASES[0]!, side('weft', 12), side('haproxy 2.6', 10)),
      caseResult(CASES[1]!, side('weft', 17), side('haproxy 2.6', 10)),
    ],
    failed: [{ name: 'tcp-bulk', reason: 'no answer' }],
    memory: { sidecars: 5, idleMb: 30, afterLoadMb: 40 },
    startToReadyMs: 200,
  })
  t.match(text, /^h2-4x32 +weft +24\.0 +12\.0 \+ 12\.0 +50000 +1\.23 +5\.68 +1\.20 +≤ 1\.2 +met$/m)
  t.match(text, /^ +haproxy 2\.6 +20\.0/m)
  t.match(text, /^h2-64x1 .* 1\.70 +≤ 1\.6 +missed$/m)
  t.match(text, /^tcp-bulk failed: no answer$/m)
  t.match(text, /idle 30\.0 MB \(≤ 32\), after the load 40\.0 MB \(≤ 48\)/)
  t.match(text, /\/ready with the control plane up: 200 ms \(≤ 250\)/)
})
