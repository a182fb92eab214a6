/** What the harness measures, as it is written to a file. */
import type { Machine } from '../results.ts'

/** Ordinary requests per second. */
export const RATE = 500

export interface AttackResult {
  readonly attack: string
  readonly rounds: readonly Round[]
  /** Reasons that `weft_refused_total` counted meanwhile. */
  readonly reasons: readonly string[]
}

/** One connection, and the windows of ordinary traffic alone before it. */
export interface Round {
  /** When the proxy ended it; left out when the harness did, after `watchedSeconds`. */
  readonly closedAfterSeconds?: number
  /** From its begin until it was closed or given up, but a second at least. */
  readonly watchedSeconds: number
  /** What the proxy spent while it was watched, and what it spends in as much time of ordinary traffic. */
  readonly cpuSeconds: number
  readonly quietCpuSeconds: number
  /** Private memory at most, with it and before it. */
  readonly megabytes: number
  readonly quietMegabytes: number
  /** The p99 of the ordinary traffic in windows of a second, in milliseconds. */
  readonly p99Ms: readonly number[]
  readonly quietP99Ms: readonly number[]
}

export interface FleetResult {
  readonly connections: number
  readonly openAtMost: number
  readonly dialled: number
  readonly baseMb: number
  readonly peakMb: number
  readonly afterMb: number
  readonly boundMb: number
}

export interface HostileResults {
  readonly machine: Omit<Machine, 'peers'>
  readonly attacks: readonly AttackResult[]
  readonly fleet?: FleetResult | undefined
}
