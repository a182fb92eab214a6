/**
 * Policy objects at random, one change after the other: the index answers every port with a message that proxies take,
 * never throws, and knows after any order of changes what it would know from a fresh start.
 */
import { deepEqual, ok } from 'node:assert/strict'
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { ServerSchema } from '../../../api/gen/inbound_pb.js'
import { isMap } from '../../../api/resources/check.ts'
import { kindOf, type Resource } from '../../../api/resources/kinds.ts'
import { checkKind } from '../../../api/resources/manifests.ts'
import { mutateList, oddNumber, pick, several } from '../../../test/fuzz/draw.ts'
import { fuzzer, type Json, type Random } from '../../../test/fuzz/fuzzer.ts'
import { Cluster } from '../../cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../../cluster/config.ts'
import { pod } from '../../cluster/fixtures.ts'
import { MemoryStore } from '../../resources/store.ts'
import { inboundMessage } from '../api/inbound-message.ts'
import { inboundPolicyOf } from './inbound.ts'

/** An object as it is written, put in or taken out. */
type Change = { readonly isRemoved: boolean; readonly object: { readonly [key: string]: Json } }

const NAMES = ['web', 'api', 'a', 'Web', '*', 'x'.repeat(300), '__proto__', 'constructor', 'é']
const NAMESPACES = ['shop', 'shop', 'shop', 'other']
const TEXTS = [
  ...NAMES,
  '',
  '/',
  '/ready',
  '(',
  '.*',
  '*.shop',
  'spiffe://a/b',
  '10.0.0.0/8',
  '::/0',
  '10.0.0.0/99',
  'unknown',
  'HTTP/2',
  'gRPC',
  'opaque',
  'TLS',
  'deny',
  'audit',
  'cluster-authenticated',
  'Exact',
  'RegularExpression',
  'PathPrefix',
  'GET',
  'RequestRedirect',
  'RequestHeaderModifier',
  '\n',
]
const GROUPS = ['', 'core', 'policy.linkerd.io', 'gateway.networking.k8s.io', 'Policy.Linkerd.IO']
const KINDS = [
  'Server',
  'HTTPRoute',
  'GRPCRoute',
  'Namespace',
  'Service',
  'ServiceAccount',
  'MeshTLSAuthentication',
  'NetworkAuthentication',
  'serviceaccount',
]
const TIMES = ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.5Z', 'never', '']

export const inboundFuzzer = fuzzer<readonly Change[]>({
  name: 'inbound-policies',
  checks: 'policy objects at random: no throw, every message is whole, and changes leave what a fresh start would know',
  cases: 150,
  generate: (random) => several(random, 12, () => change(random)),
  mutate: (random, changes) => mutateList(random, changes, () => change(random)),
  run(changes) {
    const store = new MemoryStore({ now: () => '2026-01-05T00:00:00Z', newUid: () => 'uid' })
    store.apply([POD])
    const cluster = new Cluster(store, DEFAULT_CLUSTER_CONFIG)
    for (const { isRemoved, object } of changes) {
      const resource = checked(object)
      if (resource === undefined) continue
      const { namespace, name } = resource.metadata
      if (isRemoved) store.delete([{ kind: kindOf(resource)!, namespace, name }])
      else store.apply([resource])
      answers(cluster)
    }
    deepEqual(answers(cluster), answers(new Cluster(store, DEFAULT_CLUSTER_CONFIG)))
  },
})

const readinessProbe = { httpGet: { path: '/ready', port: 'http' } }
const livenessProbe = { grpc: { port: 8080 } }
const POD = pod({
  name: 'web-1',
  ip: '10.0.0.1',
  labels: { app: 'web' },
  containers: [
    { name: 'a', image: 'a', ports: [{ name: 'http', containerPort: 8080 }], readinessProbe, livenessProbe },
  ],
})
const WORKLOADS = [
  { namespace: 'shop', kind: 'pod', name: 'web-1' },
  { namespace: 'shop', kind: 'externalWorkload', name: 'web' },
] as const

