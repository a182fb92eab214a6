/**
 * `npm run bench`: Weft's pair of sidecars against a pair of haproxy processes, in the same pods, with the same client
 * and applications, in turns. See README.md for how to read what it prints.
 */
import type { ChildProcess } from 'node:child_process'
import { chownSync, mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { PROXY_UID } from '../api/vocabulary.ts'
import { Bed, tearDown } from './bed.ts'
import { type BenchCase, CASES } from './cases.ts'
import { machine } from './machine.ts'
import { RESULTS_FILE, writePage, writeResults } from './page/write.ts'
import { takeRunFolder } from './pods.ts'
import { formatReport } from './report.ts'
import { missingRequirement } from './requirements.ts'
import type { BenchResults, Failure, Timing } from './results.ts'
import { measureHandshakes } from './sections/handshakes.ts'
import { measureHops } from './sections/hops.ts'
import { measureLatency } from './sections/latency.ts'
import { measureLoads, turnsOf } from './sections/loads.ts'
import { measureMemory } from './sections/memory.ts'
import { measurePolicies } from './sections/policies.ts'
import { attempt, type SectionContext } from './sections/section.ts'
import { measureStart } from './sections/start.ts'
import { TURN_MS } from './turn-load.ts'

const SECTIONS = ['start', 'memory', 'loads', 'latency', 'handshakes', 'hops', 'policies'] as const
type Section = (typeof SECTIONS)[number]

const OPTIONS = {
  json: { type: 'string' },
  write: { type: 'boolean', default: false },
  section: { type: 'string', multiple: true },
  case: { type: 'string', multiple: true },
  quick: { type: 'boolean', default: false },
  seconds: { type: 'string' },
  warmup: { type: 'string' },
  rounds: { type: 'string' },
  cores: { type: 'string', default: '1' },
  'cpu-prof': { type: 'string' },
  proxy: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

const TIMING: Timing = { warmupSeconds: 3, seconds: 4, rounds: 2 }
const QUICK: Timing = { warmupSeconds: 2, seconds: 2, rounds: 1 }

const USAGE = `npm run bench -- [OPTIONS]
  --section NAME   only this section (may be repeated): ${SECTIONS.join(' ')}
  --case NAME      only the section "loads", and of it this load (may be repeated):
                   ${CASES.map(({ name }) => name).join(' ')}
  --quick          one short round of everything: to see that it works, not to quote
  --warmup N, --seconds N, --rounds N   ${TIMING.warmupSeconds}, ${TIMING.seconds} and ${TIMING.rounds}; "loads" has all its rounds in turns of ${TURN_MS} ms
  --cores N        cores of every proxy (LINKERD2_PROXY_CORES, haproxy's nbthread); with more than one nothing is pinned
  --json FILE      the results as an object
  --write          docs/performance.md, and the results it is made from in bench/page/
  --cpu-prof DIR   also CPU profiles of Weft's two proxies, one per section
  --proxy FILE     another build of the proxy
`

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const cases = chosen('case', CASES, ({ name }) => name, values.case)
  const sections = chosen('section', SECTIONS, String, values.section ?? (values.case === undefined ? [] : ['loads']))
  const usual = values.quick ? QUICK : TIMING
  const timing: Timing = {
    warmupSeconds: positive('--warmup', values.warmup, usual.warmupSeconds),
    seconds: positive('--seconds', values.seconds, usual.seconds),
    rounds: positive('--rounds', values.rounds, usual.rounds),
  }
  const missing = missingRequirement()
  if (missing !== undefined) throw new Error(`bench: ${missing}`)

  takeRunFolder()
  const children: ChildProcess[] = []
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => reject(new Error(`bench: ended by ${signal}`)))
    }
  })
  const work = async (): Promise<BenchResults> => {
    const { warmupSeconds, seconds, rounds } = timing
    say(
      `loads: ${turnsOf(timing)} turns of ${TURN_MS} ms for each side; else ${rounds} rounds of ${seconds} s; each after at least ${warmupSeconds} s of the same load`,
    )
    const cores = positive('--cores', values.cores, 1)
    const where = machine()
    const bed = await Bed.make(
      {
        proxyFile: values.proxy,
        profileFolder: values['cpu-prof'] === undefined ? undefined : profilesIn(values['cpu-prof']),
        cores,
      },
      children,
    )
    return measure(bed, { sections, cases, timing, cores, where })
  }
  try {
    const results = await Promise.race([work(), interrupted])
    process.stdout.write(`\n${formatReport(results)}`)
    if (values.json !== undefined) writeResults(values.json, results)
    if (values.write) {
      writeResults(RESULTS_FILE, results)
      writePage(results)
    }
    return results.failed.length === 0 ? 0 : 1
  } finally {
    await tearDown(children)
  }
}

interface Plan {
  readonly sections: readonly Section[]
  readonly cases: readonly BenchCase[]
  readonly timing: Timing
  readonly cores: number
  readonly where: ReturnType<typeof machine>
}

async function measure(bed: Bed, { sections, cases, timing, cores, where }: Plan): Promise<BenchResults> {
  const failed: Failure[] = []
  const context: SectionContext = { timing, failed, say }
  const section = async <Result>(name: Section, run: () => Promise<Result>): Promise<Result | undefined> => {
    if (!sections.includes(name)) return undefined
    say(`── ${name}`)
    return attempt(context, name, run).finally(() => bed.endSection())
  }
  const results = {
    start: await section('start', () => measureStart(bed, context)),
    memory: await section('memory', () => measureMemory(bed, context)),
    loads: await section('loads', () => measureLoads(bed, cases, context)),
    latency: await section('latency', () => measureLatency(bed, context)),
    handshakes: await section('handshakes', () => measureHandshakes(bed, context)),
    hops: await section('hops', () => measureHops(bed, context)),
    policies: await section('policies', () => measurePolicies(bed, context)),
  }
  const found = Object.fromEntries(Object.entries(results).filter(([, value]) => value !== undefined))
  return { machine: { ...where, peers: [bed.peer.name] }, timing, proxyCores: cores, ...found, failed }
}

/** The folder for profiles, which the proxies' user has to write. */
function profilesIn(folder: string): string {
  const path = resolve(folder)
  mkdirSync(path, { recursive: true })
  chownSync(path, PROXY_UID, PROXY_UID)
  return path
}

/** Those of `all` that are named, in their order; all without names. */
function chosen<Each>(
  what: string,
  all: readonly Each[],
  nameOf: (each: Each) => string,
  names: readonly string[] = [],
): readonly Each[] {
  const known = all.map(nameOf)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`bench: there is no ${what} "${unknown}"; choose ${known.join(', ')}`)
  return names.length === 0 ? all : all.filter((each) => names.includes(nameOf(each)))
}

function positive(option: string, text: string | undefined, usual: number): number {
  if (text === undefined) return usual
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new Error(`bench: ${option} ${text} is not a positive number`)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
