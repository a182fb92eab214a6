/**
 * V8's code cache of the bundled proxy (`proxy/start.ts` reads it), written by a proxy that is started for it beside a
 * control plane of fixed answers: what has run until it was ready need not be compiled at any later start.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { CODE_CACHE_VARIABLE, NODE_FLAGS } from '../proxy/node-flags.ts'

/** A proxy that is not ready by then has something to say. */
const READY_TIMEOUT_MS = 10_000
const END_TIMEOUT_MS = 5_000
const IDENTITY = 'nobody.weft.serviceaccount.identity.linkerd.cluster.local'

/** @throws Error with the proxy's last words when it wrote none, or was not ready before */
export async function writeCodeCache(directory: string): Promise<void> {
  // Only checkouts make bundles, and only they have it.
  const { CONTROL_IDENTITIES, startControlStub } = await import('../test/support/control-stub.ts')
  const work = mkdtempSync(join(tmpdir(), 'weft-code-cache-'))
  const tlsHost = ownAddress()
  const control = await startControlStub({ ...(tlsHost === undefined ? {} : { tlsHost }) })
  const cache = join(directory, 'proxy.cache')
  const address = control.tlsAddress || control.plainAddress
  const child = spawn(process.execPath, [...NODE_FLAGS, join(directory, 'proxy.cjs')], {
    env: {
      ...environment(work, address, control.authority.anchorsPem, CONTROL_IDENTITIES),
      [CODE_CACHE_VARIABLE]: cache,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const ended = once(child, 'exit')
  const ready = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        said += String(chunk)
        if (said.includes('ready as')) resolve()
      })
    }
  })
  await Promise.race([ready, ended, timeout(READY_TIMEOUT_MS)])
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS)
  await ended
  clearTimeout(kill)
  control.close()
  rmSync(work, { recursive: true, force: true })
  if (!existsSync(cache) || !said.includes('ready as'))
    throw new Error(`the proxy that should write its code cache said: ${said.trim()}`)
}

/** Over loopback a control plane is spoken to in plain text, so the code of mesh TLS would be missing. */
function ownAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)?.address
}

/** The least that a proxy starts with. */
function environment(
  work: string,
  control: string,
  anchorsPem: string,
  names: { readonly identity: string; readonly destination: string },
): Record<string, string> {
  const token = join(work, 'token')
  writeFileSync(token, 'x')
  const settings = {
    DESTINATION_SVC_ADDR: control,
    DESTINATION_SVC_NAME: names.destination,
    POLICY_SVC_ADDR: control,
    POLICY_SVC_NAME: names.destination,
    IDENTITY_SVC_ADDR: control,
    IDENTITY_SVC_NAME: names.identity,
    DESTINATION_CONTEXT: '{}',
    POLICY_WORKLOAD: '{}',
    IDENTITY_DIR: work,
    IDENTITY_TRUST_ANCHORS: anchorsPem,
    IDENTITY_TOKEN_FILE: token,
    IDENTITY_LOCAL_NAME: IDENTITY,
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
