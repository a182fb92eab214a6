/**
 * `weft await`: waits until the proxy of this pod is ready. A classic sidecar runs it as `postStart`, so that the
 * kubelet starts the application only behind a proxy that carries its connections.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseGoDurationMs } from '../api/duration.ts'
import { EXIT_BAD_CONFIGURATION, Port } from '../api/vocabulary.ts'
import type { Command } from '../cli/command.ts'
import { port as portKind } from './value-kinds.ts'

const POLL_MS = 100
/** A proxy that takes a connection but does not answer is asked again. */
const ANSWER_TIMEOUT_MS = 1_000

export const awaitProxy: Command = {
  name: 'await',
  summary: 'Wait until the proxy of this pod is ready',
  usage: 'await [--timeout 2m] [--port 4191]',
  options: {
    timeout: { type: 'string', default: '2m' },
    port: { type: 'string', default: String(Port.admin) },
  },
  async run({ values, positionals, stderr }) {
    const timeoutMs = parseGoDurationMs(String(values.timeout ?? '2m'))
    const port = portKind.parse(String(values.port ?? Port.admin))
    const problems = [
      timeoutMs === undefined || timeoutMs <= 0
        ? `--timeout is "${values.timeout}"; give a duration such as 2m`
        : undefined,
      port === undefined ? `--port is "${values.port}"; give ${portKind.name}` : undefined,
      positionals.length > 0 ? `"${positionals.join(' ')}" is one argument too many; give options only` : undefined,
    ].filter((problem) => problem !== undefined)
    if (timeoutMs === undefined || port === undefined || problems.length > 0) {
      for (const problem of problems) stderr.write(`await: ${problem}\n`)
      return EXIT_BAD_CONFIGURATION
    }
    const url = `http://127.0.0.1:${port}/ready`
    if (await isReadyWithin(url, timeoutMs)) return 0
    stderr.write(
      `await: the proxy did not answer 200 at ${url} within ${values.timeout ?? '2m'}; see the log of container linkerd-proxy\n`,
    )
    return 1
  },
}

async function isReadyWithin(url: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (performance.now() < deadline) {
    if (await isReady(url)) return true
    await sleep(Math.min(POLL_MS, Math.max(0, deadline - performance.now())))
  }
  return false
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })
    await response.body?.cancel()
    return response.status === 200
  } catch {
    // Not listening yet, or too slow: what we are waiting out.
    return false
  }
}
