import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { test } from 'tap'
import { OutboundPolicySchema } from '../../../api/gen/outbound_pb.js'
import { ipToMessage, tcpAddressToMessage } from '../../../api/ip.ts'
import type { HttpPolicy, OutboundTarget } from '../../policy/outbound-policy.ts'
import { outboundPolicyOf } from './outbound.ts'

type PolicyInit = MessageInitShape<typeof OutboundPolicySchema>
// biome-ignore lint/suspicious/noExplicitAny: tables build partial and deliberately broken messages
type Init = any

const service = {
  kind: { case: 'resource', value: { group: 'core', kind: 'Service', name: 'web', namespace: 'ns', port: 80 } },
}
const routeMeta = {
  kind: {
    case: 'resource',
    value: { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'r', namespace: 'ns' },
  },
}
const ms = (count: number) => ({ seconds: BigInt(Math.floor(count / 1000)), nanos: (count % 1000) * 1e6 })
const queue = { capacity: 100, failfastTimeout: ms(3_000) }
const peakEwma = { case: 'peakEwma', value: { defaultRtt: ms(30), decay: ms(10_000) } }
const discovery = { kind: { case: 'dst', value: { path: 'web.ns.svc.cluster.local:80' } } }
const backend = { metadata: service, queue, kind: { case: 'balancer', value: { discovery, load: peakEwma } } }
const first = { kind: { case: 'firstAvailable', value: { backends: [{ backend }] } } }
const backoff = { minBackoff: ms(25), maxBackoff: ms(250), jitterRatio: 1 }

const rule = (parts: Init = {}): Init => ({ backends: first, ...parts })
const route = (parts: Init = {}): Init => ({ metadata: routeMeta, rules: [rule()], ...parts })

function http1(routes: Init[], failureAccrual?: Init): PolicyInit {
  return { metadata: service, protocol: { kind: { case: 'http1', value: { routes, failureAccrual } } } } as PolicyInit
}

function grpc(routes: Init[]): PolicyInit {
  return { metadata: service, protocol: { kind: { case: 'grpc', value: { routes } } } } as PolicyInit
}

function opaque(routes: Init[]): PolicyInit {
  return { metadata: service, protocol: { kind: { case: 'opaque', value: { routes } } } } as PolicyInit
}

function convert(init: PolicyInit) {
  return outboundPolicyOf(create(OutboundPolicySchema, init))
}

function target(init: PolicyInit): OutboundTarget {
  const policy = convert(init)
  if (policy.kind === 'invalid') throw new Error(policy.reason)
  return policy
}

function httpOf(init: PolicyInit): HttpPolicy {
  const { protocol } = target(init)
  if (!('http' in protocol)) throw new Error(protocol.kind)
  return protocol.http
}

const ruleOf = (init: PolicyInit) => httpOf(init).table.routes[0]!.rules[0]!
const matchOf = (match: Init) => ruleOf(http1([route({ rules: [rule({ matches: [match] })] })])).matches[0]
const filterOf = (filter: Init) => ruleOf(http1([route({ rules: [rule({ filters: [{ kind: filter }] })] })])).filters[0]

test('the policy a controller sends for a Service with the default route', async (t) => {
  const http = {
    routes: [
      route({
        metadata: { kind: { case: 'default', value: 'http' } },
        rules: [rule({ matches: [{ path: { kind: { case: 'prefix', value: '/' } } }] })],
      }),
    ],
  }
  const opaq = { routes: [{ metadata: { kind: { case: 'default', value: 'opaq' } }, rules: [{ backends: first }] }] }
  const detect = { timeout: ms(10_000), opaque: opaq, http1: http, http2: http }
  const { parent, protocol } = target({
    metadata: service,
    protocol: { kind: { case: 'detect', value: detect } },
  } as PolicyInit)
  t.same(parent, { group: 'core', kind: 'Service', namespace: 'ns', name: 'web', section: '', port: 80 })
  if (protocol.kind !== 'detect') return t.fail(protocol.kind)
  t.equal(protocol.timeoutMs, 10_000)
  t.ok(protocol.http1.table.always, 'the default route needs no look at the request')
  t.same(protocol.http1.table.always?.rule.distribution, {
    kind: 'firstAvailable',
    backends: [
      {
        weight: 1,
        filters: [],
        backend: {
          meta: parent,
          target: { kind: 'balancer', path: 'web.ns.svc.cluster.local:80', seedRttMs: 30, decayMs: 10_000 },
        },
      },
    ],
  })
  t.same(protocol.opaque.route?.meta, { group: '', kind: 'default', namespace: '', name: 'opaq', section: '', port: 0 })
})

