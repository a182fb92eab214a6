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
import { ALL_ORIGINS } from './origin-ports.ts'

const PREFIX = 'weft-bench'
/** Files of a run; one place, so that the next run finds what a killed one left. */
export const RUN_FOLDER = '/run/weft-bench'
const LOCK_FILE = join(RUN_FOLDER, 'pid')
const NETNS_DIR = '/run/netns'

/** The namespace of the bridge; the control plane runs here. */
export const NODE = `${PREFIX}-node`
export const NODE_IP = '10.77.0.1'

/**
 * Service addresses: they exist only in the rules and in discovery. Which one a client dials decides which proxies its
 * connections meet; those of Weft are the outbound proxy's to find out about.
 */
export const VIP = {
  weft: '10.78.0.1',
  /** Weft's outbound proxy alone: the endpoint is not meshed. */
  weftHop: '10.78.0.2',
  /** Weft's outbound proxy, and behind it a TLS server of the benchmark. */
  weftTls: '10.78.0.3',
  /** Weft's pair with every policy on. */
  weftPolicies: '10.78.0.4',
  haproxy: '10.78.1.1',
  haproxyHop: '10.78.1.2',
  nginx: '10.78.1.3',
  nghttpx: '10.78.1.4',
  splice: '10.78.1.5',
  /** No proxy at all. */
  direct: '10.78.2.1',
} as const

/** Added to an application's port: where the haproxies listen for it, as a pair and as a single hop in clear text. */
export const PAIR_OFFSET = 7_000
export const HOP_OFFSET = 8_000
export const NGINX_OFFSET = 9_000
export const NGHTTPX_OFFSET = 10_000
export const SPLICE_OFFSET = 11_000
/** Added to an application's port: reaches the application itself from another pod, past its sidecar. */
export const DIRECT_OFFSET = 12_000
/** Ports of applications and of what is behind them lie below. */
const FIRST_EPHEMERAL_PORT = 24_000

export interface Pod {
  readonly name: string
  readonly ip: string
  readonly netns: string
}

export function podNamed(letter: string, index: number): Pod {
  return { name: `pod-${letter}`, ip: `10.77.0.${index + 2}`, netns: `${PREFIX}-${letter}` }
}

const [FIRST_PORT, LAST_PORT] = [Math.min, Math.max].map((pick) => pick(...ALL_ORIGINS.map(({ port }) => port))) as [
  number,
  number,
]

const RULES: RedirectConfig = {
  inboundPort: Port.inbound,
  outboundPort: Port.outbound,
  proxyUid: PROXY_UID,
  inboundPortsToIgnore: [
    { first: Port.control, last: Port.admin },
    ...[PAIR_OFFSET, HOP_OFFSET].map((offset) => ({ first: FIRST_PORT + offset, last: LAST_PORT + offset })),
  ],
  outboundPortsToIgnore: [],
  subnetsToIgnore: [],
  ipv6: false,
}

/** Makes the namespaces, links and rules of `pods`; the applications run in `server`. Call `removePods` whatever happens afterwards. */
export async function createPods(pods: readonly Pod[], server: Pod): Promise<void> {
  await removeNamespaces()
  await ip('netns', 'add', NODE)
  await ip('-n', NODE, 'link', 'set', 'lo', 'up')
  await ip('-n', NODE, 'link', 'add', 'br0', 'type', 'bridge')
  await ip('-n', NODE, 'addr', 'add', `${NODE_IP}/24`, 'dev', 'br0')
  await ip('-n', NODE, 'link', 'set', 'br0', 'up')
  for (const pod of pods) await createPod(pod, server)
}

export async function removePods(): Promise<void> {
  await removeNamespaces()
  rmSync(RUN_FOLDER, { recursive: true, force: true })
}

async function createPod({ netns, ip: address }: Pod, server: Pod): Promise<void> {
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
  // A run opens more connections than the usual range has ports; those of the last minute still occupy theirs.
  await ip('netns', 'exec', netns, 'sysctl', '-qw', `net.ipv4.ip_local_port_range=${FIRST_EPHEMERAL_PORT} 65535`)
  await ip('netns', 'exec', netns, 'sysctl', '-qw', 'net.ipv4.tcp_tw_reuse=1')
  // The other proxies' clients are redirected as the mesh's are, by a table that comes first and knows only their
  // addresses: a connection is rewritten once per hook.
  const { code, stderr } = await run('nft', ['-f', '-'], redirects(server.ip))
  if (code !== 0) throw new Error(`bench: the redirects were refused in ${netns}: ${stderr.trim()}`)
}

/** Which of the other proxies in the client's pod each address leads to. */
const REDIRECTED: readonly (readonly [vip: string, offset: number])[] = [
  [VIP.haproxy, PAIR_OFFSET],
  [VIP.haproxyHop, HOP_OFFSET],
  [VIP.nginx, NGINX_OFFSET],
  [VIP.nghttpx, NGHTTPX_OFFSET],
  [VIP.splice, SPLICE_OFFSET],
]

/** @param serverIp the pod where the applications run */
export function redirects(serverIp: string): string {
  const map = (from: number, to: number) =>
    `{ ${ALL_ORIGINS.map(({ port }) => `${port + from} : ${port + to}`).join(', ')} }`
  return `table ip ${PREFIX} {
  chain output {
    type nat hook output priority -110; policy accept;
${REDIRECTED.map(([vip, offset]) => `    ip daddr ${vip} ip protocol tcp redirect to :tcp dport map ${map(0, offset)}`).join('\n')}
    ip daddr ${VIP.direct} ip protocol tcp dnat to ${serverIp} : tcp dport map ${map(0, DIRECT_OFFSET)}
  }
  chain prerouting {
    type nat hook prerouting priority -110; policy accept;
    ip protocol tcp tcp dport ${FIRST_PORT + DIRECT_OFFSET}-${LAST_PORT + DIRECT_OFFSET} redirect to :tcp dport map ${map(DIRECT_OFFSET, 0)}
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
  /** It is told what to do on its standard input. */
  readonly isCommanded?: boolean
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
    stdio: [options.isCommanded ? 'pipe' : 'ignore', 'pipe', 'pipe'],
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
