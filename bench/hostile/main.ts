/**
 * The harness against hostile peers: two real sidecars with ordinary traffic at a fixed rate between them, and each attack
 * in turn from one connection. What the attacked proxy spends beyond the ordinary traffic is read from the kernel.
 *
 * `npm run hostile -- [--attack PART]… [--fleet] [--rounds N] [--json FILE]`; needs root, as `npm run bench` does.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ORIGINS } from '../origin-ports.ts'
import { createPods, NODE, podNamed, RUN_FOLDER, removePods, spawnIn, takeRunFolder, VIP } from '../pods.ts'
import { privateBytesOfTree } from '../process-stat.ts'
import { programsFor } from '../programs.ts'
import { missingRequirement } from '../requirements.ts'
import { type Sidecar, startControl, startSidecar } from '../sidecar.ts'
import { ATTACKS, type Attack, keyOf } from './attacks.ts'
import {
  type AttackResult,
  type FleetResult,
  formatReport,
  type HostileResults,
  isWithinLimits,
  LIMITS,
  median,
  percentile,
} from './report.ts'

const CLIENT = podNamed('a', 0)
const SERVER = podNamed('b', 1)
const RATE = 500
const WARMUP_MS = 4_000
/** The ordinary traffic alone, and the longest look at an attack. */
const BEFORE_MS = 3_000
const DURING_MS = 4_000
/** An attack that ended at once is still looked at for so long: its latencies are few otherwise. */
const AT_LEAST_MS = 2_000
const MEMORY_SAMPLE_MS = 100
const HOSTILE_SERVER_PORT = 9_100
const FLEET_MS = 40_000
const FLEET_AFTER_MS = 60_000
const FLEET_SETTLE_MS = 10_000
/** What 5,000 connections may cost: what waits for readers (`memory-pressure.ts`) and some 20 KB for each of them. */
const FLEET_BOUND_MB = 64 + 5_000 * 0.02
const MB = 1_048_576

const OPTIONS = {
  attack: { type: 'string', multiple: true },
  fleet: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '1' },
  json: { type: 'string' },
} as const

interface Second {
  readonly atMs: number
  readonly latencies: readonly number[]
}

interface Bed {
  readonly children: ChildProcess[]
  readonly seconds: Second[]
  outbound: Sidecar | undefined
  inbound: Sidecar | undefined
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS })
  const wanted = values.attack ?? []
  const isFleetOnly = values.fleet && wanted.length === 0
  const attacks = isFleetOnly
    ? []
    : ATTACKS.filter((attack) => wanted.length === 0 || wanted.some((part) => keyOf(attack).includes(part)))
  const missing = missingRequirement()
  if (missing !== undefined) throw new Error(`hostile: ${missing}`)

  takeRunFolder()
  const bed: Bed = { children: [], seconds: [], outbound: undefined, inbound: undefined }
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new Error(`hostile: ended by ${signal}`)))
  })
  try {
    const results = await Promise.race([measure(bed, attacks, Number(values.rounds), values.fleet), interrupted])
    process.stdout.write(formatReport(results))
    if (values.json !== undefined)
      writeFileSync(values.json, `${JSON.stringify(merged(values.json, results), undefined, 2)}\n`)
    return results.attacks.every(isWithinLimits) && isFleetWithinLimits(results.fleet) ? 0 : 1
  } finally {
    for (const child of bed.children) child.kill('SIGKILL')
    await removePods()
  }
}

