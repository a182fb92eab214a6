/**
 * What the kernel says of a process and its children: CPU time and private memory. A proxy on several cores may be
 * several processes; what it costs is what all of them cost.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** `pid` and everything it started that still runs. */
function treeOf(pid: number): number[] {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) return [pid]
  const children = readdirSync(tasks).flatMap((task) => {
    try {
      return readFileSync(`${tasks}/${task}/children`, 'latin1').split(' ').filter(Boolean).map(Number)
    } catch {
      return [] // The thread ended meanwhile, or the kernel was built without this file.
    }
  })
  return [pid, ...children.flatMap(treeOf)]
}

/** User and system time of all threads of `pid` and of its children, in seconds. A thread that ends takes its own along. */
export function cpuSecondsOfTree(pid: number): number {
  return treeOf(pid).reduce((sum, each) => sum + cpuSeconds(each), 0)
}

/** The first field of each thread's schedstat, in nanoseconds: /proc/PID/stat counts in hundredths of a second. */
function cpuSeconds(pid: number): number {
  const tasks = `/proc/${pid}/task`
  let nanoseconds = 0
  for (const task of readdirSync(tasks)) {
    try {
      nanoseconds += Number(readFileSync(`${tasks}/${task}/schedstat`, 'latin1').split(' ', 1)[0])
    } catch {
      // The thread ended meanwhile.
    }
  }
  return nanoseconds / 1e9
}

/** Pages that exist for these processes alone: what one more sidecar costs. */
export function privateBytesOfTree(pid: number): number {
  return treeOf(pid).reduce((sum, each) => sum + privateBytes(each), 0)
}

function privateBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  let kilobytes = 0
  for (const [, count] of rollup.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)) kilobytes += Number(count)
  return kilobytes * 1_024
}
