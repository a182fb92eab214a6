/**
 * `npm run fuzz -- NAME [--for 10m] [--seed N] [--input JSON] [--no-coverage] [--save FILE]`, `npm run fuzz -- --list`.
 *
 * Runs one fuzzer for a while, guided by coverage, and says what it did. Exits with 1 when a case failed.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parseGoDurationMs } from '../../api/duration.ts'
import { CoverageGuide } from './coverage.ts'
import type { Fuzzer, Json } from './fuzzer.ts'
import { allFuzzers, fuzzerNamed } from './fuzzers.ts'
import { asciiJson, describeFailure, runFuzzer, runInput } from './run.ts'

const REPORT_EVERY_MS = 60_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    list: { type: 'boolean', default: false },
    for: { type: 'string', default: '1m' },
    seed: { type: 'string' },
    input: { type: 'string' },
    coverage: { type: 'boolean', default: true },
    save: { type: 'string' },
  },
})

if (values.list) for (const { name, checks } of await allFuzzers()) console.log(`${name.padEnd(22)} ${checks}`)
else process.exitCode = await main(positionals[0])

async function main(name: string | undefined): Promise<number> {
  const fuzzer = name === undefined ? undefined : await fuzzerNamed(name)
  if (fuzzer === undefined) {
    console.error(
      `${name === undefined ? 'which fuzzer?' : `there is no fuzzer "${name}"`} npm run fuzz -- --list names them`,
    )
    return 2
  }
  if (values.input !== undefined) {
    await runInput(fuzzer, JSON.parse(values.input) as Json)
    console.log('nothing is wrong with this input')
    return 0
  }
  const forMs = parseGoDurationMs(values.for)
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
  if (forMs === undefined || !Number.isInteger(seed)) {
    console.error('--for takes a duration such as 30s or 10m, --seed a whole number')
    return 2
  }
  return runFor(fuzzer, forMs, seed)
}

async function runFor(fuzzer: Fuzzer, forMs: number, seed: number): Promise<number> {
  const startedAtMs = performance.now()
  const guide = values.coverage && fuzzer.mutate !== undefined ? new CoverageGuide(fuzzer) : undefined
  let reportedAtMs = startedAtMs
  let beganAtMs = startedAtMs
  let slowestMs = 0
  let slowest: Json = null
  const report = (executions: number): string => {
    const seconds = Math.round((performance.now() - startedAtMs) / 1_000)
    const reached = guide === undefined ? '' : `, ${guide.reached} parts reached by ${guide.pool.length} inputs`
    const megabytes = Math.round(process.memoryUsage.rss() / 2 ** 20)
    return `${fuzzer.name}: ${executions} cases in ${seconds} s${reached}, slowest ${Math.round(slowestMs)} ms, ${megabytes} MB`
  }
  console.log(`${fuzzer.name}: seed ${seed}, for ${values.for}`)
  const { executions, failure } = await runFuzzer(fuzzer, {
    seed,
    ...(guide === undefined ? {} : { pool: guide.pool }),
    goesOn(executions) {
      const nowMs = performance.now()
      if (nowMs - reportedAtMs > REPORT_EVERY_MS) {
        reportedAtMs = nowMs
        console.log(report(executions))
      }
      beganAtMs = performance.now()
      return nowMs - startedAtMs < forMs
    },
    async onCase(input) {
      const tookMs = performance.now() - beganAtMs
      if (tookMs > slowestMs) {
        slowestMs = tookMs
        slowest = input
      }
      await guide?.onCase(input)
    },
  })
  console.log(report(executions))
  if (slowestMs > 1_000) console.log(`the slowest input: ${asciiJson(slowest).slice(0, 2_000)}`)
  if (values.save !== undefined && guide !== undefined) {
    writeFileSync(values.save, guide.pool.map((input) => `${asciiJson(input)}\n`).join(''))
  }
  if (failure === undefined) return 0
  console.error(describeFailure(fuzzer, failure))
  return 1
}