async function measure(bed: Bed, attacks: readonly Attack[], rounds: number, fleet: boolean): Promise<HostileResults> {
  await createPods([CLIENT, SERVER], SERVER)
  const origin = start(bed, SERVER.netns, [join('..', 'load', 'origin.ts')])
  await once(createInterface({ input: origin.stdout! }), 'line')
  const programs = await programsFor(RUN_FOLDER, undefined)
  const control = await startControl(SERVER, SERVER)
  bed.children.push(control.process)
  bed.outbound = await startSidecar(CLIENT, control, RUN_FOLDER, { programs, cores: 1 })
  bed.inbound = await startSidecar(SERVER, control, RUN_FOLDER, { programs, cores: 1 })
  bed.children.push(bed.outbound.process, bed.inbound.process)
  const traffic = start(bed, CLIENT.netns, [
    'traffic.ts',
    '--host',
    VIP.weft,
    '--port',
    `${ORIGINS.h2.port}`,
    '--rate',
    `${RATE}`,
  ])
  createInterface({ input: traffic.stdout! }).on('line', (line) => void bed.seconds.push(JSON.parse(line) as Second))
  await sleep(WARMUP_MS)

  const results: AttackResult[] = []
  for (const attack of attacks) {
    const tries: AttackResult[] = []
    for (let round = 0; round < rounds; round++) tries.push(await measureAttack(bed, attack))
    // The middle one by what the noise of the machine touches most.
    tries.sort((a, b) => a.p99DuringMs / a.p99BeforeMs - b.p99DuringMs / b.p99BeforeMs)
    const result = { ...tries[tries.length >> 1]!, cpuSeconds: median(tries.map(({ cpuSeconds }) => cpuSeconds)) }
    results.push(result)
    process.stderr.write(`${formatReport({ attacks: [result] }).split('\n')[2]}\n`)
  }
  return { attacks: results, fleet: fleet ? await measureFleet(bed) : undefined }
}

async function measureAttack(bed: Bed, attack: Attack): Promise<AttackResult> {
  const proxy = (attack.side === 'application' ? bed.outbound : bed.inbound)!.process.pid!
  const beforeFromMs = Date.now()
  const cpuBefore = cpuSeconds(proxy)
  const memoryBefore = await peakMemory(proxy, BEFORE_MS)
  const rate = (cpuSeconds(proxy) - cpuBefore) / ((Date.now() - beforeFromMs) / 1_000)
  const openedFromMs = Date.now()
  const cpuAtStart = cpuSeconds(proxy)
  const run = startAttack(bed, attack)
  const memoryDuring = await peakMemory(proxy, DURING_MS, () => {
    const { openAtMs, closedAtMs } = run
    return openAtMs !== undefined && closedAtMs !== undefined && Date.now() - openAtMs > AT_LEAST_MS
  })
  const untilMs = Date.now()
  const cpu = cpuSeconds(proxy) - cpuAtStart - (rate * (untilMs - openedFromMs)) / 1_000
  for (const child of run.children) child.kill('SIGKILL')
  await sleep(1_000)
  if (run.openAtMs === undefined) throw new Error(`hostile: "${keyOf(attack)}" did not begin`)
  const { openAtMs, closedAtMs } = run
  return {
    attack: keyOf(attack),
    closedAfterSeconds: closedAtMs === undefined ? undefined : (closedAtMs - openAtMs) / 1_000,
    watchedSeconds: Math.round((untilMs - openAtMs) / 1_000),
    cpuSeconds: cpu,
    megabytes: (memoryDuring - memoryBefore) / MB,
    p99BeforeMs: p99(bed, beforeFromMs, openedFromMs),
    p99DuringMs: p99(bed, openAtMs, untilMs),
  }
}

interface Run {
  readonly children: ChildProcess[]
  openAtMs: number | undefined
  closedAtMs: number | undefined
}

