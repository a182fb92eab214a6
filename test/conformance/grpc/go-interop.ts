/** The interop client and server of grpc-go: programs, found or built, and run. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { App } from '../../proxy/apps.ts'
import { findGoTool } from '../go-tool.ts'
import { run } from '../tool-cache.ts'

const MODULE = 'google.golang.org/grpc/interop'
const CASE_TIMEOUT_MS = 60_000

export interface GoInterop {
  readonly client: string
  readonly server: string
}

/** @returns the reason where they cannot be had */
export async function findGoInterop(): Promise<GoInterop | string> {
  const found = await findGoTool({
    name: 'grpc-interop',
    version: 'v1.85.0',
    programs: [`${MODULE}/client`, `${MODULE}/server`],
  })
  if (typeof found === 'string') return found
  return { client: join(found.folder, 'client'), server: join(found.folder, 'server') }
}

/** Starts the server; it says in its log which port it got. */
export async function startGoServer({ server }: GoInterop): Promise<App> {
  const child = spawn(server, ['--port', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, GRPC_GO_LOG_SEVERITY_LEVEL: 'info' },
  })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the interop server ended with ${code} before it listened`)))
    createInterface({ input: child.stderr }).on('line', (line) => {
      const listening = /interop server listening on .*:(\d+)$/.exec(line)
      if (listening !== null) resolve(Number(listening[1]))
    })
  })
  return { port, close: () => void child.kill() }
}

/** The ORCA cases (backend metrics in trailers and on a stream of their own) need the client's balancer for them. */
const ORCA = ['--service_config_json', '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}']

/**
 * What the client and the server of grpc-go both support; what needs credentials of a cloud is left out, and
 * `pick_first_unary`, for which this server gives no id.
 */
export const GO_CASES: readonly { readonly name: string; readonly args?: readonly string[] }[] = [
  { name: 'empty_unary' },
  { name: 'large_unary' },
  { name: 'client_streaming' },
  { name: 'server_streaming' },
  { name: 'ping_pong' },
  { name: 'empty_stream' },
  { name: 'timeout_on_sleeping_server' },
  { name: 'cancel_after_begin' },
  { name: 'cancel_after_first_response' },
  { name: 'status_code_and_message' },
  { name: 'special_status_message' },
  { name: 'custom_metadata' },
  { name: 'unimplemented_method' },
  { name: 'unimplemented_service' },
  { name: 'orca_per_rpc', args: ORCA },
  { name: 'orca_oob', args: ORCA },
]

/** Soaks of grpc-go: the same large call again and again, on one connection or each on its own. */
export const GO_SOAKS = ['rpc_soak', 'channel_soak'] as const

/** @throws Error with what the client said when the case failed */
export async function runGoCase(
  { client }: GoInterop,
  port: number,
  name: string,
  args: readonly string[] = [],
  timeoutMs = CASE_TIMEOUT_MS,
): Promise<void> {
  await run(client, ['--server_host', '127.0.0.1', '--server_port', String(port), '--test_case', name, ...args], {
    timeout: timeoutMs,
    maxBuffer: 64 << 20,
  })
}