function answers(cluster: Cluster): unknown {
  return WORKLOADS.filter(
    ({ kind }) => kind === 'pod' || cluster.get('ExternalWorkload', 'shop', 'web') !== undefined,
  ).flatMap((workload) =>
    [8080, 4191].map((port) => {
      const { policy, problems } = inboundPolicyOf(cluster, workload, port)
      const server = fromBinary(ServerSchema, toBinary(ServerSchema, inboundMessage(policy)))
      ok(
        server.labels.name !== undefined && server.protocol?.kind.case !== undefined,
        'a server has a name and a protocol',
      )
      const { kind } = server.protocol
      const routes =
        kind.case === 'detect'
          ? kind.value.httpRoutes
          : kind.case === 'opaque' || kind.case === 'tls'
            ? []
            : kind.value.routes
      for (const { metadata, rules } of routes) {
        ok(metadata?.kind.case !== undefined, 'a route has a name')
        for (const { filters } of rules)
          for (const filter of filters) ok(filter.kind.case !== undefined, 'a filter has a kind')
      }
      for (const { networks, authentication, labels } of [
        ...server.authorizations,
        ...routes.flatMap(({ authorizations }) => authorizations),
      ]) {
        ok(networks.length > 0 && networks.every(({ net }) => net !== undefined), `${labels.name} has networks`)
        ok(authentication?.permit.case !== undefined, `${labels.name} says who`)
      }
      for (const problem of problems) ok(problem.length < 2_000, `a sentence of bounded length: ${problem}`)
      return { policy, problems }
    }),
  )
}

function checked(object: Change['object']): Resource | undefined {
  const kind = kindOf({ kind: String(object.kind), apiVersion: String(object.apiVersion) })
  return kind && checkKind(kind, object, { problem: () => undefined, note: () => undefined })
}

function change(random: Random): Change {
  const [kind, apiVersion, spec] = pick(random, OBJECTS)
  const metadata = {
    name: pick(random, ['web', 'web', 'api']),
    namespace: pick(random, NAMESPACES),
    creationTimestamp: pick(random, TIMES),
    labels: { app: pick(random, ['web', 'db']) },
    annotations: { 'config.linkerd.io/default-inbound-policy': pick(random, TEXTS) },
    ...(random() < 0.2 && { unknownFields: [pick(random, UNKNOWN)] }),
  }
  return {
    isRemoved: random() < 0.2,
    object: { apiVersion, kind, metadata, spec: spoiled(random, spec(random) as Json) },
  }
}

const UNKNOWN = ['spec', 'spec.x', 'spec.rules[0].matches[0].x', 'spec.rules[0].filters', 'spec.rules[1].x', 'status']

/** One or two. */
const some = <T>(random: Random, make: () => T): T[] => [make(), ...several(random, 1, make)]

const ref = (random: Random) => ({
  group: pick(random, GROUPS),
  kind: pick(random, KINDS),
  name: pick(random, NAMES),
  ...(random() < 0.2 && { namespace: pick(random, NAMESPACES) }),
})
const parent = (random: Random) => ({
  group: 'policy.linkerd.io',
  kind: 'Server',
  name: pick(random, ['web', 'api']),
  ...(random() < 0.1 && { port: 8080 }),
})
const networks = (random: Random) =>
  some(random, () => ({
    cidr: pick(random, ['10.0.0.0/8', '::/0', '192.0.2.1']),
    except: several(random, 1, () => '10.1.0.0/16'),
  }))
const text = (random: Random) => pick(random, TEXTS)
const values = (random: Random) =>
  several(random, 2, () => ({
    name: pick(random, ['a', 'B']),
    value: text(random),
    type: pick(random, ['Exact', 'RegularExpression', 'Glob']),
  }))
const filters = (random: Random) =>
  several(random, 2, () => ({
    type: pick(random, [
      'RequestHeaderModifier',
      'ResponseHeaderModifier',
      'RequestRedirect',
      'URLRewrite',
      'RequestMirror',
      'CORS',
    ]),
    requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] },
    responseHeaderModifier: { remove: ['a'] },
    ...(random() < 0.5 && {
      requestRedirect: { statusCode: 302, path: { type: text(random), replaceFullPath: text(random) } },
    }),
  }))
