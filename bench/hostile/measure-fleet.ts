/** Thousands of hostile connections at once: what the inbound proxy holds at most, and what is left a minute later. */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { NODE } from '../pods.ts'
import { privateBytesOfTree } from '../process-stat.ts'
import { type Bed, peakMemory, SERVER } from './bed.ts'
import type { FleetResult } from './results.ts'

const CONNECTIONS = 5_000
const BASE_MS = 3_000
const FLEET_MS = 40_000
const AFTER_MS = 60_000
/** What attacks before left behind is not the base. */
const SETTLE_MS = 10_000
/** What they may cost: what waits for readers (`memory-pressure.ts`) and some 20 KB for each of them. */
const BOUND_MB = 64 + CONNECTIONS * 0.02
const MB = 1_048_576

export async function measureFleet(bed: Bed): Promise<FleetResult> {
  const proxy = bed.proxyOf('inbound')
  await sleep(SETTLE_MS)
  const baseUntilMs = Date.now() + BASE_MS
  const baseBytes = await peakMemory(proxy, () => baseUntilMs)
  const fleet = bed.start(NODE, ['fleet.ts', '--host', SERVER.ip, '--count', `${CONNECTIONS}`], true)
  let openAtMost = 0
  let dialled = 0
  createInterface({ input: fleet.stdout! }).on('line', (line) => {
    const now = JSON.parse(line) as { open: number; dialled: number }
    openAtMost = Math.max(openAtMost, now.open)
    dialled = now.dialled
  })
  const untilMs = Date.now() + FLEET_MS
  const peakBytes = await peakMemory(proxy, () => untilMs)
  fleet.kill('SIGKILL')
  await sleep(AFTER_MS)
  const afterBytes = privateBytesOfTree(proxy)
  return {
    connections: CONNECTIONS,
    openAtMost,
    dialled,
    baseMb: baseBytes / MB,
    peakMb: peakBytes / MB,
    afterMb: afterBytes / MB,
    boundMb: baseBytes / MB + BOUND_MB,
  }
}
