import { test } from 'tap'
import { seededRandom } from '../../wire/seeded-random.ts'
import { P2cBalancer } from './balancer.ts'
import { EndpointLoad } from './endpoint-load.ts'
import { hashOf } from './hash-ring.ts'
import { FREE_IN_FLIGHT, StickyBalancer } from './sticky-balancer.ts'

class FakeEndpoint {
  readonly name: string
  readonly weight: number
  readonly load = new EndpointLoad(0)
  ready = true
  constructor(name: string, weight: number) {
    this.name = name
    this.weight = weight
  }
  isReady(): boolean {
    return this.ready
  }
}

function setUp(count: number, { maxLoad = 1.25, weightOf = (_at: number): number => 1 } = {}) {
  const random = seededRandom(7)
  const endpoints = Array.from({ length: count }, (_, at) => new FakeEndpoint(`10.0.0.${at}:80`, weightOf(at)))
  const balancer = new P2cBalancer<FakeEndpoint>(random)
  balancer.setEndpoints(endpoints)
  const sticky = new StickyBalancer(balancer, maxLoad)
  const pick = (key: string, failed?: FakeEndpoint) => sticky.pick(hashOf(key), failed, 0)
  return { endpoints, balancer, sticky, pick }
}

const KEYS = Array.from({ length: 1_000 }, (_, at) => `session-${at}`)

test('a session stays, leaves when its endpoint is not ready, and returns', async (t) => {
  const { endpoints, pick } = setUp(5)
  const homes = KEYS.map((key) => pick(key))
  t.same(
    KEYS.map((key) => pick(key)),
    homes,
  )
  endpoints[2]!.ready = false
  const meanwhile = KEYS.map((key) => pick(key)!)
  t.notOk(meanwhile.includes(endpoints[2]!))
  t.ok(
    meanwhile.every((endpoint, at) => endpoint === homes[at] || homes[at] === endpoints[2]),
    'all others stay',
  )
  const others = new Set(meanwhile.filter((_, at) => homes[at] === endpoints[2]))
  t.equal(others.size, 4, 'who leaves is spread over all that are left')
  endpoints[2]!.ready = true
  t.same(
    KEYS.map((key) => pick(key)),
    homes,
  )
})

test('nobody is ready, or there is nobody', async (t) => {
  const { endpoints, pick } = setUp(3)
  for (const endpoint of endpoints) endpoint.ready = false
  t.equal(pick('a'), undefined)
  t.equal(setUp(0).pick('a'), undefined)
  const many = setUp(1_000)
  for (const endpoint of many.endpoints) endpoint.ready = false
  many.endpoints[500]!.ready = true
  t.ok(
    KEYS.every((key) => many.pick(key) === many.endpoints[500]),
    'one of a thousand is found, from everywhere',
  )
})

test('a repeated request goes elsewhere, unless there is nowhere else', async (t) => {
  const { endpoints, pick } = setUp(3)
  const home = pick('a')!
  const second = pick('a', home)!
  t.not(second, home)
  t.equal(pick('a', home), second, 'all of them to the same one')
  for (const endpoint of endpoints) endpoint.ready = endpoint === home
  t.equal(pick('a', home), home)
})

test('a hot session takes no more than the bound, and spills over to the next on the ring', async (t) => {
  const { endpoints, sticky, pick } = setUp(4)
  const home = pick('hot')!
  for (let request = 0; request < FREE_IN_FLIGHT; request++) {
    t.equal(pick('hot'), home, 'a few requests are no load')
    home.load.start(0)
  }
  t.not(pick('hot'), home)
  for (let request = FREE_IN_FLIGHT; request < 400; request++) pick('hot')!.load.start(0)
  const most = Math.max(...endpoints.map(({ load }) => load.inFlight))
  t.ok(most <= 1.25 * 100, `${most} of 400 at one of four`)
  t.ok(sticky.elsewhere > 200)
})

test('with many endpoints the mean is a little old, and the bound holds all the same', async (t) => {
  const { endpoints, pick } = setUp(500)
  for (let request = 0; request < 20_000; request++) pick(`session-${request % 50}`)!.load.start(0)
  const most = Math.max(...endpoints.map(({ load }) => load.inFlight))
  t.ok(most <= 1.25 * 40 + 2, `${most} at one where the mean is 40`)
})

test('the bound follows weights and what is ready', async (t) => {
  const weighted = setUp(4, { maxLoad: 1, weightOf: (at) => (at === 0 ? 3 : 1) })
  for (let request = 0; request < 600; request++) weighted.pick('hot')!.load.start(0)
  const held = weighted.endpoints.map(({ load }) => load.inFlight)
  for (const [at, share] of [300, 100, 100, 100].entries())
    t.ok(Math.abs(held[at]! - share) <= 2, `${held[at]} where ${share} is the share`)

  const half = setUp(4)
  half.endpoints[0]!.ready = false
  half.endpoints[1]!.ready = false
  for (let request = 0; request < 400; request++) half.pick(`session-${request}`)!.load.start(0)
  const most = Math.max(...half.endpoints.map(({ load }) => load.inFlight))
  t.ok(most <= 1.25 * 200 + 2, `${most} of 400 at one of two`)
  t.ok(half.sticky.atHome > 100, 'and sessions of those that are ready stay at home')
})

test('changes of endpoints move about a share of the sessions', async (t) => {
  const { balancer, sticky, pick } = setUp(9)
  const homes = KEYS.map((key) => pick(key))
  const added = new FakeEndpoint('10.0.0.9:80', 1)
  balancer.add(added)
  sticky.onChange()
  const after = KEYS.map((key) => pick(key))
  const moved = after.filter((endpoint, at) => endpoint !== homes[at])
  t.ok(moved.every((endpoint) => endpoint === added))
  t.ok(moved.length > 60 && moved.length < 140, `${moved.length} of 1000 with the tenth endpoint`)
  balancer.remove(added)
  sticky.onChange()
  t.same(
    KEYS.map((key) => pick(key)),
    homes,
  )
})
