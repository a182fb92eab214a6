/** Load generators as child processes: one that measures and ends, one that holds connections until it is ended. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LoadSpec } from './cases.ts'
import type { LoadResult } from './load/load.ts'
import { type ProcessOptions, spawnIn } from './pods.ts'

/** Where a load comes from and where it goes. */
export interface Route {
  /** For messages: `weft`. */
  readonly through: string
  readonly netns: string
  readonly host: string
  readonly port: number
  readonly tls?: RouteTls
}

export interface RouteTls {
  readonly certFile: string
  readonly caFile: string
  readonly serverName: string
  readonly resumes: boolean
  readonly headerPort?: number
}

export interface Measuring {
  readonly warmupSeconds: number
  readonly seconds: number
  /** Processes whose CPU is read; their children count with them. */
  readonly pids: readonly number[]
  /** Requests per second of an open loop; a closed loop without. */
  readonly ratePerSecond?: number
}

/** @throws Error when a single request failed: a proxy that answers with errors would look fast */
export async function runLoad(route: Route, load: LoadSpec, measuring: Measuring): Promise<LoadResult> {
  const { warmupSeconds, seconds, pids, ratePerSecond } = measuring
  const child = spawnLoad(route, load, {
    warmup: warmupSeconds,
    seconds,
    pids: pids.join(','),
    ...(ratePerSecond === undefined ? {} : { rate: ratePerSecond }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += String(chunk)
  })
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk)
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`through ${route.through} the load generator ended with ${code}: ${stderr.trim()}`)
  const result = JSON.parse(stdout) as LoadResult
  if (result.failures > 0 || result.requests === 0) {
    throw new Error(
      `through ${route.through} ${result.failures} of ${result.requests} requests failed; the first: ${result.firstFailure || 'no answer at all'}`,
    )
  }
  return result
}

export interface HeldLoad {
  /** Ends the connections. */
  release(): Promise<void>
}

/** Opens everything `load` says, has `requests` answered on each slot, and comes back when all of it is idle. */
export async function holdLoad(route: Route, load: LoadSpec, requests: number): Promise<HeldLoad> {
  const child = spawnLoad(route, load, { hold: requests })
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk)
  })
  const ended = once(child, 'exit')
  const held = once(createInterface({ input: child.stdout! }), 'line').then(() => true)
  if (!(await Promise.race([held, ended.then(() => false)]))) {
    throw new Error(`through ${route.through} connections could not be held: ${stderr.trim()}`)
  }
  return {
    async release() {
      if (child.exitCode !== null) throw new Error(`through ${route.through}: ${stderr.trim()}`)
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** `more`: options of load/main.ts that say how it runs. */
export function spawnLoad(
  route: Route,
  load: LoadSpec,
  more: Readonly<Record<string, string | number>>,
  processOptions: ProcessOptions = {},
): ChildProcess {
  const { netns, host, port, tls } = route
  const options = {
    kind: load.kind,
    host,
    port,
    connections: load.connections,
    streams: load.streams ?? 1,
    body: load.bodyBytes ?? 0,
    messages: load.messages ?? 1,
    authority: `bench.shop.svc.cluster.local:${port}`,
    ...(tls === undefined ? {} : { 'tls-cert': tls.certFile, 'tls-ca': tls.caFile, 'tls-name': tls.serverName }),
    ...(tls?.headerPort === undefined ? {} : { 'tls-header-port': tls.headerPort }),
    ...more,
  }
  const command = [
    process.execPath,
    join(import.meta.dirname, 'load', 'main.ts'),
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...(tls?.resumes ? ['--tls-resume'] : []),
  ]
  return spawnIn(netns, command, processOptions)
}