test('protocols', async (t) => {
  t.equal(target(http1([])).protocol.kind, 'http1')
  t.equal(
    target({ metadata: service, protocol: { kind: { case: 'http2', value: {} } } } as PolicyInit).protocol.kind,
    'http2',
  )
  t.equal(target(grpc([])).protocol.kind, 'grpc')
  t.same(target(opaque([])).protocol, { kind: 'opaque', opaque: { route: undefined } })
  const snis = [
    { match: { case: 'exact', value: 'a.b' } },
    { match: { case: 'suffix', value: { reverseLabels: ['com', 'example'] } } },
  ]
  const tls = target({
    metadata: service,
    protocol: {
      kind: { case: 'tls', value: { routes: [{ metadata: routeMeta, snis, rules: [{ backends: first }] }] } },
    },
  } as PolicyInit)
  t.same(tls.protocol.kind === 'tls' && tls.protocol.routes[0]!.snis, [
    { kind: 'exact', name: 'a.b' },
    { kind: 'suffix', suffix: '.example.com' },
  ])
  const undefinedPort = opaque([
    {
      metadata: { kind: { case: 'default', value: 'undefined-port' } },
      rules: [
        { backends: { kind: { case: 'empty', value: {} } }, filters: [{ kind: { case: 'forbidden', value: {} } }] },
      ],
    },
  ])
  const forbidden = target(undefinedPort).protocol
  t.match(forbidden, { opaque: { route: { filters: [{ kind: 'forbidden' }], distribution: { kind: 'empty' } } } })
})

test('matches', async (t) => {
  const bytes = new TextEncoder().encode('é')
  const cases: { name: string; match: Init; is: object }[] = [
    { name: 'nothing', match: {}, is: { kind: 'http', path: undefined, headers: [], query: [], method: undefined } },
    {
      name: 'an exact path',
      match: { path: { kind: { case: 'exact', value: '/é' } } },
      is: { path: { kind: 'exact', path: '/Ã©' } },
    },
    {
      name: 'a prefix without its slashes',
      match: { path: { kind: { case: 'prefix', value: '/a//' } } },
      is: { path: { kind: 'prefix', prefix: '/a' } },
    },
    {
      name: 'the prefix /',
      match: { path: { kind: { case: 'prefix', value: '/' } } },
      is: { path: { kind: 'prefix', prefix: '' } },
    },
    {
      name: 'a regex',
      match: { path: { kind: { case: 'regex', value: '/a+' } } },
      is: { path: { kind: 'regex', pattern: { source: '/a+' } } },
    },
    {
      name: 'GET, which is zero on the wire',
      match: { method: { type: { case: 'registered', value: 0 } } },
      is: { method: 'GET' },
    },
    {
      name: 'an unregistered method',
      match: { method: { type: { case: 'unregistered', value: 'PURGE' } } },
      is: { method: 'PURGE' },
    },
    {
      name: 'a header',
      match: { headers: [{ name: 'X-A', value: { case: 'exact', value: bytes } }] },
      is: { headers: [{ name: 'x-a', value: { kind: 'exact', value: 'Ã©' } }] },
    },
    {
      name: 'a query parameter',
      match: { queryParams: [{ name: 'Q', value: { case: 'exact', value: 'é' } }] },
      is: { query: [{ name: 'Q', value: { kind: 'exact', value: 'é' } }] },
    },
  ]
  for (const { name, match, is } of cases) t.match(matchOf(match), is, name)
  const hosts = [
    { match: { case: 'exact', value: 'Web.NS.' } },
    { match: { case: 'suffix', value: { reverseLabels: ['COM', 'example'] } } },
  ]
  t.same(httpOf(http1([route({ hosts })])).table.routes[0]!.hosts, [
    { kind: 'exact', host: 'web.ns' },
    { kind: 'suffix', suffix: '.example.com' },
  ])
  const grpcRule = ruleOf(
    grpc([route({ rules: [rule({ matches: [{ rpc: {} }, { rpc: { service: 's', method: 'm' } }] })] })]),
  )
  t.same(grpcRule.matches, [
    { kind: 'grpc', service: '', method: '', headers: [] },
    { kind: 'grpc', service: 's', method: 'm', headers: [] },
  ])
})

