/**
 * Which parts of our files an input reaches, from V8's own block coverage: inputs that reach something new are worth
 * mutating.
 *
 * Taking coverage costs milliseconds, a case some microseconds. So it is taken for many cases at once, more and more as less
 * is found; only where many have reached something new are their halves looked at, down to the one that did.
 */
import { Session } from 'node:inspector'
import { fileURLToPath } from 'node:url'
import type { Fuzzer, Json } from './fuzzer.ts'

const MIN_BATCH = 64
const MAX_BATCH = 16_384
/** Of the time, what looking may take. */
const MAX_SHARE = 0.25
/** Memory: inputs kept for mutation. Older ones make room, they were mutated longest. */
const MAX_POOL = 2_000
const ROOT = new URL('../../', import.meta.url)

interface ScriptCoverage {
  readonly url: string
  readonly functions: readonly {
    readonly functionName: string
    readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[]
  }[]
}

export class CoverageGuide {
  /** Inputs that reached something new. */
  readonly pool: Json[] = []
  readonly #fuzzer: Fuzzer
  readonly #session = new Session()
  readonly #reached = new Set<string>()
  #batch: Json[] = []
  #batchLength = MIN_BATCH
  /** Whether cases are gathered; between samples what they reach is not looked at. */
  #isSampling = false
  #spentMs = 0
  readonly #startedAtMs = performance.now()

  constructor(fuzzer: Fuzzer) {
    this.#fuzzer = fuzzer
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Parts reached so far. */
  get reached(): number {
    return this.#reached.size
  }

  async onCase(input: Json): Promise<void> {
    if (!this.#isSampling) {
      if (this.#spentMs > MAX_SHARE * (performance.now() - this.#startedAtMs)) return
      this.#isSampling = true
      this.#take()
    }
    this.#batch.push(input)
    if (this.#batch.length < this.#batchLength) return
    const beganAtMs = performance.now()
    await this.#look(this.#batch)
    this.#batch = []
    this.#isSampling = false
    this.#spentMs += performance.now() - beganAtMs
  }

  async #look(batch: readonly Json[]): Promise<void> {
    const isNew = this.#take().some((part) => !this.#reached.has(part))
    this.#batchLength = isNew ? Math.max(MIN_BATCH, this.#batchLength / 4) : Math.min(MAX_BATCH, this.#batchLength * 2)
    if (isNew) await this.#halves(batch)
  }

  /** Something in `batch` reached something new. */
  async #halves(batch: readonly Json[]): Promise<void> {
    const middle = Math.ceil(batch.length / 2)
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      if (half.length === 0) continue
      for (const input of half) await this.#fuzzer.run(input)
      const parts = this.#take().filter((part) => !this.#reached.has(part))
      if (parts.length === 0) continue
      if (half.length > 1) await this.#halves(half)
      else this.#keep(half[0]!, parts)
    }
  }

  #keep(input: Json, parts: readonly string[]): void {
    for (const part of parts) this.#reached.add(part)
    this.pool.push(input)
    if (this.pool.length > MAX_POOL) this.pool.shift()
  }

  /** What ran since the last call. Counts are told in powers of two: many turns of a loop differ from one. */
  #take(): string[] {
    const parts: string[] = []
    this.#session.post('Profiler.takePreciseCoverage', (_error, answer) => {
      for (const { url, functions } of (answer as { result: readonly ScriptCoverage[] }).result) {
        if (!isOurs(url)) continue
        const file = url.slice(ROOT.href.length)
        for (const { functionName, ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            if (count === 0) continue
            parts.push(
              `${file} ${functionName} ${startOffset} ${endOffset} ${Math.min(4, Math.ceil(Math.log2(count + 1)))}`,
            )
          }
        }
      }
    })
    return parts
  }
}

function isOurs(url: string): boolean {
  if (!url.startsWith(ROOT.href)) return false
  const path = fileURLToPath(url)
  return (
    !path.includes('/node_modules/') &&
    !path.includes('/test/fuzz/') &&
    !path.endsWith('.fuzz.ts') &&
    !path.includes('/gen/')
  )
}
