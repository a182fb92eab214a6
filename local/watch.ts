/** Follows a running cluster until it ends: signals, `--for`, the live table, the JSON object at the end. */
import type { Writable } from 'node:stream'
import type { RunningCluster } from './start.ts'

export interface WatchOptions {
  readonly forMs: number | undefined
  readonly isJson: boolean
  readonly stdout: Writable
  readonly stderr: Writable
}

export async function watchCluster(cluster: RunningCluster, { forMs, stderr }: WatchOptions): Promise<number> {
  const stop = () => cluster.stop()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  void cluster.ready.then((ms) => {
    stderr.write(`ready after ${ms} ms\n`)
    if (forMs !== undefined) setTimeout(stop, forMs)
  })
  await cluster.ended
  return 0
}
