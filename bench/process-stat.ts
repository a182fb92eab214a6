/** What the kernel says of a process: CPU time and private memory. */
import { readFileSync } from 'node:fs'

/** `USER_HZ`: the unit of times in /proc; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** User and system time of all threads of `pid`, in seconds (fields 14 and 15 of /proc/PID/stat). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The second field is the program's name in parentheses and may contain anything, blanks included.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Pages that exist for this process alone: what one more of it costs. */
export function privateBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  let kilobytes = 0
  for (const [, count] of rollup.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)) kilobytes += Number(count)
  return kilobytes * 1_024
}
