import { test } from 'tap'
import { BURST_READS, IdleMemory, QUIET_READS, QUIET_TICKS } from './idle-memory.ts'

test('memory is given back once, when the start or a burst is over', async (t) => {
  const cases = [
    { name: 'a start and silence', reads: Array(QUIET_TICKS + 20).fill(0), times: 1 },
    { name: 'a start and too short a pause', reads: [0, 0, BURST_READS, 0, 0], times: 0 },
    {
      name: 'health checks only',
      reads: Array(200).fill(QUIET_READS),
      times: 1 + Math.floor(((200 - QUIET_TICKS) * QUIET_READS) / BURST_READS),
    },
    { name: 'a burst that goes on', reads: [BURST_READS, BURST_READS, BURST_READS, BURST_READS], times: 0 },
    { name: 'a burst and too short a pause', reads: [BURST_READS, 0, 0, BURST_READS, 0, 0], times: 0 },
    { name: 'a burst and silence', reads: [BURST_READS, ...Array(QUIET_TICKS + 20).fill(0)], times: 1 },
    { name: 'two bursts', reads: [BURST_READS, 0, 0, 0, 0, BURST_READS, 0, 0, 0, 0], times: 2 },
    { name: 'a burst too small to matter', reads: [0, 0, 0, BURST_READS - 1, 0, 0, 0, 0], times: 1 },
  ]
  for (const { name, reads, times } of cases) {
    let given = 0
    const memory = new IdleMemory(() => {
      given++
    })
    let total = 0
    for (const recent of reads) {
      total += recent
      memory.tick(total)
    }
    t.equal(given, times, name)
  }
})
