/**
 * The directory of one running cluster on the machine's own disk: control socket, logs, and who owns it.
 *
 * It is all that can be left behind when everything is killed at once, since processes, namespaces, links, mounts and
 * rules end with the cluster's own namespaces. The next start removes it.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export interface Owner {
  readonly pid: number
  /** Ticks since boot: with the pid it names a process for good. */
  readonly startTime: string
}

export type ClaimedDirectory =
  | { readonly kind: 'claimed'; readonly directory: string }
  | { readonly kind: 'taken'; readonly owner: Owner }

export const CONTROL_SOCKET = 'control.sock'
export const LOGS = 'logs'
const OWNER_FILE = 'owner.json'

/** Clusters of root live in /run/weft, those of users in their own runtime directory. */
export function stateDirectory(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
  uid = process.getuid?.() ?? 0,
): string {
  const given = env.WEFT_STATE_DIR
  if (given !== undefined && given !== '') return join(given, name)
  if (uid === 0) return join('/run/weft', name)
  const runtime = env.XDG_RUNTIME_DIR
  return runtime?.startsWith('/') ? join(runtime, 'weft', name) : join(homedir(), '.weft', 'run', name)
}

/** Takes the directory over: what a dead owner left is removed, a living one keeps it. */
export function claimStateDirectory(directory: string): ClaimedDirectory {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const file = join(directory, OWNER_FILE)
  const self: Owner = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }
  for (;;) {
    try {
      // Exclusive: of two clusters that start in the same moment one sees the other's file.
      writeFileSync(file, JSON.stringify(self), { flag: 'wx', mode: 0o600 })
      break
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
      const owner = readOwner(file)
      if (owner !== undefined && startTimeOf(owner.pid) === owner.startTime) return { kind: 'taken', owner }
      rmSync(directory, { recursive: true, force: true })
      mkdirSync(directory, { recursive: true, mode: 0o700 })
    }
  }
  mkdirSync(join(directory, LOGS), { mode: 0o700, recursive: true })
  return { kind: 'claimed', directory }
}

/** Removes the directory if it is still ours. */
export function releaseStateDirectory(directory: string): void {
  if (readOwner(join(directory, OWNER_FILE))?.pid === process.pid) rmSync(directory, { recursive: true, force: true })
}

function readOwner(file: string): Owner | undefined {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Owner>
    return typeof pid === 'number' && typeof startTime === 'string' ? { pid, startTime } : undefined
  } catch {
    return undefined
  }
}

/** proc(5): field 22 of /proc/PID/stat. `undefined` when there is no such process. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the name in parentheses, which may contain anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
