/** HTTPRoutes and GRPCRoutes of Servers, and the health checks beside them. */
import { test } from 'tap'
import { EVERYTHING, lookUp } from './inbound-testing.ts'

const server = (protocol = 'unknown') => `---
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: web, namespace: shop }
spec: { podSelector: {}, port: 8080, proxyProtocol: ${protocol} }
`
const PARENT = '{ group: policy.linkerd.io, kind: Server, name: web }'
interface RouteOptions {
  readonly kind?: string
  readonly group?: string
  readonly parents?: string
  readonly created?: string
  readonly hostnames?: string
  readonly namespace?: string
  readonly unknown?: string
}
const route = (
  name: string,
  rules: string,
  {
    kind = 'HTTPRoute',
    group = 'policy.linkerd.io/v1beta3',
    parents = `[${PARENT}]`,
    created = '2026-01-01T00:00:00Z',
    hostnames = '[]',
    namespace = 'shop',
    unknown = '[]',
  }: RouteOptions = {},
) => `---
apiVersion: ${group}
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: "${created}", unknownFields: ${unknown} }
spec:
  parentRefs: ${parents}
  hostnames: ${hostnames}
  rules: ${rules}
`
const GATEWAY = 'gateway.networking.k8s.io/v1'
const grpc = (name: string, rules: string, more: RouteOptions = {}) =>
  route(name, rules, { kind: 'GRPCRoute', group: GATEWAY, ...more })
const prefix = (path: string) => `[{ matches: [{ path: { value: ${path} } }] }]`
const allow = (target: string) => `---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: { name: p, namespace: shop }
spec: { targetRef: ${target}, requiredAuthenticationRefs: [] }
`
const OWN = 'policy.linkerd.io HTTPRoute'

test('what matches and what is done', async (t) => {
  const { routes, problems } = lookUp(
    server() +
      route(
        'api',
        `
  - matches:
      - { path: { type: Exact, value: /a }, method: POST, headers: [{ name: X-A, value: "1" }, { name: b, type: RegularExpression, value: "x.*" }] }
      - { path: { type: RegularExpression, value: "/v[0-9]+/.*" }, queryParams: [{ name: q, value: "2" }] }
  - matches: [{ path: { value: /old } }]
    filters:
      - { type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: X-B, value: c }] } }
      - { type: RequestRedirect, requestRedirect: { hostname: new.example.org, statusCode: 301 } }
  - {}`,
        { hostnames: '[Web.Example.org, "*.example.org"]'.toLowerCase() },
      ),
  )
  t.same(problems, [])
  t.same(routes, [
    {
      route: `${OWN} api web.example.org *.example.org`,
      rules: [
        'POST =/a X-A=1 b~x.* or ~/v[0-9]+/.* ?q=2',
        '/old → set X-B: c, redirect to new.example.org with 301',
        '/',
      ],
    },
  ])
  const calls = lookUp(
    server('gRPC') +
      grpc(
        'calls',
        `
  - matches: [{ method: { service: shop.Cart, method: Add } }, { method: { service: shop.Cart } }, { headers: [{ name: a, value: b }] }]
    filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: X-B, value: c }] } }]
  - {}`,
      ),
  )
  t.same(calls.problems, [])
  t.same(calls.routes, [
    {
      route: 'gateway.networking.k8s.io GRPCRoute calls',
      rules: ['/shop.Cart/Add or /shop.Cart/* or /*/* a=b → set X-B: c', ''],
    },
  ])
})

