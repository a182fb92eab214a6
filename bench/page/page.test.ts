import { test } from 'tap'
import type { BenchResults } from '../results.ts'
import { sampleResults } from '../sample-results.ts'
import { formatPage } from './page.ts'

const OPTIMISATIONS = '# What made it fast\n\n## Kept\n\nLess work.\n'

test('the page has a row for everything that was measured', async (t) => {
  const page = formatPage(sampleResults(), OPTIMISATIONS)
  const lines = page.split('\n')
  for (const line of [
    '- Measured on 2026-01-31: Some CPU (x64), 2 cores, Linux 6.1, Node v26.0.0; against haproxy 2.6.',
    '- 2 rounds of 4 s for each side in turn, each after 3 s of the same load as warm-up, which is not counted.',
    '| h2-4x32: CPU per request, to haproxy’s | ≤ 0.8 × | 1.20 × | **missed** |',
    '| tcp-bulk: CPU per GB, to haproxy’s | ≤ 1.2 × | 0.75 × | met |',
    '| `h2-4x32` | HTTP/2, 4 connections × 32 streams, GET, 64 bytes back | 24.0 / 20.0 µs | **1.20** (1.15–1.26) | 50,000 / 50,000 | 1.00 (0.97–1.04) | 83,333 / 100,000 | 50 % / 50 % |',
    'Both sides were warm, then took 32 turns of 250 ms each, one after the other. A ratio is the median of those of a',
    '| `tcp-bulk` | opaque TCP, 4 connections, 1 MB out and then back | 1.50 / 2.00 s/GB | **0.75** | 50,000 / 50,000 | 1.00 | 333 / 250 | 50 % / 50 % |',
    '| HTTP/2, 4 connections | 5,000 | 0.20 / 1.00 / 2.00 | +0.30 / +1.00 / +4.00 | +0.20 / +1.50 / +3.00 |',
    '| Weft | outbound (TLS client) | 100 | 700 (**600**) | 400 (**300**) | 100 % | 1,429 / 2,500 |',
    '| idle | 23.0 MB | 9.0 MB |',
    '| per idle kept-alive connection, client side TLS | 18.0 KB | 9.0 KB |',
    '| while 1,000 connections carry 5,000 requests/s (highest reading) | 45.0 + 30.0 MB | 20.0 + 12.0 MB |',
    '| `h1-64` | 15.0 (40,000) | – |',
    '| h1-64: CPU with every policy on, to none | ≤ 1.25 × | 1.20 × | met |',
    '| `h1-64` | 24.0 / 20.0 µs | **1.20** (1.15–1.26) | 50,000 / 50,000 | 0.95 (0.90–1.00) |',
    '–: nghttpx 1.52 HTTP/2 only.',
    '- loads h1-64: no answer',
    'Less work.',
  ]) {
    t.ok(lines.includes(line), `${line}\n`)
  }
  t.match(page, /`\/ready` answers 200, with the control plane up: \*\*140 ms\*\* \(median of 7\)/)
})

test('the page of a machine that was busy says so', async (t) => {
  const results = sampleResults()
  t.notMatch(formatPage(results, ''), /was busy/)
  const busy = { ...results, machine: { ...results.machine, loadBefore: 7.9 } }
  t.match(formatPage(busy, ''), /was busy with other things\*\* \(load 7\.9 on 2 cores/)
})

test('a section that was not run is not on the page', async (t) => {
  const { machine, timing, proxyCores } = sampleResults()
  const results: BenchResults = { machine, timing, proxyCores: 2, failed: [] }
  const headings = (page: string) => page.split('\n').filter((line) => line.startsWith('#'))
  t.same(headings(formatPage(results, OPTIMISATIONS)), ['# Performance', '## What made it fast', '### Kept'])
  t.match(formatPage(results, OPTIMISATIONS), /may use 2 cores; none is pinned/)
  t.equal(proxyCores, 1)
})
