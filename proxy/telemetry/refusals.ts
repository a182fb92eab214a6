/**
 * What peers sent and was refused: counted by reason, and told in the log once per connection and not more often than some
 * times per second, so that a hostile peer is seen and cannot fill a disk.
 */
import type { Refusal } from '../wire/refusal.ts'
import type { Family } from './family.ts'
import type { Logger } from './log.ts'
import type { Counter } from './metrics.ts'

/** Lines per second and side; more are left out and counted in the next one. */
export const MAX_REFUSAL_LINES_PER_SECOND = 10

/** `src` dialled the proxy, `dst` was dialled by it. */
export type RefusedPeer = 'src' | 'dst'

export class Refusals {
  readonly #family: Family<Counter>
  readonly #direction: 'inbound' | 'outbound'
  readonly #peer: RefusedPeer
  readonly #log: Logger
  readonly #nowMs: () => number
  readonly #counters = new Map<Refusal, Counter>()
  #second = 0
  #lines = 0
  #leftOut = 0

  constructor(
    family: Family<Counter>,
    direction: 'inbound' | 'outbound',
    peer: RefusedPeer,
    log: Logger,
    nowMs: () => number,
  ) {
    this.#family = family
    this.#direction = direction
    this.#peer = peer
    this.#log = log
    this.#nowMs = nowMs
  }

  /**
   * @param where the peer and what it spoke to, built only for a line
   * @param isFirst on its connection
   */
  refused(reason: Refusal, where: () => string, message: string, isFirst: boolean): void {
    let counter = this.#counters.get(reason)
    if (counter === undefined) {
      counter = this.#family.child([
        ['direction', this.#direction],
        ['peer', this.#peer],
        ['reason', reason],
      ])
      this.#counters.set(reason, counter)
    }
    counter.value++
    if (isFirst) this.#tell(reason, where, message)
  }

  #tell(reason: Refusal, where: () => string, message: string): void {
    const second = Math.floor(this.#nowMs() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#lines = 0
    }
    if (++this.#lines > MAX_REFUSAL_LINES_PER_SECOND) {
      this.#leftOut++
      return
    }
    const others = this.#leftOut === 0 ? '' : ` (${this.#leftOut} more connections since the last line)`
    this.#leftOut = 0
    this.#log.info(`${this.#direction} ${where()}: refused (${reason}): ${message}${others}`)
  }
}
