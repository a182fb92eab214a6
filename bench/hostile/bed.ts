/** What attacks are measured on: two sidecars with ordinary traffic at a fixed rate between them, and what is read of both. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Port } from '../../api/vocabulary.ts'
import { ORIGINS } from '../origin-ports.ts'
import { createPods, NODE, type Pod, podNamed, RUN_FOLDER, spawnIn, VIP } from '../pods.ts'
import { privateBytesOfTree } from '../process-stat.ts'
import { programsFor } from '../programs.ts'
import { type Sidecar, startControl, startSidecar } from '../sidecar.ts'
import { percentile } from './noise.ts'
import { RATE } from './results.ts'

export const CLIENT = podNamed('a', 0)
export const SERVER = podNamed('b', 1)
/** Code is compiled after it ran often. */
const WARMUP_MS = 8_000
/** The kernel walks every page of the proxy for one figure. */
const MEMORY_SAMPLE_MS = 200
/** Longer than a proxy waits for its connections to end is not of interest. */
const SHUTDOWN_MS = 30_000
/** What was due within a window is waited for so long after its end. */
const GRACE_MS = 250

type Answer = readonly [dueAtMs: number, latencyMs: number]

export class Bed {
  readonly #children: ChildProcess[] = []
  #answers: Answer[] = []
  failures = 0
  #sidecars: { readonly outbound: Sidecar; readonly inbound: Sidecar } | undefined = undefined

  /** @param profileFolder where the proxies write CPU profiles when they end */
  async open(profileFolder?: string): Promise<void> {
    await createPods([CLIENT, SERVER], SERVER)
    const origin = this.start(SERVER.netns, [join('..', 'load', 'origin.ts')])
    await once(createInterface({ input: origin.stdout! }), 'line')
    const programs = await programsFor(RUN_FOLDER, undefined)
    const control = await startControl(SERVER, SERVER)
    this.#children.push(control.process)
    const sidecar = async (pod: Pod, core: number): Promise<Sidecar> => {
      const started = await startSidecar(pod, control, RUN_FOLDER, { programs, core, cores: 1, profileFolder })
      this.#children.push(started.process)
      return started
    }
    this.#sidecars = { outbound: await sidecar(CLIENT, 0), inbound: await sidecar(SERVER, 1) }
    const target = ['--host', VIP.weft, '--port', `${ORIGINS.h2.port}`]
    const traffic = this.start(CLIENT.netns, ['traffic.ts', ...target, '--rate', `${RATE}`])
    createInterface({ input: traffic.stdout! }).on('line', (line) => {
      const { answers, failures } = JSON.parse(line) as { answers: Answer[]; failures: number }
      this.#answers.push(...answers)
      this.failures += failures
    })
    await sleep(WARMUP_MS)
  }

  /** The proxies end in order, so that they write their profiles. */
  async close(): Promise<void> {
    const { outbound, inbound } = this.#sidecars ?? {}
    const proxies = [outbound, inbound].flatMap((sidecar) => (sidecar === undefined ? [] : [sidecar.process]))
    for (const child of this.#children) if (!proxies.includes(child)) child.kill('SIGKILL')
    for (const proxy of proxies) proxy.kill('SIGTERM')
    const ended = proxies.map((proxy) => (proxy.exitCode === null ? once(proxy, 'exit') : undefined))
    await Promise.race([Promise.all(ended), sleep(SHUTDOWN_MS, undefined, { ref: false })])
    for (const proxy of proxies) proxy.kill('SIGKILL')
  }

  proxyOf(direction: 'inbound' | 'outbound'): number {
    return this.#sidecars![direction].process.pid!
  }

  /** A program of this folder. A hostile one gets what the machine has left: it must not take the CPU of those it is measured beside. */
  start(netns: string, [script, ...args]: readonly string[], isHostile = false): ChildProcess {
    const modest = isHostile ? ['chrt', '--other', '0', 'nice', '-n', '19'] : []
    const command = [...modest, process.execPath, join(import.meta.dirname, script!), ...args]
    const child = spawnIn(netns, command, { isCommanded: isHostile })
    child.stderr?.pipe(process.stderr)
    this.#children.push(child)
    return child
  }

  /** The p99 of what was due within the window, and forgets what was due before. */
  async p99(fromMs: number, untilMs: number): Promise<number> {
    await sleep(Math.max(0, untilMs + GRACE_MS - Date.now()))
    this.#answers = this.#answers.filter(([dueAtMs]) => dueAtMs >= fromMs)
    return percentile(
      this.#answers.filter(([dueAtMs]) => dueAtMs < untilMs).map(([, latencyMs]) => latencyMs),
      0.99,
    )
  }

  /** `weft_refused_total` of the inbound or the outbound proxy, by its reason. */
  async refusals(direction: 'inbound' | 'outbound'): Promise<ReadonlyMap<string, number>> {
    const pod = direction === 'inbound' ? SERVER : CLIENT
    const metrics = await text(this.start(NODE, ['scrape.ts', '--host', pod.ip, '--port', `${Port.admin}`]).stdout!)
    const found = metrics.matchAll(/^weft_refused_total\{[^}]*reason="(\w+)"[^}]*\} (\d+)/gm)
    const counts = new Map<string, number>()
    for (const [, reason, count] of found) counts.set(reason!, (counts.get(reason!) ?? 0) + Number(count))
    return counts
  }
}

/** CPU time of all threads, by the scheduler's own clock: /proc/PID/stat counts in steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`))
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
  return nanoseconds / 1e9
}

/** The most private memory seen until `untilMs` gives a time that is over. */
export async function peakMemory(pid: number, untilMs: () => number): Promise<number> {
  let peak = privateBytesOfTree(pid)
  for (let left = untilMs() - Date.now(); left > 0; left = untilMs() - Date.now()) {
    await sleep(Math.min(left, MEMORY_SAMPLE_MS))
    peak = Math.max(peak, privateBytesOfTree(pid))
  }
  return peak
}
