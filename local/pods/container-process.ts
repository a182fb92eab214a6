/**
 * One container while its pod lives: started, watched by its probes, restarted after a while when it ends, stopped
 * first politely and then not.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Container, Lifecycle, Probe } from '../../api/resources/pod.ts'
import type { ContainerLog } from './log.ts'
import { type ProbeResult, runProbe } from './probe.ts'
import { type ProbeKind, ProbeState } from './probe-state.ts'
import { RestartBackoff } from './restart-backoff.ts'

export interface ContainerRuntime {
  readonly container: Container
  readonly podIp: string
  readonly log: ContainerLog
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never'
  /** What to start now; rejects with a sentence when that is impossible. */
  prepare(): Promise<StartedCommand>
  exec(pid: number, command: readonly string[], timeoutMs: number): Promise<number>
  /** Anything of `status` changed. */
  onChange(): void
}

export interface StartedCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export type ContainerState = 'waiting' | 'running' | 'backing-off' | 'completed' | 'failed'

/** How long a liveness failure gives a container to end by itself before it is killed. */
const LIVENESS_GRACE_MS = 10_000

export class ContainerProcess {
  readonly container: Container
  readonly #runtime: ContainerRuntime
  readonly #backoff = new RestartBackoff()
  #child: ChildProcess | undefined
  #state: ContainerState = 'waiting'
  #reason = ''
  #restarts = 0
  #startedAtMs = 0
  #isReady = false
  #isStarted = false
  #isStopping = false
  #timers = new Set<NodeJS.Timeout>()
  #ended: (() => void)[] = []

  constructor(runtime: ContainerRuntime) {
    this.container = runtime.container
    this.#runtime = runtime
  }

  get state(): ContainerState {
    return this.#state
  }
  /** Why it waits or ended, for `get pods`: `CrashLoopBackOff`, `Error`, `Completed` ... */
  get reason(): string {
    return this.#reason
  }
  get restarts(): number {
    return this.#restarts
  }
  get isReady(): boolean {
    return this.#isReady
  }
  /** Its startup probe has succeeded (or it has none and runs). */
  get isStarted(): boolean {
    return this.#isStarted
  }
  get pid(): number | undefined {
    return this.#child?.pid
  }

  async start(): Promise<void> {
    if (this.#isStopping) return
    let prepared: StartedCommand
    try {
      prepared = await this.#runtime.prepare()
    } catch (cause) {
      this.#runtime.log.note((cause as Error).message)
      this.#afterEnd('CreateContainerConfigError', false, 0)
      return
    }
    if (this.#isStopping) return
    const child = spawn(prepared.command, prepared.args, {
      env: prepared.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A session of its own: signals of the terminal stay away, and the whole group can be ended at once.
      detached: true,
    })
    this.#child = child
    this.#startedAtMs = Date.now()
    const log = (chunk: Buffer) => this.#runtime.log.append(chunk)
    child.stdout.on('data', log)
    child.stderr.on('data', log)
    child.on('error', (error) => {
      this.#runtime.log.note(`could not be started: ${error.message}`)
      if (child.pid === undefined) this.#onExit(child, 127, null)
    })
    child.on('exit', (code, signal) => this.#onExit(child, code, signal))
    if (child.pid === undefined) return
    this.#state = 'running'
    this.#reason = ''
    this.#beginProbes(child)
    this.#runtime.onChange()
  }

  /** Ends it: the preStop hook, SIGTERM, and SIGKILL once `graceMs` are over. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    this.#clearTimers()
    this.#isReady = false
    const child = this.#child
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => this.#ended.push(resolve))
    const kill = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs)
    await this.#preStop(this.container.lifecycle, child.pid, graceMs)
    signalGroup(child, 'SIGTERM')
    await gone
    clearTimeout(kill)
  }

  /** Resolves once it does not run any more. */
  exited(): Promise<void> {
    if (this.#child === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#ended.push(resolve))
  }

  #onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#child !== child) return
    // What the program left behind in its group must not survive it.
    signalGroup(child, 'SIGKILL')
    this.#child = undefined
    this.#clearTimers()
    const isSuccess = code === 0
    this.#runtime.log.note(signal === null ? `exited with ${code}` : `ended by ${signal}`)
    const ended = this.#ended
    this.#ended = []
    this.#afterEnd(isSuccess ? 'Completed' : 'Error', isSuccess, Date.now() - this.#startedAtMs)
    for (const resolve of ended) resolve()
  }

  #afterEnd(reason: string, isSuccess: boolean, ranForMs: number): void {
    this.#isReady = false
    this.#isStarted = false
    this.#reason = reason
    const { restartPolicy } = this.#runtime
    const isFinal = this.#isStopping || restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && isSuccess)
    if (isFinal) {
      this.#state = isSuccess ? 'completed' : 'failed'
    } else {
      this.#state = 'backing-off'
      if (reason !== 'CreateContainerConfigError') this.#reason = 'CrashLoopBackOff'
      const delayMs = this.#backoff.next(ranForMs)
      this.#runtime.log.note(`starts again in ${delayMs / 1_000} s`)
      this.#after(delayMs, () => {
        this.#restarts++
        void this.start()
      })
    }
    this.#runtime.onChange()
  }

