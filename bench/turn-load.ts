/**
 * A load generator whose closed loop takes turns with others: its connections stay open while it is paused. So both
 * sides meet the same machine, quarter of a second by quarter of a second, whatever its speed does over a minute.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { LoadSpec } from './cases.ts'
import type { LoadResult, Turn } from './load/load.ts'
import { isWarm } from './load/warm-up.ts'
import { type Route, spawnLoad } from './run-load.ts'

/** Long beside what its beginning and its end take, short beside the drift of a machine. */
export const TURN_MS = 250

export class TurnLoad {
  /** Those that were measured. */
  readonly turns: Turn[] = []
  /** What the warm-up carried. */
  readonly warmup = { seconds: 0, requests: 0, contentBytes: 0 }
  readonly #route: Route
  readonly #load: LoadSpec
  readonly #child: ReturnType<typeof spawnLoad>
  readonly #lines: AsyncIterator<string>
  readonly #closed: Promise<unknown[]>
  #stderr = ''

  /** `pids`: processes whose CPU is read before and after each turn; their children count with them. */
  constructor(route: Route, load: LoadSpec, pids: readonly number[]) {
    this.#route = route
    this.#load = load
    this.#child = spawnLoad(route, load, { turn: TURN_MS, pids: pids.join(',') }, { isCommanded: true })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
    this.#closed = once(this.#child, 'close')
    this.#child.stdin!.on('error', () => {}) // It ended; the line that is waited for then says why.
    this.#child.stderr!.on('data', (chunk) => {
      this.#stderr += String(chunk)
    })
  }

  isWarm(seconds: number): boolean {
    return isWarm(this.#load.kind, this.warmup, seconds)
  }

  async warmUp(): Promise<void> {
    const { seconds, requests, contentBytes } = await this.#turn('warm-up')
    this.warmup.seconds += seconds
    this.warmup.requests += requests
    this.warmup.contentBytes += contentBytes
  }

  async measure(): Promise<void> {
    this.turns.push(await this.#turn('measure'))
  }

  /** Ends the connections; the result is that of all turns that were measured. */
  async end(): Promise<LoadResult> {
    this.#child.stdin!.end()
    return (await this.#read()) as LoadResult
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async #turn(command: 'warm-up' | 'measure'): Promise<Turn> {
    this.#child.stdin!.write(`${command}\n`)
    const turn = (await this.#read()) as Turn
    if (turn.requests > 0) return turn
    throw new Error(`through ${this.#route.through} nothing was answered within a turn`)
  }

  async #read(): Promise<unknown> {
    const { value, done } = await this.#lines.next()
    if (!done) return JSON.parse(value)
    const [code] = await this.#closed
    throw new Error(
      `through ${this.#route.through} the load generator ended with ${String(code)}: ${this.#stderr.trim()}`,
    )
  }
}
