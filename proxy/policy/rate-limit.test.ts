import { test } from 'tap'
import { defaultMeta } from './meta.ts'
import { MAX_IDENTITIES, type RateLimit, RateLimiter } from './rate-limit.ts'

const meta = { ...defaultMeta('limit'), group: 'policy.linkerd.io', kind: 'HTTPLocalRateLimitPolicy' }
const limit = (parts: Partial<RateLimit>): RateLimit => ({ meta, total: 0, identity: 0, overrides: [], ...parts })
const limiter = (parts: Partial<RateLimit>, workers = 1) => new RateLimiter(limit(parts), workers, undefined)

test('peek says what a request would hear, and takes nothing', async (t) => {
  const of = limiter({ total: 6, identity: 2, overrides: [{ requestsPerSecond: 3, identities: ['vip'] }] })
  for (const client of ['a', 'vip', undefined, 'a', 'vip', undefined, 'a', 'b', 'c']) {
    const peeked = of.peek(client, 1_000)
    t.same(of.peek(client, 1_000), peeked)
    t.same(of.tryPass(client, 1_000), peeked, `${client}`)
  }
  t.match(of.peek('new', 1_000), { scope: 'total' })
  t.equal(of.peek('new', 2_000), undefined)
})

/** How many of `offered` requests at one moment pass, by client. */
function burst(of: RateLimiter, clients: readonly (string | undefined)[], offered = 50, nowMs = 1_000): number[] {
  return clients.map((client) => {
    let passed = 0
    for (let at = 0; at < offered; at++) if (of.tryPass(client, nowMs) === undefined) passed++
    return passed
  })
}

test('whom a limit limits', async (t) => {
  const cases: readonly {
    name: string
    limit: Partial<RateLimit>
    clients: readonly (string | undefined)[]
    pass: number[]
  }[] = [
    { name: 'nobody', limit: {}, clients: ['a', undefined], pass: [50, 50] },
    { name: 'all together', limit: { total: 10 }, clients: ['a', 'b', undefined], pass: [10, 0, 0] },
    { name: 'each by its identity', limit: { identity: 5 }, clients: ['a', 'b', 'a'], pass: [5, 5, 0] },
    {
      name: 'those without one together',
      limit: { identity: 5 },
      clients: [undefined, undefined, 'a'],
      pass: [5, 0, 5],
    },
    {
      name: 'an override goes before the limit of identities, in both directions',
      limit: {
        identity: 5,
        overrides: [
          { requestsPerSecond: 8, identities: ['a'] },
          { requestsPerSecond: 2, identities: ['b'] },
        ],
      },
      clients: ['a', 'b', 'c', undefined],
      pass: [8, 2, 5, 5],
    },
    {
      name: 'its clients share it',
      limit: { overrides: [{ requestsPerSecond: 8, identities: ['a', 'b'] }] },
      clients: ['a', 'b', 'c'],
      pass: [8, 0, 50],
    },
    {
      name: 'the later of two',
      limit: {
        overrides: [
          { requestsPerSecond: 8, identities: ['a', 'b'] },
          { requestsPerSecond: 3, identities: ['a'] },
        ],
      },
      clients: ['a', 'b'],
      pass: [3, 8],
    },
    {
      name: 'total counts what passes: the requests that a client may not make take nothing from others',
      limit: { total: 20, identity: 5 },
      clients: ['a', 'b', 'c', 'd', 'e'],
      pass: [5, 5, 5, 5, 0],
    },
  ]
  for (const { name, limit: given, clients, pass } of cases) t.same(burst(limiter(given), clients), pass, name)
})

test('why a request does not pass', async (t) => {
  const of = limiter({ total: 4, identity: 2, overrides: [{ requestsPerSecond: 1, identities: ['b'] }] })
  burst(of, ['a', 'b'])
  const refused = (scope: string, message: string) => ({ scope, message, retryAfterSeconds: 1 })
  t.same(of.tryPass('a', 1_000), refused('identity', 'per-identity rate limit exceeded: 2rps'))
  t.same(of.tryPass('b', 1_000), refused('identity', 'override rate limit exceeded: 1rps'))
  burst(of, ['c'])
  t.same(of.tryPass('d', 1_000), refused('total', 'total rate limit exceeded: 4rps'))
})

test('an update resets no bucket whose limit is the same', async (t) => {
  const ab = { requestsPerSecond: 3, identities: ['a', 'b'] }
  const before = { total: 0, identity: 2, overrides: [ab] }
  const cases: readonly { name: string; after: Partial<RateLimit>; pass: number[] }[] = [
    { name: 'the same', after: before, pass: [0, 0, 0] },
    { name: 'a new total', after: { ...before, total: 7 }, pass: [0, 0, 0] },
    { name: 'another limit of identities', after: { ...before, identity: 4 }, pass: [0, 0, 4] },
    {
      name: 'overrides in another order',
      after: {
        ...before,
        overrides: [
          { requestsPerSecond: 9, identities: ['z'] },
          { ...ab, identities: ['b', 'a'] },
        ],
      },
      pass: [0, 0, 0],
    },
    {
      name: 'another rate of an override',
      after: { ...before, overrides: [{ ...ab, requestsPerSecond: 4 }] },
      pass: [4, 0, 0],
    },
    { name: 'no override', after: { ...before, overrides: [] }, pass: [2, 2, 0] },
  ]
  for (const { name, after, pass } of cases) {
    const old = limiter(before)
    burst(old, ['a', 'c'])
    t.same(burst(new RateLimiter(limit(after), 1, old), ['a', 'b', 'c']), pass, name)
  }
  const total = limiter({ total: 5 })
  burst(total, ['a'])
  t.same(burst(new RateLimiter(limit({ total: 5, identity: 2 }), 1, total), ['a']), [0], 'total')
})

test('workers share the rate', async (t) => {
  t.same(burst(limiter({ total: 100, identity: 20 }, 4), ['a', 'b'], 200), [5, 5])
  t.same(burst(limiter({ total: 100 }, 4), ['a'], 200), [25])
  const slow = limiter({ total: 1 }, 4)
  t.same(burst(slow, ['a']), [1], 'one at least')
  t.match(slow.tryPass('a', 1_000), { retryAfterSeconds: 4, message: /1rps, of which each of 4 workers/ }, 'rounded up')
  t.match(slow.tryPass('a', 1_100), { retryAfterSeconds: 4 })
  t.match(slow.tryPass('a', 4_900), { retryAfterSeconds: 1 })
})

test('many identities', async (t) => {
  const of = limiter({ identity: 2 })
  for (let at = 0; at < MAX_IDENTITIES; at++) of.tryPass(`id-${at}`, 0)
  t.same(burst(of, ['new', 'newer'], 5, 0), [2, 0], 'beyond the bound they share one bucket')
  t.same(burst(of, ['id-7'], 5, 0), [1], 'whoever has one keeps it')
  t.same(burst(of, ['new', 'newer'], 5, 2_500), [2, 2], 'until others are full and forgotten')
})

test('a bucket is kept until it is full', async (t) => {
  const of = limiter({ identity: 10 })
  t.same(burst(of, ['a'], 50, 900), [10])
  // Generations change at 1000 and 2000 of this clock; a tenth of a second is worth one request.
  t.same(burst(of, ['a'], 50, 1_000), [1])
  t.same(burst(of, ['a'], 50, 1_901), [9])
  t.same(burst(of, ['a'], 50, 2_001), [1])
})
