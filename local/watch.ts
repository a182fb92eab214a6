/** Follows a running cluster until it ends: the pods once they are up, the live table, signals, `--for`. */
import type { Writable } from 'node:stream'
import { ClusterClient } from './api/client.ts'
import type { Report } from './metrics/report.ts'
import type { RunningCluster } from './start.ts'
import { refreshInPlace, renderPods, renderTable } from './table.ts'

export interface WatchOptions {
  /** Ends by itself this long after everything is ready. */
  readonly forMs: number | undefined
  /** One object on `stdout` at the end, and nothing else there. */
  readonly isJson: boolean
  readonly stdout: Writable
  readonly stderr: Writable
  readonly title: string
  /** Goes on beside the table; what it returns is told and put into the object. */
  readonly scenario?: (scene: Scene) => Promise<void>
}

/** What a scenario (the demo) can do and see. */
export interface Scene {
  readonly client: ClusterClient
  readonly startedAtMs: number
  readonly forMs: number | undefined
  /** A line under the title from now on. */
  note(line: string): void
  /** What the proxies counted after `sinceMs`. */
  report(sinceMs: number): Promise<Report>
  /** Resolves after `ms`, or at once when the cluster ends; `false` then. */
  wait(ms: number): Promise<boolean>
  /** Adds to the JSON object. */
  result(values: Readonly<Record<string, unknown>>): void
}

const REFRESH_MS = 1_000
/** The numbers of the live table are about this much time. */
const WINDOW_MS = 10_000
/** Where nothing can be refreshed in place, a table is printed this often. */
const PRINT_MS = 5_000
/** After this long it is told which pods are not ready, and `--for` begins all the same. */
const READY_PATIENCE_MS = 60_000

export async function watchCluster(cluster: RunningCluster, options: WatchOptions): Promise<number> {
  const { forMs, isJson, stdout, stderr, title } = options
  const client = new ClusterClient(cluster.name, cluster.directory)
  const view = new View(isJson ? undefined : stdout, title)
  const results: Record<string, unknown> = { profile: { before: { successRate: null }, after: { successRate: null } } }
  let isEnding = false
  let exitCode = 0
  let endWaits = () => {}
  const ending = new Promise<void>((resolve) => {
    endWaits = resolve
  })
  const isOver = () => isEnding
  void cluster.ended.then(() => {
    if (!isEnding) exitCode = 1
    isEnding = true
    endWaits()
  })
  const end = async () => {
    if (isEnding) {
      cluster.stop()
      return
    }
    isEnding = true
    endWaits()
    const last = await client
      .call<Report>('GET', '/report', { since: String(Date.now() - WINDOW_MS) })
      .catch(() => undefined)
    if (last !== undefined) view.show(last, true)
    if (isJson) stdout.write(`${JSON.stringify(await finalObject(client, startupMs, results))}\n`)
    cluster.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end())

  let startupMs: number | null = null
  const patience = wait(READY_PATIENCE_MS, ending)
  startupMs = (await Promise.race([cluster.ready, patience.then(() => null), ending.then(() => null)])) ?? null
  if (!isOver()) {
    const report = await client.call<Report>('GET', '/report', { since: '0' })
    if (startupMs === null) {
      exitCode = 1
      const waiting = report.pods.filter(({ ready }) => !ready).map(({ namespace, name }) => `${namespace}/${name}`)
      stderr.write(`not ready after ${READY_PATIENCE_MS / 1_000} s: ${waiting.join(', ')}; see: weft local logs POD\n`)
    }
    const isUp = startupMs === null ? '' : `up in ${(startupMs / 1_000).toFixed(1)} s\n`
    ;(isJson ? stderr : stdout).write(`${isUp}${renderPods(report)}\n`)
    if (forMs !== undefined) setTimeout(() => void end(), forMs).unref()
  }
  const readyAtMs = Date.now()
  const scene: Scene = {
    client,
    startedAtMs: readyAtMs,
    forMs,
    note: (line) => {
      view.notes.push(line)
      if (isJson) stderr.write(`${line}\n`)
    },
    report: (sinceMs) => client.call<Report>('GET', '/report', { since: String(sinceMs) }),
    wait: async (ms) => {
      await wait(ms, ending)
      return !isEnding
    },
    result: (values) => void Object.assign(results, values),
  }
  const scenario = isOver()
    ? undefined
    : options.scenario?.(scene).catch((cause: Error) => void (isEnding || stderr.write(`${cause.message}\n`)))
  while (!isOver()) {
    const report = await scene.report(Date.now() - WINDOW_MS).catch(() => undefined)
    if (report !== undefined && !isOver()) view.show(report)
    await wait(REFRESH_MS, ending)
  }
  await scenario
  await cluster.ended
  return exitCode
}

class View {
  readonly notes: string[] = []
  readonly #out: (Writable & { readonly isTTY?: boolean; getWindowSize?(): [number, number] }) | undefined
  readonly #title: string
  #lines = 0
  #printedAtMs = 0

  constructor(out: Writable | undefined, title: string) {
    this.#out = out
    this.#title = title
  }

  /** @param isLast shows it whatever was shown a moment ago */
  show(report: Report, isLast = false): void {
    const out = this.#out
    if (out === undefined) return
    const heading = { title: this.#title, notes: this.notes }
    if (out.isTTY === true) {
      const [columns, rows] = out.getWindowSize?.() ?? [0, 0]
      // A terminal that does not know its size says 0.
      const width = columns || 120
      const height = rows || 40
      // What does not fit would scroll, and the next refresh would begin in the wrong line.
      const lines = renderTable(report, heading, width).slice(0, height - 1)
      out.write(refreshInPlace(lines, this.#lines))
      this.#lines = lines.length
    } else if (isLast || Date.now() - this.#printedAtMs >= PRINT_MS) {
      this.#printedAtMs = Date.now()
      out.write(`${renderTable(report, heading).join('\n')}\n\n`)
    }
  }
}

async function finalObject(
  client: ClusterClient,
  startupMs: number | null,
  results: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const { pods, edges, replicas } = await client.call<Report>('GET', '/report', { since: '0' })
  return {
    startupMs,
    pods: pods.map(({ name, injected, ready }) => ({ name, injected, ready })),
    edges,
    replicas,
    ...results,
  }
}

function wait(ms: number, ending: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    void ending.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