test('filters', async (t) => {
  const value = (text: string) => new TextEncoder().encode(text)
  const cases: { name: string; filter: Init; is: object }[] = [
    {
      name: 'a failure',
      filter: {
        case: 'failureInjector',
        value: { status: 503, message: 'm', ratio: { numerator: 1, denominator: 4 } },
      },
      is: { kind: 'httpFailure', status: 503, message: 'm', ratio: 0.25 },
    },
    { name: 'a failure of all', filter: { case: 'failureInjector', value: { status: 403 } }, is: { ratio: 1 } },
    {
      name: 'request headers',
      filter: {
        case: 'requestHeaderModifier',
        value: {
          add: { headers: [{ name: 'X-A', value: value('1') }] },
          set: { headers: [{ name: 'b', value: value('') }] },
          remove: ['C'],
        },
      },
      is: {
        kind: 'requestHeaders',
        edits: { add: [{ name: 'x-a', value: '1' }], set: [{ name: 'b', value: '' }], remove: ['c'] },
      },
    },
    {
      name: 'response headers',
      filter: { case: 'responseHeaderModifier', value: { remove: ['server'] } },
      is: { kind: 'responseHeaders', edits: { remove: ['server'] } },
    },
    {
      name: 'a framing field',
      filter: { case: 'requestHeaderModifier', value: { remove: ['Content-Length'] } },
      is: { kind: 'unsupported', what: /content-length/ },
    },
    {
      name: 'an empty redirect',
      filter: { case: 'redirect', value: {} },
      is: { kind: 'redirect', scheme: undefined, host: undefined, port: undefined, path: undefined, status: 301 },
    },
    {
      name: 'a full redirect',
      filter: {
        case: 'redirect',
        value: {
          scheme: { type: { case: 'registered', value: 1 } },
          host: 'a.b',
          port: 8443,
          path: { replace: { case: 'prefix', value: '/x' } },
          status: 302,
        },
      },
      is: { scheme: 'https', host: 'a.b', port: 8443, path: { kind: 'prefix', value: '/x' }, status: 302 },
    },
    {
      name: 'the scheme http, zero on the wire',
      filter: { case: 'redirect', value: { scheme: { type: { case: 'registered', value: 0 } } } },
      is: { scheme: 'http' },
    },
    {
      name: 'a redirect status of 200 is an unset one',
      filter: { case: 'redirect', value: { status: 200 } },
      is: { status: 301 },
    },
    {
      name: 'a URL rewrite',
      filter: {
        case: 'urlRewrite',
        value: { host: 'other.example', path: { replace: { case: 'prefix', value: '' } } },
      },
      is: { kind: 'rewrite', host: 'other.example', path: { kind: 'prefix', value: '' } },
    },
    {
      name: 'a request mirror',
      filter: { case: 'requestMirror', value: { backend, ratio: { numerator: 1, denominator: 4 } } },
      is: {
        kind: 'mirror',
        ratio: 0.25,
        backend: { target: { kind: 'balancer', path: 'web.ns.svc.cluster.local:80' } },
      },
    },
    {
      name: 'a mirror whose backend is not known',
      filter: { case: 'requestMirror', value: { backend: { ...backend, kind: undefined } } },
      is: { kind: 'unsupported', what: /Service web\.ns:80, which is unknown/ },
    },
    {
      name: 'a URL rewrite of nothing',
      filter: { case: 'urlRewrite', value: {} },
      is: { kind: 'rewrite', host: undefined, path: undefined },
    },
  ]
  for (const { name, filter, is } of cases) t.match(filterOf(filter), is, name)
  const failure = { kind: { case: 'failureInjector', value: { code: 500, message: 'm' } } }
  const onGrpc = [
    { kind: { case: 'requestMirror', value: { backend } } },
    { kind: { case: 'responseHeaderModifier', value: { remove: ['server'] } } },
  ]
  t.match(ruleOf(grpc([route({ rules: [rule({ filters: onGrpc })] })])).filters, [
    { kind: 'mirror', ratio: 1 },
    { kind: 'responseHeaders', edits: { remove: ['server'] } },
  ])
  t.match(ruleOf(grpc([route({ rules: [rule({ filters: [failure] })] })])).filters, [
    { kind: 'grpcFailure', code: 2, message: 'm', ratio: 1 },
  ])
})

