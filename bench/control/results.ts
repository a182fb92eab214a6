/** The figures of a run: printed as tables, kept as JSON. */
import type { machine } from '../machine.ts'
import type { Size } from './cluster.ts'

export interface ControlResults {
  readonly machine: ReturnType<typeof machine>
  readonly size: Size
  readonly streams: number
  readonly changes: readonly ChangeResult[]
  readonly memory: {
    /** Private memory of the control plane with the cluster and without proxies. */
    readonly baseBytes: number
    readonly perProxyBytes: number
    readonly perProxyAfterChangesBytes: number
    /** Of it, objects of JavaScript. */
    readonly heapPerProxyBytes: number
    readonly heapPerProxyAfterChangesBytes: number
  }
  /** Since the proxies' processes were created. */
  readonly opened: StatesResult
  /** Since a new control plane listens, after the one before was killed. */
  readonly restarted: StatesResult
}

export interface ChangeResult {
  readonly name: string
  /** Streams that it concerns, of one round. */
  readonly concerned: number
  /** Streams that heard nothing, of all rounds; so are the next two. */
  readonly missing: number
  readonly stray: number
  readonly repeated: number
  /** Until the message is read; absent where nobody is concerned. */
  readonly latencyMs?: Summary
  /** Of the control plane, for one change, with the status that follows. */
  readonly cpuMs: number
}

export interface StatesResult {
  /** That have all of their states. */
  readonly proxies: number
  readonly streams: number
  /** Streams without state. */
  readonly missing: number
  readonly afterMs: Summary
}

export interface Summary {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export function summary(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]!
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}
