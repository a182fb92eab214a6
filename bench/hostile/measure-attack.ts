/**
 * One attack, in rounds: two seconds of ordinary traffic alone, then one hostile connection beside it, and again. What the
 * machine does by itself is in both kinds of windows, and how much that is shows in the quiet ones.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Attack } from './attack-kinds.ts'
import { AttackRun } from './attack-run.ts'
import { keyOf } from './attacks.ts'
import { type Bed, cpuSeconds, peakMemory } from './bed.ts'
import type { AttackResult, Round } from './results.ts'

const WINDOW_MS = 1_000
const QUIET_WINDOWS = 2
/** A connection that stays open is watched for so long. */
const LONGEST_WINDOWS = 3
/** What a connection leaves behind is over before the next windows. */
const SETTLE_MS = 300
const MB = 1_048_576

export async function measureAttack(bed: Bed, attack: Attack, rounds: number): Promise<AttackResult> {
  const direction = attack.side === 'application' ? 'outbound' : 'inbound'
  const proxy = bed.proxyOf(direction)
  const refusedBefore = await bed.refusals(direction)
  const run = new AttackRun(bed, attack)
  await run.ready()
  await sleep(SETTLE_MS)
  const measured: Round[] = []
  for (let round = 0; round < rounds; round++) {
    measured.push(await measureRound(bed, proxy, run))
    await sleep(SETTLE_MS)
  }
  run.kill()
  const refused = await bed.refusals(direction)
  const reasons = [...refused.keys()].filter((reason) => refused.get(reason) !== refusedBefore.get(reason))
  return { attack: keyOf(attack), rounds: measured, reasons }
}

async function measureRound(bed: Bed, proxy: number, run: AttackRun): Promise<Round> {
  const quietFromMs = Date.now()
  const quietUntilMs = quietFromMs + QUIET_WINDOWS * WINDOW_MS
  const quietCpu = cpuSeconds(proxy)
  const quietBytes = await peakMemory(proxy, () => quietUntilMs)
  const quietRate = (cpuSeconds(proxy) - quietCpu) / (Date.now() - quietFromMs)
  const quietP99Ms = await windows(bed, quietFromMs, QUIET_WINDOWS)

  const cpuFromMs = Date.now()
  const cpu = cpuSeconds(proxy)
  const openAtMs = await run.begin()
  const windowCount = (): number => {
    const lifeMs = (run.closedAtMs ?? Date.now()) - openAtMs
    return Math.min(LONGEST_WINDOWS, Math.max(1, Math.ceil(lifeMs / WINDOW_MS)))
  }
  const bytes = await peakMemory(proxy, () => openAtMs + windowCount() * WINDOW_MS)
  const spent = cpuSeconds(proxy) - cpu
  const cpuMs = Date.now() - cpuFromMs
  const { closedAtMs } = run
  const count = windowCount()
  run.end()
  const p99Ms = await windows(bed, openAtMs, count)
  const lifeMs = (closedAtMs ?? Date.now()) - openAtMs
  return {
    ...(closedAtMs === undefined ? {} : { closedAfterSeconds: lifeMs / 1_000 }),
    watchedSeconds: closedAtMs === undefined ? LONGEST_WINDOWS : Math.max(1, lifeMs / 1_000),
    cpuSeconds: spent,
    quietCpuSeconds: quietRate * cpuMs,
    megabytes: bytes / MB,
    quietMegabytes: quietBytes / MB,
    p99Ms,
    quietP99Ms,
  }
}

async function windows(bed: Bed, fromMs: number, count: number): Promise<number[]> {
  const all: number[] = []
  for (let n = 0; n < count; n++) all.push(await bed.p99(fromMs + n * WINDOW_MS, fromMs + (n + 1) * WINDOW_MS))
  return all
}
