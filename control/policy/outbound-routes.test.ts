/** What routes make of the client's side: objects in, the message out. */
import { test } from 'tap'
import { OutboundPolicySchema } from '../../api/gen/outbound_pb.js'
import { parseSocketAddress } from '../../api/ip.ts'
import type { Kind, Resource } from '../../api/resources/kinds.ts'
import { Cluster } from '../cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { json, type PolicyFixture, policyObject, service, storeOf } from '../cluster/fixtures.ts'
import { outboundMessage } from './api/outbound-message.ts'
import { outboundPolicyAt } from './index/outbound.ts'

type Given = PolicyFixture

const object = (kind: Kind, name: string, spec: string, given: Given = {}): Resource =>
  policyObject(kind, name, spec, { createdAt: '2026-01-01T00:00:00Z', ...given })

interface Asked {
  readonly address?: string
  readonly client?: string
  readonly isLinkerd?: boolean
}

function policyFor(objects: readonly Resource[], asked: Asked = {}) {
  const { address = '10.96.0.1:80', client = 'shop', isLinkerd = false } = asked
  const cluster = new Cluster(storeOf(...SERVICES, ...objects), DEFAULT_CLUSTER_CONFIG)
  const { policy, problems } = outboundPolicyAt(cluster, client, parseSocketAddress(address)!)
  const message = outboundMessage(policy, { clusterDomain: 'cluster.local', hasExtensions: !isLinkerd })
  return { ...json(OutboundPolicySchema, message), problems }
}

const SERVICES = [
  service({
    name: 'web',
    clusterIP: '10.96.0.1',
    ports: [
      { name: 'http', port: 80 },
      { name: 'alt', port: 81 },
    ],
  }),
  service({ name: 'canary', clusterIP: '10.96.0.2' }),
  service({ name: 'far', namespace: 'other', clusterIP: '10.96.0.3' }),
]
const PARENT = 'parentRefs: [{ name: web, kind: Service, group: "" }]'
/** Names of the routes of an HTTP policy, in order. */
// biome-ignore lint/suspicious/noExplicitAny: a wrong path fails the test
const routeNames = ({ protocol }: any): string[] =>
  (protocol.detect?.http1 ?? protocol.http2 ?? protocol.grpc ?? protocol.tls ?? protocol.opaque).routes.map(
    // biome-ignore lint/suspicious/noExplicitAny: as above
    ({ metadata }: any) => metadata.resource?.name ?? metadata.default,
  )
// biome-ignore lint/suspicious/noExplicitAny: as above
const firstRule = ({ protocol }: any) => (protocol.detect?.http1 ?? protocol.grpc).routes[0].rules[0]

test('an HTTPRoute: hosts, matches, filters, weighted backends', async (t) => {
  const route = object(
    'HTTPRoute',
    'split',
    `{ ${PARENT}, hostnames: [shop.example, "*.shop.example"], rules: [{
      matches: [{ path: { type: Exact, value: /a }, headers: [{ name: X-Canary, value: "1" }], method: GET,
                  queryParams: [{ name: q, type: RegularExpression, value: "a+" }] }],
      filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: x, value: y }], remove: [z] } }],
      backendRefs: [{ name: web, port: 80, weight: 95 }, { name: canary, port: 80, weight: 5,
        filters: [{ type: ResponseHeaderModifier, responseHeaderModifier: { add: [{ name: v, value: "2" }] } }] }] }] }`,
  )
  const policy = policyFor([route])
  const [{ metadata, hosts, rules }] = policy.protocol.detect.http1.routes
  t.same(metadata.resource, {
    group: 'gateway.networking.k8s.io',
    kind: 'HTTPRoute',
    name: 'split',
    namespace: 'shop',
    weftGeneration: '1',
  })
  t.same(hosts, [{ exact: 'shop.example' }, { suffix: { reverseLabels: ['example', 'shop'] } }])
  const [rule] = rules
  t.match(rule.matches, [
    {
      path: { exact: '/a' },
      headers: [{ name: 'X-Canary', exact: Buffer.from('1').toString('base64') }],
      queryParams: [{ name: 'q', regex: 'a+' }],
      method: { registered: 'GET' },
    },
  ])
  t.match(rule.filters, [{ requestHeaderModifier: { set: { headers: [{ name: 'x' }] }, remove: ['z'] } }])
  const { backends } = rule.backends.randomAvailable
  t.match(backends, [
    { weight: 95, backend: { backend: { metadata: { resource: { name: 'web', port: 80 } } } } },
    {
      weight: 5,
      backend: { backend: { metadata: { resource: { name: 'canary' } } }, filters: [{ responseHeaderModifier: {} }] },
    },
  ])
  t.same(policy.problems, [])
  t.same(policy.protocol.detect.http2, policy.protocol.detect.http1)
  t.match(policy.protocol.detect.opaque.routes, [{ metadata: { default: 'opaq' } }])
})

