/** The peer: a pair of haproxy processes that do by configuration what the two sidecars do by discovery. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PROXY_UID } from '../api/vocabulary.ts'
import { runProgram } from '../injector/rules/run.ts'
import { createAuthority } from '../test/support/authority.ts'
import { type Pod, spawnIn } from './pods.ts'

const IDENTITY = 'default.bench.serviceaccount.identity.linkerd.cluster.local'
const SETTLE_MS = 500

export interface Pair {
  readonly name: string
  readonly outbound: ChildProcess
  readonly inbound: ChildProcess
}

/** `haproxy 2.6.12` */
export async function peerName(): Promise<string> {
  const { stdout } = await runProgram('haproxy', ['-v'])
  return `haproxy ${/version (\d+(?:\.\d+)*)/.exec(stdout)?.[1] ?? 'of unknown version'}`
}

export async function startPeer(outboundPod: Pod, inboundPod: Pod, folder: string): Promise<Pair> {
  await writeCredentials(folder)
  const env = { PKI: folder, IDENTITY, PEER: inboundPod.ip }
  const config = (side: string) => join(import.meta.dirname, 'peers', `${side}.cfg`)
  const inbound = spawnIn(inboundPod.netns, ['haproxy', '-db', '-f', config('inbound')], {
    core: 1,
    asProxy: true,
    env,
  })
  const outbound = spawnIn(outboundPod.netns, ['haproxy', '-db', '-f', config('outbound')], {
    core: 0,
    asProxy: true,
    env,
  })
  await Promise.all([stillRunning('inbound', inbound), stillRunning('outbound', outbound)])
  return { name: await peerName(), outbound, inbound }
}

async function writeCredentials(folder: string): Promise<void> {
  const authority = await createAuthority()
  const leaf = await authority.issue(IDENTITY)
  const pem = join(folder, 'peer.pem')
  writeFileSync(pem, leaf.certificatePem + leaf.privateKeyPem, { mode: 0o600 })
  chownSync(pem, PROXY_UID, PROXY_UID)
  writeFileSync(join(folder, 'ca.crt'), authority.anchorsPem)
  chmodSync(folder, 0o755)
}

/** haproxy says what it does not like and ends; silence for a moment means that it serves. */
async function stillRunning(side: string, child: ChildProcess): Promise<void> {
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += String(chunk)
  })
  const exited = once(child, 'exit').then(() => {
    throw new Error(`bench: the ${side} haproxy ended at once: ${said.trim()}`)
  })
  await Promise.race([sleep(SETTLE_MS), exited])
  exited.catch(() => {})
}
