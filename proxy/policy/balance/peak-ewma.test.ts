import { test } from 'tap'
import { EndpointLoad, RTT_FLOOR_MS } from './endpoint-load.ts'
import { PeakEwma } from './peak-ewma.ts'

test('a slow answer is believed at once and forgiven over the decay', async (t) => {
  const latency = new PeakEwma(10_000, 10, 0)
  latency.observe(500, 1_000)
  t.equal(latency.at(1_000), 500)
  t.ok(latency.at(31_000) < 500 / 20, 'three decay periods leave about a twentieth')
  t.equal(latency.at(1_000), 500, 'reading changes nothing')
})

test('a somewhat faster answer changes nothing, a far faster one forgives a part', async (t) => {
  const latency = new PeakEwma(10_000, 100, 0)
  latency.observe(60, 0)
  t.equal(latency.at(0), 100, 'more than half of the estimate')
  latency.observe(20, 0)
  t.equal(latency.at(0), 70, 'less than half')
  for (let answer = 0; answer < 20; answer++) latency.observe(20, 0)
  t.ok(latency.at(0) >= 20 * 0.7 * 2 * 0.5 && latency.at(0) <= 40, 'an outlier is gone after some answers')
  latency.observe(20, 60_000)
  t.equal(latency.at(60_000), 20, 'once the old one is forgotten the new one counts')
  const untouched = new PeakEwma(10_000, 100, 0)
  t.equal(untouched.at(10_000), 100 / Math.E, 'and it decays by itself')
})

test('a seed below a millisecond is raised to one', async (t) => {
  t.equal(new PeakEwma(10_000, 0, 0).at(0), 1)
})

test('load is the estimate times the requests in flight and the one to come', async (t) => {
  const load = new EndpointLoad(0)
  t.equal(load.at(0), 30)
  load.start(0)
  load.start(0)
  t.equal(load.inFlight, 2)
  t.equal(load.at(0), 90)
  load.firstByte(40, 0)
  t.equal(load.at(0), 80, 'the first answer takes the place of the seed')
  load.failed(1, 0)
  t.equal(load.at(0), 40, 'a quick failure does not make an endpoint look quick')
  load.start(0)
  load.failed(3_000, 5_000)
  t.equal(load.at(5_000), 3_000, 'a timeout raises the estimate')
  t.equal(load.inFlight, 0)
})

test('an idle endpoint is tried again: its load falls to the floor, not to nothing', async (t) => {
  const load = new EndpointLoad(0)
  t.equal(load.at(1_000_000), RTT_FLOOR_MS)
  load.start(0)
  t.equal(load.at(1_000_000), 2 * RTT_FLOOR_MS, 'so requests in flight still count')
})