test('which routes a port has', async (t) => {
  const http = (name: string, given: Given & { ref?: string } = {}) =>
    object('HTTPRoute', name, `{ parentRefs: [{ name: web, kind: Service, group: "" ${given.ref ?? ''} }] }`, given)
  const cases: readonly { name: string; objects: Resource[]; asked?: Asked; routes: string[] }[] = [
    { name: 'none: the default', objects: [], routes: ['http'] },
    {
      name: 'oldest first, then by name',
      objects: [http('b'), http('a'), http('old', { createdAt: '2025-01-01T00:00:00Z' })],
      routes: ['old', 'a', 'b'],
    },
    { name: 'of this port', objects: [http('a', { ref: ', port: 80' })], routes: ['a'] },
    { name: 'not of another port', objects: [http('a', { ref: ', port: 81' })], routes: ['http'] },
    { name: 'by the name of the port', objects: [http('a', { ref: ', sectionName: http' })], routes: ['a'] },
    { name: 'not by the name of another', objects: [http('a', { ref: ', sectionName: alt' })], routes: ['http'] },
    { name: 'no port of that name', objects: [http('a', { ref: ', sectionName: none' })], routes: ['http'] },
    {
      name: 'a consumer route for clients of its namespace',
      objects: [http('mine', { namespace: 'other', ref: ', namespace: shop' }), http('theirs')],
      asked: { client: 'other' },
      routes: ['mine', 'theirs'],
    },
    {
      name: 'and for nobody else',
      objects: [http('mine', { namespace: 'other', ref: ', namespace: shop' }), http('theirs')],
      routes: ['theirs'],
    },
    {
      name: 'another parent of the same name',
      objects: [object('HTTPRoute', 'a', '{ parentRefs: [{ name: web, kind: Service, group: example.org }] }')],
      routes: ['http'],
    },
    {
      name: 'both groups of HTTPRoutes in one list',
      objects: [
        http('b'),
        object('HTTPRoute.policy.linkerd.io', 'a', '{ parentRefs: [{ name: web, kind: Service, group: core }] }'),
      ],
      routes: ['a', 'b'],
    },
    {
      name: 'GRPCRoutes go before HTTPRoutes',
      objects: [http('http'), object('GRPCRoute', 'grpc', `{ ${PARENT} }`)],
      routes: ['grpc'],
    },
    {
      name: 'TLSRoutes go before TCPRoutes',
      objects: [
        object('TCPRoute', 'tcp', `{ ${PARENT}, rules: [{ backendRefs: [{ name: web, port: 80 }] }] }`),
        object('TLSRoute', 'tls', `{ ${PARENT}, rules: [{ backendRefs: [{ name: web, port: 80 }] }] }`),
      ],
      routes: ['tls'],
    },
    {
      name: 'a TCPRoute',
      objects: [object('TCPRoute', 'tcp', `{ ${PARENT}, rules: [{ backendRefs: [{ name: canary, port: 80 }] }] }`)],
      routes: ['tcp'],
    },
    {
      name: 'a route of a higher kind in a client namespace does not disturb others',
      objects: [
        http('theirs'),
        object('GRPCRoute', 'mine', '{ parentRefs: [{ name: web, namespace: shop, kind: Service, group: "" }] }', {
          namespace: 'other',
        }),
      ],
      routes: ['theirs'],
    },
  ]
  for (const { name, objects, asked, routes } of cases) t.same(routeNames(policyFor(objects, asked)), routes, name)
})

