import { test } from 'tap'
import { seededRandom } from '../../wire/seeded-random.ts'
import { P2cBalancer } from './balancer.ts'
import { EndpointLoad } from './endpoint-load.ts'

class FakeEndpoint {
  readonly load = new EndpointLoad(0)
  readonly name: string
  ready = true
  picks = 0
  constructor(name: string) {
    this.name = name
  }
  isReady(): boolean {
    return this.ready
  }
}

function endpoints(count: number): FakeEndpoint[] {
  return Array.from({ length: count }, (_, index) => new FakeEndpoint(`e${index}`))
}

/** Requests arrive every `everyMs` and are answered after `latencyMs(endpoint)`; `Infinity` never answers. */
function run(
  all: FakeEndpoint[],
  picks: number,
  everyMs: number,
  latencyMs: (e: FakeEndpoint, random: () => number) => number,
): void {
  const random = seededRandom(7)
  const balancer = new P2cBalancer<FakeEndpoint>(random)
  balancer.setEndpoints(all)
  let open: { endpoint: FakeEndpoint; atMs: number; doneMs: number }[] = []
  for (let request = 0; request < picks; request++) {
    const nowMs = request * everyMs
    for (const it of open) if (it.doneMs <= nowMs) it.endpoint.load.firstByte(it.doneMs - it.atMs, it.doneMs)
    open = open.filter((it) => it.doneMs > nowMs)
    const endpoint = balancer.pick(nowMs)!
    endpoint.picks++
    endpoint.load.start(nowMs)
    open.push({ endpoint, atMs: nowMs, doneMs: nowMs + latencyMs(endpoint, random) })
  }
}

test('3,000 requests spread over equal endpoints, each within 15 % of its share', async (t) => {
  const cases = [
    { name: 'three endpoints, one request after the other', count: 3, everyMs: 5, latencyMs: () => 4 },
    { name: 'three endpoints, 20 requests at once', count: 3, everyMs: 1, latencyMs: () => 20 },
    {
      name: 'three endpoints, fast answers with noise',
      count: 3,
      everyMs: 1,
      latencyMs: (_: FakeEndpoint, random: () => number) => 0.2 + 0.5 * random(),
    },
    {
      name: 'ten endpoints, 50 requests at once, noise',
      count: 10,
      everyMs: 1,
      latencyMs: (_: FakeEndpoint, random: () => number) => 45 + 10 * random(),
    },
  ]
  for (const { name, count, everyMs, latencyMs } of cases) {
    const all = endpoints(count)
    run(all, 3_000, everyMs, latencyMs)
    const share = 3_000 / count
    for (const { picks } of all) t.ok(Math.abs(picks - share) <= 0.15 * share, `${name}: ${picks} of ${share}`)
  }
})

test('a slow endpoint gets less, a stalled one almost nothing', async (t) => {
  const slow = endpoints(3)
  run(slow, 3_000, 1, (e) => (e === slow[0] ? 200 : 20))
  t.ok(slow[0]!.picks < 3_000 / 3 / 3, `a tenfold latency: ${slow[0]!.picks} of 3000`)
  const stalled = endpoints(3)
  run(stalled, 3_000, 1, (e) => (e === stalled[0] ? Infinity : 5))
  t.ok(stalled[0]!.picks < 60, `no answers at all: ${stalled[0]!.picks} of 3000`)
})

test('only ready endpoints are picked', async (t) => {
  const all = endpoints(1_000)
  for (const endpoint of all) endpoint.ready = false
  const balancer = new P2cBalancer<FakeEndpoint>(seededRandom(1))
  balancer.setEndpoints(all)
  t.equal(balancer.pick(0), undefined, 'none of a thousand')
  t.notOk(balancer.hasReady())

  all[500]!.ready = true
  t.equal(balancer.pick(0), all[500], 'the one that became ready')
  t.ok(balancer.hasReady())

  all[7]!.ready = true
  const seen = new Set<FakeEndpoint>()
  for (let pick = 0; pick < 1_200; pick++) seen.add(balancer.pick(0)!)
  t.same([...seen].sort(), [all[500], all[7]].sort(), 'a second one is noticed without being announced')
  t.equal(balancer.readyCount, 2)

  all[500]!.ready = false
  all[7]!.ready = false
  t.equal(balancer.pick(0), undefined, 'and they can go again')
  t.equal(balancer.readyCount, 0)
})

test('changing readiness at random never yields an unready endpoint, nor none while one is ready', async (t) => {
  const random = seededRandom(3)
  const all = endpoints(20)
  const balancer = new P2cBalancer<FakeEndpoint>(random)
  const members = new Set<FakeEndpoint>()
  let wrong = 0
  for (let step = 0; step < 20_000; step++) {
    const endpoint = all[(random() * 20) | 0]!
    const choice = random()
    if (choice < 0.4) endpoint.ready = !endpoint.ready
    else if (choice < 0.5 && !members.has(endpoint)) {
      members.add(endpoint)
      balancer.add(endpoint)
    } else if (choice < 0.6) {
      if (balancer.remove(endpoint) !== members.delete(endpoint)) wrong++
    }
    const ready = [...members].filter((e) => e.ready)
    if (step % 3 === 0 && balancer.hasReady() !== ready.length > 0) wrong++
    const picked = balancer.pick(step)
    if (picked === undefined ? ready.length > 0 : !members.has(picked) || !picked.ready) wrong++
    if (balancer.size !== members.size || balancer.readyCount !== ready.length) wrong++
  }
  t.equal(wrong, 0)
})

test('with two endpoints both are compared, so the less loaded one always wins', async (t) => {
  const [busy, idle] = endpoints(2) as [FakeEndpoint, FakeEndpoint]
  busy.load.start(0)
  const balancer = new P2cBalancer<FakeEndpoint>(seededRandom(5))
  balancer.setEndpoints([busy, idle])
  for (let pick = 0; pick < 50; pick++) if (balancer.pick(0) !== idle) t.fail('the busy one was picked')
  t.pass('50 picks')
})

test('a cold start is forgiven: equal endpoints soon share again, also with few requests', async (t) => {
  const cases = [
    { name: 'two endpoints, 35 requests a second', count: 2, everyMs: 28, requests: 1_000 },
    { name: 'three endpoints, 35 requests a second', count: 3, everyMs: 28, requests: 1_000 },
    { name: 'three endpoints, 500 requests a second', count: 3, everyMs: 2, requests: 10_000 },
  ]
  for (const { name, count, everyMs, requests } of cases) {
    const all = endpoints(count)
    let first = true
    run(all, requests, everyMs, (e, random) => {
      // The very first call of one of them is slow: a connection, a compiler, a cache.
      if (first && e === all[0]) {
        first = false
        return 80
      }
      return 0.6 + 0.5 * random()
    })
    const share = requests / count
    for (const { picks } of all) t.ok(Math.abs(picks - share) <= 0.35 * share, `${name}: ${picks} of ${share}`)
  }
})
