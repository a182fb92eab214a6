/**
 * Starts the supervisor in namespaces of its own: network, mounts, processes, and without root also users.
 *
 * Whatever dies, everything dies: the outer process is the parent by whose death the kernel kills `unshare`, by whose
 * death it kills process 1 of the new process namespace, with which it kills everything in it. Network namespaces,
 * links, rules and mounts go when their last process has gone. So there is nothing to clean up but a directory.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { commandLine } from './pods/shell.ts'
import { run } from './run.ts'
import { CONTROL_FD, type SupervisorConfig } from './supervisor-config.ts'
import { findProgram, type Tools } from './tools.ts'
import { planVisibility } from './visibility.ts'

/** Directories that exist on every system and that a private mount may cover for a moment. */
const STAGES = ['/mnt', '/srv', '/media', '/tmp']
/** Where the supervisor finds the state directory: the machine's /run is covered by a private one. */
export const INNER_STATE_DIRECTORY = '/run/weft/state'
/** Node and the bundles; the supervisor itself runs from here. */
export const BIN_DIRECTORY = '/run/weft/bin'
export const COVERS_DIRECTORY = '/run/weft/covers'
export const PODS_DIRECTORY = '/run/weft/pods'

export interface LaunchOptions {
  readonly tools: Tools
  readonly config: SupervisorConfig
  /** Program and arguments of the supervisor. */
  readonly supervisor: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** A range of subordinate ids that belongs to the user: `first` on the machine. */
export interface IdRange {
  readonly first: number
  readonly count: number
}

/** Ids up to this one are used inside: the proxy's 2102, nobody's 65534. */
const NEEDED_IDS = 65_535

/**
 * The supervisor's process, or one sentence why there can be none. Its third pipe is the control pipe.
 */
export async function launch(options: LaunchOptions): Promise<ChildProcess | string> {
  const { tools, config, env } = options
  const script = processOneScript(options)
  const unshare = [
    tools.unshare,
    '--mount',
    '--net',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--propagation',
    'private',
  ]
  const inner = [tools.setpriv, '--pdeathsig', 'KILL', ...unshare, tools.sh, '-c', script]
  const stdio = ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'] as const
  if (!config.isRootless) {
    const [command = '', ...args] = inner
    return spawn(command, args, { stdio: [...stdio], env, detached: true })
  }
  const ranges = subordinateIds()
  if (typeof ranges === 'string') return ranges
  const newuidmap = findProgram('newuidmap', ['/usr/local/bin', '/usr/bin', '/bin'])
  if (newuidmap === undefined) return 'newuidmap is missing; install the package uidmap, or run as root'
  // The maps can only be written from outside, by programs that may; until then the process waits.
  const waiting = `read -r _ <&4; exec ${commandLine(...inner)}`
  const child = spawn(tools.setpriv, ['--pdeathsig', 'KILL', tools.unshare, '--user', tools.sh, '-c', waiting], {
    stdio: [...stdio],
    env,
    detached: true,
  })
  const failure = (await entersUserNamespace(child)) ? await writeMaps(child, ranges, newuidmap) : NO_USER_NAMESPACES
  if (failure !== undefined) {
    child.kill('SIGKILL')
    return failure
  }
  ;(child.stdio[4] as NodeJS.WritableStream).end('\n')
  return child
}

/** Process 1: makes /run private, then starts the supervisor and reaps what is left to it. */
function processOneScript({ tools, config, supervisor }: LaunchOptions): string {
  const needed = [config.programs, config.node, config.stateDirectory]
  const hides = (stage: string) => needed.some((path) => path.startsWith(`${stage}/`))
  const stage = STAGES.find((each) => existsSync(each) && !hides(each)) ?? '/tmp'
  const inner = (path: string) => join(stage, path.slice('/run/'.length))
  const directories = [INNER_STATE_DIRECTORY, PODS_DIRECTORY, BIN_DIRECTORY, COVERS_DIRECTORY, '/run/lock']
  const bin = inner(BIN_DIRECTORY)
  return [
    'set -e',
    commandLine(tools.mount, '-n', '-t', 'tmpfs', '-o', 'mode=755', 'weft', stage),
    commandLine('mkdir', '-p', ...directories.map(inner)),
    commandLine(tools.mount, '-n', '--bind', config.stateDirectory, inner(INNER_STATE_DIRECTORY)),
    // A copy: the cache may be replaced while the cluster runs, and other users must be able to read it.
    commandLine('cp', '-r', `${config.programs}/.`, bin),
    commandLine('chmod', '-R', 'a+rX', bin),
    `: > ${commandLine(join(bin, 'node'))}`,
    commandLine(tools.mount, '-n', '--bind', config.node, join(bin, 'node')),
    commandLine(tools.mount, '-n', '--move', stage, '/run'),
    ...planVisibility(visiblePaths(config), COVERS_DIRECTORY).script,
    // In the background: a shell that waits also reaps the orphans of all pods, which Node as process 1 would not.
    `${commandLine(...supervisor)} ${CONTROL_FD}<&${CONTROL_FD} 4<&- &`,
    'wait $!',
  ].join('\n')
}

/** What containers need of the machine besides its system directories. */
export function visiblePaths({ workingDir, path }: SupervisorConfig): string[] {
  return [workingDir, ...pathDirectories(path)]
}

/** Of a program in `<prefix>/bin` the whole prefix is needed: its libraries and modules lie beside. */
function pathDirectories(path: string): string[] {
  return path
    .split(':')
    .filter((each) => each.startsWith('/') && existsSync(each))
    .map((each) => (each.endsWith('/bin') && each !== '/bin' ? each.slice(0, -'/bin'.length) || '/' : each))
    .filter((each) => each !== '/')
}

function subordinateIds(): { readonly uids: IdRange; readonly gids: IdRange } | string {
  const { username, uid } = userInfo()
  const uids = readRange('/etc/subuid', username, uid)
  const gids = readRange('/etc/subgid', username, uid)
  if (uids === undefined || gids === undefined) {
    return `the user ${username} has no subordinate ids, and pods need several users; run as root, or have root run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`
  }
  return { uids, gids }
}

/** subuid(5): `name:first:count`, name or number of the user. */
function readRange(file: string, username: string, uid: number): IdRange | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  for (const line of text.split('\n')) {
    const [owner, first, count] = line.trim().split(':')
    if ((owner === username || owner === String(uid)) && Number(count) >= NEEDED_IDS) {
      return { first: Number(first), count: Number(count) }
    }
  }
  return undefined
}

