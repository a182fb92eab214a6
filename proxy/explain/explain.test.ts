import { test } from 'tap'
import { backend, policyOf, retries, rule } from '../../test/proxy/policies.ts'
import type { Discovery, EndpointUpdate } from '../discovery/discovery.ts'
import { DEFAULT_HTTP2 } from '../http/http2-config.ts'
import { PortPolicies } from '../inbound/port-policies.ts'
import { Backend } from '../outbound/backend.ts'
import { BackendCache, type NewBackend } from '../outbound/backend-cache.ts'
import { Endpoint } from '../outbound/endpoint.ts'
import { PeekedBackends } from '../outbound/peeked-backends.ts'
import { NOTHING_COUNTED } from '../outbound/route-recorder.ts'
import { Target } from '../outbound/target.ts'
import { TargetCache } from '../outbound/target-cache.ts'
import { type Authorization, LOCALHOST } from '../policy/authorization.ts'
import { plainEndpoint } from '../policy/endpoint.ts'
import type { Filter } from '../policy/filter.ts'
import { defaultServer, type InboundServer } from '../policy/inbound-policy.ts'
import { network } from '../policy/network.ts'
import type { Distribution, OutboundPolicy } from '../policy/outbound-policy.ts'
import { NO_PROFILE, type Profile } from '../policy/profile.ts'
import type { RouteMatch } from '../policy/route.ts'
import { compileRoutes } from '../policy/route-match.ts'
import { Explainer, MAX_AT_ONCE } from './explainer.ts'
import type { Explanation } from './explanation.ts'
import { explainInbound } from './inbound.ts'
import { explainOutbound } from './outbound.ts'

const nowMs = (): number => 1_000

interface World {
  readonly deadlineMs?: number
  readonly policy?: OutboundPolicy | undefined
  readonly profile?: Profile
  readonly server?: InboundServer
  /** Endpoints by name; others are never discovered. */
  readonly endpoints?: Readonly<Record<string, readonly string[]>>
}

/** A proxy that may only look: what connects, fails the test. */
function explainerOf({
  deadlineMs = 20_000,
  policy,
  profile,
  server,
  endpoints = { 'web:80': ['10.0.0.1', '10.0.0.2'] },
}: World) {
  const closed = { close() {} }
  let watches = 0
  const discovery: Discovery = {
    watchProfile: (_address, onUpdate) => {
      onUpdate(profile)
      return closed
    },
    watchOutboundPolicy: (_address, onUpdate) => {
      onUpdate(policy)
      return closed
    },
    watchEndpoints: (path, onUpdate) => {
      watches++
      const update: EndpointUpdate = {
        kind: 'reset',
        endpoints: (endpoints[path] ?? []).map((ip) => plainEndpoint(ip, 8080)),
      }
      onUpdate(update)
      return { close: () => void watches-- }
    },
    watchPort: (_port, onUpdate) => {
      if (server !== undefined) setImmediate(() => onUpdate(server))
      return closed
    },
  }
  const connect = (): never => {
    throw new Error('an explanation connects')
  }
  const newBackend: NewBackend = (target) => {
    const made = new Backend(target.kind === 'balancer' ? target.path : 'forward', {
      queue: { capacity: 10, failFastTimeoutMs: 100 },
      random: Math.random,
      minReadyEndpoints: 0,
      affinity: undefined,
      slowStartMs: undefined,
      nowMs,
      newEndpoint: (meta, pool) =>
        new Endpoint(
          meta,
          {
            connector: { connect },
            http: {
              http1: { maxHeadBytes: 65_536, maxIdle: 1, idleTimeoutMs: 1_000 },
              http2: DEFAULT_HTTP2,
              backoff: { minMs: 100, maxMs: 1_000, jitter: 0 },
            },
            nowMs,
            epochMs: Date.now,
            random: Math.random,
            metrics: undefined as never,
            seedRttMs: 30,
            decayMs: 10_000,
            isUpgradeable: false,
            penalty: undefined,
            failureAccrual: target.failureAccrual,
          },
          pool,
        ),
    })
    if (target.kind === 'forward') {
      made.update({ kind: 'reset', endpoints: [target.endpoint] })
      return { backend: made, watch: undefined }
    }
    return {
      backend: made,
      watch: discovery.watchEndpoints(
        target.path,
        (update) => made.update(update),
        () => {},
      ),
    }
  }
  const live = new BackendCache(0, newBackend)
  const recorders = {
    profileRoute: () => NOTHING_COUNTED,
    policyRoute: () => ({ ...NOTHING_COUNTED, backends: [] }),
    mirror: () => () => {},
  }
  const targets = new TargetCache(0, (ip, port) => {
    const target = new Target(ip, port, { cache: live, recorders, random: Math.random, nowMs })
    target.start(discovery, `${ip}:${port}`, true)
    return target
  })
  const policies = new PortPolicies(discovery, 0, 1, () => defaultServer('deny', false, [], 10_000))
  const explainer = new Explainer({
    outbound: {
      explain: (question) =>
        explainOutbound(question, {
          targets,
          peek: () => new PeekedBackends(live, newBackend),
          failFastTimeoutMs: 3_000,
          deadlineMs,
          nowMs,
        }),
    },
    inbound: { explain: (question) => explainInbound(question, { policies, deadlineMs, nowMs }) },
  })
  return { explainer, live, watches: () => watches }
}