test('what cannot be done is answered with 500 and named', async (t) => {
  const cases: readonly {
    name: string
    rule: string
    says: string | RegExp
    isLinkerd?: boolean
    more?: Resource[]
  }[] = [
    {
      name: 'an unknown filter',
      rule: 'filters: [{ type: ExtensionRef, extensionRef: {} }]',
      says: /spec\.rules\[0\]\.filters\[0\]\.extensionRef is not known to this version$/,
    },
    {
      name: 'an unknown type of filter',
      rule: 'filters: [{ type: Teleport }]',
      says: 'HTTPRoute shop/r: spec.rules[0].filters[0]: a filter of type Teleport is not supported',
    },
    {
      name: 'an unknown field of a match',
      rule: 'matches: [{ cookies: [] }]',
      says: 'HTTPRoute shop/r: spec.rules[0].matches[0].cookies is not known to this version',
    },
    {
      name: 'a bad pattern',
      rule: 'matches: [{ path: { type: RegularExpression, value: "(" } }]',
      says: /^HTTPRoute shop\/r: spec\.rules\[0\]\.matches\[0\]\.path\.value: /,
    },
    {
      name: 'all weights zero',
      rule: 'backendRefs: [{ name: web, port: 80, weight: 0 }]',
      says: 'HTTPRoute shop/r: all weights of spec.rules[0].backendRefs are 0',
    },
    {
      name: 'a rewrite, for a proxy that does not know it',
      rule: 'filters: [{ type: URLRewrite, urlRewrite: { hostname: a.example } }]',
      isLinkerd: true,
      says: 'URLRewrite needs a proxy of Weft',
    },
    {
      name: 'a mirror without its backend',
      rule: 'filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: gone, port: 80 } } }]',
      says: "HTTPRoute shop/r: the mirror's backend: there is no Service shop/gone",
    },
  ]
  for (const { name, rule, says, isLinkerd, more = [] } of cases) {
    const policy = policyFor([object('HTTPRoute', 'r', `{ ${PARENT}, rules: [{ ${rule} }] }`), ...more], {
      ...(isLinkerd && { isLinkerd }),
    })
    const [{ failureInjector }] = firstRule(policy).filters
    t.equal(failureInjector.status, 500, name)
    t.match(failureInjector.message, says, name)
  }
})

test('a backend that cannot be used keeps its share and fails it', async (t) => {
  const grant = (spec: string) => object('ReferenceGrant', 'g', spec, { namespace: 'other' })
  const from = '[{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop }]'
  const cases: readonly { name: string; ref: string; kind?: Kind; more?: Resource[]; says?: string }[] = [
    { name: 'a service', ref: 'name: canary, port: 80' },
    { name: 'no such service', ref: 'name: gone, port: 80', says: 'there is no Service shop/gone' },
    { name: 'no port given', ref: 'name: web', says: 'the port of Service shop/web is missing' },
    { name: 'no such port', ref: 'name: web, port: 99', says: 'Service shop/web has no port 99' },
    {
      name: 'another kind',
      ref: 'name: web, kind: Bucket, group: example.org, port: 80',
      says: 'Bucket.example.org is no backend; use a Service, or the EgressNetwork itself',
    },
    {
      name: 'another namespace without a grant',
      ref: 'name: far, namespace: other, port: 80',
      says: 'Service other/far is in another namespace, which has no ReferenceGrant for this route',
    },
    {
      name: 'with a grant',
      ref: 'name: far, namespace: other, port: 80',
      more: [grant(`{ from: ${from}, to: [{ kind: Service, group: "" }] }`)],
    },
    {
      name: 'with a grant for another service',
      ref: 'name: far, namespace: other, port: 80',
      more: [grant(`{ from: ${from}, to: [{ kind: Service, name: near }] }`)],
      says: 'Service other/far is in another namespace, which has no ReferenceGrant for this route',
    },
    {
      name: "Linkerd's own routes need none",
      kind: 'HTTPRoute.policy.linkerd.io',
      ref: 'name: far, namespace: other, port: 80',
    },
  ]
  for (const { name, ref, kind = 'HTTPRoute', more = [], says } of cases) {
    const rules = `rules: [{ backendRefs: [{ name: web, port: 80 }, { ${ref} }] }]`
    const policy = policyFor([object(kind, 'r', `{ ${PARENT}, ${rules} }`), ...more])
    const [, { backend, weight }] = firstRule(policy).backends.randomAvailable.backends
    t.equal(weight, 1, name)
    const expected = `HTTPRoute${kind === 'HTTPRoute' ? '' : '.policy.linkerd.io'} shop/r: spec.rules[0].backendRefs[1]: ${says}`
    t.same(backend.filters?.[0].failureInjector, says && { status: 500, message: expected }, name)
    t.same(policy.problems, says === undefined ? [] : [expected], name)
  }
})

