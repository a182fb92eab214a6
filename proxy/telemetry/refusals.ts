/**
 * What peers sent and was refused: counted by reason, and told in the log once per connection and not more often than some
 * times per second, so that a hostile peer is seen and cannot fill a disk.
 */
import type { Refusal } from '../wire/refusal.ts'
import type { Family } from './family.ts'
import type { Logger } from './log.ts'
import type { Counter } from './metrics.ts'
import { PacedLines } from './paced-lines.ts'

/** Lines per second and side; more are left out and counted in the next one. */
export const MAX_REFUSAL_LINES_PER_SECOND = 10

/** `src` dialled the proxy, `dst` was dialled by it. */
export type RefusedPeer = 'src' | 'dst'

export class Refusals {
  readonly #family: Family<Counter>
  readonly #direction: 'inbound' | 'outbound'
  readonly #peer: RefusedPeer
  readonly #lines: PacedLines
  readonly #counters = new Map<Refusal, Counter>()

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
    this.#lines = new PacedLines(MAX_REFUSAL_LINES_PER_SECOND, 'connections', (line) => log.info(line), nowMs)
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
    if (isFirst) this.#lines.tell(() => `${this.#direction} ${where()}: refused (${reason}): ${message}`)
  }
}
