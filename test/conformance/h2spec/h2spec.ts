/** h2spec (github.com/summerwind/h2spec), the conformance suite for HTTP/2 servers. */
import { join } from 'node:path'
import { findGoTool } from '../go-tool.ts'
import { run } from '../tool-cache.ts'

const RUN_TIMEOUT_MS = 90_000
/** How long a case waits for what it expects. Only cases that fail, or that expect nothing to come, take as long. */
const CASE_TIMEOUT_S = 5

export interface H2spec {
  readonly path: string
}

/** @returns the reason where it cannot be had */
export async function findH2spec(): Promise<H2spec | string> {
  const found = await findGoTool({
    name: 'h2spec',
    version: 'v2.2.1+incompatible',
    programs: ['github.com/summerwind/h2spec/cmd/h2spec'],
  })
  return typeof found === 'string' ? found : { path: join(found.folder, 'h2spec') }
}

export interface H2specResult {
  readonly tests: number
  readonly passed: number
  readonly failed: number
  /** What h2spec says about the cases that failed. */
  readonly failures: string
}

export interface H2specTarget {
  /** With TLS also the SNI. */
  readonly host: string
  readonly port: number
  readonly isTls: boolean
}

/** Runs every case, strict ones included. */
export async function runH2spec({ path }: H2spec, { host, port, isTls }: H2specTarget): Promise<H2specResult> {
  const args = ['--host', host, '--port', String(port), '--strict', '--timeout', String(CASE_TIMEOUT_S)]
  if (isTls) args.push('--tls', '--insecure')
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
