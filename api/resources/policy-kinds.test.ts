import { test } from 'tap'
import { parse } from 'yaml'
import { formatPath } from './check.ts'
import { KINDS, type Kind, kindOf } from './kinds.ts'

/** What the check of a kind says about a spec in YAML: the typed spec, problems and notes as sentences. */
function check(kind: Kind, spec: string, apiVersion = KINDS[kind].apiVersions[0]) {
  const problems: string[] = []
  const notes: string[] = []
  const value = { apiVersion, kind: kind.split('.')[0], metadata: { name: 'it', namespace: 'shop' }, spec: parse(spec) }
  const object = KINDS[kind].check(value, [], {
    problem: (path, message) => problems.push(`${formatPath(path)}: ${message}`),
    note: (path) => notes.push(formatPath(path)),
  })
  return { object, problems, notes }
}

test('a good object of every kind of policy', async (t) => {
  const cases: readonly (readonly [kind: Kind, spec: string, expected: object])[] = [
    ['Server', '{ podSelector: {}, port: http }', { port: 'http', proxyProtocol: 'unknown', accessPolicy: 'deny' }],
    [
      'ServerAuthorization',
      '{ server: { name: web }, client: { meshTLS: { identities: ["*"] } } }',
      { client: { unauthenticated: false, meshTLS: { unauthenticatedTLS: false, identities: ['*'] } } },
    ],
    [
      'AuthorizationPolicy',
      '{ targetRef: { group: policy.linkerd.io, kind: Server, name: web }, requiredAuthenticationRefs: [] }',
      { targetRef: { kind: 'Server' }, requiredAuthenticationRefs: [] },
    ],
    [
      'MeshTLSAuthentication',
      '{ identityRefs: [{ kind: ServiceAccount, name: web }] }',
      { identityRefs: [{ group: '' }] },
    ],
    ['NetworkAuthentication', '{ networks: [{ cidr: 10.0.0.0/8, except: [10.1.0.0/16] }, { cidr: "::1" }] }', {}],
    [
      'HTTPLocalRateLimitPolicy',
      '{ targetRef: { group: policy.linkerd.io, kind: Server, name: web }, total: { requestsPerSecond: 100 } }',
      { total: { requestsPerSecond: 100 }, overrides: [] },
    ],
    ['EgressNetwork', '{ trafficPolicy: Deny }', { trafficPolicy: 'Deny' }],
    [
      'HTTPRoute',
      '{ parentRefs: [{ name: web, kind: Service, group: "" }] }',
      {
        parentRefs: [{ group: '', kind: 'Service' }],
        rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs: [] }],
      },
    ],
    [
      'HTTPRoute.policy.linkerd.io',
      '{ parentRefs: [{ name: web }], rules: [{ backendRefs: [{ name: b, port: 80 }] }] }',
      {
        parentRefs: [{ group: 'policy.linkerd.io', kind: 'Gateway' }],
        rules: [{ backendRefs: [{ kind: 'Service', weight: 1, filters: [] }] }],
      },
    ],
    [
      'GRPCRoute',
      '{ parentRefs: [{ name: web, kind: Service, group: "" }], rules: [{ matches: [{ method: { service: shop.Cart } }] }] }',
      { rules: [{ matches: [{ method: { type: 'Exact', service: 'shop.Cart' } }] }] },
    ],
    [
      'TLSRoute',
      '{ parentRefs: [{ name: e }], hostnames: ["*.example.org"], rules: [{}] }',
      { hostnames: ['*.example.org'] },
    ],
    ['TCPRoute', '{ parentRefs: [{ name: e }], rules: [{ backendRefs: [{ name: b, port: 1 }] }] }', {}],
    [
      'ReferenceGrant',
      '{ from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a }], to: [{ kind: Service }] }',
      {},
    ],
    [
      'ExternalWorkload',
      '{ meshTLS: { identity: vm, serverName: vm.shop }, workloadIPs: [{ ip: 192.0.2.1 }], ports: [{ port: 80 }] }',
      { ports: [{ port: 80, protocol: 'TCP' }] },
    ],
  ]
  for (const [kind, spec, expected] of cases) {
    const { object, problems, notes } = check(kind, spec)
    t.same([problems, notes], [[], []], kind)
    t.match(object, { spec: expected }, kind)
    t.equal(kindOf(object!), kind, `${kind} is found by its fields`)
  }
})

test('what is wrong is told at its field', async (t) => {
  const cases: readonly (readonly [kind: Kind, spec: string, says: string])[] = [
    ['Server', '{ port: 80 }', 'spec: has to have exactly one of podSelector and externalWorkloadSelector'],
    ['Server', '{ podSelector: {} }', 'spec.port: is missing; add it'],
    [
      'ServerAuthorization',
      '{ server: { name: a, selector: {} }, client: {} }',
      'spec.server: has to have exactly one of name and selector',
    ],
    [
      'NetworkAuthentication',
      '{ networks: [] }',
      'spec.networks: is empty, which would match nobody; name a network, 0.0.0.0/0 and ::/0 mean everywhere',
    ],
    [
      'NetworkAuthentication',
      '{ networks: [{ cidr: 10.0.0.0/8, except: [10.0.0.0/7] }] }',
      'spec.networks[0].except[0]: 10.0.0.0/7 leaves nothing of 10.0.0.0/8; remove the network instead',
    ],
    [
      'NetworkAuthentication',
      '{ networks: [{ cidr: 10.0.0.0/8, except: [192.168.0.0/16] }] }',
      'spec.networks[0].except[0]: 192.168.0.0/16 is not inside 10.0.0.0/8; correct or remove it',
    ],
    [
      'AuthorizationPolicy',
      '{ targetRef: { kind: Server, name: a }, requiredAuthenticationRefs: [], unless: x }',
      'spec.unless: is not a known field; known here are targetRef, requiredAuthenticationRefs',
    ],
    ['EgressNetwork', '{ trafficPolicy: Maybe }', 'spec.trafficPolicy: "Maybe" is not one of Allow, Deny'],
    [
      'HTTPRoute',
      '{ rules: [{ backendRefs: [{ name: b, weight: -1 }] }] }',
      'spec.rules[0].backendRefs[0].weight: -1 is not a weight (0 to 1000000)',
    ],
    [
      'HTTPRoute',
      '{ rules: [{ filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { remove: ["a b"] } }] }] }',
      'spec.rules[0].filters[0].requestHeaderModifier.remove[0]: "a b" is not the name of a header field',
    ],
  ]
  for (const [kind, spec, says] of cases) t.same(check(kind, spec).problems, [says], `${kind} ${spec}`)
})

test('fields that this version does not know are told, not dropped in silence', async (t) => {
  const { problems, notes } = check(
    'HTTPRoute',
    '{ rules: [{ matches: [{ cookies: [] }], filters: [{ type: CORS, cors: {} }] }] }',
  )
  t.same(problems, [])
  t.same(notes, ['spec.rules[0].matches[0].cookies', 'spec.rules[0].filters[0].cors'])
})

test('ExternalWorkload v1alpha1 writes meshTls', async (t) => {
  const { object, problems } = check(
    'ExternalWorkload',
    '{ meshTls: { identity: vm, serverName: vm.shop } }',
    'workload.linkerd.io/v1alpha1',
  )
  t.same(problems, [])
  t.match(object, { spec: { meshTLS: { identity: 'vm' } } })
})