test('timeouts and retries: annotations of the route, fields of the rule, then the parent', async (t) => {
  const parent = { 'timeout.linkerd.io/request': '9s', 'retry.linkerd.io/http': '5xx' }
  const web = service({ name: 'web', clusterIP: '10.96.0.1', annotations: parent })
  const cases: readonly { name: string; annotations?: object; rule?: string; timeouts?: object; retry?: object }[] = [
    { name: 'the parent', timeouts: { request: '9s' }, retry: { maxRetries: 1 } },
    { name: 'a field of the rule', rule: 'timeouts: { request: 1m30s }', timeouts: { request: '90s' } },
    { name: 'no timeout by the field', rule: 'timeouts: { request: 0s }' },
    {
      name: 'annotations of the route replace the group',
      annotations: { 'timeout.linkerd.io/idle': '3s', 'retry.linkerd.io/limit': '4' },
      timeouts: { idle: '3s' },
      retry: { maxRetries: 4, conditions: {} },
    },
    {
      name: 'and go before the field',
      annotations: { 'timeout.linkerd.io/request': '2s' },
      rule: 'timeouts: { request: 5s }',
      timeouts: { request: '2s' },
    },
    {
      name: 'retries by field',
      rule: 'retry: { codes: [503], attempts: 2, backoff: 100ms }',
      retry: {
        maxRetries: 2,
        conditions: { statusRanges: [{ start: 503, end: 503 }] },
        backoff: { minBackoff: '0.100s' },
      },
    },
  ]
  for (const { name, annotations = {}, rule = '', timeouts, retry } of cases) {
    const route = object('HTTPRoute', 'r', `{ ${PARENT}, rules: [{ ${rule} }] }`, { annotations })
    const result = firstRule(policyFor([web, route]))
    if (timeouts !== undefined || rule.includes('request')) t.same(result.timeouts, timeouts, name)
    if (retry !== undefined) t.match(result.retry, retry, name)
  }
  const backendRequest = object('HTTPRoute', 'r', `{ ${PARENT}, rules: [{ timeouts: { backendRequest: 500ms } }] }`)
  t.equal(firstRule(policyFor([backendRequest])).backendRequestTimeout, '0.500s')
  t.equal(firstRule(policyFor([backendRequest], { isLinkerd: true })).backendRequestTimeout, undefined)
})

test('retries by gRPC code also where no GRPCRoute asks for them, from proxies that know it', async (t) => {
  const annotations = { 'retry.linkerd.io/grpc': 'unavailable' }
  const web = service({ name: 'web', clusterIP: '10.96.0.1', ports: [{ name: 'http', port: 80 }], annotations })
  t.match(firstRule(policyFor([web])).retry, { conditions: {}, grpcConditions: { unavailable: true } })
  t.equal(firstRule(policyFor([web], { isLinkerd: true })).retry.grpcConditions, undefined)
})

