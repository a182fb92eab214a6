/** What the processes of the benchmark tell each other, and how they do. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Size } from './cluster.ts'

export interface PlaneOptions {
  readonly size: Size
  /** Of an earlier process, so that its proxies find this one. */
  readonly addresses?: PlaneAddresses
}
export interface PlaneAddresses {
  readonly destination: string
  readonly policy: string
}
export type PlaneRequest =
  /** Answered when the change is in the store, with the time just before. */
  | { readonly kind: 'apply'; readonly change: string; readonly round: number }
  | { readonly kind: 'usage'; readonly collectsGarbage: boolean }
export interface PlaneStarted {
  readonly addresses: PlaneAddresses
  readonly listeningAtMs: number
}
export interface PlaneUsage {
  readonly cpuMs: number
  readonly heapBytes: number
}

export interface ProxiesOptions {
  readonly size: Size
  /** The proxies `first`, `first + step`, … are this process's. */
  readonly first: number
  readonly step: number
  readonly addresses: PlaneAddresses
}
export type ProxiesRequest =
  /** Answered at once; `outcome` then waits for the streams that the change concerns, and a little for those it does not. */
  | { readonly kind: 'expect'; readonly change: string }
  | { readonly kind: 'outcome'; readonly timeoutMs: number; readonly settleMs: number }
  /** From now on only messages of new streams count as states. */
  | { readonly kind: 'forget' }
  /** Answered when every stream has its state. */
  | { readonly kind: 'states'; readonly timeoutMs: number }
export interface Outcome {
  readonly concerned: number
  /** Of the first message of each stream that was concerned. */
  readonly atMs: readonly number[]
  /** Messages on streams that the change does not concern. */
  readonly stray: number
  /** Messages behind the first one of a stream. */
  readonly repeated: number
}
export interface States {
  /** Of each proxy, when all of its streams had their state. */
  readonly atMs: readonly number[]
  readonly streams: number
  readonly missing: number
}

/** The same clock in all processes. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** A process that is asked one thing at a time. */
export class Worker {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  get pid(): number {
    return this.#child.pid!
  }

  static async start<T>(file: string, options: object, execArgv: readonly string[] = []) {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      execArgv: ['--expose-gc', ...execArgv],
      serialization: 'advanced',
    })
    const worker = new Worker(child)
    return { worker, started: await worker.ask<T>(options) }
  }

  async ask<T>(request: object): Promise<T> {
    const ended = new AbortController()
    const failed = once(this.#child, 'exit', { signal: ended.signal }).then(([code]) => {
      throw new Error(`a process of the benchmark ended with ${code}`)
    })
    const answered = once(this.#child, 'message', { signal: ended.signal })
    this.#child.send(request)
    try {
      const [answer] = (await Promise.race([answered, failed])) as [T]
      return answer
    } finally {
      ended.abort()
      failed.catch(() => {})
      answered.catch(() => {})
    }
  }

  /** @param isOrderly lets it write its profile */
  async stop({ isOrderly }: { readonly isOrderly: boolean }): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    if (isOrderly) this.#child.disconnect()
    else this.#child.kill('SIGKILL')
    await exited
  }
}

/** The other side: the first message is the options, each one gets one answer. */
export function serve<O, R>(start: (options: O) => Promise<object>, answer: (request: R) => Promise<object>): void {
  let isStarted = false
  process.on('message', async (message) => {
    const reply = isStarted ? answer(message as R) : start(message as O)
    isStarted = true
    process.send!(await reply)
  })
  process.on('disconnect', () => process.exit())
}