test('which routes count, and in which order', async (t) => {
  const names = (yaml: string) => lookUp(yaml).routes.map(({ route }) => route)
  t.same(
    names(
      server() +
        route('young', prefix('/'), { created: '2026-01-02T00:00:00Z' }) +
        route('b', prefix('/')) +
        route('a', prefix('/')) +
        route('a', prefix('/'), { group: GATEWAY }),
    ),
    [`gateway.networking.k8s.io HTTPRoute a`, `${OWN} a`, `${OWN} b`, `${OWN} young`],
    'the oldest first, then by name, then by group',
  )
  const cases: { name: string; yaml: string; problem?: RegExp }[] = [
    {
      name: 'another parent',
      yaml: server() + route('r', prefix('/'), { parents: '[{ kind: Service, group: core, name: web }]' }),
    },
    {
      name: 'another Server',
      yaml: server() + route('r', prefix('/'), { parents: `[${PARENT.replace('web', 'db')}]` }),
    },
    { name: 'a route of another namespace', yaml: server() + route('r', prefix('/'), { namespace: 'other' }) },
    {
      name: 'a Server of another namespace than the route',
      yaml:
        server() +
        route('r', prefix('/'), { namespace: 'other', parents: `[${PARENT.replace('}', ', namespace: shop }')}]` }),
      problem: /: a Server takes routes of its own namespace only; Server web does not use the route$/,
    },
    {
      name: 'a port',
      yaml: server() + route('r', prefix('/'), { parents: `[${PARENT.replace('}', ', port: 8080 }')}]` }),
      problem: /: a Server is one port; remove port and sectionName; Server web/,
    },
    {
      name: 'a section',
      yaml: server() + route('r', prefix('/'), { parents: `[${PARENT.replace('}', ', sectionName: http }')}]` }),
      problem: /: a Server is one port; remove port and sectionName/,
    },
    {
      name: 'a GRPCRoute where HTTP is spoken',
      yaml: server('HTTP/2') + grpc('r', '[{}]'),
      problem: /proxyProtocol of the Server is HTTP\/2, and a GRPCRoute applies to gRPC/,
    },
    {
      name: 'an HTTPRoute where gRPC is spoken',
      yaml: server('gRPC') + route('r', '[{}]'),
      problem: /proxyProtocol of the Server is gRPC/,
    },
  ]
  for (const { name, yaml, problem } of cases) {
    const { routes, problems } = lookUp(yaml)
    t.match(routes, [{ route: 'default default' }], name)
    t.equal(problems.length, problem === undefined ? 0 : 1, name)
    if (problem !== undefined) t.match(problems[0], problem, name)
  }
  const opaque = lookUp(server('opaque') + route('r', '[{}]'))
  t.match(opaque, {
    protocol: 'opaque',
    problems: [/^HTTPRoute.policy.linkerd.io shop\/r: proxyProtocol of the Server is opaque/],
  })
})

test('authorizations of routes', async (t) => {
  const both = server() + route('r', prefix('/a')) + route('r', prefix('/b'), { group: GATEWAY })
  const allows = (target: string) => lookUp(both + allow(target)).routes.map(({ allows }) => allows?.length ?? 0)
  t.same(allows('{ group: policy.linkerd.io, kind: HTTPRoute, name: r }'), [0, 1])
  t.same(allows('{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: r }'), [1, 0])
  t.same(allows('{ group: gateway.networking.k8s.io, kind: httproute, name: R }'), [1, 0], 'without case')
  t.same(allows('{ group: policy.linkerd.io, kind: HTTPRoute, name: other }'), [0, 0])
  t.match(
    lookUp(
      server('gRPC') + grpc('r', '[{}]') + allow('{ group: gateway.networking.k8s.io, kind: GRPCRoute, name: r }'),
    ),
    { allows: [], routes: [{ allows: ['policy.linkerd.io authorizationpolicy p: anyone'] }] },
  )
})

