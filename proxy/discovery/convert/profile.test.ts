import { create } from '@bufbuild/protobuf'
import { test } from 'tap'
import { DestinationProfileSchema } from '../../../api/gen/destination_pb.js'
import { tcpAddressToMessage } from '../../../api/ip.ts'
import { NO_PROFILE } from '../../policy/profile.ts'
import { findProfileRoute } from '../../policy/profile-match.ts'
import { profileOf } from './profile.ts'

// biome-ignore lint/suspicious/noExplicitAny: tables build partial and deliberately broken messages
type Init = any

const convert = (init: Init) => profileOf(create(DestinationProfileSchema, init))
const path = (regex: string) => ({ match: { case: 'path', value: { regex } } })
const get = { match: { case: 'method', value: { type: { case: 'registered', value: 0 } } } }
const status = (min: number, max: number) => ({ match: { case: 'status', value: { min, max } } })

test('a service profile', async (t) => {
  const profile = convert({
    fullyQualifiedName: 'Web.ns.svc.cluster.local.',
    routes: [
      {
        condition: { match: { case: 'all', value: { matches: [get, path('/books/[^/]*')] } } },
        metricsLabels: { route: 'GET /books/{id}', a: '1' },
        responseClasses: [
          { condition: status(500, 599), isFailure: true },
          { condition: { match: { case: 'not', value: status(200, 299) } } },
        ],
        isRetryable: true,
        timeout: { seconds: 1n, nanos: 500_000_000 },
      },
      { condition: { match: { case: 'not', value: { match: { case: 'any', value: { matches: [] } } } } }, timeout: {} },
    ],
    retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: { seconds: 10n } },
    dstOverrides: [
      { authority: 'A.ns.svc.cluster.local.:80', weight: 9_000 },
      { authority: 'b.ns.svc.cluster.local:80', weight: 0 },
    ],
  })
  t.same(profile.problems, [])
  t.equal(profile.name, 'web.ns.svc.cluster.local')
  t.same(profile.budget, { retryRatio: 0.2, minRetriesPerSecond: 10, ttlMs: 10_000 })
  t.same(profile.overrides, [{ authority: 'a.ns.svc.cluster.local:80', weight: 9_000 }])
  const route = findProfileRoute(profile, 'GET', '/books/1')!
  t.match(route, {
    name: 'GET /books/{id}',
    isRetryable: true,
    timeoutMs: 1_500,
    responseClasses: [
      { condition: { kind: 'status', min: 500, max: 599 }, isFailure: true },
      { condition: { kind: 'not', of: { kind: 'status', min: 200, max: 299 } }, isFailure: false },
    ],
  })
  t.same(
    [...route.labels],
    [
      ['a', '1'],
      ['route', 'GET /books/{id}'],
    ],
  )
  t.match(findProfileRoute(profile, 'POST', '/'), { name: '', timeoutMs: undefined }, 'a timeout of zero is none')
})

test('an address without a service', async (t) => {
  t.same(convert({}), { ...NO_PROFILE })
  const endpoint = { addr: tcpAddressToMessage({ ip: '10.0.0.1', port: 6379 }), metricLabels: { namespace: 'ns' } }
  t.match(convert({ endpoint, opaqueProtocol: true }), {
    isOpaque: true,
    name: '',
    endpoint: { ip: '10.0.0.1' },
    problems: [],
  })
})

test('what cannot be read is left out and named', async (t) => {
  const route = (parts: Init) => ({ routes: [{ condition: get, metricsLabels: { route: 'r' }, ...parts }] })
  const budget = (parts: Init) => ({
    retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: { seconds: 10n }, ...parts },
  })
  const responseClass = (condition: Init) => route({ responseClasses: [{ condition, isFailure: true }] })
  const cases: { name: string; profile: Init; problem: RegExp; is: object }[] = [
    {
      name: 'a bad regex',
      profile: route({ condition: path('(') }),
      problem: /^route "r": regular expression "\("/,
      is: { routes: [] },
    },
    {
      name: 'no condition',
      profile: route({ condition: undefined }),
      problem: /condition is missing/,
      is: { routes: [] },
    },
    { name: 'an unknown condition', profile: route({ condition: {} }), problem: /does not know/, is: { routes: [] } },
    {
      name: 'an unknown condition inside',
      profile: route({ condition: { match: { case: 'not', value: {} } } }),
      problem: /does not know/,
      is: { routes: [] },
    },
    {
      name: 'a negative timeout',
      profile: route({ timeout: { seconds: -1n } }),
      problem: /timeout is not a duration/,
      is: { routes: [{ name: 'r', timeoutMs: undefined }] },
    },
    {
      name: 'a class without a condition',
      profile: responseClass(undefined),
      problem: /response class 0: condition is missing/,
      is: { routes: [{ responseClasses: [] }] },
    },
    {
      name: 'a class of nothing',
      profile: responseClass({ match: { case: 'all', value: {} } }),
      problem: /"all" of nothing/,
      is: { routes: [{ responseClasses: [] }] },
    },
    {
      name: 'a class with one bound',
      profile: responseClass(status(0, 500)),
      problem: /0 to 500/,
      is: { routes: [{ responseClasses: [] }] },
    },
    {
      name: 'a budget without ttl',
      profile: budget({ ttl: undefined }),
      problem: /ttl is missing/,
      is: { budget: undefined },
    },
    {
      name: 'a short ttl',
      profile: budget({ ttl: { nanos: 999_000_000 } }),
      problem: /999 ms/,
      is: { budget: undefined },
    },
    { name: 'a long ttl', profile: budget({ ttl: { seconds: 61n } }), problem: /61000 ms/, is: { budget: undefined } },
    { name: 'a large ratio', profile: budget({ retryRatio: 1_001 }), problem: /ratio 1001/, is: { budget: undefined } },
    { name: 'a negative ratio', profile: budget({ retryRatio: -1 }), problem: /ratio -1/, is: { budget: undefined } },
    {
      name: 'too many retries',
      profile: budget({ minRetriesPerSecond: 2 ** 31 }),
      problem: /2147483648/,
      is: { budget: undefined },
    },
    {
      name: 'an override without a port',
      profile: { dstOverrides: [{ authority: 'a', weight: 1 }] },
      problem: /"a" is not name:port/,
      is: { overrides: [] },
    },
    {
      name: 'an endpoint without an address',
      profile: { endpoint: {} },
      problem: /no address/,
      is: { endpoint: undefined },
    },
  ]
  for (const { name, profile, problem, is } of cases) t.match(convert(profile), { ...is, problems: [problem] }, name)
})
