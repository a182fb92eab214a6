/** Prints the CPU time of one operation. The best of several rounds: on shared cores everything else is noise upwards. */
const ROUNDS = 12
const ROUND_MS = 60

export function measure(name: string, operation: (round: number) => unknown): number {
  let count = 1
  let best = Number.POSITIVE_INFINITY
  let index = 0
  let kept: unknown
  for (let round = 0; round < ROUNDS; ) {
    const startedAt = process.cpuUsage()
    for (let i = 0; i < count; i++) kept = operation(index++)
    const { user, system } = process.cpuUsage(startedAt)
    const elapsedMs = (user + system) / 1e3
    if (elapsedMs < ROUND_MS / 2) {
      count *= 2
      continue
    }
    best = Math.min(best, (elapsedMs * 1e6) / count)
    round++
  }
  // Looking at the result keeps the compiler from leaving the work out.
  if (kept === measure) throw new Error('impossible')
  console.log(`${name.padEnd(52)} ${best.toFixed(0).padStart(7)} ns`)
  return best
}