  #beginProbes(child: ChildProcess): void {
    const { startupProbe, readinessProbe, livenessProbe } = this.container
    const begin = (proven: Probe | undefined) => {
      this.#isStarted = true
      // A readiness probe that asks the very question just answered need not be asked again before the pod is ready.
      const isProven = readinessProbe !== undefined && proven !== undefined && asksTheSame(proven, readinessProbe)
      if (readinessProbe === undefined || isProven) this.#isReady = true
      if (readinessProbe !== undefined)
        this.#probe(
          child,
          readinessProbe,
          'readiness',
          (isHealthy) => {
            this.#isReady = isHealthy
          },
          isProven,
        )
      if (livenessProbe !== undefined)
        this.#probe(child, livenessProbe, 'liveness', (isHealthy) => {
          if (!isHealthy) this.#restart(child)
        })
      this.#runtime.onChange()
    }
    if (startupProbe === undefined) {
      begin(undefined)
      return
    }
    this.#probe(child, startupProbe, 'startup', (isHealthy) => (isHealthy ? begin(startupProbe) : this.#restart(child)))
  }

  #probe(
    child: ChildProcess,
    probe: Probe,
    kind: ProbeKind,
    onVerdict: (isHealthy: boolean) => void,
    isProven = false,
  ): void {
    const state = new ProbeState(probe, kind, Date.now())
    if (isProven) state.observe(true, Date.now())
    let lastReason = ''
    const ask = async () => {
      const result = await this.#ask(child, probe)
      if (this.#child !== child || this.#isStopping) return
      const { became, nextInMs } = state.observe(result.isSuccess, Date.now())
      if (!result.isSuccess && (became === 'unhealthy' || (state.isHealthy && result.reason !== lastReason))) {
        this.#runtime.log.note(`${kind} probe failed: ${result.reason}`)
      }
      lastReason = result.reason
      if (became !== undefined) {
        onVerdict(became === 'healthy')
        this.#runtime.onChange()
      }
      const isOver = kind === 'startup' && became !== undefined
      if (!isOver && this.#child === child) this.#after(nextInMs, () => void ask())
    }
    this.#after(isProven ? probe.periodSeconds * 1_000 : state.firstInMs, () => void ask())
  }

  #ask(child: ChildProcess, probe: Probe): Promise<ProbeResult> {
    const { podIp, container } = this.#runtime
    return runProbe(probe, {
      podIp,
      container,
      exec: (command, timeoutMs) => this.#runtime.exec(child.pid!, command, timeoutMs),
    })
  }

  /** Ends the process; its exit brings the next one. */
  #restart(child: ChildProcess): void {
    signalGroup(child, 'SIGTERM')
    this.#after(LIVENESS_GRACE_MS, () => signalGroup(child, 'SIGKILL'))
  }

  async #preStop(lifecycle: Lifecycle | undefined, pid: number, graceMs: number): Promise<void> {
    const { exec, sleep } = lifecycle?.preStop ?? {}
    if (exec !== undefined) await this.#runtime.exec(pid, exec.command, graceMs).catch(() => {})
    if (sleep !== undefined)
      await new Promise((resolve) => setTimeout(resolve, Math.min(sleep.seconds * 1_000, graceMs)))
  }

  #after(delayMs: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      then()
    }, delayMs)
    this.#timers.add(timer)
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}

function asksTheSame(a: Probe, b: Probe): boolean {
  const action = ({ httpGet, tcpSocket, exec, grpc }: Probe) => JSON.stringify({ httpGet, tcpSocket, exec, grpc })
  return action(a) === action(b)
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group is gone already.
  }
}
