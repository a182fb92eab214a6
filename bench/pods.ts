/**
 * Pods without a cluster: network namespaces on a bridge, which has a namespace of its own, so that neither the
 * machine's addresses nor its firewall have a say. Everything is named `weft-bench-…` and taken away at the end; what
 * a killed run left behind is taken away at the next start.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Port, PROXY_UID } from '../api/vocabulary.ts'
import { applyRules } from '../injector/rules/apply.ts'
import type { RedirectConfig } from '../injector/rules/redirect-rules.ts'
import { runInNamespace, runProgram } from '../injector/rules/run.ts'

const PREFIX = 'weft-bench'
/** Files of a run; one place, so that the next run finds what a killed one left. */
export const RUN_FOLDER = '/run/weft-bench'
const LOCK_FILE = join(RUN_FOLDER, 'pid')
const NETNS_DIR = '/run/netns'

/** The namespace of the bridge; the control plane runs here. */
export const NODE = `${PREFIX}-node`
export const NODE_IP = '10.77.0.1'

/** Service addresses: they exist only in the rules and in discovery. */
export const WEFT_VIP = '10.78.0.1'
export const PEER_VIP = '10.78.0.2'

/** Ports of the peer, in both of its configurations: one per port of the origin. */
export const PEER_BASE_PORT = 15_080
const PEER_PORTS = { first: PEER_BASE_PORT, last: PEER_BASE_PORT + 4 }

export interface Pod {
  readonly name: string
  readonly ip: string
  readonly netns: string
}

export function podNamed(letter: string, index: number): Pod {
  return { name: `pod-${letter}`, ip: `10.77.0.${index + 2}`, netns: `${PREFIX}-${letter}` }
}

const RULES: RedirectConfig = {
  inboundPort: Port.inbound,
  outboundPort: Port.outbound,
  proxyUid: PROXY_UID,
  inboundPortsToIgnore: [{ first: Port.control, last: Port.admin }, PEER_PORTS],
  outboundPortsToIgnore: [],
  subnetsToIgnore: [],
  ipv6: false,
}

/** Makes the namespaces, links and rules of `pods`. Call `removePods` whatever happens afterwards. */
export async function createPods(pods: readonly Pod[]): Promise<void> {
  await removeNamespaces()
  await ip('netns', 'add', NODE)
  await ip('-n', NODE, 'link', 'set', 'lo', 'up')
  await ip('-n', NODE, 'link', 'add', 'br0', 'type', 'bridge')
  await ip('-n', NODE, 'addr', 'add', `${NODE_IP}/24`, 'dev', 'br0')
  await ip('-n', NODE, 'link', 'set', 'br0', 'up')
  for (const pod of pods) await createPod(pod)
}

export async function removePods(): Promise<void> {
  await removeNamespaces()
  rmSync(RUN_FOLDER, { recursive: true, force: true })
}

async function createPod({ netns, ip: address }: Pod): Promise<void> {
  const port = netns.slice(PREFIX.length + 1)
  await ip('netns', 'add', netns)
  await ip('-n', netns, 'link', 'set', 'lo', 'up')
  await ip('link', 'add', 'eth0', 'netns', netns, 'type', 'veth', 'peer', 'name', `port-${port}`, 'netns', NODE)
  await ip('-n', NODE, 'link', 'set', `port-${port}`, 'master', 'br0', 'up')
  await ip('-n', netns, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
  await ip('-n', netns, 'link', 'set', 'eth0', 'up')
  await ip('-n', netns, 'route', 'add', 'default', 'via', NODE_IP)
  const run = runInNamespace(netns)
  await applyRules(RULES, { run })
  // The peer's clients are redirected as the mesh's are, by a table that comes first and knows only its address.
  const { code, stderr } = await run('nft', ['-f', '-'], peerRules())
  if (code !== 0) throw new Error(`bench: the peer's redirect was refused in ${netns}: ${stderr.trim()}`)
}

function peerRules(): string {
  const ports = [0, 1, 2, 3, 4].map((offset) => `${8_080 + offset} : ${PEER_BASE_PORT + offset}`)
  return `table ip ${PREFIX} {
  chain output {
    type nat hook output priority -110; policy accept;
    ip daddr ${PEER_VIP} ip protocol tcp redirect to :tcp dport map { ${ports.join(', ')} }
  }
}
`
}

export interface ProcessOptions {
  /** Runs on this core only. */
  readonly core?: number
  /** Runs as the proxies' user, whose connections the rules leave alone. */
  readonly asProxy?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Starts a program in a namespace. Every step replaces the one before, so the child's pid is the program's. */
export function spawnIn(netns: string, command: readonly string[], options: ProcessOptions = {}): ChildProcess {
  const uid = String(PROXY_UID)
  const argv = [
    'ip',
    'netns',
    'exec',
    netns,
    ...(options.core === undefined ? [] : ['taskset', '-c', String(options.core)]),
    ...(options.asProxy ? ['setpriv', '--reuid', uid, '--regid', uid, '--clear-groups'] : []),
    ...command,
  ]
  return spawn(argv[0]!, argv.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
}

async function removeNamespaces(): Promise<void> {
  const names = existsSync(NETNS_DIR) ? readdirSync(NETNS_DIR) : []
  for (const name of names.filter((each) => each.startsWith(`${PREFIX}-`))) {
    const { stdout } = await runProgram('ip', ['netns', 'pids', name])
    for (const pid of stdout.split('\n').filter((line) => line !== '')) killQuietly(Number(pid))
    await runProgram('ip', ['netns', 'delete', name])
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself in the meantime.
  }
}

/** Two runs at once would measure each other, and the second would take the first one's pods away. */
export function takeRunFolder(): void {
  const pid = existsSync(LOCK_FILE) ? Number(readFileSync(LOCK_FILE, 'latin1')) : 0
  if (pid > 0 && pid !== process.pid && existsSync(`/proc/${pid}`)) {
    throw new Error(`bench: process ${pid} is running the benchmark already; wait for it or end it`)
  }
  rmSync(RUN_FOLDER, { recursive: true, force: true })
  mkdirSync(RUN_FOLDER, { mode: 0o755 })
  writeFileSync(LOCK_FILE, String(process.pid))
}

async function ip(...args: string[]): Promise<void> {
  const { code, stderr } = await runProgram('ip', args)
  if (code !== 0)
    throw new Error(`bench: ip ${args.join(' ')} failed: ${stderr.trim()}; is this root with CAP_NET_ADMIN?`)
}
