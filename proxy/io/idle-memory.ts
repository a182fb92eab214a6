/**
 * Gives memory back after a burst. V8 and the C library both keep what they once needed: right while traffic flows, but a
 * sidecar that idles for hours should not hold the megabytes of one busy minute.
 *
 * A collection of a small idle heap takes some milliseconds in which nobody waits. Time is an argument: a tick is about a
 * second.
 */

import { releaseChunks } from '../http/chunk-pool.ts'
import { collectGarbage } from './collect-garbage.ts'
import { libc } from './libc.ts'

/** Reads in a tick up to which the proxy counts as quiet: health checks, scrapes, keep-alive. */
export const QUIET_READS = 50
/** So many quiet ticks in a row before memory is given back. */
export const QUIET_TICKS = 3
/** Fewer reads than this since the last time leave nothing worth collecting. */
export const BURST_READS = 5_000
/** A connection that is gone leaves as much behind as so many reads. */
export const READS_PER_CONNECTION = 10
/** When so many connections are gone, a proxy gives back what they held also while it has other traffic… */
export const MANY_CONNECTIONS = 500
/** …as soon as so many ticks have passed in which hardly any other one went. */
export const SETTLED_TICKS = 10

export class IdleMemory {
  readonly #giveBack: (isQuiet: boolean) => void
  #lastReads = 0
  #lastConnections = 0
  /** A start leaves as much behind as a burst: it is given back as soon as the proxy is quiet. */
  #burstReads = BURST_READS
  #quietTicks = 0
  #goneConnections = 0
  #settledTicks = 0

  constructor(giveBack: (isQuiet: boolean) => void) {
    this.#giveBack = giveBack
  }

  /**
   * @param reads of all connections since the process started
   * @param connections that are open
   */
  tick(reads: number, connections: number): void {
    const recent = reads - this.#lastReads
    const gone = Math.max(0, this.#lastConnections - connections)
    this.#lastReads = reads
    this.#lastConnections = connections
    this.#burstReads += recent + gone * READS_PER_CONNECTION
    this.#goneConnections += gone
    this.#settledTicks = gone > MANY_CONNECTIONS / SETTLED_TICKS ? 0 : this.#settledTicks + 1
    this.#quietTicks = recent > QUIET_READS ? 0 : this.#quietTicks + 1
    const isQuiet = this.#quietTicks >= QUIET_TICKS
    const isDue = this.#burstReads >= BURST_READS
    const isRid = this.#goneConnections >= MANY_CONNECTIONS && this.#settledTicks >= SETTLED_TICKS
    if (!(isQuiet && isDue) && !isRid) return
    this.#burstReads = 0
    this.#goneConnections = 0
    this.#giveBack(isQuiet)
  }
}

/**
 * What `IdleMemory` is for: the pools, V8's heap, the C library's, in this order. `isQuiet`: nobody waits while V8 looks
 * again and again for what can go.
 */
export function giveBackMemory(isQuiet: boolean): void {
  releaseChunks()
  void collectGarbage(isQuiet).then(() => libc().trim?.(0))
}