const httpRoute = (random: Random) => ({
  parentRefs: some(random, () => (random() < 0.8 ? parent(random) : ref(random))),
  hostnames: several(random, 1, () => 'web.example.org'),
  rules: some(random, () => ({
    matches: several(random, 2, () => ({
      path: { type: pick(random, ['Exact', 'PathPrefix', 'RegularExpression', 'Glob']), value: text(random) },
      headers: values(random),
      queryParams: values(random),
      ...(random() < 0.3 && { method: text(random) }),
    })),
    filters: filters(random),
  })),
})

const OBJECTS: readonly (readonly [kind: string, apiVersion: string, spec: (random: Random) => object])[] = [
  ['Namespace', 'v1', () => ({})],
  [
    'Server',
    'policy.linkerd.io/v1beta3',
    (random) => ({
      [pick(random, ['podSelector', 'podSelector', 'externalWorkloadSelector'])]: pick(random, [
        {},
        { matchLabels: { app: 'web' } },
      ]),
      port: pick(random, [8080, 8080, 'http', 4191]),
      proxyProtocol: pick(random, ['unknown', 'HTTP/1', 'HTTP/2', 'gRPC', 'opaque', 'TLS', text(random)]),
      accessPolicy: pick(random, ['deny', 'audit', 'all-authenticated', text(random)]),
    }),
  ],
  [
    'ServerAuthorization',
    'policy.linkerd.io/v1beta1',
    (random) => ({
      server: pick(random, [{ name: 'web' }, { selector: {} }, { selector: { matchLabels: { app: 'db' } } }]),
      client: {
        ...(random() < 0.3 && { networks: networks(random) }),
        unauthenticated: random() < 0.3,
        ...(random() < 0.7 && {
          meshTLS: {
            unauthenticatedTLS: random() < 0.2,
            identities: several(random, 2, () => text(random)),
            serviceAccounts: several(random, 2, () => ({ name: 'web' })),
          },
        }),
      },
    }),
  ],
  [
    'AuthorizationPolicy',
    'policy.linkerd.io/v1alpha1',
    (random) => ({
      targetRef: random() < 0.6 ? parent(random) : ref(random),
      requiredAuthenticationRefs: several(random, 3, () => ref(random)),
    }),
  ],
  [
    'MeshTLSAuthentication',
    'policy.linkerd.io/v1alpha1',
    (random) =>
      random() < 0.5
        ? { identities: some(random, () => text(random)) }
        : { identityRefs: some(random, () => ref(random)) },
  ],
  ['NetworkAuthentication', 'policy.linkerd.io/v1alpha1', (random) => ({ networks: networks(random) })],
  [
    'HTTPLocalRateLimitPolicy',
    'policy.linkerd.io/v1alpha1',
    (random) => ({
      targetRef: random() < 0.8 ? parent(random) : ref(random),
      ...(random() < 0.7 && { total: { requestsPerSecond: Math.abs(oddNumber(random)) } }),
      overrides: several(random, 2, () => ({
        requestsPerSecond: 1,
        clientRefs: several(random, 2, () => ref(random)),
      })),
    }),
  ],
  ['HTTPRoute', 'policy.linkerd.io/v1beta3', httpRoute],
  ['HTTPRoute', 'gateway.networking.k8s.io/v1', httpRoute],
  [
    'GRPCRoute',
    'gateway.networking.k8s.io/v1',
    (random) => ({
      parentRefs: some(random, () => parent(random)),
      rules: some(random, () => ({
        matches: several(random, 2, () => ({
          method: { type: pick(random, ['Exact', 'RegularExpression']), service: text(random), method: text(random) },
          headers: values(random),
        })),
        filters: filters(random),
      })),
    }),
  ],
  [
    'ExternalWorkload',
    'workload.linkerd.io/v1beta1',
    (random) => ({
      meshTLS: { identity: 'vm', serverName: 'vm' },
      ports: several(random, 2, () => ({ name: 'http', port: 8080 })),
      workloadIPs: [{ ip: '192.0.2.1' }],
    }),
  ],
]

/** One value somewhere in it exchanged for another. */
function spoiled(random: Random, value: Json): Json {
  if (random() < 0.03) return pick(random, [null, 0, -1, '', [], {}, true, text(random)])
  if (Array.isArray(value)) return value.map((each) => spoiled(random, each))
  if (!isMap(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, spoiled(random, each as Json)]))
}
