import { test } from 'tap'
import { parse } from 'yaml'
import { KINDS, type Kind } from '../../../api/resources/kinds.ts'
import { admit, formatRefusal } from './admit.ts'

function refusals(kind: Kind, spec: string, annotations: object = {}): string[] {
  const problems: string[] = []
  const object = KINDS[kind].check(
    {
      apiVersion: KINDS[kind].apiVersions[0],
      kind: kind.split('.')[0],
      metadata: { name: 'it', namespace: 'shop', annotations },
      spec: parse(spec),
    },
    [],
    { problem: (path, message) => problems.push(`${path.join('.')}: ${message}`), note() {} },
  )
  if (object === undefined) throw new Error(problems.join('; '))
  return admit(object).map(formatRefusal)
}

const SERVICE = 'parentRefs: [{ name: web, kind: Service, group: "" }]'

test('what is admitted', async (t) => {
  const cases: readonly (readonly [Kind, string, object?])[] = [
    ['Server', '{ podSelector: {}, port: 80, proxyProtocol: gRPC, accessPolicy: audit }'],
    ['ServerAuthorization', '{ server: { name: a }, client: { unauthenticated: true } }'],
    ['ServerAuthorization', '{ server: { selector: {} }, client: { meshTLS: { identities: ["*.shop.example"] } } }'],
    ['AuthorizationPolicy', '{ targetRef: { kind: Namespace, name: shop }, requiredAuthenticationRefs: [] }'],
    [
      'AuthorizationPolicy',
      `{ targetRef: { group: policy.linkerd.io, kind: server, name: a }, requiredAuthenticationRefs: [
        { group: policy.linkerd.io, kind: MeshTLSAuthentication, name: a },
        { group: policy.linkerd.io, kind: NetworkAuthentication, name: b, namespace: other }] }`,
    ],
    ['MeshTLSAuthentication', '{ identities: ["*", "*.a.b", "spiffe://a/b", "web.shop.serviceaccount.x"] }'],
    ['MeshTLSAuthentication', '{ identityRefs: [{ kind: Namespace, name: a }, { kind: ServiceAccount, name: a }] }'],
    [
      'HTTPLocalRateLimitPolicy',
      '{ targetRef: { group: policy.linkerd.io, kind: Server, name: a }, total: { requestsPerSecond: 5 } }',
    ],
    ['HTTPRoute', `{ ${SERVICE} }`, { 'retry.linkerd.io/http': '5xx' }],
    ['HTTPRoute.policy.linkerd.io', `{ ${SERVICE}, rules: [{ backendRefs: [{ name: a }] }] }`],
    [
      'HTTPRoute',
      `{ ${SERVICE}, rules: [{ timeouts: { request: 10s, backendRequest: 1s }, filters: [{ type: URLRewrite,
        urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /v2 } } }] }] }`,
    ],
    // Not for a client's proxy: nobody reads the annotation.
    [
      'HTTPRoute',
      '{ parentRefs: [{ name: web, kind: Server, group: policy.linkerd.io }] }',
      { 'retry.linkerd.io/http': 'x' },
    ],
    ['GRPCRoute', `{ ${SERVICE}, rules: [{ matches: [{ method: { service: a.B } }] }] }`],
    ['TCPRoute', `{ ${SERVICE}, rules: [{ backendRefs: [{ name: a, port: 1 }] }] }`],
  ]
  for (const [kind, spec, annotations] of cases) t.same(refusals(kind, spec, annotations), [], `${kind} ${spec}`)
})

