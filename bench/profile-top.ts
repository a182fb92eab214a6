/**
 * `node bench/profile-top.ts FILE.cpuprofile...`: where the time of a CPU profile went, by function, own time only.
 * Idle time is left out, so the shares are those of the work.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

const ROWS = 25
/** V8's names for what is not a function of the program. */
const IDLE = new Set(['(idle)', '(root)'])

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

function ownTimes({ nodes, samples, timeDeltas }: CpuProfile): Map<string, number> {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName || '(anonymous)'}  ${url === '' ? '' : `${basename(url)}:${lineNumber + 1}`}`.trim(),
    ]),
  )
  const times = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '?'
    if (!IDLE.has(name)) times.set(name, (times.get(name) ?? 0) + timeDeltas[index]!)
  }
  return times
}

for (const file of process.argv.slice(2)) {
  const times = ownTimes(JSON.parse(readFileSync(file, 'utf8')))
  const total = [...times.values()].reduce((sum, each) => sum + each, 0)
  process.stdout.write(`${basename(file)}: ${(total / 1e6).toFixed(2)} s of work\n`)
  for (const [name, time] of [...times].sort(([, a], [, b]) => b - a).slice(0, ROWS)) {
    process.stdout.write(`${((time / total) * 100).toFixed(1).padStart(6)} %  ${name}\n`)
  }
}