function startAttack(bed: Bed, attack: Attack): Run {
  const run: Run = { children: [], openAtMs: undefined, closedAtMs: undefined }
  const isServer = attack.side === 'server'
  const netns = isServer ? SERVER.netns : attack.side === 'application' ? CLIENT.netns : NODE
  const host = attack.side === 'application' ? VIP.weft : SERVER.ip
  const port = isServer ? HOSTILE_SERVER_PORT : attack.port === 'inbound' ? 4_143 : ORIGINS[attack.port].port
  const child = start(bed, netns, ['attack.ts', '--attack', keyOf(attack), '--host', host, '--port', `${port}`], true)
  run.children.push(child)
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const { event, atMs } = JSON.parse(line) as { event: string; atMs: number }
    if (event === 'open') run.openAtMs = atMs
    else if (event === 'closed') run.closedAtMs ??= atMs
    else {
      const version = attack.port.startsWith('h2') ? ['--http2'] : []
      run.children.push(start(bed, NODE, ['request.ts', '--host', SERVER.ip, '--port', `${port}`, ...version]))
    }
  })
  return run
}

async function measureFleet(bed: Bed): Promise<FleetResult> {
  const proxy = bed.inbound!.process.pid!
  // What the attacks before left behind is not the base.
  await sleep(FLEET_SETTLE_MS)
  const baseBytes = await peakMemory(proxy, BEFORE_MS)
  const fleet = start(bed, NODE, ['fleet.ts', '--host', SERVER.ip])
  let openAtMost = 0
  let dialled = 0
  createInterface({ input: fleet.stdout! }).on('line', (line) => {
    const now = JSON.parse(line) as { open: number; dialled: number }
    openAtMost = Math.max(openAtMost, now.open)
    dialled = now.dialled
  })
  const peakBytes = await peakMemory(proxy, FLEET_MS)
  fleet.kill('SIGKILL')
  await sleep(FLEET_AFTER_MS)
  const afterBytes = privateBytesOfTree(proxy)
  return {
    connections: 5_000,
    openAtMost,
    dialled,
    baseMb: baseBytes / MB,
    peakMb: peakBytes / MB,
    afterMb: afterBytes / MB,
    boundMb: baseBytes / MB + FLEET_BOUND_MB,
  }
}

function isFleetWithinLimits(fleet: FleetResult | undefined): boolean {
  if (fleet === undefined) return true
  return fleet.peakMb <= fleet.boundMb && fleet.afterMb <= fleet.baseMb * (1 + LIMITS.fleetAfterPercent / 100)
}

/** The most private memory seen within `ms`, or until `isOver`. */
async function peakMemory(pid: number, ms: number, isOver: () => boolean = () => false): Promise<number> {
  let peak = 0
  for (const untilMs = Date.now() + ms; Date.now() < untilMs && !isOver(); ) {
    peak = Math.max(peak, privateBytesOfTree(pid))
    await sleep(MEMORY_SAMPLE_MS)
  }
  return peak
}

/** CPU time of all threads, by the scheduler's own clock: /proc/PID/stat counts in steps of 10 ms. */
function cpuSeconds(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`))
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
  return nanoseconds / 1e9
}

function p99({ seconds }: Bed, fromMs: number, untilMs: number): number {
  const latencies = seconds.filter(({ atMs }) => atMs > fromMs && atMs <= untilMs).flatMap((each) => each.latencies)
  return percentile(latencies, 0.99)
}

function start(bed: Bed, netns: string, [script, ...args]: readonly string[], isNice = false): ChildProcess {
  // A hostile client must not take the CPU of those it is measured beside.
  const nice = isNice ? ['nice', '-n', '19'] : []
  const child = spawnIn(netns, [...nice, process.execPath, join(import.meta.dirname, script!), ...args])
  child.stderr?.pipe(process.stderr)
  bed.children.push(child)
  return child
}

/** Results of this run over those of earlier ones in the same file, so that attacks can be measured in several runs. */
function merged(file: string, { attacks, fleet }: HostileResults): HostileResults {
  if (!existsSync(file)) return { attacks, fleet }
  const before = JSON.parse(readFileSync(file, 'utf8')) as HostileResults
  const known = new Map([...before.attacks, ...attacks].map((result) => [result.attack, result]))
  const ordered = ATTACKS.map((attack) => known.get(keyOf(attack))).filter((result) => result !== undefined)
  return { attacks: ordered, fleet: fleet ?? before.fleet }
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
