import { test } from 'tap'
import {
  BURST_READS,
  IdleMemory,
  MANY_CONNECTIONS,
  QUIET_READS,
  QUIET_TICKS,
  READS_PER_CONNECTION,
  SETTLED_TICKS,
} from './idle-memory.ts'

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
      memory.tick(total, 0)
    }
    t.equal(given, times, name)
  }
})

test('connections that end leave something behind, also silent ones', async (t) => {
  let given = 0
  const memory = new IdleMemory(() => {
    given++
  })
  for (let tick = 0; tick < QUIET_TICKS; tick++) memory.tick(0, 0)
  t.equal(given, 1, 'the start')
  const many = BURST_READS / READS_PER_CONNECTION
  for (let tick = 0; tick < 10; tick++) memory.tick(0, many)
  t.equal(given, 1, 'as long as they are open they need what they have')
  for (let tick = 0; tick < 10; tick++) memory.tick(0, 1)
  t.equal(given, 1, 'one too few')
  memory.tick(0, 0)
  t.equal(given, 2, 'the last one')
})

test('many connections that are gone leave something behind, however busy the others are', async (t) => {
  const given: boolean[] = []
  const memory = new IdleMemory((isQuiet) => given.push(isQuiet))
  let reads = 0
  const busy = (ticks: number, connections: number): void => {
    for (let tick = 0; tick < ticks; tick++) {
      reads += 10 * QUIET_READS
      memory.tick(reads, connections)
    }
  }
  busy(100, MANY_CONNECTIONS + 20)
  t.same(given, [], 'a burst that goes on')
  busy(SETTLED_TICKS, 20)
  t.same(given, [], 'others may follow them')
  busy(1, 20)
  t.same(given, [false], 'they do not')
  busy(100, 10)
  t.same(given, [false], 'a few that come and go')
})