test('a GRPCRoute: method, retries by code, mirror', async (t) => {
  const route = object(
    'GRPCRoute',
    'r',
    `{ ${PARENT}, rules: [{ matches: [{ method: { service: shop.Cart, method: Add } }],
      filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: canary, port: 80 }, percent: 10 } }] }] }`,
    { annotations: { 'retry.linkerd.io/grpc': 'unavailable,deadline-exceeded' } },
  )
  const rule = firstRule(policyFor([route]))
  t.same(rule.matches, [{ rpc: { service: 'shop.Cart', method: 'Add' } }])
  t.same(rule.retry.conditions, { unavailable: true, deadineExceeded: true })
  t.match(rule.filters, [
    {
      requestMirror: {
        backend: { metadata: { resource: { name: 'canary' } } },
        ratio: { numerator: 10, denominator: 100 },
      },
    },
  ])
  const linkerd = firstRule(policyFor([route], { isLinkerd: true }))
  t.match(linkerd.filters, [{ failureInjector: { code: 13, message: 'RequestMirror needs a proxy of Weft' } }])
})

test('egress', async (t) => {
  const egress = (name: string, spec: string, given: Given = {}) => object('EgressNetwork', name, spec, given)
  const at = (objects: Resource[], asked: Asked = {}) => policyFor(objects, { address: '93.184.216.34:443', ...asked })
  const allow = egress('all', '{ trafficPolicy: Allow }')
  const deny = egress('all', '{ trafficPolicy: Deny }')
  const route = object(
    'HTTPRoute',
    'api',
    '{ parentRefs: [{ name: all, kind: EgressNetwork, group: policy.linkerd.io, port: 443 }], hostnames: [api.example] }',
  )
  t.same(at([]).metadata, { default: 'egress-fallback' }, 'no EgressNetwork')
  t.match(at([allow]).metadata.resource, { group: 'policy.linkerd.io', kind: 'EgressNetwork', name: 'all', port: 443 })
  t.same(routeNames(at([allow])), ['http-egress-allow'])
  t.same(routeNames(at([deny, route])), ['api', 'http-egress-deny'], 'the policy goes behind routes')
  t.match(firstRule(at([deny])).filters, [{ failureInjector: { status: 403, message: 'traffic not allowed' } }])
  t.match(firstRule(at([deny, route])).backends.firstAvailable.backends[0].backend, {
    metadata: { resource: { kind: 'EgressNetwork' } },
    forward: { addr: { port: 443 } },
  })
  t.match(at([deny]).protocol.detect.opaque.routes, [
    { metadata: { default: 'tcp-egress-deny' }, rules: [{ filters: [{ forbidden: {} }] }] },
  ])
  const global = { namespace: 'linkerd-egress' }
  t.equal(at([egress('g', '{ trafficPolicy: Deny }', global)]).metadata.resource.name, 'g', 'the global namespace')
  t.equal(
    at([allow, egress('g', '{ trafficPolicy: Deny }', global)]).metadata.resource.name,
    'all',
    'the own one first',
  )
  const narrow = egress('narrow', '{ trafficPolicy: Deny, networks: [{ cidr: 93.184.0.0/16 }] }')
  t.equal(at([allow, narrow]).metadata.resource.name, 'narrow', 'the smallest network')
  t.equal(at([allow, narrow], { address: '1.1.1.1:443' }).metadata.resource.name, 'all')
  const inside = egress('inside', '{ trafficPolicy: Deny, networks: [{ cidr: 0.0.0.0/0 }] }')
  const insideRoute = object(
    'HTTPRoute',
    'api',
    '{ parentRefs: [{ name: inside, kind: EgressNetwork, group: policy.linkerd.io, port: 443 }] }',
  )
  t.same(routeNames(at([inside, insideRoute])), ['http-egress-deny'], 'not accepted: denies, and has no routes')
  const noPort = object(
    'HTTPRoute',
    'r',
    '{ parentRefs: [{ name: all, kind: EgressNetwork, group: policy.linkerd.io }] }',
  )
  t.same(routeNames(at([deny, noPort])), ['http-egress-deny'], 'a route without a port is none')
})
