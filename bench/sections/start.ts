/** From the creation of a sidecar's process until it is ready, with the control plane up. */
import { once } from 'node:events'
import type { Bed } from '../bed.ts'
import type { StartResult } from '../results.ts'
import { median } from '../statistics.ts'
import type { SectionContext } from './section.ts'

/** More starts than this only make the median better, and cost a second each. */
const STARTS = 7

export async function measureStart(bed: Bed, context: SectionContext): Promise<StartResult> {
  const times: number[] = []
  for (let i = 0; i < STARTS; i++) {
    const { process: child, startToReadyMs } = await bed.startSidecar(bed.bystanders[0]!)
    times.push(startToReadyMs)
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  const toReadyMs = median(times)
  context.say(`start to /ready: ${toReadyMs.toFixed(0)} ms`)
  return { toReadyMs, starts: STARTS }
}
