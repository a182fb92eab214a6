import { test } from 'tap'
import type { LoadResult, Turn } from './load/load.ts'
import { compareTurns } from './ratios.ts'
import { formatReport } from './report.ts'
import type { BenchResults } from './results.ts'
import { sampleResults } from './sample-results.ts'
import { median, percentilesOf, quartiles, sideOf } from './statistics.ts'
import { verdicts } from './targets.ts'

const round = (requests: number, outbound: number, inbound: number, p99Ms: number): LoadResult => ({
  requests,
  failures: 0,
  firstFailure: '',
  contentBytes: requests * 2_000_000,
  seconds: 5,
  p50Ms: 1,
  p99Ms,
  p999Ms: 2 * p99Ms,
  cpuSeconds: [outbound, inbound],
})

test('what a pair of proxies cost', async (t) => {
  t.same(sideOf('weft', round(200_000, 2, 1, 4)), {
    name: 'weft',
    cpuUs: { outbound: 10, inbound: 5 },
    cpuSecondsPerGb: 3 / 400,
    rps: 40_000,
    busyShare: 0.4,
    p50Ms: 1,
    p99Ms: 4,
  })
})

test('a turn is compared with the one that followed it, whatever the machine did later', async (t) => {
  const turn = (requests: number, outbound: number, inbound: number): Turn => ({
    ...{ requests, contentBytes: 0, seconds: 0.25 },
    cpuSeconds: [outbound, inbound],
  })
  // The machine becomes three times as slow; only in the last turn of the peer something else happened.
  const weft = [turn(1_000, 0.1, 0.1), turn(1_000, 0.1, 0.1), turn(500, 0.15, 0.15), turn(500, 0.15, 0.15)]
  const peer = [turn(2_000, 0.1, 0.1), turn(2_000, 0.1, 0.1), turn(1_000, 0.15, 0.15), turn(1_000, 0.45, 0.15)]
  t.same(compareTurns(weft, peer), {
    count: 4,
    cpuRatio: { lower: 1.75, median: 2, upper: 2 },
    rateRatio: { lower: 0.5, median: 0.5, upper: 0.5 },
  })
})

test('median and quartiles', async (t) => {
  t.same(quartiles([5, 1, 4, 2, 3]), { lower: 2, median: 3, upper: 4 })
  t.same(quartiles([1, 2]), { lower: 1.25, median: 1.5, upper: 1.75 })
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.same(percentilesOf([round(1, 1, 1, 7), round(1, 1, 1, 1), round(1, 1, 1, 3)]), { p50Ms: 1, p99Ms: 3, p999Ms: 6 })
})

test('the report says both sides, the ratio and whether it is what was asked for', async (t) => {
  const text = formatReport(sampleResults())
  t.match(
    text,
    /^h2-4x32 +weft +24\.0 +µs\/request +12\.0 \+ 12\.0 +50 % +50000 +1\.23 +5\.68 +1\.20 \(1\.15–1\.26\) +1\.00 \(0\.97–1\.04\)$/m,
  )
  t.match(text, /^ +haproxy 2\.6 +20\.0 +µs\/request/m)
  t.match(text, /^tcp-bulk +weft +1\.50 +s\/GB/m)
  t.match(text, /^weft +outbound +100 +700 +600 +400 +300 +100 % +900 +1200$/m)
  t.match(text, /^per idle connection, client side tls +18\.0 +9\.0 +KB$/m)
  t.match(text, /^loads h1-64 failed: no answer$/m)
})

test('verdicts', async (t) => {
  const of = (results: BenchResults) =>
    verdicts(results).map(({ what, target, measured, isMet }) => `${what}: ${measured} ${target} ${isMet}`)
  const results = sampleResults()
  const all = of(results)
  for (const expected of [
    'h2-4x32: CPU per request, to haproxy’s: 1.20 × ≤ 0.8 × false',
    'h2-4x32: requests/s, to haproxy’s: 1.00 × ≥ 1.2 × false',
    'tcp-bulk: CPU per GB, to haproxy’s: 0.75 × ≤ 1.2 × true',
    'CPU of a full mTLS handshake, outbound: 0.60 ms ≤ 0.6 ms true',
    'CPU of a resumed mTLS handshake, outbound: 0.30 ms ≤ 0.35 ms true',
    'private memory, one more sidecar, idle: 23.0 MB ≤ 24 MB true',
    'private memory, 1,000 connections with 5,000 requests/s: 45.0 MB ≤ 40 MB false',
    'per idle kept-alive connection, client side TLS: 18.0 KB ≤ 20 KB true',
    'per idle kept-alive connection, client side plain: 10.0 KB ≤ 8 KB false',
    'start to /ready: 140 ms ≤ 150 ms true',
  ]) {
    t.ok(all.includes(expected), expected)
  }

  const { start, failed, machine, timing, proxyCores } = results
  t.same(of({ failed, machine, timing, proxyCores, ...(start && { start }) }), [
    'start to /ready: 140 ms ≤ 150 ms true',
  ])

  const [handshake] = results.handshakes!
  const unresumed = { ...handshake!, resumed: { ...handshake!.resumed, resumedShare: 0.1 } }
  t.ok(
    of({ ...results, handshakes: [unresumed] }).includes(
      'CPU of a resumed mTLS handshake, outbound: too few were resumed ≤ 0.35 ms false',
    ),
    'full handshakes do not pass for resumed ones',
  )
})
