/** Runs a fuzzer: its corpus, then inputs by seed, until enough was run or one fails; a failure is made small and told. */
import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { seededRandom } from '../../api/seeded-random.ts'
import { below, pick } from './draw.ts'
import type { Fuzzer, Json, Random } from './fuzzer.ts'
import { minimise } from './minimise.ts'

export interface Failure {
  readonly seed: number
  /** Which input of the seed it was, counted from 0; -1 for one of the corpus. */
  readonly index: number
  readonly error: unknown
  readonly input: Json
}

export interface Outcome {
  readonly executions: number
  readonly failure: Failure | undefined
}

export interface RunOptions {
  readonly seed: number
  /** Asked before each case, with how many have run. */
  readonly goesOn: (executions: number) => boolean
  /** Hears of every input that ran without failing. */
  readonly onCase?: (input: Json) => void | Promise<void>
  /** Inputs worth a mutation besides those of the corpus; may grow while running. */
  readonly pool?: readonly Json[]
}

const SHARE_OF_MUTATIONS = 0.6
/** Oracles put work off to the end of a turn of the event loop, so there have to be turns. */
const CASES_PER_TURN = 64

export async function runFuzzer(fuzzer: Fuzzer, options: RunOptions): Promise<Outcome> {
  const { seed, goesOn, onCase } = options
  const corpus = readCorpus(fuzzer.name)
  let executions = 0
  for (const input of corpus) {
    const error = await errorOf(fuzzer, input)
    if (error !== undefined) return { executions, failure: { seed, index: -1, error: error.cause, input } }
    executions++
    await onCase?.(input)
  }
  for (let index = 0; goesOn(index); index++) {
    // Every case has a seed of its own, so that it does not depend on how much chance the ones before have used.
    const random = seededRandom(seed + Math.imul(index + 1, 0x9e3779b1))
    const input = draw(fuzzer, random, corpus, options.pool ?? [])
    const error = await errorOf(fuzzer, input)
    executions++
    if (error !== undefined) {
      const smallest = await minimise(input, async (candidate) => isSame(error, await errorOf(fuzzer, candidate)))
      const failed = (await errorOf(fuzzer, smallest)) ?? error
      return { executions, failure: { seed, index, error: failed.cause, input: smallest } }
    }
    await onCase?.(input)
    if (executions % CASES_PER_TURN === 0) await setImmediate()
  }
  return { executions, failure: undefined }
}

/** One input alone; throws what is wrong with it. */
export async function runInput(fuzzer: Fuzzer, input: Json): Promise<void> {
  await fuzzer.run(input)
}

export function describeFailure({ name }: Fuzzer, { seed, index, error, input }: Failure): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const where = index === -1 ? 'an input of its corpus' : `case ${index} of seed ${seed}`
  // JSON in single quotes for a shell; control characters and what is beyond ASCII are escaped.
  const json = asciiJson(input)
  return [
    `fuzzer ${name}: ${where} failed`,
    text,
    `smallest input: ${json}`,
    `again: npm run fuzz -- ${name} --input '${json.replaceAll("'", "'\\''")}'`,
    `when it is fixed, add the input as a line to test/fuzz/corpus/${name}.jsonl`,
  ].join('\n')
}

export function asciiJson(input: Json): string {
  return JSON.stringify(input).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The inputs of `corpus/NAME.jsonl`: one JSON value a line, lines with `//` say why the next is there. */
export function readCorpus(name: string): Json[] {
  let text: string
  try {
    text = readFileSync(new URL(`corpus/${name}.jsonl`, import.meta.url), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('//'))
  return lines.map((line) => JSON.parse(line) as Json)
}

function draw(fuzzer: Fuzzer, random: Random, corpus: readonly Json[], pool: readonly Json[]): Json {
  const known = corpus.length + pool.length
  if (fuzzer.mutate === undefined || known === 0 || random() > SHARE_OF_MUTATIONS) {
    const input = fuzzer.generate(random)
    return fuzzer.mutate !== undefined && random() < 0.3 ? fuzzer.mutate(random, input) : input
  }
  const from = below(random, known) < corpus.length ? corpus : pool
  return fuzzer.mutate(random, pick(random, from.length > 0 ? from : corpus))
}

/** What `run` threw, wrapped so that also `undefined` can be told. */
async function errorOf(fuzzer: Fuzzer, input: Json): Promise<{ readonly cause: unknown } | undefined> {
  try {
    const running = fuzzer.run(input)
    if (running instanceof Promise) await running
    return undefined
  } catch (cause) {
    return { cause }
  }
}

/** Whether it is the same failure: a smaller input must not lead to another one. */
function isSame(a: { cause: unknown }, b: { cause: unknown } | undefined): boolean {
  return b !== undefined && kindOf(a.cause) === kindOf(b.cause)
}

function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const [firstLine = ''] = error.message.split('\n')
  // Numbers and quoted texts change with the input; an assertion is known by the line that made it.
  const frame = /\n\s+at .*?(\S+\.ts:\d+)/.exec(error.stack ?? '')?.[1] ?? ''
  return `${error.name} ${firstLine.replace(/\d+|"[^"]*"|'[^']*'/g, '#').slice(0, 40)} ${frame}`
}