test('distributions and backends', async (t) => {
  const weighted = (weights: number[]) => ({
    kind: { case: 'randomAvailable', value: { backends: weights.map((weight) => ({ weight, backend: { backend } })) } },
  })
  const withBackends = (backends: Init) => ruleOf(http1([route({ rules: [rule({ backends })] })]))
  t.match(withBackends(weighted([1, 3])).distribution, {
    kind: 'randomAvailable',
    totalWeight: 4,
    backends: [{ weight: 1 }, { weight: 3 }],
  })
  t.match(
    withBackends(weighted([0])).distribution,
    { kind: 'firstAvailable', backends: [{ weight: 0 }] },
    'the weight of an only backend is ignored',
  )
  const none = withBackends(weighted([0, 0]))
  t.match(
    none,
    { distribution: { kind: 'empty' }, filters: [{ kind: 'httpFailure', status: 500 }] },
    'without weights nothing can be drawn',
  )

  const single = (parts: Init) =>
    withBackends({ kind: { case: 'firstAvailable', value: { backends: [{ backend: { ...backend, ...parts } }] } } })
  const backendOf = (parts: Init) => {
    const { distribution } = single(parts)
    return distribution.kind === 'firstAvailable' ? distribution.backends[0]! : undefined
  }
  t.match(backendOf({ kind: undefined })?.backend.target, { kind: 'none' })
  const forward = { case: 'forward', value: { addr: tcpAddressToMessage({ ip: '10.0.0.1', port: 80 }), weight: 1 } }
  t.match(backendOf({ kind: forward })?.backend.target, {
    kind: 'forward',
    endpoint: { ip: '10.0.0.1', port: 80, identity: undefined },
  })
  const penalising = (value: Init) =>
    backendOf({ kind: { case: 'balancer', value: { discovery, load: { case: 'penaltyPeakEwma', value } } } })
  t.match(penalising({}), {
    backend: {
      target: { seedRttMs: 30, decayMs: 10_000, penalty: { penaltyMs: 5_000, maxRetryAfterMs: 300_000 } },
    },
    filters: [],
  })
  const given = { defaultRtt: ms(1), decay: ms(2), penalty: ms(3), maxRetryAfter: ms(4) }
  t.match(penalising(given), {
    backend: { target: { seedRttMs: 1, decayMs: 2, penalty: { penaltyMs: 3, maxRetryAfterMs: 4 } } },
  })
})

test('session affinity', async (t) => {
  const targetOf = (sessionAffinity: Init) => {
    const kind = { case: 'balancer', value: { discovery, load: peakEwma, sessionAffinity } }
    const backends = { kind: { case: 'firstAvailable', value: { backends: [{ backend: { ...backend, kind } }] } } }
    return ruleOf(http1([route({ rules: [rule({ backends })] })])).distribution
  }
  const cases: { name: string; message: Init; is: object }[] = [
    {
      name: 'a header',
      message: { key: { case: 'header', value: 'X-User' } },
      is: { key: { kind: 'header', name: 'x-user' }, maxLoad: 1.25 },
    },
    {
      name: 'a cookie of the browser session',
      message: { key: { case: 'cookie', value: { name: 'sid' } }, maxLoad: 2 },
      is: { key: { kind: 'cookie', name: 'sid', path: '/', ttlMs: undefined }, maxLoad: 2 },
    },
    {
      name: 'a cookie with all there is',
      message: { key: { case: 'cookie', value: { name: 'sid', path: '/shop', ttl: ms(3_600_000) } } },
      is: { key: { kind: 'cookie', name: 'sid', path: '/shop', ttlMs: 3_600_000 }, maxLoad: 1.25 },
    },
  ]
  for (const { name, message, is } of cases)
    t.match(targetOf(message), { backends: [{ backend: { target: { affinity: is } } }] }, name)
  const refused: { name: string; message: Init; reason: RegExp }[] = [
    { name: 'no key', message: {}, reason: /key that this version does not know/ },
    { name: 'no header name', message: { key: { case: 'header', value: 'x y' } }, reason: /not a header name/ },
    {
      name: 'no cookie name',
      message: { key: { case: 'cookie', value: { name: 'a=b' } } },
      reason: /name of a cookie/,
    },
    {
      name: 'a path that would add attributes',
      message: { key: { case: 'cookie', value: { name: 'a', path: '/; Domain=x' } } },
      reason: /path of a cookie/,
    },
    {
      name: 'less than the mean',
      message: { key: { case: 'header', value: 'x' }, maxLoad: 0.5 },
      reason: /the load 0.5/,
    },
    {
      name: 'no number',
      message: { key: { case: 'header', value: 'x' }, maxLoad: Number.NaN },
      reason: /the load NaN/,
    },
  ]
  for (const { name, message, reason } of refused) t.throws(() => targetOf(message), reason, name)
})

