/** HTTPLocalRateLimitPolicy: which one limits a Server, its message, and what becomes of one that cannot be enforced. */
import { test } from 'tap'
import { ServerSchema } from '../../api/gen/inbound_pb.js'
import { parseWorkload } from '../cluster/caller.ts'
import { Cluster } from '../cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { json, manifest, pod, storeOf } from '../cluster/fixtures.ts'
import { inboundMessage } from './api/inbound-message.ts'
import { lookUp } from './inbound-testing.ts'
import { inboundPolicyOf } from './index/inbound.ts'
import { rateLimitAcceptance } from './index/rate-limits.ts'

const server = (protocol: string) => `---
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: web, namespace: shop }
spec: { podSelector: {}, port: 8080, proxyProtocol: ${protocol}, accessPolicy: all-unauthenticated }
`
const limit = (name: string, spec: string, created = '2026-01-01T00:00:00Z', target = 'Server') => `---
apiVersion: policy.linkerd.io/v1alpha1
kind: HTTPLocalRateLimitPolicy
metadata: { name: ${name}, namespace: shop, creationTimestamp: "${created}" }
spec: { targetRef: { group: policy.linkerd.io, kind: ${target}, name: web }, ${spec} }
`
const TOTAL = 'total: { requestsPerSecond: 100 }'

function clusterOf(yaml: string): Cluster {
  return new Cluster(storeOf(pod({ name: 'web-1', ip: '10.0.0.1' }), ...manifest(yaml)), DEFAULT_CLUSTER_CONFIG)
}

function protocolOf(yaml: string) {
  const { policy } = inboundPolicyOf(clusterOf(yaml), parseWorkload('shop:web-1')!, 8080)
  return json(ServerSchema, inboundMessage(policy)).protocol
}

test('the message of a rate limit', async (t) => {
  const full = limit(
    'l',
    `${TOTAL}, identity: { requestsPerSecond: 10 }, overrides: [
      { requestsPerSecond: 50, clientRefs: [{ kind: ServiceAccount, name: cart }, { kind: ServiceAccount, name: batch, namespace: ops }] },
      { requestsPerSecond: 9999999999, clientRefs: [{ kind: ServiceAccount, name: ops }] }]`,
  )
  const id = (account: string, namespace: string) => ({
    name: `${account}.${namespace}.serviceaccount.identity.linkerd.cluster.local`,
  })
  const expected = {
    metadata: {
      resource: {
        group: 'policy.linkerd.io',
        kind: 'HTTPLocalRateLimitPolicy',
        name: 'l',
      },
    },
    total: { requestsPerSecond: 100 },
    identity: { requestsPerSecond: 10 },
    overrides: [
      { limit: { requestsPerSecond: 50 }, clients: { identities: [id('cart', 'shop'), id('batch', 'ops')] } },
      { limit: { requestsPerSecond: 2 ** 32 - 1 }, clients: { identities: [id('ops', 'shop')] } },
    ],
  }
  t.match(protocolOf(server('unknown') + full), { detect: { httpLocalRateLimit: expected } })
  t.match(protocolOf(server('HTTP/1') + full), { http1: { localRateLimit: expected } })
  t.match(protocolOf(server('HTTP/2') + full), { http2: { localRateLimit: expected } })
  t.equal(protocolOf(server('HTTP/2')).http2.localRateLimit, undefined)
})

test('which policy limits a Server, and what its status says', async (t) => {
  const cases = [
    { name: 'the only one', yaml: server('unknown') + limit('l', TOTAL), is: { isAccepted: true } },
    { name: 'no Server', yaml: limit('l', TOTAL), is: { reason: 'NoMatchingTarget', message: /no Server web in/ } },
    {
      name: 'something else than a Server',
      yaml: server('unknown') + limit('l', TOTAL, undefined, 'HTTPRoute'),
      is: { reason: 'NoMatchingTarget', message: /^HTTPRoute.policy.linkerd.io cannot be limited/ },
    },
    {
      name: 'the younger one',
      yaml: server('unknown') + limit('l', TOTAL, '2026-01-02T00:00:00Z') + limit('old', TOTAL),
      is: { reason: 'RateLimitReasonAlreadyExists', message: 'the older old limits Server web' },
    },
    {
      name: 'the second by name',
      yaml: server('unknown') + limit('l', TOTAL) + limit('a', TOTAL),
      is: { reason: 'RateLimitReasonAlreadyExists', message: /older a / },
    },
    {
      name: 'a protocol without requests',
      yaml: server('opaque') + limit('l', TOTAL),
      is: { reason: 'NoMatchingTarget', message: /has the proxyProtocol opaque; limits apply to unknown, HTTP\/1/ },
    },
  ]
  for (const { name, yaml, is } of cases) {
    const cluster = clusterOf(yaml)
    t.match(rateLimitAcceptance(cluster, cluster.get('HTTPLocalRateLimitPolicy', 'shop', 'l')!), is, name)
  }
  const two =
    server('HTTP/2') + limit('l', TOTAL, '2026-01-02T00:00:00Z') + limit('old', 'total: { requestsPerSecond: 7 }')
  t.match(protocolOf(two), { http2: { localRateLimit: { total: { requestsPerSecond: 7 } } } })
  t.match(lookUp(two).problems, [
    /^HTTPLocalRateLimitPolicy shop\/l: the older old limits Server web; it limits nothing$/,
  ])
})

test('a limit that cannot be enforced lets nothing through', async (t) => {
  const cases = [
    {
      name: 'a rate of zero',
      spec: 'total: { requestsPerSecond: 0 }',
      what: 'spec.total.requestsPerSecond: 0 is not a rate',
    },
    {
      name: 'an override of zero',
      spec: 'overrides: [{ requestsPerSecond: 0, clientRefs: [] }]',
      what: 'spec.overrides[0].requestsPerSecond: 0 is not a rate',
    },
    {
      name: 'a client that is no account',
      spec: 'overrides: [{ requestsPerSecond: 1, clientRefs: [{ kind: Pod, name: a }] }]',
      what: 'spec.overrides[0].clientRefs[0]: Pod is not a ServiceAccount',
    },
    {
      name: 'a client without a name',
      spec: 'overrides: [{ requestsPerSecond: 1, clientRefs: [{ kind: ServiceAccount, name: "*" }] }]',
      what: 'spec.overrides[0].clientRefs[0]: "shop/*" is not a ServiceAccount',
    },
  ]
  const readinessProbe = { httpGet: { path: '/ready', port: 8080 } }
  const containers = [{ name: 'app', image: 'app', readinessProbe }]
  for (const { name, spec, what } of cases) {
    const { routes, problems } = lookUp(server('unknown') + limit('l', spec), { pod: { containers } })
    const [everything, probe] = routes
    t.match(everything!.rules[0], `/ → 500: HTTPLocalRateLimitPolicy shop/l: ${what}`, name)
    t.same(probe!.rules, ['GET =/ready'], `${name}: health checks go on`)
    t.equal(problems.length, 1)
    t.match(problems[0], /; all requests fail until that is corrected$/, name)
  }
})