test('what is refused names the field and says why', async (t) => {
  const cases: readonly (readonly [kind: Kind, spec: string, says: string | RegExp, annotations?: object])[] = [
    ['Server', '{ podSelector: {}, port: 80, accessPolicy: open }', /^spec\.accessPolicy: "open" is not one of deny, /],
    ['ServerAuthorization', '{ server: { name: a }, client: {} }', /^spec\.client: names no clients; /],
    [
      'ServerAuthorization',
      '{ server: { name: a }, client: { unauthenticated: true, meshTLS: { identities: ["*"] } } }',
      /^spec\.client\.unauthenticated: is true beside meshTLS/,
    ],
    [
      'ServerAuthorization',
      '{ server: { name: a }, client: { meshTLS: { unauthenticatedTLS: true, identities: ["*"] } } }',
      /^spec\.client\.meshTLS\.unauthenticatedTLS: is true beside identities/,
    ],
    [
      'AuthorizationPolicy',
      '{ targetRef: { kind: Namespace, name: other }, requiredAuthenticationRefs: [] }',
      'spec.targetRef.name: "other" is not the policy\'s own namespace shop',
    ],
    [
      'AuthorizationPolicy',
      '{ targetRef: { kind: Pod, name: a }, requiredAuthenticationRefs: [] }',
      /^spec\.targetRef: Pod cannot be a target; possible are Server and HTTPRoute/,
    ],
    [
      'AuthorizationPolicy',
      `{ targetRef: { kind: Namespace, name: shop }, requiredAuthenticationRefs: [
        { kind: ServiceAccount, name: a }, { group: policy.linkerd.io, kind: MeshTLSAuthentication, name: b }] }`,
      /^spec\.requiredAuthenticationRefs\[1\]: is a second requirement for identities/,
    ],
    [
      'AuthorizationPolicy',
      '{ targetRef: { kind: Namespace, name: shop }, requiredAuthenticationRefs: [{ kind: Secret, name: a }] }',
      /^spec\.requiredAuthenticationRefs\[0\]: Secret is no authentication; /,
    ],
    ['MeshTLSAuthentication', '{ identities: ["a b"] }', /^spec\.identities\[0\]: "a b" is not an identity such as /],
    [
      'MeshTLSAuthentication',
      '{ identityRefs: [{ kind: Namespace, name: a, namespace: b }] }',
      'spec.identityRefs[0].namespace: a Namespace is in no namespace; remove the field',
    ],
    [
      'HTTPLocalRateLimitPolicy',
      '{ targetRef: { kind: Service, name: a }, total: { requestsPerSecond: 5 } }',
      /^spec\.targetRef: Service cannot be limited/,
    ],
    [
      'HTTPLocalRateLimitPolicy',
      '{ targetRef: { group: policy.linkerd.io, kind: Server, name: a }, total: { requestsPerSecond: 0 } }',
      /^spec\.total\.requestsPerSecond: 0 would admit nothing/,
    ],
    [
      'HTTPLocalRateLimitPolicy',
      `{ targetRef: { group: policy.linkerd.io, kind: Server, name: a }, total: { requestsPerSecond: 5 },
        identity: { requestsPerSecond: 6 } }`,
      /^spec\.identity\.requestsPerSecond: 6 is above total, 5/,
    ],
    [
      'HTTPRoute',
      '{ parentRefs: [{ name: e, kind: EgressNetwork, group: policy.linkerd.io }] }',
      'spec.parentRefs[0].port: is missing; an EgressNetwork parent needs a port',
    ],
    [
      'HTTPRoute',
      `{ ${SERVICE}, rules: [{ matches: [{ path: { type: Exact, value: a } }] }] }`,
      'spec.rules[0].matches[0].path.value: "a" does not begin with /',
    ],
    [
      'HTTPRoute',
      `{ ${SERVICE}, rules: [{ matches: [{ headers: [{ name: a, type: RegularExpression, value: "(" }] }] }] }`,
      /^spec\.rules\[0\]\.matches\[0\]\.headers\[0\]\.value: /,
    ],
    [
      'HTTPRoute',
      `{ ${SERVICE}, rules: [{ filters: [{ type: Teleport }] }] }`,
      'spec.rules[0].filters[0]: a filter of type Teleport is not supported',
    ],
    [
      'HTTPRoute',
      `{ ${SERVICE}, rules: [{ backendRefs: [{ name: a }] }] }`,
      'spec.rules[0].backendRefs[0].port: is missing; a Service backend needs a port',
    ],
    [
      'HTTPRoute',
      `{ ${SERVICE}, rules: [{ timeouts: { request: 1s, backendRequest: 2s } }] }`,
      'spec.rules[0].timeouts.backendRequest: 2s is longer than request, 1s',
    ],
    [
      'HTTPRoute',
      `{ ${SERVICE}, rules: [{ timeouts: { request: soon } }] }`,
      'spec.rules[0].timeouts.request: "soon" is not a duration such as 300ms, 10s or 1m30s',
    ],
    [
      'HTTPRoute',
      `{ ${SERVICE} }`,
      'metadata.annotations["retry.linkerd.io/http"]: " 429" is not 5xx, gateway-error, a status or a range such as 500-503, separated by commas without blanks',
      { 'retry.linkerd.io/http': '5xx, 429' },
    ],
    [
      'GRPCRoute',
      `{ ${SERVICE}, rules: [{ matches: [{ method: { type: RegularExpression, service: "a.*" } }] }] }`,
      'spec.rules[0].matches[0].method.type: "RegularExpression" is not supported; supported is Exact',
    ],
    ['TLSRoute', `{ ${SERVICE}, rules: [] }`, 'spec.rules: has 0 rules; a TLSRoute has exactly one'],
  ]
  for (const [kind, spec, says, annotations] of cases)
    t.match(refusals(kind, spec, annotations), [says], `${kind} ${spec}`)
})