test('slow start', async (t) => {
  const slow = (window: Init) => {
    const kind = { case: 'balancer', value: { discovery, load: peakEwma, slowStart: { window } } }
    const backends = { kind: { case: 'firstAvailable', value: { backends: [{ backend: { ...backend, kind } }] } } }
    const { distribution } = ruleOf(http1([route({ rules: [rule({ backends })] })]))
    if (distribution.kind !== 'firstAvailable') throw new Error(distribution.kind)
    const { target } = distribution.backends[0]!.backend
    return target.kind === 'balancer' ? target.slowStartMs : target
  }
  t.equal(slow(ms(30_000)), 30_000)
  t.equal(slow(ms(0)), undefined, 'a ramp of no length is none')
  t.throws(() => slow(undefined), /window of a slow start is missing/)
})

test('timeouts, retries, failure accrual', async (t) => {
  const withRule = (parts: Init) => ruleOf(http1([route({ rules: [rule(parts)] })]))
  t.same(withRule({}).timeouts, { requestMs: undefined, responseMs: undefined, idleMs: undefined })
  t.same(withRule({ timeouts: { request: ms(1_500), response: ms(2), idle: ms(0) } }).timeouts, {
    requestMs: 1_500,
    responseMs: 2,
    idleMs: undefined,
  })
  t.equal(withRule({ requestTimeout: ms(7) }).timeouts.requestMs, 7, 'the older field counts where the newer is absent')
  t.equal(withRule({ requestTimeout: ms(7), timeouts: { request: ms(8) } }).timeouts.requestMs, 8)
  t.equal(withRule({ allowL5dRequestHeaders: true }).allowL5dHeaders, true)

  const retry = {
    maxRetries: 2,
    maxRequestBytes: 1 << 20,
    timeout: ms(100),
    backoff,
    conditions: { statusRanges: [{ start: 500, end: 599 }] },
  }
  t.same(withRule({ retry }).retry, {
    maxRetries: 2,
    maxRequestBytes: 65_536,
    timeoutMs: 100,
    backoff: { minMs: 25, maxMs: 250, jitter: 1 },
    statuses: [{ min: 500, max: 599 }],
    grpcCodes: 0,
  })
  t.match(withRule({ retry: { conditions: {} } }).retry, { statuses: [], backoff: undefined, timeoutMs: undefined })
  const grpcRetry = {
    conditions: { cancelled: true, deadineExceeded: true, resourceExhausted: true, internal: true, unavailable: true },
  }
  t.equal(ruleOf(grpc([route({ rules: [rule({ retry: grpcRetry })] })])).retry?.grpcCodes, 0b110_0001_0001_0010)
  const both = { conditions: {}, grpcConditions: { unavailable: true } }
  t.equal(withRule({ retry: both }).retry?.grpcCodes, 1 << 14, 'gRPC on a route of HTTP')

  const accrual = (kind: Init) => httpOf(http1([route()], { kind }))
  const params = { backoff: { minMs: 25, maxMs: 250, jitter: 1 }, honorsRetryAfter: false, minReadyEndpoints: 0 }
  t.same(accrual({ case: 'consecutiveFailures', value: { maxFailures: 7, backoff } }).failureAccrual, {
    maxFailures: 7,
    successRate: undefined,
    ...params,
  })
  t.equal(accrual({ case: 'consecutiveFailures', value: { maxFailures: 0, backoff } }).failureAccrual, undefined)
  t.match(accrual({ case: 'unified', value: { maxConsecutiveFailures: 3, backoff } }).failureAccrual, {
    maxFailures: 3,
    successRate: undefined,
  })
  t.equal(accrual({ case: 'unified', value: { backoff } }).failureAccrual, undefined)
  const rate = { successRateThreshold: 0.75, minRequests: 5, backoff: { ...backoff, respectRetryAfterHint: true } }
  t.same(accrual({ case: 'unified', value: rate }).failureAccrual, {
    ...params,
    maxFailures: 0,
    successRate: { threshold: 0.75, windowMs: 10_000, minRequests: 5 },
    honorsRetryAfter: true,
  })
  t.match(accrual({ case: 'unified', value: { ...rate, decay: ms(500) } }).failureAccrual, {
    successRate: { windowMs: 500 },
  })
  const kind = { case: 'consecutiveFailures', value: { maxFailures: 7, backoff } }
  const floored = httpOf(http1([route()], { kind, ejection: { minReadyEndpoints: 2 } }))
  t.equal(floored.failureAccrual?.minReadyEndpoints, 2)
})

