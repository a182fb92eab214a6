/** gRPC's interop cases with both clients and servers, then soaks of all kinds at once. */
import { parseArgs } from 'node:util'
import { formatDurationMs, parseDurationMs } from '../../../api/duration.ts'
import type { App } from '../../proxy/apps.ts'
import { startPair } from '../../proxy/pair.ts'
import type { Suite } from '../suite.ts'
import { lastWords } from '../tool-cache.ts'
import { startCompressingServer } from './compressing-server.ts'
import { COMPRESSION_CASES } from './compression-cases.ts'
import { findGoInterop, GO_CASES, GO_SOAKS, type GoInterop, runGoCase, startGoServer } from './go-interop.ts'
import { JS_CASES } from './js-cases.ts'
import { connectJs } from './js-client.ts'
import { startJsServer } from './js-server.ts'
import { JS_SOAKS, MAX_FAILURES, type SoakResult } from './soak.ts'

/** One round of grpc-go's soaks; its time is that of a very busy machine. */
const GO_CALLS = 200
const GO_WORKERS = 4
const GO_ROUND_MS = 600_000
/** A soak is about failures, not about latency on a busy machine. */
const PATIENCE_MS = 300_000

type Say = (line: string) => void

export const grpcSuite: Suite = {
  name: 'grpc',
  usage:
    'grpc [--soak DURATION]     every interop case, clients and servers of grpc-go and grpc-js; then soaks ("10m")',
  async run(args, say) {
    const { values } = parseArgs({ args: [...args], options: { soak: { type: 'string' } } })
    const soakMs = values.soak === undefined ? 0 : parseDurationMs(values.soak)
    if (soakMs === undefined) throw new Error(`--soak ${values.soak}: a duration such as 30s or 10m is wanted`)
    const go = await findGoInterop()
    if (typeof go === 'string') throw new Error(go)

    let hasPassed = true
    const servers = [
      { name: 'go', start: () => startGoServer(go) },
      { name: 'js', start: startJsServer },
    ] as const
    for (const { name, start } of servers)
      hasPassed = (await behindPair(start, (port) => everyCase(go, name, port, say))) && hasPassed
    hasPassed = (await behindPair(startCompressingServer, (port) => everyCompression(port, say))) && hasPassed
    if (soakMs === 0) return hasPassed
    say(`soaking for ${formatDurationMs(soakMs)}`)
    return (
      (await behindPair(
        () => startGoServer(go),
        (port) => soak(go, port, soakMs, say),
      )) && hasPassed
    )
  },
}

async function behindPair(start: () => Promise<App>, use: (port: number) => Promise<boolean>): Promise<boolean> {
  const app = await start()
  const pair = await startPair({ appPorts: [app.port] })
  try {
    return await use(pair.port)
  } finally {
    pair.close()
    app.close()
  }
}

async function everyCase(go: GoInterop, server: 'go' | 'js', port: number, say: Say): Promise<boolean> {
  let hasPassed = true
  for (const { name, args } of GO_CASES) {
    if (server === 'js' && name.startsWith('orca')) continue
    const title = `grpc-go client, ${server} server: ${name}`
    hasPassed = (await tell(title, runGoCase(go, port, name, args), say)) && hasPassed
  }
  const client = connectJs(port)
  for (const { name, servers, run } of JS_CASES) {
    if (!servers.includes(server)) continue
    hasPassed = (await tell(`grpc-js client, ${server} server: ${name}`, run(client, port), say)) && hasPassed
  }
  client.close()
  return hasPassed
}

async function everyCompression(port: number, say: Say): Promise<boolean> {
  let hasPassed = true
  for (const { name, run } of COMPRESSION_CASES)
    hasPassed = (await tell(`grpc-js client: ${name}`, run(port), say)) && hasPassed
  return hasPassed
}

/** All soaks of both clients at the same time, through the same two proxies. */
async function soak(go: GoInterop, port: number, soakMs: number, say: Say): Promise<boolean> {
  const untilMs = performance.now() + soakMs
  const soaks = [
    ...GO_SOAKS.map((name) => ({ title: `grpc-go client, ${name}`, run: () => goSoak(go, name, port, untilMs) })),
    ...JS_SOAKS.map(({ name, run }) => ({ title: `grpc-js client, ${name}`, run: () => run(port, untilMs) })),
  ]
  const results = await Promise.all(
    soaks.map(async ({ title, run }) => {
      const { calls, failures } = await run()
      say(`${title}: ${calls} calls, ${failures.length === 0 ? 'none failed' : 'FAILED'}`)
      for (const failure of failures) say(`  ${failure}`)
      return calls > 0 && failures.length === 0
    }),
  )
  return results.every((hasPassed) => hasPassed)
}

/** grpc-go soaks for a number of calls: as many rounds of it as there is time for. */
async function goSoak(
  go: GoInterop,
  name: (typeof GO_SOAKS)[number],
  port: number,
  untilMs: number,
): Promise<SoakResult> {
  const args = [
    ...['--soak_iterations', String(GO_CALLS), '--soak_num_threads', String(GO_WORKERS)],
    ...['--soak_per_iteration_max_acceptable_latency_ms', String(PATIENCE_MS)],
    ...['--soak_overall_timeout_seconds', String(GO_ROUND_MS / 1_000)],
  ]
  let calls = 0
  while (performance.now() < untilMs) {
    try {
      await runGoCase(go, port, name, args, GO_ROUND_MS)
      calls += GO_CALLS
    } catch (error) {
      return { calls, failures: failedCalls(error) }
    }
  }
  return { calls, failures: [] }
}

/** The lines in which grpc-go says which calls failed, and why; without one, what it said last. */
function failedCalls(error: unknown): readonly string[] {
  const { stderr = '' } = error as { stderr?: string }
  const lines = stderr.split('\n').filter((line) => /soak iteration: .*(failed:|exceeds)/.test(line))
  return lines.length > 0 ? lines.slice(0, MAX_FAILURES) : [lastWords(error)]
}

async function tell(title: string, running: Promise<void>, say: Say): Promise<boolean> {
  try {
    await running
    say(`${title}: passed`)
    return true
  } catch (error) {
    say(`${title}: FAILED: ${lastWords(error)}`)
    return false
  }
}
