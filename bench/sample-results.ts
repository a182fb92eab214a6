/** Results as a run could have them, for the tests of what is made from results. */
import type { BenchResults, Side } from './results.ts'

function side(name: string, cpuUs: number, cpuSecondsPerGb = 0): Side {
  return {
    name,
    cpuUs: { outbound: cpuUs, inbound: cpuUs },
    cpuSecondsPerGb,
    rps: 50_000,
    busyShare: 0.5,
    p50Ms: 1.234,
    p99Ms: 5.678,
  }
}

export function sampleResults(): BenchResults {
  const MB = 1e6
  const KB = 1_024
  return {
    machine: {
      cpu: 'Some CPU (x64)',
      cores: 2,
      kernel: '6.1',
      node: 'v26.0.0',
      date: '2026-01-31',
      loadBefore: 0.1,
      peers: ['haproxy 2.6'],
    },
    timing: { warmupSeconds: 3, seconds: 4, rounds: 2 },
    proxyCores: 1,
    start: { toReadyMs: 140, starts: 7 },
    loads: {
      cases: [
        {
          name: 'h2-4x32',
          weft: side('weft', 12),
          peer: side('haproxy 2.6', 10),
          turns: {
            count: 32,
            cpuRatio: { lower: 1.15, median: 1.2, upper: 1.26 },
            rateRatio: { lower: 0.97, median: 1, upper: 1.04 },
          },
        },
        // As it was written before there were turns.
        { name: 'tcp-bulk', weft: side('weft', 3_000, 1.5), peer: side('haproxy 2.6', 4_000, 2) },
      ],
      afterBytes: { weft: 30 * MB, peer: 12 * MB },
    },
    latency: [
      {
        kind: 'h2',
        ratePerSecond: 5_000,
        direct: { p50Ms: 0.2, p99Ms: 1, p999Ms: 2 },
        weft: { p50Ms: 0.5, p99Ms: 2, p999Ms: 6 },
        peer: { p50Ms: 0.4, p99Ms: 2.5, p999Ms: 5 },
      },
    ],
    handshakes: [
      {
        name: 'weft',
        side: 'outbound',
        clearUs: 100,
        full: { connectionUs: 700, resumedShare: 0, perSecond: 900 },
        resumed: { connectionUs: 400, resumedShare: 1, perSecond: 1_200 },
      },
    ],
    memory: {
      idleBytes: { weft: 23 * MB, peer: 9 * MB },
      perConnectionBytes: [
        { client: 'tls', weft: 18 * KB, peer: 9 * KB },
        { client: 'plain', weft: 10 * KB, peer: 2 * KB },
      ],
      per1000StreamsBytes: { weft: { outbound: 2 * MB, inbound: 3 * MB }, peer: { outbound: 1 * MB, inbound: 1 * MB } },
      loaded: {
        connections: 1_000,
        ratePerSecond: 5_000,
        weft: { outbound: 45 * MB, inbound: 30 * MB },
        peer: { outbound: 20 * MB, inbound: 12 * MB },
      },
      afterBytes: { weft: { outbound: 31 * MB, inbound: 28 * MB }, peer: { outbound: 15 * MB, inbound: 11 * MB } },
    },
    policies: [
      {
        name: 'h1-64',
        all: side('all policies', 12),
        none: side('no policy', 10),
        turns: {
          count: 32,
          cpuRatio: { lower: 1.15, median: 1.2, upper: 1.26 },
          rateRatio: { lower: 0.9, median: 0.95, upper: 1 },
        },
      },
    ],
    hops: [
      {
        load: 'h1-64',
        proxies: [
          { name: 'weft', cpuUs: 15, rps: 40_000 },
          { name: 'nghttpx 1.52', note: 'HTTP/2 only' },
        ],
      },
    ],
    failed: [{ what: 'loads h1-64', reason: 'no answer' }],
  }
}