async function json(world: World, query: string, head: string): Promise<Explanation> {
  const { status, body } = await explainerOf(world).explainer.explain(query, head)
  if (status !== 200) throw new Error(body)
  return JSON.parse(body) as Explanation
}

const OUTBOUND = 'direction=outbound&target=10.96.0.1:80'
const GET = (path = '/', fields = ''): string => `GET ${path} HTTP/1.1\nHost: web.shop\n${fields}`

const http = (parts: Partial<RouteMatch & { kind: 'http' }>): RouteMatch => ({
  kind: 'http',
  path: undefined,
  headers: [],
  query: [],
  method: undefined,
  ...parts,
})
const weighted = (...backends: readonly (readonly [number, string, (readonly Filter[])?])[]): Distribution<Filter> => ({
  kind: 'randomAvailable',
  backends: backends.map(([weight, name, filters]) => backend(name, weight, filters)),
  totalWeight: backends.reduce((sum, [weight]) => sum + weight, 0),
})
const fails = (ratio: number): Filter => ({ kind: 'httpFailure', status: 418, message: 'injected', ratio })
const redirect: Filter = {
  kind: 'redirect',
  scheme: undefined,
  host: 'other.example',
  port: undefined,
  path: undefined,
  status: 301,
}
const rewrite: Filter = { kind: 'rewrite', host: undefined, path: { kind: 'prefix', value: '/v2' } }
const below = (prefix: string): RouteMatch => http({ path: { kind: 'prefix', prefix } })

