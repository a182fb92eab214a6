/** Runs one load generator in the client's pod against one pair of proxies and adds up what its rounds say. */
import { once } from 'node:events'
import { join } from 'node:path'
import { type BenchCase, BULK_BYTES } from './cases.ts'
import type { LoadResult } from './load/load.ts'
import type { Pair } from './peer.ts'
import { type Pod, spawnIn } from './pods.ts'

export interface Timing {
  readonly warmupSeconds: number
  readonly seconds: number
  readonly rounds: number
}

export interface Side {
  readonly name: string
  readonly cpuUsPerRequest: { readonly outbound: number; readonly inbound: number }
  readonly rps: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Only where bodies are large: both proxies together, per 10^9 bytes of content, both directions counted. */
  readonly cpuSecondsPerGb?: number
}

export async function runLoad(
  pod: Pod,
  vip: string,
  bench: BenchCase,
  pair: Pair,
  timing: Timing,
): Promise<LoadResult> {
  const child = spawnIn(pod.netns, [
    process.execPath,
    join(import.meta.dirname, 'load', 'main.ts'),
    ...Object.entries({
      kind: bench.kind,
      host: vip,
      port: bench.port,
      connections: bench.connections,
      streams: bench.streams,
      body: bench.bodyBytes,
      authority: `bench.shop.svc.cluster.local:${bench.port}`,
      warmup: timing.warmupSeconds,
      seconds: timing.seconds,
      pids: `${pair.outbound.pid},${pair.inbound.pid}`,
    }).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ])
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += String(chunk)
  })
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk)
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`through ${pair.name} the load generator ended with ${code}: ${stderr.trim()}`)
  const result = JSON.parse(stdout) as LoadResult
  if (result.failures > 0 || result.requests === 0) {
    throw new Error(
      `through ${pair.name} ${result.failures} of ${result.requests} requests failed; the first: ${result.firstFailure || 'no answer at all'}`,
    )
  }
  return result
}

/** The figures of one side: CPU and requests are added up over the rounds, latencies are those of the median round. */
export function sideOf(name: string, bench: BenchCase, rounds: readonly LoadResult[]): Side {
  const sum = (value: (round: LoadResult) => number) => rounds.reduce((total, round) => total + value(round), 0)
  const requests = sum((round) => round.requests)
  const cpu = (index: number) => (sum((round) => round.cpuSeconds[index]!) / requests) * 1e6
  const totalCpuSeconds = sum((round) => round.cpuSeconds[0]! + round.cpuSeconds[1]!)
  return {
    name,
    cpuUsPerRequest: { outbound: cpu(0), inbound: cpu(1) },
    rps: requests / sum((round) => round.seconds),
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
    ...(bench.bodyBytes >= BULK_BYTES
      ? { cpuSecondsPerGb: totalCpuSeconds / (sum((round) => round.contentBytes) / 1e9) }
      : {}),
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
