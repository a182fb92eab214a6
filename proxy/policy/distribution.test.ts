import { test } from 'tap'
import { pickBackend, sharesOf } from './distribution.ts'
import { defaultMeta } from './meta.ts'
import type { Distribution, RouteBackend, TlsRoute } from './outbound-policy.ts'
import { findTlsRoute } from './tls-route-match.ts'

function backend(name: string, weight = 1): RouteBackend<never> {
  return { backend: { meta: defaultMeta(name), target: { kind: 'none' } }, filters: [], weight }
}

function weighted(...backends: RouteBackend<never>[]): Distribution<never> {
  const totalWeight = backends.reduce((sum, { weight }) => sum + weight, 0)
  return { kind: 'randomAvailable', backends, totalWeight }
}

/** How often each is picked over an even grid of random numbers. */
function shares(distribution: Distribution<never>, unready: string[]): Record<string, number> {
  const picks: Record<string, number> = {}
  for (let step = 0; step < 1_000; step++) {
    const random = () => (step + 0.5) / 1_000
    const picked = pickBackend(distribution, random, ({ backend: it }) => !unready.includes(it.meta.name))
    const name = picked?.backend.meta.name ?? 'none'
    picks[name] = (picks[name] ?? 0) + 1
  }
  return picks
}

test('pickBackend', async (t) => {
  const [a, b, c] = [backend('a', 900), backend('b', 90), backend('c', 10)]
  const first: Distribution<never> = { kind: 'firstAvailable', backends: [a, b] }
  const cases = [
    { name: 'empty', distribution: { kind: 'empty' } as const, unready: [], is: { none: 1_000 } },
    { name: 'the first one', distribution: first, unready: [], is: { a: 1_000 } },
    { name: 'the first ready one', distribution: first, unready: ['a'], is: { b: 1_000 } },
    { name: 'none ready', distribution: first, unready: ['a', 'b'], is: { none: 1_000 } },
    { name: 'by weight', distribution: weighted(a, b, c), unready: [], is: { a: 900, b: 90, c: 10 } },
    { name: 'a zero weight is never drawn', distribution: weighted(backend('z', 0), a), unready: [], is: { a: 1_000 } },
    {
      name: 'nor is it a last resort',
      distribution: weighted(backend('z', 0), a),
      unready: ['a'],
      is: { none: 1_000 },
    },
    { name: 'no random backend is ready', distribution: weighted(a, b), unready: ['a', 'b'], is: { none: 1_000 } },
  ]
  for (const { name, distribution, unready, is } of cases) t.same(shares(distribution, unready), is, name)
})

test('sharesOf says what pickBackend does', async (t) => {
  const [a, b, c, z] = [backend('a', 500), backend('b', 300), backend('c', 200), backend('z', 0)]
  const cases = [
    { distribution: weighted(a, b, c, z), unready: [] },
    { distribution: weighted(a, b, c, z), unready: ['a', 'b', 'c'] },
    { distribution: { kind: 'firstAvailable', backends: [a, b, c] } as const, unready: [] },
    { distribution: { kind: 'firstAvailable', backends: [a, b, c] } as const, unready: ['a'] },
    { distribution: { kind: 'firstAvailable', backends: [a] } as const, unready: ['a'] },
  ]
  for (const { distribution, unready } of cases) {
    if (distribution.kind === 'empty') continue
    const names = distribution.backends.map(({ backend: { meta } }) => meta.name)
    const ready = distribution.backends.map(({ weight }, at) => ({ weight, isReady: !unready.includes(names[at]!) }))
    const picks = shares(distribution, unready)
    const told = sharesOf(distribution.kind, ready).map((share) => share * 1_000)
    t.same(
      told,
      names.map((name) => picks[name] ?? 0),
      `${distribution.kind} without ${unready}`,
    )
  }
  const halves = sharesOf(
    'randomAvailable',
    [a, b, c].map(({ weight }, at) => ({ weight, isReady: at > 0 })),
  )
  t.same(halves, [0, 0.6, 0.4], 'what one leaves is shared by weight')
})

test('the share of an unready backend goes to the others by their weights', async (t) => {
  const { a = 0, c = 0, b = 0 } = shares(weighted(backend('a', 300), backend('b', 600), backend('c', 100)), ['b'])
  t.equal(b, 0)
  t.equal(a + c, 1_000)
  t.ok(a > 2 * c, `${a} to ${c}`)
})

test('findTlsRoute', async (t) => {
  const route = (name: string, snis: TlsRoute['snis']): TlsRoute => ({
    meta: defaultMeta(name),
    filters: [],
    distribution: { kind: 'empty' },
    snis,
  })
  const routes = [
    route('any', []),
    route('suffix', [{ kind: 'suffix', suffix: '.example.com' }]),
    route('exact', [{ kind: 'exact', name: 'a.example.com' }]),
    route('also exact', [{ kind: 'exact', name: 'a.example.com' }]),
  ]
  t.equal(findTlsRoute(routes, 'a.example.com')?.meta.name, 'exact')
  t.equal(findTlsRoute(routes, 'b.example.com')?.meta.name, 'suffix')
  t.equal(findTlsRoute(routes, 'example.com')?.meta.name, 'any')
  t.equal(findTlsRoute(routes.slice(1), 'example.com'), undefined)
})
