/** What the deciding half of a request costs: route, balancer, budget, authorization, classification. */

import { compileAnchoredPattern } from '../../../api/regex.ts'
import { type Authorization, authorize, type Client, LOCALHOST } from '../../../proxy/policy/authorization.ts'
import { P2cBalancer } from '../../../proxy/policy/balance/balancer.ts'
import { EndpointLoad } from '../../../proxy/policy/balance/endpoint-load.ts'
import { HashRing, hashOf } from '../../../proxy/policy/balance/hash-ring.ts'
import { SlowStart } from '../../../proxy/policy/balance/slow-start.ts'
import { StickyBalancer } from '../../../proxy/policy/balance/sticky-balancer.ts'
import { classify, NO_GRPC_STATUS } from '../../../proxy/policy/classify.ts'
import { defaultMeta } from '../../../proxy/policy/meta.ts'
import { ipOf, network } from '../../../proxy/policy/network.ts'
import { NO_PROFILE } from '../../../proxy/policy/profile.ts'
import { findProfileRoute } from '../../../proxy/policy/profile-match.ts'
import { RetryBudget } from '../../../proxy/policy/retry-budget.ts'
import { compileRoutes, findHttpRule, type RequestView } from '../../../proxy/policy/route-match.ts'
import { measure } from '../wire/measure.ts'

class BenchEndpoint {
  readonly load = new EndpointLoad(0)
  ready = true
  isReady(): boolean {
    return this.ready
  }
}

let sink = 0

for (const [count, ready] of [
  [3, 3],
  [1_000, 1_000],
  [1_000, 5],
] as const) {
  const balancer = new P2cBalancer<BenchEndpoint>(Math.random)
  const endpoints = Array.from({ length: count }, () => new BenchEndpoint())
  for (const [at, endpoint] of endpoints.entries()) endpoint.ready = at < ready
  balancer.setEndpoints(endpoints)
  let nowMs = 0
  measure(`pick, start and first byte, ${ready} of ${count} endpoints ready`, () => {
    nowMs += 0.05
    const { load } = balancer.pick(nowMs)!
    load.start(nowMs)
    load.firstByte(1.5, nowMs)
  })
}

{
  let nowMs = 0
  const slowStart = new SlowStart<BenchEndpoint>(1e12, () => nowMs)
  const balancer = new P2cBalancer<BenchEndpoint>(Math.random, slowStart)
  balancer.setEndpoints(Array.from({ length: 3 }, () => new BenchEndpoint()))
  measure('pick, start and first byte, 3 endpoints in their slow start', () => {
    nowMs += 0.05
    const { load } = balancer.pick(nowMs)!
    load.start(nowMs)
    load.firstByte(1.5, nowMs)
  })
}

class BenchSticky extends BenchEndpoint {
  readonly weight = 1
  readonly name: string
  constructor(at: number) {
    super()
    this.name = `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}:8080`
  }
}

for (const count of [3, 1_000]) {
  const balancer = new P2cBalancer<BenchSticky>(Math.random)
  const endpoints = Array.from({ length: count }, (_, at) => new BenchSticky(at))
  balancer.setEndpoints(endpoints)
  const sticky = new StickyBalancer(balancer, 1.25)
  let nowMs = 0
  measure(`session: hash, pick, start and first byte, ${count} endpoints`, (round) => {
    nowMs += 0.05
    const { load } = sticky.pick(hashOf(`4f2a9c51-${round & 1023}`), undefined, nowMs)!
    load.start(nowMs)
    load.firstByte(1.5, nowMs)
  })
  const { size } = new HashRing(endpoints)
  measure(
    `session: a ring of ${count} endpoints, ${size} points, ${(size * 8) >> 10} KiB`,
    () => new HashRing(endpoints),
  )
}