const NO_USER_NAMESPACES =
  'user namespaces are not allowed for ordinary users here (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns or user.max_user_namespaces); allow them, or run as root'
const USER_NAMESPACE_PATIENCE_MS = 5_000

/** The maps belong to the namespace the process is in, so it must be the new one. */
async function entersUserNamespace(child: ChildProcess): Promise<boolean> {
  const own = readlinkSync('/proc/self/ns/user')
  for (let waitedMs = 0; waitedMs < USER_NAMESPACE_PATIENCE_MS; waitedMs += 10) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false
    try {
      if (readlinkSync(`/proc/${child.pid}/ns/user`) !== own) return true
    } catch {
      // Gone; the next round sees its exit.
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return false
}

async function writeMaps(
  child: ChildProcess,
  ranges: { uids: IdRange; gids: IdRange },
  newuidmap: string,
): Promise<string | undefined> {
  const { uid, gid } = userInfo()
  const maps = [
    [newuidmap, uid, ranges.uids],
    [newuidmap.replace(/newuidmap$/, 'newgidmap'), gid, ranges.gids],
  ] as const
  for (const [program, own, { first, count }] of maps) {
    // Inside, root is the user; all other ids are subordinate ones.
    const { code, stderr } = await run(
      program,
      [child.pid, 0, own, 1, 1, first, Math.min(count, NEEDED_IDS)].map(String),
    )
    if (code !== 0) return `${program} refused: ${stderr.trim()}; check /etc/subuid and /etc/subgid, or run as root`
  }
  return undefined
}
