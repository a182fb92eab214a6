/** What is measured: one line per load, with the origin's port it goes to and what it may cost against the peer. */

/** The origin's ports, in the order in which load/origin.ts opens them. */
export const OriginPort = { h2: 8080, h1: 8081, h2Bulk: 8082, h1Bulk: 8083, tcp: 8084 } as const

export const BULK_BYTES = 1_000_000

export interface BenchCase {
  readonly name: string
  readonly kind: 'h1' | 'h2' | 'tcp'
  readonly port: number
  readonly connections: number
  readonly streams: number
  readonly bodyBytes: number
  /** Upper bound for the CPU of both proxies divided by that of the peer's two. */
  readonly targetRatio: number
}

export const CASES: readonly BenchCase[] = [
  { name: 'h2-4x32', kind: 'h2', port: OriginPort.h2, connections: 4, streams: 32, bodyBytes: 0, targetRatio: 1.2 },
  { name: 'h2-64x1', kind: 'h2', port: OriginPort.h2, connections: 64, streams: 1, bodyBytes: 0, targetRatio: 1.6 },
  { name: 'h1-64', kind: 'h1', port: OriginPort.h1, connections: 64, streams: 1, bodyBytes: 0, targetRatio: 1.6 },
  {
    name: 'h2-bulk',
    kind: 'h2',
    port: OriginPort.h2Bulk,
    connections: 4,
    streams: 2,
    bodyBytes: BULK_BYTES,
    targetRatio: 1.5,
  },
  {
    name: 'h1-bulk',
    kind: 'h1',
    port: OriginPort.h1Bulk,
    connections: 8,
    streams: 1,
    bodyBytes: BULK_BYTES,
    targetRatio: 1.5,
  },
  {
    name: 'tcp-bulk',
    kind: 'tcp',
    port: OriginPort.tcp,
    connections: 4,
    streams: 1,
    bodyBytes: BULK_BYTES,
    targetRatio: 1.5,
  },
]
