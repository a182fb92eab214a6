/**
 * How a container becomes a process: which program, as whom, in which namespaces, with which file system. Pure; the
 * process is started by `container-process.ts`.
 *
 * Everything is done by system programs that replace one another (`nsenter`, `unshare`, `sh`, `setpriv`), so the
 * process that was started is in the end the program itself, and a signal reaches it and nobody else.
 */
import type { Container, ContainerSecurityContext, Pod } from '../../api/resources/pod.ts'
import { netnsPath } from '../network/pod-network.ts'
import type { Tools } from '../tools.ts'
import { commandLine, quote } from './shell.ts'
import type { UserIds } from './volumes.ts'

/** Whom a container runs as unless it says otherwise: nobody who exists on the machine. */
export const DEFAULT_UID = 65_532

/** Where a shell script on `PATH` may expect programs. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export interface Launch {
  readonly pod: Pod
  readonly container: Container
  /** Network namespace of the pod. */
  readonly netns: string
  readonly workingDir: string
  /** Lines of shell that make the mounts. */
  readonly mounts: readonly string[]
  /** Program and arguments, variables already expanded. */
  readonly command: readonly string[]
}

export function userOf(container: Container, pod: Pod): UserIds {
  const uid = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser ?? DEFAULT_UID
  const gid =
    container.securityContext?.runAsGroup ?? pod.spec.securityContext?.runAsGroup ?? (uid === 0 ? 0 : DEFAULT_UID)
  return { uid, gid }
}

export function launchArguments(
  launch: Launch,
  tools: Tools,
): { readonly command: string; readonly args: readonly string[] } {
  const { pod, container, netns, workingDir, mounts, command } = launch
  const name = quote(pod.spec.hostname ?? pod.metadata.name)
  const script = [
    'set -e',
    // The system's programs prepare it, whatever PATH the container asks for.
    `WEFT_PATH=$PATH; PATH=${DEFAULT_PATH}`,
    // In a user namespace only the system call is allowed, not the file; where the program is missing, the file is.
    `hostname ${name} 2>/dev/null || echo ${name} > /proc/sys/kernel/hostname`,
    ...mounts,
    'PATH=$WEFT_PATH; unset WEFT_PATH',
    commandLine('cd', workingDir),
    `exec ${commandLine(tools.setpriv, ...privileges(launch), '--')} "$@"`,
  ].join('\n')
  const inside = [
    tools.unshare,
    '--mount',
    '--uts',
    '--propagation',
    'private',
    '--',
    tools.sh,
    '-c',
    script,
    container.name,
  ]
  return { command: tools.nsenter, args: [`--net=${netnsPath(netns)}`, '--', ...inside, ...command] }
}

/** Arguments that run a program beside the container's own process `pid`, as the same user. */
export function execArguments(
  launch: Pick<Launch, 'pod' | 'container' | 'workingDir'>,
  pid: number,
  command: readonly string[],
  tools: Tools,
): { readonly command: string; readonly args: readonly string[] } {
  const script = `${commandLine('cd', launch.workingDir)} && exec "$@"`
  const target = [`--target=${pid}`, '--mount', '--uts', '--net', '--']
  const as = [tools.setpriv, ...privileges(launch), '--', tools.sh, '-c', script, 'sh']
  return { command: tools.nsenter, args: [...target, ...as, ...command] }
}

/** Options of `setpriv`: the user, the groups, and no right that was not asked for. */
function privileges({ pod, container }: Pick<Launch, 'pod' | 'container'>): string[] {
  const { uid, gid } = userOf(container, pod)
  const { fsGroup } = pod.spec.securityContext ?? {}
  const groups = fsGroup === undefined ? '--clear-groups' : `--groups=${fsGroup}`
  const added = capabilities(container.securityContext)
  const asked = added.map((name) => `+${name}`).join(',')
  const rights = asked === '' ? [] : [`--inh-caps=${asked}`, `--ambient-caps=${asked}`]
  return [`--reuid=${uid}`, `--regid=${gid}`, groups, ...rights, '--no-new-privs']
}

function capabilities(context: ContainerSecurityContext | undefined): string[] {
  const added = context?.capabilities?.add ?? []
  return added
    .map((name) => name.toLowerCase().replace(/^cap_/, ''))
    .filter((name) => /^[a-z_]+$/.test(name) && name !== 'all')
}
