/**
 * h2spec (github.com/summerwind/h2spec), the conformance suite for HTTP/2 servers: found, or built once per version into a
 * cache outside the tree.
 */
import { execFile } from 'node:child_process'
import { access, constants, mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const VERSION = 'v2.2.1+incompatible'
const MODULE = `github.com/summerwind/h2spec/cmd/h2spec@${VERSION}`
const BUILD_TIMEOUT_MS = 90_000
const RUN_TIMEOUT_MS = 90_000

export interface H2spec {
  readonly path: string
}

/** @returns the reason where it cannot be had: no Go, or no way to the module proxy */
export async function findH2spec(): Promise<H2spec | string> {
  const dir = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weft', `h2spec-${VERSION}`)
  const path = join(dir, 'h2spec')
  if (await isExecutable(path)) return { path }
  try {
    await mkdir(dir, { recursive: true })
    await run('go', ['install', MODULE], { env: { ...process.env, GOBIN: dir }, timeout: BUILD_TIMEOUT_MS })
    return { path }
  } catch (error) {
    return `h2spec is not there and could not be built with "go install ${MODULE}": ${(error as Error).message.split('\n')[0]}`
  }
}

export interface H2specResult {
  readonly tests: number
  readonly passed: number
  readonly failed: number
  /** What h2spec says about the cases that failed. */
  readonly failures: string
}

/** Runs every case, strict ones included, against a clear-text HTTP/2 port of this machine. */
export async function runH2spec({ path }: H2spec, port: number): Promise<H2specResult> {
  const args = ['--host', '127.0.0.1', '--port', String(port), '--strict', '--timeout', '5']
  const { stdout } = await run(path, args, { timeout: RUN_TIMEOUT_MS, maxBuffer: 16 << 20 }).catch(
    // A failed case makes the exit code 1; the output is what counts.
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }),
  )
  const summary = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(stdout)
  if (summary === null) throw new Error(`h2spec ended without a summary: ${stdout.slice(-500)}`)
  const failuresAt = stdout.indexOf('Failures:')
  return {
    tests: Number(summary[1]),
    passed: Number(summary[2]),
    failed: Number(summary[4]),
    failures: failuresAt === -1 ? '' : stdout.slice(failuresAt),
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
