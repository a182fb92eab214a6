import { test } from 'tap'
import { seededRandom } from '../../wire/seeded-random.ts'
import { P2cBalancer } from './balancer.ts'
import { EndpointLoad } from './endpoint-load.ts'
import { FORGIVEN_AWAY_MS, LEAST_SHARE, SlowStart } from './slow-start.ts'

class FakeEndpoint {
  readonly load = new EndpointLoad(0)
  ready = true
  picks = 0
  isReady(): boolean {
    return this.ready
  }
}

const WINDOW_MS = 10_000

interface Traffic {
  /** Requests come at this interval, */
  readonly everyMs: number
  /** and are answered after this time. */
  readonly latencyMs: number
}

/** An idle service, one request at a time; and one where each of three endpoints has about 60 requests in flight. */
const TRAFFICS: readonly (Traffic & { readonly name: string })[] = [
  { name: 'one at a time', everyMs: 5, latencyMs: 4 },
  { name: 'a busy service', everyMs: 0.25, latencyMs: 45 },
]

class Simulation {
  nowMs = 0
  readonly random = seededRandom(11)
  readonly balancer: P2cBalancer<FakeEndpoint>
  #open: { endpoint: FakeEndpoint; atMs: number; doneMs: number }[] = []

  constructor(windowMs: number | undefined) {
    const slowStart = windowMs === undefined ? undefined : new SlowStart<FakeEndpoint>(windowMs, () => this.nowMs)
    this.balancer = new P2cBalancer<FakeEndpoint>(this.random, slowStart)
  }

  add(count: number): FakeEndpoint[] {
    const added = Array.from({ length: count }, () => new FakeEndpoint())
    for (const endpoint of added) this.balancer.add(endpoint)
    return added
  }

  /** Lets traffic run for a while; returns each endpoint's part of the requests. */
  run(forMs: number, { everyMs, latencyMs }: Traffic): number[] {
    for (const endpoint of this.balancer.endpoints) endpoint.picks = 0
    let requests = 0
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; this.nowMs += everyMs, requests++) {
      while (this.#open.length > 0 && this.#open[0]!.doneMs <= this.nowMs) {
        const { endpoint, atMs, doneMs } = this.#open.shift()!
        endpoint.load.firstByte(doneMs - atMs, doneMs)
      }
      const endpoint = this.balancer.pick(this.nowMs)!
      endpoint.picks++
      endpoint.load.start(this.nowMs)
      this.#open.push({ endpoint, atMs: this.nowMs, doneMs: this.nowMs + latencyMs })
    }
    return this.balancer.endpoints.map(({ picks }) => picks / requests)
  }

  /** What `endpoint` got of its share in each of `parts` parts of the window. */
  ramp(endpoint: FakeEndpoint, parts: number, traffic: Traffic): number[] {
    return Array.from({ length: parts }, () => {
      const shares = this.run(WINDOW_MS / parts, traffic)
      return shares[this.balancer.endpoints.indexOf(endpoint)]! * this.balancer.size
    })
  }
}

test('the share of a new endpoint rises over the window', async (t) => {
  for (const traffic of TRAFFICS) {
    for (const old of [1, 3, 9]) {
      const simulation = new Simulation(WINDOW_MS)
      simulation.add(old)
      simulation.run(2 * WINDOW_MS, traffic)
      const [added] = simulation.add(1)
      const ramp = simulation.ramp(added!, 5, traffic)
      const shown = `${traffic.name}, beside ${old}: ${ramp.map((share) => share.toFixed(2)).join(' ')}`
      t.ok(ramp[0]! > 0.03 && ramp[0]! < 0.35, shown)
      for (let at = 1; at < ramp.length; at++) t.ok(ramp[at]! > ramp[at - 1]! - 0.05, `${shown}: rises`)
      t.ok(ramp[4]! > ramp[0]! + 0.4, `${shown}: to the whole share`)
      const after = simulation.ramp(added!, 1, traffic)[0]!
      t.ok(after > 0.75 && after < 1.3, `${traffic.name}, beside ${old}, after the window: ${after.toFixed(2)}`)
    }
  }
})

test('without a ramp a new endpoint of a busy service has its whole share at once', async (t) => {
  const simulation = new Simulation(undefined)
  simulation.add(3)
  simulation.run(WINDOW_MS, TRAFFICS[1]!)
  simulation.add(1)
  const first = simulation.run(50, TRAFFICS[1]!)[3]! * 4
  t.ok(first > 0.9, `${first.toFixed(2)} of a share in the first 50 ms`)
})

test('where all endpoints are new it is as if there were no ramp', async (t) => {
  for (const traffic of TRAFFICS) {
    const parts = [WINDOW_MS, undefined].map((windowMs) => {
      const simulation = new Simulation(windowMs)
      simulation.add(5)
      return simulation.run(1_000, traffic)
    })
    t.same(parts[0], parts[1], traffic.name)
    for (const part of parts[0]!) t.ok(part > 0.1, `${traffic.name}: nobody starves, ${part.toFixed(2)}`)
  }
})

test('a rollout that replaces everything leaves the newest with what they should have', async (t) => {
  for (const traffic of TRAFFICS) {
    const simulation = new Simulation(WINDOW_MS)
    const old = simulation.add(4)
    simulation.run(2 * WINDOW_MS, traffic)
    for (const endpoint of old) {
      simulation.add(1)
      simulation.run(1_000, traffic)
      simulation.balancer.remove(endpoint)
    }
    for (const part of simulation.run(WINDOW_MS, traffic)) t.ok(part > 0.15 && part < 0.35, `${traffic.name}: ${part}`)
  }
})

test('who is new', async (t) => {
  let nowMs = 5_000
  const slowStart = new SlowStart<object>(WINDOW_MS, () => nowMs)
  const endpoint = {}
  t.notOk(slowStart.isRamping(nowMs))
  slowStart.onReady(endpoint)
  t.ok(slowStart.isRamping(nowMs))
  t.equal(slowStart.share(endpoint, nowMs), LEAST_SHARE)
  t.equal(slowStart.share(endpoint, nowMs + 5_000), 0.5)
  t.equal(slowStart.share(endpoint, nowMs + WINDOW_MS), 1)
  t.notOk(slowStart.isRamping(nowMs + WINDOW_MS))
  nowMs += 20_000
  slowStart.onAway(endpoint)
  nowMs += FORGIVEN_AWAY_MS - 1
  slowStart.onReady(endpoint)
  t.equal(slowStart.share(endpoint, nowMs), 1, 'a reconnect is nothing new')
  slowStart.onAway(endpoint)
  nowMs += FORGIVEN_AWAY_MS
  slowStart.onReady(endpoint)
  t.equal(slowStart.share(endpoint, nowMs), LEAST_SHARE, 'an endpoint that was away is')
  slowStart.forget(endpoint)
  t.equal(slowStart.share(endpoint, nowMs), 1)
})

test('an endpoint that was not ready for a while is new again in the balancer', async (t) => {
  const [traffic] = TRAFFICS
  const simulation = new Simulation(WINDOW_MS)
  const [endpoint] = simulation.add(2)
  simulation.run(2 * WINDOW_MS, traffic!)
  endpoint!.ready = false
  simulation.run(2_000, traffic!)
  endpoint!.ready = true
  const first = simulation.ramp(endpoint!, 5, traffic!)[0]!
  t.ok(first < 0.35, `${first.toFixed(2)} of its share`)
})
