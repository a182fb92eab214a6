/**
 * Runs one system program and gathers what it said. Tests and `local/` hand in runners of their own, for instance
 * one that enters a network namespace first.
 */
import { spawn } from 'node:child_process'

export interface RunResult {
  /** The exit code; 127 when the program is not there, 128 + signal when a signal ended it, as a shell has it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export type Run = (command: string, args: readonly string[], input?: string) => Promise<RunResult>

const NOT_FOUND = 127
const KILLED = 128

/** A ruleset of a busy host may be long; more than this is not a pod's. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024

/** None of these programs takes long; iptables may wait for its lock. */
const RUN_TIMEOUT_MS = 30_000

export const runProgram: Run = (command, args, input = '') =>
  new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'pipe', timeout: RUN_TIMEOUT_MS })
    const chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] }
    let bytes = 0
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > MAX_OUTPUT_BYTES) child.kill()
        else chunks[name].push(chunk)
      })
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'ENOENT' ? NOT_FOUND : KILLED
      resolve({ code, stdout: '', stderr: error.code === 'ENOENT' ? `${command}: not found` : error.message })
    })
    child.on('close', (code) => {
      resolve({
        code: code ?? KILLED,
        stdout: Buffer.concat(chunks.stdout).toString(),
        stderr: Buffer.concat(chunks.stderr).toString(),
      })
    })
    // A program that ends before it has read its input breaks the pipe; its exit code tells the story.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })

/** The same inside the network namespace `name`, as `ip netns add` made it. */
export function runInNamespace(name: string, run: Run = runProgram): Run {
  return (command, args, input) => run('ip', ['netns', 'exec', name, command, ...args], input)
}
