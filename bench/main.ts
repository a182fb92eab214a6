/**
 * `npm run bench`: Weft's pair of sidecars against a pair of haproxy processes, in the same pods, with the same client
 * and origin, in turns. See README.md for how to read what it prints.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { PROXY_UID } from '../api/vocabulary.ts'
import { type BenchCase, CASES } from './cases.ts'
import type { LoadResult } from './load/load.ts'
import { median, runLoad, sideOf, type Timing } from './measure.ts'
import { type Pair, startPeer } from './peer.ts'
import { createPods, PEER_VIP, podNamed, RUN_FOLDER, removePods, spawnIn, takeRunFolder, WEFT_VIP } from './pods.ts'
import { privateBytes } from './process-stat.ts'
import { type Programs, programsFor } from './programs.ts'
import {
  type BenchResults,
  type CaseResult,
  caseResult,
  type FailedCase,
  formatReport,
  type MemoryResult,
} from './report.ts'
import { missingRequirement } from './requirements.ts'
import { type Control, type Sidecar, startControl, startSidecar } from './sidecar.ts'

const SIDECARS = 5
/** More starts than this only make the median of the start-up time better, and cost a second each. */
const STARTS = 5
/** From the end of the last load until memory is read. */
const SETTLE_MS = 8_000
const PODS = ['a', 'b', 'c', 'd', 'e'].map(podNamed)
const [CLIENT, SERVER, ...IDLE] = [PODS[0]!, PODS[1]!, ...PODS.slice(2, SIDECARS)]