test('a rule that is not understood fails, by itself and with its name', async (t) => {
  const cases: { name: string; rule: string; matches?: string; what: string; options?: RouteOptions }[] = [
    {
      name: 'a type of path',
      rule: '{ matches: [{ path: { type: Glob, value: /a } }] }',
      matches: '',
      what: 'spec.rules[1].matches[0].path.type: "Glob" is not supported',
    },
    {
      name: 'a type of header match',
      rule: '{ matches: [{ path: { value: /a }, headers: [{ name: h, type: Glob, value: x }] }] }',
      what: 'spec.rules[1].matches[0].headers[0].type: "Glob"',
    },
    {
      name: 'a pattern',
      rule: '{ matches: [{ path: { value: /a }, queryParams: [{ name: q, type: RegularExpression, value: "(" }] }] }',
      what: 'spec.rules[1].matches[0].queryParams[0].value: ',
    },
    {
      name: 'a method',
      rule: '{ matches: [{ path: { value: /a }, method: BREW }] }',
      what: 'spec.rules[1].matches[0].method: "BREW"',
    },
    {
      name: 'a type of filter',
      rule: '{ matches: [{ path: { value: /a } }], filters: [{ type: CORS }] }',
      what: 'spec.rules[1].filters[0]: a filter of type CORS',
    },
    {
      name: 'a response filter',
      rule: '{ matches: [{ path: { value: /a } }], filters: [{ type: ResponseHeaderModifier, responseHeaderModifier: { remove: [a] } }] }',
      what: 'spec.rules[1].filters[0]: a filter of type ResponseHeaderModifier is not possible on the inbound side',
    },
    {
      name: 'a rewrite',
      rule: '{ matches: [{ path: { value: /a } }], filters: [{ type: URLRewrite, urlRewrite: { hostname: a } }] }',
      what: 'spec.rules[1].filters[0]: a filter of type URLRewrite is not possible',
    },
    {
      name: 'a mirror',
      rule: '{ matches: [{ path: { value: /a } }], filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: b } } }] }',
      what: 'spec.rules[1].filters[0]: RequestMirror is not possible',
    },
    {
      name: 'a field of a match',
      rule: '{ matches: [{ path: { value: /a } }] }',
      options: { unknown: '["spec.rules[1].matches[0].cookies"]' },
      what: 'spec.rules[1].matches[0].cookies: this version does not know the field',
    },
    {
      name: 'a field of a filter',
      rule: '{ matches: [{ path: { value: /a } }] }',
      options: { unknown: '["spec.rules[1].filters[0].cors.maxAge"]' },
      what: 'spec.rules[1].filters[0].cors.maxAge: this',
    },
  ]
  for (const { name, rule, what, matches = '/a', options } of cases) {
    const { routes, problems } = lookUp(
      server() + route('r', `[{ matches: [{ path: { value: /ok } }] }, ${rule}]`, options),
    )
    const [good, bad] = routes[0]!.rules
    t.equal(good, '/ok', `${name}: other rules go on`)
    t.ok(bad!.startsWith(`${matches} → 500: HTTPRoute.policy.linkerd.io shop/r: ${what}`), `${name}: ${bad}`)
    t.equal(problems.length, 1, name)
    t.match(problems[0], /; requests of this rule fail until that is corrected$/, name)
  }
  const many = JSON.stringify(Array.from({ length: 20 }, (_, at) => `spec.rules[0].matches[0].x${at}`))
  const { routes } = lookUp(server() + route('r', '[{}, {}]', { unknown: many }))
  for (const rule of routes[0]!.rules) t.match(rule, /→ 500/, 'more unknown fields than are remembered may be anywhere')
  const outside = lookUp(
    server() + route('r', prefix('/a'), { unknown: '["spec.useDefaultGateways", "spec.rules[0].cors"]' }),
  )
  t.match(outside, { routes: [{ rules: ['/a'] }] }, 'fields elsewhere')
  t.equal(outside.problems.length, 2, 'are told')
  const call = lookUp(
    server('gRPC') + grpc('r', '[{ matches: [{ method: { type: RegularExpression, service: "a.*" } }] }]'),
  )
  t.match(call.routes[0]!.rules[0], /^\/\*\/\* → grpc 13: GRPCRoute shop\/r: spec.rules\[0\].matches\[0\].method.type/)
  const redirect = lookUp(
    server('gRPC') + grpc('r', '[{ filters: [{ type: RequestRedirect, requestRedirect: { hostname: a } }] }]'),
  )
  t.match(redirect.routes[0]!.rules[0], / → grpc 13: .*RequestRedirect is not possible/)
})

test('health checks are let through where no route is about them', async (t) => {
  const readinessProbe = { httpGet: { path: '/ready?a=1', port: 8080 } }
  const livenessProbe = { grpc: { port: 8080 } }
  const containers = [{ name: 'app', image: 'app', readinessProbe, livenessProbe }]
  const HEALTH = '/grpc.health.v1.Health/Check'
  const probes = (yaml: string) => {
    const { routes } = lookUp(yaml, { pod: { containers } })
    const probe = routes.find(({ route }) => route === 'default probe')
    t.ok(probe === undefined || probe === routes.at(-1), 'behind the others')
    return probe?.rules
  }
  const both = [`GET =/ready or POST =${HEALTH}`]
  t.same(probes(''), both, 'without a Server')
  t.same(probes(server()), both, 'a Server without routes')
  t.same(probes(server('HTTP/1')), both)
  t.same(probes(server('HTTP/3')), both, 'a Server that denies everything')
  t.same(probes(server() + route('r', prefix('/api'))), both, 'routes about something else')
  t.same(probes(server() + route('r', prefix('/'))), undefined, 'a route about everything')
  t.same(probes(server() + route('r', '[{ matches: [] }]')), undefined, 'a rule without matches')
  t.same(probes(server() + route('r', prefix('/ready'))), [`POST =${HEALTH}`], 'a route about one of them')
  t.same(probes(server() + route('r', prefix('/read'))), both, 'segments count')
  t.same(
    probes(
      server() +
        route(
          'r',
          '[{ matches: [{ path: { type: RegularExpression, value: "/re.*" }, headers: [{ name: a, value: b }] }] }]',
        ),
    ),
    [`POST =${HEALTH}`],
    'whatever else the rule asks for',
  )
  t.same(probes(server() + route('r', '[{ matches: [{ method: POST }] }]')), ['GET =/ready'], 'methods count')
  t.same(probes(server('gRPC')), ['/grpc.health.v1.Health/Check'])
  t.same(probes(server('gRPC') + grpc('r', '[{ matches: [{ method: { service: shop.Cart } }] }]')), [
    '/grpc.health.v1.Health/Check',
  ])
  t.same(probes(server('gRPC') + grpc('r', '[{ matches: [{ method: { method: Check } }] }]')), undefined)
  t.same(lookUp(server(), { pod: { containers } }).routes[0], EVERYTHING)
})
