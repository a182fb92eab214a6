/**
 * V8's code cache of the bundled proxy (`proxy/start.ts` reads it), written by a proxy that is started for it: what has
 * run by then, configuration, assembly and the first words with a control plane, need not be compiled at any later start.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { CODE_CACHE_VARIABLE, NODE_FLAGS } from '../proxy/node-flags.ts'

/** A proxy that has not called its control plane by then is ended all the same. */
const CALL_TIMEOUT_MS = 10_000
const END_TIMEOUT_MS = 5_000

/** @throws Error with the proxy's last words when it wrote none */
export async function writeCodeCache(directory: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'weft-code-cache-'))
  const control = createServer((socket) => socket.on('error', () => {}))
  control.listen(0, '127.0.0.1')
  await once(control, 'listening')
  const cache = join(directory, 'proxy.cache')
  const child = spawn(process.execPath, [...NODE_FLAGS, join(directory, 'proxy.cjs')], {
    env: { ...environment(work, (control.address() as AddressInfo).port), [CODE_CACHE_VARIABLE]: cache },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)))
  const ended = once(child, 'exit')
  const called = once(control, 'connection').then(([socket]) => once(socket, 'data'))
  await Promise.race([called, ended, timeout(CALL_TIMEOUT_MS)])
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS)
  await ended
  clearTimeout(kill)
  control.close()
  rmSync(work, { recursive: true, force: true })
  if (!existsSync(cache)) throw new Error(`the proxy that should write its code cache said: ${said.trim()}`)
}

/** The least that a proxy starts with. No certificate is ever issued, so any authority will do. */
function environment(work: string, controlPort: number): Record<string, string> {
  const token = join(work, 'token')
  writeFileSync(token, 'x')
  const control = `localhost.:${controlPort}`
  const settings = {
    DESTINATION_SVC_ADDR: control,
    POLICY_SVC_ADDR: control,
    IDENTITY_SVC_ADDR: control,
    DESTINATION_CONTEXT: '{}',
    POLICY_WORKLOAD: '{}',
    IDENTITY_DIR: work,
    IDENTITY_TRUST_ANCHORS: rootCertificates[0]!,
    IDENTITY_TOKEN_FILE: token,
    IDENTITY_LOCAL_NAME: 'nobody.weft.serviceaccount.identity.linkerd.cluster.local',
    ADMIN_LISTEN_ADDR: '127.0.0.1:0',
    CONTROL_LISTEN_ADDR: '127.0.0.1:0',
    OUTBOUND_LISTEN_ADDR: '127.0.0.1:0',
    INBOUND_LISTEN_ADDR: '127.0.0.1:0',
    INBOUND_IPS: '127.0.0.1',
    INBOUND_PORTS: '80',
  }
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value]))
}

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
