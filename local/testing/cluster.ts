/** A real cluster for tests: `weft local` as a child process with a state directory of its own. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findTools } from '../tools.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'cli', 'main.ts')

/** Why no cluster can run here, or `false`. */
export function whyNoCluster(): string | false {
  if (process.getuid?.() !== 0) return 'not root'
  const found = findTools()
  return found.kind === 'missing' ? `${found.programs.join(', ')} missing` : false
}

export class TestCluster {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'weft-test-'))
  /** Manifests go here before `start`, and change while it runs. */
  readonly manifests: string = mkdtempSync(join(tmpdir(), 'weft-manifests-'))
  #child: ChildProcess | undefined
  #stdout = ''
  #stderr = ''

  get stdout(): string {
    return this.#stdout
  }
  get stderr(): string {
    return this.#stderr
  }
  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Starts `weft` with these arguments; `weft local MANIFESTS` by default. */
  start(...args: readonly string[]): void {
    this.#stdout = ''
    this.#stderr = ''
    const given = args.length > 0 ? args : ['local', this.manifests]
    this.#child = spawn(process.execPath, [MAIN, ...given], { env: this.#env(), cwd: this.manifests })
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout += chunk
    })
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk
    })
  }

  /** Sends the signal and waits for the exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const ended = this.exit()
    child.kill(signal)
    return ended
  }

  exit(): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return Promise.resolve(child?.exitCode ?? null)
    return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
  }

  /** Standard output of a verb. @throws with its standard error */
  weft(...args: readonly string[]): string {
    return execFileSync(process.execPath, [MAIN, 'local', ...args], {
      env: this.#env(),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** What a verb that fails says. */
  refusal(...args: readonly string[]): string {
    try {
      this.weft(...args)
      return ''
    } catch (cause) {
      return String((cause as { stderr?: string }).stderr)
    }
  }

  exitCode(...args: readonly string[]): number | null {
    return spawnSync(process.execPath, [MAIN, 'local', ...args], { env: this.#env(), stdio: 'ignore' }).status
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
    rmSync(this.manifests, { recursive: true, force: true })
  }

  /** All processes below the one that `start` started, with itself. */
  processes(): number[] {
    const parents = new Map<number, number>()
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue
      try {
        const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
        parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
      } catch {
        // It ended meanwhile.
      }
    }
    const isBelow = (pid: number | undefined): boolean =>
      pid !== undefined && pid > 1 && (pid === this.pid || isBelow(parents.get(pid)))
    return [...parents.keys()].filter(isBelow)
  }

  #env(): NodeJS.ProcessEnv {
    return { ...process.env, WEFT_STATE_DIR: this.directory }
  }
}

/** Tries until `check` holds; fails with the last thing that was wrong. */
export async function eventually(
  check: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs
  for (;;) {
    let reason = ''
    try {
      if (await check()) return
    } catch (cause) {
      reason = `: ${(cause as Error).message}`
    }
    if (Date.now() > deadlineMs) throw new Error(`${what} did not happen within ${timeoutMs} ms${reason}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
