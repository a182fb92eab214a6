/** What the server's side is told, without any socket. */
import { status } from '@grpc/grpc-js'
import { test } from 'tap'
import { ServerSchema } from '../../api/gen/inbound_pb.js'
import { parseWorkload } from '../cluster/caller.ts'
import { Cluster } from '../cluster/cluster.ts'
import { type ClusterConfig, DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { json, manifest, type PodFixture, pod, resource, storeOf } from '../cluster/fixtures.ts'
import { inboundMessage } from './api/inbound-message.ts'
import { inboundPolicyOf } from './index/inbound.ts'

function lookUp(
  fixture: Partial<PodFixture>,
  port = 8080,
  config: Partial<ClusterConfig> = {},
  workload = 'shop:web-1',
  namespaceAnnotations: Record<string, string> = {},
) {
  const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', annotations: namespaceAnnotations } }
  const store = storeOf(resource(shop), pod({ name: 'web-1', ip: '10.0.0.1', ...fixture }))
  const cluster = new Cluster(store, { ...DEFAULT_CLUSTER_CONFIG, ...config })
  const { policy, problems } = inboundPolicyOf(cluster, parseWorkload(workload)!, port)
  return { message: json(ServerSchema, inboundMessage(policy)), problems }
}

const network = (ipv4: number, prefixLen: number) => ({ net: { ip: { ipv4 }, ...(prefixLen > 0 && { prefixLen }) } })
const EVERYWHERE = [network(0, 0), { net: { ip: { ipv6: {} } } }]
const CLUSTER = [
  network(0x0a000000, 8),
  network(0x64400000, 10),
  network(0xac100000, 12),
  network(0xc0a80000, 16),
  { net: { ip: { ipv6: { first: String(0xfd00000000000000n) } }, prefixLen: 8 } },
]
const ANYONE = { unauthenticated: {} }
const MESH = { meshTLS: { identities: { suffixes: [{}] } } }
const labels = (name: string) => ({ group: '', kind: 'default', name })
const EVERYTHING = { metadata: { default: 'default' }, rules: [{ matches: [{ path: { prefix: '/' } }] }] }

test('default policies', async (t) => {
  const cases = [
    { policy: 'all-unauthenticated', networks: EVERYWHERE, authentication: ANYONE },
    { policy: 'all-authenticated', networks: EVERYWHERE, authentication: MESH },
    { policy: 'cluster-unauthenticated', networks: CLUSTER, authentication: ANYONE },
    { policy: 'cluster-authenticated', networks: CLUSTER, authentication: MESH },
    { policy: 'audit', networks: EVERYWHERE, authentication: ANYONE },
    { policy: 'deny' },
  ] as const
  for (const { policy, ...grant } of cases) {
    const { message } = lookUp({ annotations: { 'config.linkerd.io/default-inbound-policy': policy } })
    const authorizations = [{ ...grant, labels: labels(policy), metadata: { default: policy } }]
    const protocol = { detect: { timeout: '10s', httpRoutes: [EVERYTHING] } }
    t.same(message, { protocol, labels: labels(policy), ...('networks' in grant && { authorizations }) }, policy)
  }
})

test('which default policy a port has', async (t) => {
  const annotation = 'config.linkerd.io/default-inbound-policy'
  const identity = 'config.linkerd.io/proxy-require-identity-inbound-ports'
  const cases: {
    name: string
    annotations: Record<string, string>
    namespace?: Record<string, string>
    config?: Partial<ClusterConfig>
    is: string
  }[] = [
    { name: 'that of the cluster', annotations: {}, is: 'all-unauthenticated' },
    { name: 'another one of the cluster', annotations: {}, config: { inboundPolicy: 'deny' }, is: 'deny' },
    { name: 'that of the pod', annotations: { [annotation]: 'all-authenticated' }, is: 'all-authenticated' },
    { name: 'a port that needs identity', annotations: { [identity]: '8080' }, is: 'all-authenticated' },
    {
      name: 'by its name',
      annotations: { [identity]: 'http', [annotation]: 'cluster-unauthenticated' },
      is: 'cluster-authenticated',
    },
    { name: 'that of the namespace', annotations: {}, namespace: { [annotation]: 'audit' }, is: 'audit' },
    {
      name: 'that of the pod before that of the namespace',
      annotations: { [annotation]: 'deny' },
      namespace: { [annotation]: 'audit' },
      is: 'deny',
    },
    { name: 'another port that needs identity', annotations: { [identity]: '9090' }, is: 'all-unauthenticated' },
    { name: 'deny stays deny', annotations: { [identity]: '8080', [annotation]: 'deny' }, is: 'deny' },
  ]
  for (const { name, annotations, namespace, config, is } of cases) {
    const { message, problems } = lookUp({ annotations }, 8080, config, undefined, namespace)
    t.equal(message.labels.name, is, name)
    t.same(problems, [], name)
  }
  const { message, problems } = lookUp({ annotations: { [annotation]: 'denied' } })
  t.equal(message.labels.name, 'deny', 'what is not understood denies')
  const wide = lookUp({}, 8080, {}, undefined, { [annotation]: 'open' })
  t.match([wide.message.labels.name, ...wide.problems], ['deny', /^Namespace shop: annotation/], 'of a namespace too')
  t.match(problems, [
    /^Pod shop\/web-1: annotation \S+default-inbound-policy: "denied" is not .*; its ports deny everything/,
  ])
})

test('opaque ports', async (t) => {
  const annotations = { 'config.linkerd.io/opaque-ports': '5000-5010,http' }
  t.same(lookUp({ annotations }, 8080).message.protocol, { opaque: {} }, 'by name')
  t.same(lookUp({ annotations }, 5005).message.protocol, { opaque: {} }, 'by range')
  t.ok(lookUp({ annotations }, 6379).message.protocol.detect, 'the annotation replaces the defaults')
  t.same(lookUp({}, 6379).message.protocol, { opaque: {} }, 'the defaults')
})

test('health checks are always let through', async (t) => {
  const container = (name: string, probes: object, ports: readonly object[] = []) => ({
    name,
    image: 'app',
    ports,
    ...probes,
  })
  const containers = [
    container(
      'app',
      {
        livenessProbe: { httpGet: { path: '/live?verbose=1', port: 'web' } },
        readinessProbe: { httpGet: { path: '/ready', port: 8080 } },
      },
      [{ name: 'web', containerPort: 8080 }],
    ),
    // A port name means the container's own port.
    container(
      'side',
      { livenessProbe: { httpGet: { path: '/side', port: 'web' } }, startupProbe: { tcpSocket: { port: 8080 } } },
      [{ name: 'web', containerPort: 9090 }],
    ),
  ]
  const strict = { 'config.linkerd.io/default-inbound-policy': 'deny' }
  const { message } = lookUp({ annotations: strict, containers })
  const match = (path: string) => ({ path: { exact: path }, method: { registered: 'GET' } })
  t.same(message.protocol.detect.httpRoutes, [
    EVERYTHING,
    {
      metadata: { default: 'probe' },
      authorizations: [
        { networks: EVERYWHERE, authentication: ANYONE, labels: labels('probe'), metadata: { default: 'probe' } },
      ],
      rules: [{ matches: [match('/live'), match('/ready')] }],
    },
  ])
  const [, probe] = lookUp({ containers }, 4191).message.protocol.detect.httpRoutes
  t.same(probe.rules, [{ matches: [match('/ready')] }], "the sidecar's own")
  t.equal(lookUp({ containers }, 9999).message.protocol.detect.httpRoutes.length, 1, 'a port without probes')
})

test('who has no policy', async (t) => {
  t.throws(() => lookUp({ isMeshed: false }), { code: status.NOT_FOUND }, 'an unmeshed pod')
  t.throws(() => lookUp({}, 80, {}, 'shop:web-2'), { code: status.NOT_FOUND }, 'an unknown pod')
  t.throws(
    () => lookUp({}, 80, {}, '{"ns":"shop","external_workload":"vm"}'),
    { code: status.NOT_FOUND },
    'an unknown machine',
  )
})

test('replicas share one policy, and a change of one pod leaves it as it is', async (t) => {
  const replica = (n: number, labels = {}) => pod({ name: `web-${n}`, ip: `10.0.0.${n}`, labels })
  const server = `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: web, namespace: shop }
spec: { podSelector: {}, port: 8080, accessPolicy: all-authenticated }`
  const store = storeOf(replica(1), replica(2), ...manifest(server))
  const cluster = new Cluster(store, DEFAULT_CLUSTER_CONFIG)
  for (const port of [8080, 9090]) {
    const policyOf = (n: number) => inboundPolicyOf(cluster, parseWorkload(`shop:web-${n}`)!, port).policy
    const before = policyOf(1)
    t.equal(policyOf(2), before, `port ${port}`)
    store.apply([replica(2, { version: `after-${port}` })])
    t.equal(policyOf(1), before)
    t.equal(policyOf(2), before)
    t.equal(inboundMessage(policyOf(2)), inboundMessage(before), 'and one message')
  }
})