test('what becomes of outbound requests', async (t) => {
  const cases: readonly { name: string; world: World; head?: string; query?: string; is: object }[] = [
    {
      name: 'an address nobody knows',
      world: { policy: undefined },
      is: {
        policy: { isKnown: true, object: { kind: 'default', name: '10.96.0.1:80' } },
        outcome: { action: 'forward', message: 'to an endpoint of forward as GET / of web.shop' },
      },
    },
    {
      name: 'a route',
      world: {
        policy: policyOf(rule({ timeouts: timeouts(300), retry: retries({ statuses: [{ min: 500, max: 503 }] }) })),
      },
      is: {
        request: { method: 'GET', path: '/', authority: 'web.shop', protocol: 'HTTP/1', isGrpc: false },
        policy: { object: { kind: 'Service', name: 'web', namespace: 'shop', port: 80 } },
        outcome: { action: 'forward' },
        routes: { listed: [{ verdict: 'chosen', reason: 'every request' }], omitted: 0 },
        rule: {
          route: { kind: 'HTTPRoute', name: 'r' },
          rule: 0,
          timeouts: { requestMs: 300 },
          retries: [/^5 at most/, /^2 at most on 500-503 \(65536 bytes/],
          backends: [
            {
              name: 'web:80',
              share: 1,
              ready: 2,
              endpoints: [
                { address: '10.0.0.1:8080', state: 'ready', inFlight: 0, latencyMs: undefined },
                { address: '10.0.0.2:8080', state: 'ready' },
              ],
            },
          ],
        },
        notes: [/no such request yet/],
      },
    },
    {
      name: 'no route',
      world: { policy: policyOf(rule({ matches: [below('/a')] })) },
      is: {
        outcome: { action: 'answer', status: 404, message: 'no route of Service web.shop:80 matches' },
        routes: { listed: [{ verdict: 'mismatch', reason: 'the path / is not below /a' }] },
        rule: undefined,
      },
    },
    {
      name: 'no route, gRPC',
      world: { policy: policyOf(rule({ matches: [below('/a')] })) },
      head: 'POST /s/M HTTP/1.1\r\nHost: web\r\ncontent-type: application/grpc\r\n\r\n',
      is: {
        request: { protocol: 'HTTP/2', isGrpc: true },
        outcome: { action: 'answer', status: 200, grpcStatus: 5 },
      },
    },
    {
      name: 'an invalid policy',
      world: { policy: { kind: 'invalid', reason: 'nobody understands it' } },
      is: { outcome: { action: 'answer', status: 500, message: 'invalid policy: nobody understands it' } },
    },
    {
      name: 'a redirect',
      world: { policy: policyOf(rule({ filters: [redirect] })) },
      head: GET('/x?y'),
      is: {
        outcome: { action: 'answer', status: 301, fields: [['location', 'http://other.example/x?y']] },
        rule: { filters: ['redirect with 301 to host other.example'] },
      },
    },
    {
      name: 'a rewrite',
      world: { policy: policyOf(rule({ matches: [below('/v1')], filters: [rewrite] })) },
      head: GET('/v1/x'),
      is: { outcome: { action: 'forward', message: /as GET \/v2\/x of web\.shop/ } },
    },
    {
      name: 'a failure of all',
      world: { policy: policyOf(rule({ filters: [fails(1)] })) },
      is: { outcome: { action: 'answer', status: 418, message: 'injected' } },
    },
    {
      name: 'a failure of some',
      world: { policy: policyOf(rule({ filters: [fails(0.05)] })) },
      is: { outcome: { action: 'forward' }, rule: { filters: ['5% of requests fail with 418'] } },
    },
    {
      name: 'a filter nobody knows',
      world: { policy: policyOf(rule({ filters: [{ kind: 'unsupported', what: 'a filter of tomorrow' }] })) },
      is: {
        outcome: { action: 'answer', status: 500, message: /HTTPRoute r\.shop: a filter of tomorrow is not supported/ },
      },
    },
    {
      name: 'a split',
      world: {
        policy: policyOf(rule({ distribution: weighted([95, 'web'], [5, 'new', [fails(1)]], [0, 'old']) })),
        endpoints: { 'web:80': ['10.0.0.1'], 'new:80': ['10.0.0.3'], 'old:80': ['10.0.0.4'] },
      },
      is: {
        outcome: { action: 'split', message: '95% to web:80, 5% to new:80' },
        rule: {
          distribution: 'randomAvailable',
          backends: [
            { share: 0.95, outcome: { action: 'forward' } },
            { share: 0.05, outcome: { action: 'answer', status: 418 }, filters: ['100% of requests fail with 418'] },
            { share: 0, weight: 0 },
          ],
        },
      },
    },
    {
      name: 'a split of which one has no endpoint',
      world: { policy: policyOf(rule({ distribution: weighted([95, 'new'], [5, 'web']) })) },
      is: {
        outcome: { action: 'forward', message: /endpoint of web:80/ },
        rule: { backends: [{ share: 0 }, { share: 1 }] },
      },
    },
    {
      name: 'no endpoint',
      world: { policy: policyOf(rule()), endpoints: {} },
      is: { outcome: { action: 'wait', message: /^web:80 has no endpoint: the request waits for one, for 3000 ms/ } },
    },
    {
      name: 'no endpoint of any backend',
      world: { policy: policyOf(rule({ distribution: weighted([0, 'z'], [1, 'new'], [1, 'web']) })), endpoints: {} },
      is: { outcome: { action: 'wait', message: /^new:80 has no endpoint/ } },
    },
    {
      name: 'no backend',
      world: { policy: policyOf(rule({ distribution: { kind: 'empty' } })) },
      is: { outcome: { action: 'answer', status: 503, message: 'route HTTPRoute r.shop has no backend' } },
    },
    {
      name: 'an endpoint that is not who it has to be',
      world: { policy: policyOf(rule()) },
      head: GET('/', 'l5d-require-id: web.id\n'),
      is: { outcome: { action: 'answer', status: 502, message: /'web\.id' but the endpoint has none/ } },
    },
    {
      name: 'overrides',
      world: { policy: policyOf(rule({ allowL5dHeaders: true })) },
      head: GET('/', 'l5d-request-timeout: 1s\nl5d-response-timeout: soon\n'),
      is: {
        outcome: { action: 'forward' },
        rule: { timeouts: { requestMs: 1_000 } },
        notes: [/connections are made/, /^1 field/],
      },
    },
    {
      name: 'an opaque port',
      world: { profile: { ...NO_PROFILE, isOpaque: true } },
      is: { policy: { protocol: 'opaque' }, outcome: { action: 'bytes' }, routes: { listed: [] } },
    },
    {
      name: 'a profile',
      world: {
        profile: {
          ...NO_PROFILE,
          name: 'web',
          routes: [
            {
              name: 'get',
              labels: new Map(),
              condition: { kind: 'method', method: 'GET' },
              responseClasses: [],
              isRetryable: true,
              timeoutMs: 250,
            },
          ],
          budget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttlMs: 10_000 },
        },
      },
      is: {
        outcome: { action: 'forward' },
        routes: {
          listed: [{ route: { kind: 'ServiceProfile', name: 'web' }, verdict: 'chosen', reason: 'get: method GET' }],
        },
        rule: { rule: 0, timeouts: { profileMs: 250 }, retries: [/^5 at most/, /within the profile's budget/] },
      },
    },
  ]
  for (const { name, world, head = GET(), query = OUTBOUND, is } of cases)
    t.match(await json(world, query, head), is, name)
})

test('an explanation leaves nothing behind', async (t) => {
  const { explainer, live, watches } = explainerOf({ policy: policyOf(rule()) })
  await explainer.explain(OUTBOUND, GET())
  t.equal([...live.backends].length, 0, 'nobody uses the backend now')
  t.equal(watches(), 0, 'nor watches its endpoints')
  const used = live.acquire({ kind: 'balancer', path: 'web:80', seedRttMs: 30, decayMs: 10_000 })
  const { body } = await explainer.explain(OUTBOUND, GET())
  t.same((JSON.parse(body) as Explanation).notes, [], 'one that traffic uses is told as it is')
  t.equal(used.queueLength, 0)
  t.equal(watches(), 1)
})

test('a target that discovery does not tell', async (t) => {
  const { explainer } = explainerOf({ deadlineMs: 10 })
  const many = Array.from({ length: MAX_AT_ONCE + 1 }, () =>
    explainer.explain('direction=inbound&port=1&client=none&address=10.0.0.1', GET()),
  )
  const answers = await Promise.all(many)
  t.equal(answers[MAX_AT_ONCE]!.status, 503, 'more than so many at once are refused')
  t.match(JSON.parse(answers[0]!.body), {
    policy: { isKnown: false, object: { kind: 'default', name: 'deny' } },
    notes: [/has not told the policy of port 1/],
    outcome: { action: 'refuse', message: 'default deny allows the client no connection' },
  })
})

const SERVER_META = {
  group: 'policy.linkerd.io',
  kind: 'server',
  namespace: '',
  name: 'web',
  section: '',
  port: 0,
  generation: 4,
}
const authorization = (name: string, parts: Partial<Authorization>): Authorization => ({
  meta: { ...SERVER_META, kind: 'AuthorizationPolicy', name },
  networks: [network('0.0.0.0/0'), network('::/0')],
  authentication: { kind: 'unauthenticated' },
  ...parts,
})
const ONLY_CART = authorization('cart', {
  authentication: { kind: 'meshTls', identities: new Set(['cart.id']), suffixes: ['.shop.id'] },
})
const OFFICE = authorization('office', { networks: [network('192.168.0.0/16')] })

function serverOf(filters: readonly Filter[], parts: Partial<InboundServer> = {}): InboundServer {
  const authorizations = [ONLY_CART, OFFICE, LOCALHOST]
  const meta = { ...SERVER_META, kind: 'HTTPRoute', name: 'api', generation: 2 }
  const route = { meta, hosts: [], rules: [{ matches: [below('/api')], filters }], authorizations }
  const protocol = { kind: 'detect', timeoutMs: 10_000, table: compileRoutes([route]) } as const
  return { kind: 'server', meta: SERVER_META, protocol, authorizations, rateLimit: undefined, ...parts }
}

test('what becomes of inbound requests', async (t) => {
  const from = (client: string, address = '10.0.0.9') =>
    `direction=inbound&port=8080&client=${client}&address=${address}`
  const api = GET('/api')
  const limit = {
    meta: { ...SERVER_META, kind: 'HTTPLocalRateLimitPolicy', name: 'slow' },
    total: 5,
    identity: 0,
    overrides: [],
  }
  const cases: readonly { name: string; server: InboundServer; head?: string; query: string; is: object }[] = [
    {
      name: 'permitted',
      server: serverOf([]),
      query: from('cart.id'),
      is: {
        policy: { isKnown: true, object: { kind: 'server', name: 'web', generation: 4 }, protocol: 'detect' },
        request: { client: { address: '10.0.0.9', tls: 'mesh', identity: 'cart.id' } },
        outcome: {
          action: 'forward',
          message: /port 8080: AuthorizationPolicy cart permits the client on HTTPRoute api/,
        },
        rule: { route: { kind: 'HTTPRoute', name: 'api', generation: 2 }, rule: 0 },
        authorizations: [{ permits: true, reason: 'cart.id, *.shop.id, from anywhere' }, { permits: false }, {}],
      },
    },
    {
      name: 'denied, with the reason of each',
      server: serverOf([]),
      query: from('web.other.id'),
      is: {
        outcome: { action: 'answer', status: 403, message: 'unauthorized request on route HTTPRoute api' },
        authorizations: [
          {
            object: { name: 'cart' },
            permits: false,
            reason: 'it wants cart.id, *.shop.id; the client is web.other.id',
          },
          {
            object: { name: 'office' },
            permits: false,
            reason: 'it wants from 192.168.0.0/16; the client is at 10.0.0.9',
          },
          { object: { kind: 'default', name: 'localhost' }, permits: false, reason: /127\.0\.0\.1\/32, ::1\/128/ },
        ],
      },
    },
    {
      name: 'by network, without TLS',
      server: serverOf([]),
      query: from('none', '192.168.3.4'),
      is: {
        request: { client: { tls: 'none' } },
        outcome: { action: 'forward' },
        authorizations: [{ permits: false, reason: /the client has no mesh TLS$/ }, { permits: true }, {}],
      },
    },
    {
      name: 'no route',
      server: serverOf([]),
      head: GET('/other'),
      query: from('cart.id'),
      is: {
        outcome: { action: 'answer', status: 404 },
        routes: { listed: [{ verdict: 'mismatch', reason: 'the path /other is not below /api' }] },
        authorizations: undefined,
      },
    },
    {
      name: 'a filter answers',
      server: serverOf([fails(1)]),
      query: from('cart.id'),
      is: { outcome: { action: 'answer', status: 418 }, rule: { filters: ['100% of requests fail with 418'] } },
    },
    {
      name: 'what the connection names does not count',
      server: serverOf([
        { kind: 'requestHeaders', edits: { add: [{ name: 'x', value: '1' }], set: [], remove: ['y'] } },
      ]),
      head: GET('/api', 'connection: x-secret\nx-secret: 1\n'),
      query: from('cart.id'),
      is: { outcome: { action: 'forward' }, rule: { filters: ['request headers: add x: 1, remove y'] } },
    },
    {
      name: 'a rate limit with room',
      server: serverOf([], { rateLimit: limit }),
      query: from('cart.id'),
      is: { outcome: { action: 'forward' }, rateLimit: { object: { name: 'slow' }, passes: true } },
    },
    {
      name: 'an opaque port',
      server: serverOf([], { protocol: { kind: 'opaque' } }),
      query: from('web.other.id'),
      is: {
        outcome: { action: 'refuse', message: 'server web allows the client no connection' },
        authorizations: [{}, {}, {}],
      },
    },
    {
      name: 'an opaque port, permitted',
      server: serverOf([], { protocol: { kind: 'opaque' } }),
      query: from('cart.shop.id'),
      is: { outcome: { action: 'bytes', message: /AuthorizationPolicy cart permits/ } },
    },
  ]
  for (const { name, server, head = api, query, is } of cases) t.match(await json({ server }, query, head), is, name)
})

test('questions that cannot be answered', async (t) => {
  const { explainer } = explainerOf({})
  const inbound = 'direction=inbound&port=80&client=none&address=10.0.0.1'
  const cases: readonly { query: string; head?: string; is: RegExp }[] = [
    { query: '', is: /^direction has to be outbound or inbound\n$/ },
    { query: 'direction=both', is: /^direction/ },
    { query: 'direction=outbound', is: /^target has to be the address/ },
    { query: 'direction=outbound&target=web:80', is: /^target/ },
    { query: 'direction=outbound&target=10.0.0.1:0', is: /^target/ },
    { query: 'direction=outbound&target=10.0.0.1:65536', is: /^target/ },
    {
      query: `${OUTBOUND}&port=1`,
      is: /^"port" is not a parameter of direction=outbound; there are direction, target/,
    },
    { query: `${OUTBOUND}&__proto__=1`, is: /^"__proto__" is not/ },
    { query: `${OUTBOUND}&target=10.0.0.2:80`, is: /^target is given more than once/ },
    { query: `${OUTBOUND}&http=3`, is: /^http has to be 1 or 2/ },
    { query: `${OUTBOUND}&format=xml`, is: /^format has to be json or text/ },
    { query: 'direction=inbound&client=none&address=10.0.0.1', is: /^port has to be/ },
    { query: 'direction=inbound&port=80&address=10.0.0.1', is: /^client has to be/ },
    { query: `direction=inbound&port=80&address=10.0.0.1&client=${'x'.repeat(1_025)}`, is: /^client/ },
    { query: 'direction=inbound&port=80&client=none&address=web', is: /^address has to be/ },
    { query: inbound, head: '', is: /^the proxy would answer 400/ },
    { query: inbound, head: 'GET /', is: /^the proxy would answer 400 .*RFC 9112/ },
    { query: inbound, head: 'GET / HTTP/1.1\n', is: /^the proxy would answer 400 .*no Host/ },
    { query: inbound, head: 'GET / HTTP/3.0\nHost: a\n', is: /^the proxy would answer 505/ },
    { query: inbound, head: 'GET / HTTP/1.1\r\nHost: a\n', is: /^the proxy would answer 400/ },
    { query: inbound, head: 'GET / HTTP/1.1\nHost: a\n\nbody', is: /^there is more behind the empty line/ },
    { query: inbound, head: 'GET / HTTP/1.1\nHost: a\nx: \ufffd\n', is: /^the head is not UTF-8/ },
  ]
  for (const { query, head = GET(), is } of cases)
    t.match(await explainer.explain(query, head), { status: 400, body: is }, `${query} ${JSON.stringify(head)}`)
})

test('for people', async (t) => {
  const policy = policyOf(
    rule({ matches: [below('/admin')] }),
    rule({ matches: [below('/cart')], filters: [fails(0.05)], distribution: weighted([95, 'web'], [5, 'new']) }),
  )
  const { body } = await explainerOf({ policy }).explainer.explain(`${OUTBOUND}&format=text`, GET('/cart'))
  t.equal(
    body,
    `request        outbound GET /cart of web.shop over HTTP/1
policy         Service web.shop:80 (10.96.0.1:80), detect
outcome        forward: to an endpoint of web:80 as GET /cart of web.shop
note           this proxy has had no such request yet: connections are made with the first one

routes
  > HTTPRoute r.shop, rule 1: path below /cart
  - HTTPRoute r.shop, rule 0: the path /cart is not below /admin

rule           1 of HTTPRoute r.shop
  filter       5% of requests fail with 418
  timeouts     none
  retries      5 at most when no application has seen the request
  backend      Service web.shop:80 as web:80: weight 95, 100% now, 2 of 2 ready
               forward: to an endpoint of web:80 as GET /cart of web.shop
    endpoint   10.0.0.1:8080 ready, 0 in flight, not meshed
    endpoint   10.0.0.2:8080 ready, 0 in flight, not meshed
  backend      Service new.shop:80 as new:80: weight 5, 0% now, 0 of 0 ready
               wait: new:80 has no endpoint: the request waits for one, for 3000 ms at most, then it gets 504
`,
  )
  const inbound = 'direction=inbound&port=8080&client=x.id&address=10.0.0.9&format=text'
  const denied = await explainerOf({ server: serverOf([]) }).explainer.explain(inbound, GET('/api'))
  t.match(denied.body, /^client {9}10\.0\.0\.9, x\.id$/m)
  t.match(
    denied.body,
    /^ {2}- AuthorizationPolicy cart \(generation 4\): it wants cart\.id, \*\.shop\.id; the client is x\.id$/m,
  )
})

function timeouts(requestMs: number) {
  return { requestMs, responseMs: undefined, backendRequestMs: undefined, idleMs: undefined }
}
