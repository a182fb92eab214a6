/** The peer: a pair of haproxy processes between the same two pods. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProgram } from '../../injector/rules/run.ts'
import { type Pod, spawnIn } from '../pods.ts'
import { type HaproxyPlace, inboundConfig, outboundConfig } from './haproxy-config.ts'

const SETTLE_MS = 500

/** The proxies of the two pods, and which product they are. */
export interface Pair {
  readonly name: string
  readonly outbound: ChildProcess
  readonly inbound: ChildProcess
}

/** `haproxy 2.6.12` */
export async function haproxyName(): Promise<string> {
  const { stdout } = await runProgram('haproxy', ['-v'])
  return `haproxy ${/version (\d+(?:\.\d+)*)/.exec(stdout)?.[1] ?? 'of unknown version'}`
}

export async function startHaproxyPair(
  outboundPod: Pod,
  inboundPod: Pod,
  folder: string,
  place: Omit<HaproxyPlace, 'peerIp'>,
): Promise<Pair> {
  const start = (side: string, pod: Pod, core: number, config: string) => {
    const file = join(folder, `haproxy-${side}.cfg`)
    writeFileSync(file, config)
    const pinned = place.cores === 1 ? { core } : {}
    return spawnIn(pod.netns, ['haproxy', '-db', '-f', file], { asProxy: true, ...pinned })
  }
  const inbound = start('inbound', inboundPod, 1, inboundConfig({ ...place, peerIp: outboundPod.ip }))
  const outbound = start('outbound', outboundPod, 0, outboundConfig({ ...place, peerIp: inboundPod.ip }))
  await Promise.all([stillRunning('inbound haproxy', inbound), stillRunning('outbound haproxy', outbound)])
  return { name: await haproxyName(), outbound, inbound }
}

/** A proxy says what it does not like and ends; silence for a moment means that it serves. */
export async function stillRunning(what: string, child: ChildProcess): Promise<void> {
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += String(chunk)
  })
  const exited = once(child, 'exit').then(() => {
    throw new Error(`bench: the ${what} ended at once: ${said.trim()}`)
  })
  await Promise.race([sleep(SETTLE_MS), exited])
  exited.catch(() => {})
}