const view: RequestView = {
  method: 'GET',
  path: '/api/v1/users/4711/orders',
  query: '',
  authority: 'web.shop:8080',
  headerValues: () => ['a'],
}
const prefix = (path: string, headers: { name: string; value: { kind: 'exact'; value: string } }[] = []) => ({
  kind: 'http' as const,
  path: { kind: 'prefix' as const, prefix: path },
  headers,
  query: [],
  method: undefined,
})
const only = compileRoutes([{ meta: defaultMeta('http'), hosts: [], rules: [{ matches: [prefix('')] }] }])
const ten = compileRoutes(
  Array.from({ length: 10 }, (_, at) => ({
    meta: defaultMeta(`r${at}`),
    hosts: [{ kind: 'exact' as const, host: 'web.shop' }],
    rules: [
      { matches: [prefix(`/api/v${at}`), prefix('/api', [{ name: 'x', value: { kind: 'exact', value: `${at}` } }])] },
    ],
  })),
)
const TOO_MANY = 100
const hundred = compileRoutes(
  Array.from({ length: TOO_MANY }, (_, at) => ({
    meta: defaultMeta(`r${at}`),
    hosts: [],
    rules: Array.from({ length: 10 }, (_, rule) => ({ matches: [prefix(`/api/v${at}/${rule}`)] })),
  })),
)
const hundredAlike = compileRoutes(
  Array.from({ length: TOO_MANY }, (_, at) => ({
    meta: defaultMeta(`r${at}`),
    hosts: [{ kind: 'exact' as const, host: at % 2 === 0 ? 'web.shop' : `web${at}.shop` }],
    rules: Array.from({ length: 10 }, (_, rule) => ({
      matches: [prefix('/api', [{ name: 'x', value: { kind: 'exact', value: `${at}-${rule}` } }])],
    })),
  })),
)
measure('route: the default one', () => {
  sink += findHttpRule(only, view) === undefined ? 0 : 1
})
measure('route: ten HTTPRoutes with a host and two matches each', () => {
  sink += findHttpRule(ten, view) === undefined ? 0 : 1
})

const last = { ...view, path: '/api/v99/9/orders' }
measure('route: the last of 100 routes with 10 rules each, by path', () => {
  sink += findHttpRule(hundred, last) === undefined ? 0 : 1
})
measure('route: none of 100 routes with 10 rules each, by path', () => {
  sink += findHttpRule(hundred, view) === undefined ? 0 : 1
})
measure('route: none of 500 rules of one host and path that differ in a header', () => {
  sink += findHttpRule(hundredAlike, view) === undefined ? 0 : 1
})

const profile = {
  ...NO_PROFILE,
  routes: ['/', '/login', '/api/v[0-9]+/items/[^/]+', '/api/v[0-9]+/users/[^/]+/orders'].map((source) => {
    const pattern = compileAnchoredPattern(source)
    if ('problem' in pattern) throw new Error(pattern.problem)
    const condition = {
      kind: 'all' as const,
      of: [
        { kind: 'method' as const, method: 'GET' },
        { kind: 'path' as const, pattern },
      ],
    }
    return { name: source, labels: new Map(), condition, responseClasses: [], isRetryable: false, timeoutMs: undefined }
  }),
}
measure('profile route: the fourth of four', () => {
  sink += findProfileRoute(profile, view.method, view.path) === undefined ? 0 : 1
})

const client: Client = {
  ip: ipOf('10.3.4.5')!,
  tls: { kind: 'meshTls', identity: 'web.shop.serviceaccount.identity.linkerd.cluster.local' },
}
const authorizations: Authorization[] = [
  { meta: defaultMeta('a'), networks: [network('192.168.0.0/16')], authentication: { kind: 'unauthenticated' } },
  {
    meta: defaultMeta('b'),
    networks: [network('0.0.0.0/0'), network('::/0')],
    authentication: {
      kind: 'meshTls',
      identities: new Set([client.tls.kind === 'meshTls' ? client.tls.identity : '']),
      suffixes: [],
    },
  },
  LOCALHOST,
]
measure('authorize: the second of three', () => {
  sink += authorize(authorizations, client) === undefined ? 0 : 1
})

const budget = new RetryBudget({ retryRatio: 0.2, minRetriesPerSecond: 10, ttlMs: 10_000 }, 0)
let budgetMs = 0
measure('retry budget: deposit, and a withdrawal in ten', (round) => {
  budgetMs += 0.05
  budget.deposit(budgetMs)
  if (round % 10 === 0) sink += budget.tryWithdraw(budgetMs) ? 1 : 0
})

measure('classify: HTTP', (round) => {
  sink += classify(200 + (round % 2), false, NO_GRPC_STATUS, []) === 'failure' ? 1 : 0
})
measure('classify: gRPC', (round) => {
  sink += classify(200, true, round % 16, []) === 'failure' ? 1 : 0
})

if (sink === -1) console.log(sink)
