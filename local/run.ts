/** Runs a system program to its end. */
import { spawn } from 'node:child_process'

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** More output than this of a system program is dropped. */
const MAX_OUTPUT_BYTES = 1024 * 1024

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  /** Killed when it takes longer. */
  readonly timeoutMs?: number
}

/** Never rejects: a program that cannot be started ends with code 127. */
export function run(command: string, args: readonly string[], input = '', options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const { env = process.env, timeoutMs } = options
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env,
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs, killSignal: 'SIGKILL' as const }),
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (output[name].length < MAX_OUTPUT_BYTES) output[name] += text
      })
    }
    child.on('error', (error) => resolve({ code: 127, stdout: '', stderr: error.message }))
    child.on('close', (code, signal) => {
      resolve({
        ...output,
        code: code ?? 128,
        stderr: signal === null ? output.stderr : `${output.stderr}ended by ${signal}`,
      })
    })
    // A program that ends without reading its input is told by its exit code, not by EPIPE.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

/** @throws Error with the program's own words when it fails */
export async function mustRun(command: string, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, input)
  if (code !== 0)
    throw new Error(`${[command, ...args].join(' ')} exited with ${code}: ${stderr.trim() || 'no message'}`)
  return stdout
}