test('what breaks the API makes the whole policy invalid, and says where', async (t) => {
  const withMatch = (match: Init) => http1([route({ rules: [rule({ matches: [match] })] })])
  const withFilter = (kind: Init) => http1([route({ rules: [rule({ filters: [{ kind }] })] })])
  const rewriting = (value: string) =>
    withFilter({ case: 'urlRewrite', value: { path: { replace: { case: 'full', value } } } })
  const withBackends = (kind: Init) => http1([route({ rules: [rule({ backends: { kind } })] })])
  const withBackend = (parts: Init) =>
    withBackends({ case: 'firstAvailable', value: { backends: [{ backend: { ...backend, ...parts } }] } })
  const withRetry = (retry: Init) => http1([route({ rules: [rule({ retry })] })])
  const withAccrual = (kind: Init) => http1([], { kind })
  const resource = (parts: object) => ({
    kind: { case: 'resource', value: { group: 'g', kind: 'K', name: 'n', namespace: 'ns', ...parts } },
  })
  const cases: { name: string; message: Init; reason: RegExp }[] = [
    { name: 'no metadata', message: { protocol: {} }, reason: /^metadata of the policy is missing/ },
    { name: 'metadata of no kind', message: { metadata: {} }, reason: /neither a default nor a resource/ },
    { name: 'no group', message: { metadata: resource({ group: '' }) }, reason: /no group/ },
    { name: 'no kind', message: { metadata: resource({ kind: '' }) }, reason: /no kind/ },
    { name: 'no name', message: { metadata: resource({ name: '' }) }, reason: /no name/ },
    { name: 'no namespace', message: { metadata: resource({ namespace: '' }) }, reason: /no namespace/ },
    { name: 'no protocol', message: { metadata: service }, reason: /^Service web\.ns:80: protocol is missing/ },
    { name: 'an unknown protocol', message: { metadata: service, protocol: {} }, reason: /protocol is of a kind/ },
    {
      name: 'detect without its parts',
      message: { metadata: service, protocol: { kind: { case: 'detect', value: { timeout: ms(1) } } } },
      reason: /opaque is missing/,
    },
    {
      name: 'detect without a timeout',
      message: { metadata: service, protocol: { kind: { case: 'detect', value: {} } } },
      reason: /detect timeout is missing/,
    },
    { name: 'a route without metadata', message: http1([{ rules: [] }]), reason: /metadata of a route is missing/ },
    {
      name: 'no distribution',
      message: http1([route({ rules: [{}] })]),
      reason: /HTTPRoute r\.ns: the distribution over backends is missing/,
    },
    { name: 'an unknown distribution', message: withBackends(undefined), reason: /unknown|does not know/ },
    { name: 'no backends', message: withBackends({ case: 'firstAvailable', value: {} }), reason: /no backends/ },
    {
      name: 'no weighted backends',
      message: withBackends({ case: 'randomAvailable', value: {} }),
      reason: /no backends/,
    },
    {
      name: 'a weighted backend without one',
      message: withBackends({ case: 'randomAvailable', value: { backends: [{ weight: 1 }] } }),
      reason: /backend.* is missing/,
    },
    {
      name: 'a route backend without one',
      message: withBackends({ case: 'firstAvailable', value: { backends: [{}] } }),
      reason: /backend.* is missing/,
    },
    {
      name: 'a backend without metadata',
      message: withBackend({ metadata: undefined }),
      reason: /metadata of a backend/,
    },
    { name: 'no queue', message: withBackend({ queue: undefined }), reason: /backend web: queue is missing/ },
    { name: 'no failfast', message: withBackend({ queue: {} }), reason: /failfast_timeout is missing/ },
    {
      name: 'no discovery',
      message: withBackend({ kind: { case: 'balancer', value: { load: peakEwma } } }),
      reason: /discovery is missing/,
    },
    {
      name: 'a path without a port',
      message: withBackend({
        kind: {
          case: 'balancer',
          value: { discovery: { kind: { case: 'dst', value: { path: 'web' } } }, load: peakEwma },
        },
      }),
      reason: /"web" is not name:port/,
    },
    {
      name: 'a path of an address',
      message: withBackend({
        kind: {
          case: 'balancer',
          value: { discovery: { kind: { case: 'dst', value: { path: '10.0.0.1:80' } } }, load: peakEwma },
        },
      }),
      reason: /is not name:port/,
    },
    {
      name: 'no load',
      message: withBackend({ kind: { case: 'balancer', value: { discovery } } }),
      reason: /load estimate/,
    },
    {
      name: 'no decay',
      message: withBackend({
        kind: { case: 'balancer', value: { discovery, load: { case: 'peakEwma', value: { defaultRtt: ms(1) } } } },
      }),
      reason: /decay is missing/,
    },
    {
      name: 'forward to nowhere',
      message: withBackend({ kind: { case: 'forward', value: {} } }),
      reason: /no address/,
    },
    { name: 'a rewrite to /a?b', message: rewriting('/a?b'), reason: /a rewrite's path/ },
    { name: 'a rewrite to /a#b', message: rewriting('/a#b'), reason: /a rewrite's path/ },
    { name: 'a rewrite to //a', message: rewriting('//a'), reason: /a rewrite's path/ },
    { name: 'a rewrite to a', message: rewriting('a'), reason: /a rewrite's path/ },
    { name: 'a rewrite to /a b', message: rewriting('/a b'), reason: /a rewrite's path/ },
    {
      name: 'a rewrite to no host name',
      message: withFilter({ case: 'urlRewrite', value: { host: 'a b' } }),
      reason: /a rewrite's host/,
    },
    {
      name: 'a mirror without a backend',
      message: withFilter({ case: 'requestMirror', value: {} }),
      reason: /a mirror's backend is missing/,
    },
    { name: 'a filter of no kind', message: withFilter(undefined), reason: /filter is of a kind/ },
    {
      name: 'a bad status',
      message: withFilter({ case: 'failureInjector', value: { status: 0 } }),
      reason: /0 is not the status/,
    },
    {
      name: 'a bad ratio',
      message: withFilter({ case: 'failureInjector', value: { status: 500, ratio: { numerator: 2, denominator: 1 } } }),
      reason: /2\/1 is not a ratio/,
    },
    {
      name: 'a ratio of nothing',
      message: withFilter({ case: 'failureInjector', value: { status: 500, ratio: {} } }),
      reason: /0\/0 is not a ratio/,
    },
    {
      name: 'a bad header name',
      message: withFilter({ case: 'requestHeaderModifier', value: { remove: ['a b'] } }),
      reason: /"a b" is not a header name/,
    },
    {
      name: 'a header value with a line break',
      message: withFilter({
        case: 'requestHeaderModifier',
        value: { add: { headers: [{ name: 'a', value: new TextEncoder().encode('x\r\ny') }] } },
      }),
      reason: /value of header a/,
    },
    {
      name: 'a redirect with a relative path',
      message: withFilter({ case: 'redirect', value: { path: { replace: { case: 'full', value: 'x' } } } }),
      reason: /not an absolute path/,
    },
    {
      name: 'a redirect with a line break',
      message: withFilter({ case: 'redirect', value: { path: { replace: { case: 'full', value: '/\r\n' } } } }),
      reason: /not an absolute path/,
    },
    {
      name: 'a redirect path of no kind',
      message: withFilter({ case: 'redirect', value: { path: {} } }),
      reason: /neither full nor a prefix/,
    },
    {
      name: 'a redirect with a bad host',
      message: withFilter({ case: 'redirect', value: { host: 'a/b' } }),
      reason: /not a host name/,
    },
    {
      name: 'a redirect with a bad port',
      message: withFilter({ case: 'redirect', value: { port: 65_536 } }),
      reason: /65536/,
    },
    {
      name: 'a redirect with a bad scheme',
      message: withFilter({ case: 'redirect', value: { scheme: {} } }),
      reason: /scheme/,
    },
    {
      name: 'a bad regex',
      message: withMatch({ path: { kind: { case: 'regex', value: '(' } } }),
      reason: /regular expression "\("/,
    },
    { name: 'a path of no kind', message: withMatch({ path: {} }), reason: /neither exact, prefix nor regex/ },
    {
      name: 'a header match of no kind',
      message: withMatch({ headers: [{ name: 'a' }] }),
      reason: /header a has no value/,
    },
    {
      name: 'a header match without a name',
      message: withMatch({ headers: [{ value: { case: 'regex', value: '.*' } }] }),
      reason: /"" is not a header name/,
    },
    { name: 'a query match without a name', message: withMatch({ queryParams: [{}] }), reason: /no name/ },
    { name: 'a method match of none', message: withMatch({ method: {} }), reason: /names no method/ },
    {
      name: 'an unknown method',
      message: withMatch({ method: { type: { case: 'registered', value: 99 } } }),
      reason: /method number 99/,
    },
    { name: 'a host match of no kind', message: http1([route({ hosts: [{}] })]), reason: /host match/ },
    {
      name: 'a host suffix of nothing',
      message: http1([route({ hosts: [{ match: { case: 'suffix', value: {} } }] })]),
      reason: /no labels/,
    },
    {
      name: 'a gRPC match without rpc',
      message: grpc([route({ rules: [rule({ matches: [{}] })] })]),
      reason: /rpc of a gRPC match is missing/,
    },
    { name: 'a retry without conditions', message: withRetry({}), reason: /conditions of a retry is missing/ },
    {
      name: 'a retry of status 0',
      message: withRetry({ conditions: { statusRanges: [{ start: 0, end: 599 }] } }),
      reason: /0 to 599/,
    },
    {
      name: 'a retry of status 600',
      message: withRetry({ conditions: { statusRanges: [{ start: 500, end: 600 }] } }),
      reason: /500 to 600/,
    },
    { name: 'too many retries', message: withRetry({ maxRetries: 65_536, conditions: {} }), reason: /65536 retries/ },
    {
      name: 'a backoff without bounds',
      message: withRetry({ conditions: {}, backoff: {} }),
      reason: /retry: min_backoff is missing/,
    },
    {
      name: 'a backoff upside down',
      message: withRetry({ conditions: {}, backoff: { minBackoff: ms(2), maxBackoff: ms(1) } }),
      reason: /from 2 ms to 1 ms/,
    },
    {
      name: 'a backoff of nothing',
      message: withRetry({ conditions: {}, backoff: { minBackoff: ms(0), maxBackoff: ms(0) } }),
      reason: /from 0 ms to 0 ms/,
    },
    {
      name: 'too much jitter',
      message: withRetry({ conditions: {}, backoff: { ...backoff, jitterRatio: 101 } }),
      reason: /jitter ratio 101/,
    },
    {
      name: 'jitter that is no number',
      message: withRetry({ conditions: {}, backoff: { ...backoff, jitterRatio: Number.NaN } }),
      reason: /jitter ratio NaN/,
    },
    {
      name: 'a negative duration',
      message: http1([route({ rules: [rule({ timeouts: { request: { seconds: -1n, nanos: 0 } } })] })]),
      reason: /request timeout is not a duration/,
    },
    {
      name: 'a duration with too many nanoseconds',
      message: http1([route({ rules: [rule({ timeouts: { idle: { seconds: 0n, nanos: 1_000_000_000 } } })] })]),
      reason: /idle timeout is not a duration/,
    },
    { name: 'two opaque routes', message: opaque([{}, {}]), reason: /2 opaque routes/ },
    { name: 'an opaque route without rules', message: opaque([{ metadata: routeMeta }]), reason: /0 rules/ },
    {
      name: 'an opaque route with two',
      message: opaque([{ metadata: routeMeta, rules: [{}, {}] }]),
      reason: /2 rules/,
    },
    { name: 'accrual of no kind', message: withAccrual(undefined), reason: /failure accrual is of a kind/ },
    {
      name: 'accrual without backoff',
      message: withAccrual({ case: 'consecutiveFailures', value: { maxFailures: 1 } }),
      reason: /backoff of failure accrual is missing/,
    },
    {
      name: 'a success rate above one',
      message: withAccrual({ case: 'unified', value: { successRateThreshold: 1.5, backoff } }),
      reason: /success rate 1.5/,
    },
    {
      name: 'a window too short',
      message: withAccrual({ case: 'unified', value: { successRateThreshold: 0.5, decay: ms(9), backoff } }),
      reason: /9 ms is below/,
    },
    {
      name: 'too many samples',
      message: withAccrual({ case: 'unified', value: { minRequests: 1_000_001, backoff } }),
      reason: /1000001/,
    },
  ]
  for (const { name, message, reason } of cases) t.match(convert(message), { kind: 'invalid', reason }, name)
})

test('an IPv6 forward', async (t) => {
  const forward = { case: 'forward', value: { addr: { ip: ipToMessage('fd00::1'), port: 80 } } }
  const init = http1([
    route({
      rules: [
        rule({
          backends: {
            kind: { case: 'firstAvailable', value: { backends: [{ backend: { ...backend, kind: forward } }] } },
          },
        }),
      ],
    }),
  ])
  t.match(ruleOf(init).distribution, { backends: [{ backend: { target: { endpoint: { ip: 'fd00::1' } } } }] })
})
