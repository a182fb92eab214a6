/** What every load generator is: started with options and a recorder, running until it is stopped. */
import type { Recorder } from './recorder.ts'

export interface LoadOptions {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** Requests at a time on each connection; only HTTP/2 has more than one. */
  readonly streams: number
  /** Content of every request; 0 is none. */
  readonly bodyBytes: number
  /** What the requests call their host; the address by default. */
  readonly authority?: string
}

export interface RunningLoad {
  stop(): void
}

export type Load = (options: LoadOptions, recorder: Recorder) => RunningLoad

/** The result of one run, as the process prints it. */
export interface LoadResult {
  readonly requests: number
  readonly failures: number
  readonly firstFailure: string
  readonly contentBytes: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU that each watched process used meanwhile, in the order they were named. */
  readonly cpuSeconds: readonly number[]
}
