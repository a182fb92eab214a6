/**
 * More than one core (`LINKERD2_PROXY_CORES*`): processes that share the ports. The kernel spreads connections over them
 * (SO_REUSEPORT); each is a whole proxy with its own certificate, discovery and balancers. The first one, which the pod
 * started, also has the admin port and speaks for all.
 *
 * A worker that dies is started again, after a pause that grows; meanwhile the others take its connections.
 */
import type { ChildProcess } from 'node:child_process'
import { Backoff } from './policy/backoff.ts'
import type { Logger } from './telemetry/log.ts'

/** Set in the environment of a worker: which one it is, from 1 on. */
export const WORKER_VARIABLE = 'WEFT_PROXY_WORKER'

/** A worker that says nothing in this time is left out of the page. */
const METRICS_TIMEOUT_MS = 1_000
const RESTART: ConstructorParameters<typeof Backoff>[0] = { minMs: 100, maxMs: 10_000, jitter: 0.1 }

/** What the processes say to one another. */
export type ToWorker =
  | { readonly kind: 'metrics'; readonly id: number }
  | { readonly kind: 'logFilter'; readonly filter: string }
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'metrics'; readonly id: number; readonly page: string }

export class Workers {
  readonly #log: Logger
  readonly #workers: Worker[]
  #nextId = 0

  constructor(count: number, log: Logger, random: () => number) {
    this.#log = log
    this.#workers = Array.from({ length: count }, (_, index) => new Worker(index + 1, log, random))
  }

  /** Resolves when each of them serves. */
  async ready(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.ready))
  }

  /** The pages of those who answer in time. */
  async metrics(): Promise<readonly string[]> {
    const id = this.#nextId++
    const pages = await Promise.all(this.#workers.map((worker) => worker.metrics(id)))
    return pages.filter((page) => page !== undefined)
  }

  setLogFilter(filter: string): void {
    for (const worker of this.#workers) worker.send({ kind: 'logFilter', filter })
  }

  /** Lets them finish what they have begun. */
  async shutdown(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.shutdown()))
    this.#log.debug('all workers have ended')
  }
}

class Worker {
  readonly ready: Promise<void>
  readonly #number: number
  readonly #log: Logger
  readonly #backoff: Backoff
  readonly #waiting = new Map<number, (page: string | undefined) => void>()
  #child: ChildProcess
  #onReady: () => void = () => {}
  #isStopping = false
  #ended: Promise<void> = Promise.resolve()

  constructor(number: number, log: Logger, random: () => number) {
    this.#number = number
    this.#log = log
    this.#backoff = new Backoff(RESTART, random)
    this.ready = new Promise((resolve) => {
      this.#onReady = resolve
    })
    this.#child = this.#start()
  }

  metrics(id: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      const done = (page: string | undefined): void => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        resolve(page)
      }
      const timer = setTimeout(() => {
        this.#log.warn(
          `worker ${this.#number} did not tell its metrics within ${METRICS_TIMEOUT_MS} ms; they are left out`,
        )
        done(undefined)
      }, METRICS_TIMEOUT_MS)
      this.#waiting.set(id, done)
      this.send({ kind: 'metrics', id })
    })
  }

  send(message: ToWorker): void {
    // A worker that has just gone hears nothing.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  async shutdown(): Promise<void> {
    this.#isStopping = true
    this.#child.kill('SIGTERM')
    await this.#ended
  }

  #start(): ChildProcess {
    // Loaded when there is a second core: most proxies have none.
    const { fork } = process.getBuiltinModule('node:child_process')
    const child = fork(process.argv[1]!, [], {
      env: { ...process.env, [WORKER_VARIABLE]: String(this.#number) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child.on('message', (message: FromWorker) => this.#onMessage(message))
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        for (const done of [...this.#waiting.values()]) done(undefined)
        resolve()
        if (!this.#isStopping) this.#restart(`${code ?? signal}`)
      })
    })
    return child
  }

  #restart(how: string): void {
    const delayMs = this.#backoff.nextMs()
    this.#log.error(`worker ${this.#number} ended (${how}); it is started again in ${Math.round(delayMs)} ms`)
    setTimeout(() => {
      if (!this.#isStopping) this.#child = this.#start()
    }, delayMs)
  }

  #onMessage(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.#backoff.reset()
        return this.#onReady()
      case 'metrics':
        return this.#waiting.get(message.id)?.(message.page)
    }
  }
}