const OPTIONS = {
  json: { type: 'string' },
  case: { type: 'string', multiple: true },
  seconds: { type: 'string', default: '5' },
  warmup: { type: 'string', default: '4' },
  rounds: { type: 'string', default: '2' },
  'only-peer': { type: 'boolean', default: false },
  'cpu-prof': { type: 'string' },
  proxy: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

const USAGE = `npm run bench -- [--json FILE] [--case NAME]... [--seconds N] [--warmup N] [--rounds N] [--cpu-prof DIR] [--proxy FILE] [--only-peer]
cases: ${CASES.map(({ name }) => name).join(' ')}
`

interface Bed {
  readonly folder: string
  readonly children: ChildProcess[]
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const cases = chosenCases(values.case ?? [])
  const timing: Timing = {
    warmupSeconds: positive('--warmup', values.warmup),
    seconds: positive('--seconds', values.seconds),
    rounds: positive('--rounds', values.rounds),
  }
  const missing = missingRequirement()
  if (missing !== undefined) throw new Error(`bench: ${missing}`)

  takeRunFolder()
  const bed: Bed = { folder: RUN_FOLDER, children: [] }
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => reject(new Error(`bench: ended by ${signal}`)))
    }
  })
  try {
    const work = measure(bed, cases, timing, {
      onlyPeer: values['only-peer'],
      proxyFile: values.proxy,
      profileFolder: values['cpu-prof'] === undefined ? undefined : profilesIn(values['cpu-prof']),
    })
    const results = await Promise.race([work, interrupted])
    if (!values['only-peer']) process.stdout.write(`\n${formatReport(results)}`)
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`)
    return results.failed.length === 0 ? 0 : 1
  } finally {
    for (const child of bed.children) child.kill('SIGKILL')
    await removePods()
  }
}

interface MeasureOptions {
  readonly onlyPeer: boolean
  readonly proxyFile: string | undefined
  readonly profileFolder: string | undefined
}

async function measure(
  bed: Bed,
  cases: readonly BenchCase[],
  timing: Timing,
  options: MeasureOptions,
): Promise<BenchResults> {
  const { warmupSeconds, seconds, rounds } = timing
  say(
    `${rounds} rounds of ${seconds} s for each side in turn, each after ${warmupSeconds} s of the same load as warm-up`,
  )
  await createPods(PODS)
  await startOrigin(bed)
  const peer = await startPeer(CLIENT, SERVER, bed.folder)
  bed.children.push(peer.outbound, peer.inbound)
  if (options.onlyPeer) {
    for (const bench of cases) {
      const side = sideOf(peer.name, bench, [await runLoad(CLIENT, PEER_VIP, bench, peer, timing)])
      say(`${bench.name}: ${JSON.stringify(side)}`)
    }
    return { cases: [], failed: [] }
  }

  const { proxyFile, profileFolder } = options
  const programs = await programsFor(bed.folder, proxyFile)
  if (proxyFile !== undefined) say(`proxy: ${programs.proxy}`)
  const control = await startControl(SERVER)
  bed.children.push(control.process)
  const startToReadyMs = await medianStart(bed, control, programs)
  const outbound = await start(bed, startSidecar(CLIENT, control, bed.folder, { programs, core: 0, profileFolder }))
  const inbound = await start(bed, startSidecar(SERVER, control, bed.folder, { programs, core: 1, profileFolder }))
  const idle: Sidecar[] = []
  for (const pod of IDLE) idle.push(await start(bed, startSidecar(pod, control, bed.folder, { programs })))
  const idleBytes = median([outbound, inbound, ...idle].map(({ process: { pid } }) => privateBytes(pid!)))

  const weft: Pair = { name: 'weft', outbound: outbound.process, inbound: inbound.process }
  const results: CaseResult[] = []
  const failed: FailedCase[] = []
  for (const bench of cases) {
    try {
      results.push(await compare(bench, weft, peer, timing))
    } catch (error) {
      // One load that fails says nothing about the others; but the run as a whole has failed.
      failed.push({ name: bench.name, reason: (error as Error).message })
      say(`${bench.name}: failed`)
    }
  }
  // What a burst leaves behind, not what it needs: a quiet sidecar gives memory back after some seconds.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const memory: MemoryResult = {
    sidecars: SIDECARS,
    idleMb: idleBytes / 1e6,
    afterLoadMb: Math.max(...[outbound, inbound].map(({ process: { pid } }) => privateBytes(pid!))) / 1e6,
  }
  if (profileFolder !== undefined) await stopWithProfile([outbound, inbound], profileFolder)
  return { cases: results, failed, memory, startToReadyMs }
}

/** The two sides take turns, so that whatever the machine does meanwhile happens to both. */
async function compare(bench: BenchCase, weft: Pair, peer: Pair, timing: Timing): Promise<CaseResult> {
  const rounds: { weft: LoadResult[]; peer: LoadResult[] } = { weft: [], peer: [] }
  for (let round = 0; round < timing.rounds; round++) {
    rounds.weft.push(await runLoad(CLIENT, WEFT_VIP, bench, weft, timing))
    rounds.peer.push(await runLoad(CLIENT, PEER_VIP, bench, peer, timing))
  }
  const result = caseResult(bench, sideOf(weft.name, bench, rounds.weft), sideOf(peer.name, bench, rounds.peer))
  say(`${bench.name}: ratio ${result.ratio.toFixed(2)}`)
  return result
}

async function startOrigin(bed: Bed): Promise<void> {
  const origin = spawnIn(SERVER.netns, [process.execPath, join(import.meta.dirname, 'load', 'origin.ts')])
  bed.children.push(origin)
  origin.stderr?.pipe(process.stderr)
  await once(createInterface({ input: origin.stdout! }), 'line')
}

/** Starts one sidecar again and again, in a pod that is not under load yet. */
async function medianStart(bed: Bed, control: Control, programs: Programs): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < STARTS; i++) {
    const sidecar = await startSidecar(IDLE[0]!, control, bed.folder, { programs })
    times.push(sidecar.startToReadyMs)
    sidecar.process.kill('SIGKILL')
    await once(sidecar.process, 'exit')
  }
  return median(times)
}

async function start(bed: Bed, starting: Promise<Sidecar>): Promise<Sidecar> {
  const sidecar = await starting
  bed.children.push(sidecar.process)
  // A proxy that dies takes the measurement with it; its last words say why.
  sidecar.process.once('exit', (code, signal) => {
    if (signal !== 'SIGKILL' && code !== 0)
      process.stderr.write(`sidecar of ${sidecar.pod.name} ended (${code ?? signal}):\n${sidecar.log()}\n`)
  })
  return sidecar
}

async function stopWithProfile(sidecars: readonly Sidecar[], folder: string): Promise<void> {
  for (const { process: child } of sidecars) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  say(`CPU profiles are in ${folder}`)
}

/** The folder for profiles, which the proxies' user has to write. */
function profilesIn(folder: string): string {
  const path = resolve(folder)
  mkdirSync(path, { recursive: true })
  chownSync(path, PROXY_UID, PROXY_UID)
  return path
}

function chosenCases(names: readonly string[]): readonly BenchCase[] {
  const unknown = names.find((name) => !CASES.some((each) => each.name === name))
  if (unknown !== undefined)
    throw new Error(`bench: there is no case "${unknown}"; choose ${CASES.map(({ name }) => name).join(', ')}`)
  return names.length === 0 ? CASES : CASES.filter(({ name }) => names.includes(name))
}

function positive(option: string, text: string): number {
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
