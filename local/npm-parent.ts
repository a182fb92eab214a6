/**
 * Ends with npm: `npm run demo` that is killed outright takes its script's process with it no more than any parent
 * does, and a cluster that nobody sees must not go on.
 */
import { readFileSync } from 'node:fs'
import { startTimeOf } from './state-directory.ts'

const POLL_MS = 500
const MAX_ANCESTORS = 6

/** Calls `then` once the npm that started this process has ended; never, when there was none. */
export function npmIsGone(then: () => void, env: NodeJS.ProcessEnv = process.env): void {
  if (env.npm_lifecycle_event === undefined) return
  const npm = findNpm(process.ppid)
  if (npm === undefined) return
  const startTime = startTimeOf(npm)
  const timer = setInterval(() => {
    if (startTimeOf(npm) === startTime) return
    clearInterval(timer)
    then()
  }, POLL_MS)
  timer.unref()
}

function findNpm(from: number): number | undefined {
  for (let pid = from, steps = 0; pid > 1 && steps < MAX_ANCESTORS; steps++) {
    try {
      if (/(^|[/\0 ])npm(-cli\.js)?(\0| |$)/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))) return pid
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      pid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    } catch {
      return undefined
    }
  }
  return undefined
}
