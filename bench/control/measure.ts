/** One run: the control plane, its proxies, every change in turn, and a restart. */
import { setTimeout as sleep } from 'node:timers/promises'
import { machine } from '../machine.ts'
import { privateBytesOfTree } from '../process-stat.ts'
import { CHANGES } from './changes.ts'
import type { Size } from './cluster.ts'
import { monotonicMs, type Outcome, type PlaneStarted, type PlaneUsage, type States, Worker } from './messages.ts'
import { type ChangeResult, type ControlResults, type StatesResult, summary } from './results.ts'

export interface RunOptions {
  readonly size: Size
  /** Each change so many times, after one that is not counted. */
  readonly rounds: number
  /** How many processes the proxies are spread over. */
  readonly processes: number
  /** How long is waited for messages that must not come, and for CPU that follows late. */
  readonly settleMs: number
  readonly cpuProfile?: string
  readonly onProgress?: (line: string) => void
}

const TIMEOUT_MS = 10_000
/** For all states: back-off of proxies that lost the control plane reaches ten seconds. */
const STATES_TIMEOUT_MS = 120_000
/** The control plane gives back what garbage has left free within this time (`control/trim-memory.ts`). */
const GIVE_BACK_MS = 11_000
/** Statuses are written within this time after the start. */
const QUIET_MS = 2_000

export async function measureControl(options: RunOptions): Promise<ControlResults> {
  const { size, processes, onProgress = () => {} } = options
  const workers: Worker[] = []
  const ending = { isOrderly: options.cpuProfile !== undefined }
  const startPlane = async (addresses?: PlaneStarted['addresses']) => {
    const { cpuProfile } = options
    const flags = cpuProfile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${cpuProfile}`]
    const plane = await Worker.start<PlaneStarted>('plane.ts', { size, ...(addresses && { addresses }) }, flags)
    workers.push(plane.worker)
    return plane
  }
  try {
    const where = machine()
    const { worker: plane, started } = await startPlane()
    const { addresses } = started
    await sleep(QUIET_MS)
    const base = await memoryOf(plane)
    onProgress('the control plane runs')

    const openedAtMs = monotonicMs()
    const clients = await Promise.all(
      Array.from({ length: processes }, async (_, first) => {
        const { worker } = await Worker.start<object>('proxies.ts', { size, first, step: processes, addresses })
        workers.push(worker)
        return worker
      }),
    )
    const opened = await statesOf(clients, openedAtMs)
    onProgress(`${opened.proxies} proxies with ${opened.streams} streams have their state`)
    await sleep(QUIET_MS)
    const connected = await memoryOf(plane)

    const changes: ChangeResult[] = []
    for (const { name } of CHANGES) {
      const result = await measureChange(plane, clients, name, options)
      changes.push(result)
      onProgress(`${name}: p99 ${result.latencyMs?.p99.toFixed(1) ?? '-'} ms, ${result.cpuMs.toFixed(1)} ms of CPU`)
    }
    await sleep(QUIET_MS)
    const changed = await memoryOf(plane)

    await Promise.all(clients.map((client) => client.ask({ kind: 'forget' })))
    await plane.stop(ending)
    const again = await startPlane(addresses)
    const restarted = await statesOf(clients, again.started.listeningAtMs)
    const perProxy = (bytes: number) => (bytes - base.privateBytes) / size.proxies
    return {
      machine: where,
      size,
      streams: opened.streams,
      changes,
      memory: {
        baseBytes: base.privateBytes,
        perProxyBytes: perProxy(connected.privateBytes),
        perProxyAfterChangesBytes: perProxy(changed.privateBytes),
        heapPerProxyBytes: (connected.heapBytes - base.heapBytes) / size.proxies,
        heapPerProxyAfterChangesBytes: (changed.heapBytes - base.heapBytes) / size.proxies,
      },
      opened,
      restarted,
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.stop(ending)))
  }
}

/** Of what is held: garbage is collected first and its memory given back, and the base is measured alike. */
async function memoryOf(plane: Worker): Promise<{ readonly privateBytes: number; readonly heapBytes: number }> {
  const { heapBytes } = await plane.ask<PlaneUsage>({ kind: 'usage', collectsGarbage: true })
  await sleep(GIVE_BACK_MS)
  return { heapBytes, privateBytes: privateBytesOfTree(plane.pid) }
}

async function statesOf(clients: readonly Worker[], sinceMs: number): Promise<StatesResult> {
  const answers = await Promise.all(
    clients.map((client) => client.ask<States>({ kind: 'states', timeoutMs: STATES_TIMEOUT_MS })),
  )
  const sum = (of: (states: States) => number) => answers.reduce((total, states) => total + of(states), 0)
  const afterMs = answers.flatMap(({ atMs }) => atMs.map((each) => each - sinceMs))
  return {
    proxies: afterMs.length,
    streams: sum(({ streams }) => streams),
    missing: sum(({ missing }) => missing),
    afterMs: summary(afterMs)!,
  }
}

async function measureChange(
  plane: Worker,
  clients: readonly Worker[],
  change: string,
  { rounds, settleMs }: RunOptions,
): Promise<ChangeResult> {
  const cpu = async () => (await plane.ask<PlaneUsage>({ kind: 'usage', collectsGarbage: false })).cpuMs
  const latencies: number[] = []
  const cpuMs: number[] = []
  let [concerned, missing, stray, repeated] = [0, 0, 0, 0]
  for (let round = 0; round <= rounds; round++) {
    await Promise.all(clients.map((client) => client.ask({ kind: 'expect', change })))
    const before = await cpu()
    const { atMs: appliedAtMs } = await plane.ask<{ readonly atMs: number }>({ kind: 'apply', change, round })
    const outcomes = await Promise.all(
      clients.map((client) => client.ask<Outcome>({ kind: 'outcome', timeoutMs: TIMEOUT_MS, settleMs })),
    )
    const used = (await cpu()) - before
    const arrived = outcomes.flatMap(({ atMs }) => atMs.map((each) => each - appliedAtMs))
    concerned = outcomes.reduce((sum, outcome) => sum + outcome.concerned, 0)
    missing += concerned - arrived.length
    stray += outcomes.reduce((sum, outcome) => sum + outcome.stray, 0)
    repeated += outcomes.reduce((sum, outcome) => sum + outcome.repeated, 0)
    // The first one compiles and warms up what the others use.
    if (round === 0) continue
    latencies.push(...arrived)
    cpuMs.push(used)
  }
  const latencyMs = summary(latencies)
  return {
    name: change,
    concerned,
    missing,
    stray,
    repeated,
    ...(latencyMs && { latencyMs }),
    cpuMs: cpuMs.reduce((sum, each) => sum + each, 0) / cpuMs.length,
  }
}
