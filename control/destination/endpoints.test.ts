/** Which endpoints the index finds and what is sent for them, without any socket. */
import { test } from 'tap'
import { type Update, UpdateSchema } from '../../api/gen/destination_pb.js'
import type { Resource } from '../../api/resources/kinds.ts'
import { Cluster } from '../cluster/cluster.ts'
import { type ClusterConfig, DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { json, pod, service, slice, storeOf } from '../cluster/fixtures.ts'
import { endpointUpdates } from './api/endpoint-updates.ts'
import { endpointsForClient, serviceEndpoints } from './index/service-endpoints.ts'

const WEB_ID = 'web.shop.serviceaccount.identity.linkerd.cluster.local'

function clusterOf(objects: readonly Resource[], config: Partial<ClusterConfig> = {}): Cluster {
  return new Cluster(storeOf(...objects), { ...DEFAULT_CLUSTER_CONFIG, ...config })
}

interface Lookup {
  readonly port?: number
  readonly instance?: string
  readonly nodeName?: string
}

function firstUpdate(cluster: Cluster, { port = 80, instance, nodeName = '' }: Lookup = {}): readonly Update[] {
  const snapshot = serviceEndpoints(cluster, { namespace: 'shop', name: 'web', instance }, port, undefined)
  const client = { nodeName, zone: cluster.zoneOfNode(nodeName) }
  return endpointUpdates(undefined, snapshot, endpointsForClient(snapshot, client))
}

/** `ip:port` of every endpoint in the answer, sorted. */
function addresses(cluster: Cluster, lookup: Lookup = {}): readonly string[] {
  const [update] = firstUpdate(cluster, lookup).map((each) => json(UpdateSchema, each))
  return (update.add?.addrs ?? [])
    .map(
      ({ addr }: { addr: { ip: { ipv4: number }; port: number } }) =>
        `${[24, 16, 8, 0].map((bits) => (addr.ip.ipv4 >>> bits) & 255).join('.')}:${addr.port}`,
    )
    .sort()
}

test('a meshed pod is described in full', async (t) => {
  const cluster = clusterOf([
    service({ name: 'web', clusterIP: '10.96.0.1' }),
    pod({
      name: 'web-7d9-x',
      ip: '10.0.0.1',
      labels: { 'pod-template-hash': '7d9' },
      owner: { kind: 'ReplicaSet', name: 'web-7d9' },
    }),
    slice({ service: 'web', pods: { 'web-7d9-x': { addresses: ['10.0.0.1'], zone: 'east' } } }),
  ])
  const updates = firstUpdate(cluster, { nodeName: 'node-a' }).map((each) => json(UpdateSchema, each))
  t.same(updates, [
    {
      add: {
        metricLabels: { service: 'web', namespace: 'shop' },
        addrs: [
          {
            addr: { ip: { ipv4: 0x0a000001 }, port: 8080 },
            weight: 10_000,
            metricLabels: {
              deployment: 'web',
              pod: 'web-7d9-x',
              serviceaccount: 'web',
              control_plane_ns: 'linkerd',
              pod_template_hash: '7d9',
              zone: 'east',
              zone_locality: 'local',
            },
            tlsIdentity: { dnsLikeIdentity: { name: WEB_ID }, serverName: { name: WEB_ID } },
            protocolHint: { h2: {}, opaqueTransport: { inboundPort: 4143 } },
            http2: { keepAlive: { interval: '10s', timeout: '3s', whileIdle: true } },
          },
        ],
      },
    },
  ])
})

test('what is known of a peer', async (t) => {
  const cases = [
    {
      name: 'an opaque port is hinted',
      pod: { annotations: { 'config.linkerd.io/opaque-ports': '8080' } },
      peer: { protocolHint: { opaque: {}, opaqueTransport: { inboundPort: 4143 } }, identity: WEB_ID },
    },
    {
      name: 'an opaque port by container-port name',
      pod: { annotations: { 'config.linkerd.io/opaque-ports': 'http' } },
      peer: { protocolHint: { opaque: {}, opaqueTransport: { inboundPort: 4143 } }, identity: WEB_ID },
    },
    {
      name: 'an annotation replaces the default list',
      target: 6379,
      pod: { annotations: { 'config.linkerd.io/opaque-ports': '8080' } },
      peer: { protocolHint: { h2: {}, opaqueTransport: { inboundPort: 4143 } }, identity: WEB_ID },
    },
    {
      name: 'default opaque ports',
      target: 6379,
      pod: {},
      peer: { protocolHint: { opaque: {}, opaqueTransport: { inboundPort: 4143 } }, identity: WEB_ID },
    },
    {
      name: 'a skipped port is not meshed',
      pod: { annotations: { 'config.linkerd.io/skip-inbound-ports': '8000-9000' } },
      peer: { protocolHint: undefined, identity: undefined },
    },
    { name: 'an unmeshed pod', pod: { isMeshed: false }, peer: { protocolHint: undefined, identity: undefined } },
    {
      name: 'a pod of another control plane gives no identity',
      pod: { labels: { 'linkerd.io/control-plane-ns': 'other' } },
      peer: { protocolHint: { h2: {}, opaqueTransport: { inboundPort: 4143 } }, identity: undefined },
    },
    {
      name: 'the admin port takes no transport header',
      target: 4191,
      pod: {},
      peer: { protocolHint: { h2: {} }, identity: WEB_ID },
    },
    {
      name: 'transparent mode',
      config: { transportMode: 'transparent' as const },
      pod: {},
      peer: { protocolHint: { h2: {} }, identity: WEB_ID },
    },
    {
      name: 'transparent mode, opaque port',
      target: 6379,
      config: { transportMode: 'transparent' as const },
      pod: {},
      peer: { protocolHint: { opaque: {}, opaqueTransport: { inboundPort: 4143 } }, identity: WEB_ID },
    },
    {
      name: 'no upgrades',
      config: { isH2UpgradeEnabled: false },
      pod: {},
      peer: { protocolHint: { opaqueTransport: { inboundPort: 4143 } }, identity: WEB_ID },
    },
  ]
  for (const { name, target = 8080, config = {}, pod: more, peer } of cases) {
    const cluster = clusterOf(
      [
        service({ name: 'web', clusterIP: '10.96.0.1', ports: [{ port: 80, targetPort: target }] }),
        pod({ name: 'web-1', ip: '10.0.0.1', ...more }),
        slice({ service: 'web', pods: { 'web-1': '10.0.0.1' }, ports: [{ name: '', port: target }] }),
      ],
      config,
    )
    const [update] = firstUpdate(cluster).map((each) => json(UpdateSchema, each))
    const [{ protocolHint, tlsIdentity }] = update.add.addrs
    t.same({ protocolHint, identity: tlsIdentity?.dnsLikeIdentity.name }, peer, name)
  }
})

test('which endpoints a port has', async (t) => {
  const web = service({ name: 'web', clusterIP: '10.96.0.1' })
  const [one, two] = [
    pod({ name: 'web-1', ip: '10.0.0.1' }),
    pod({ name: 'web-2', ip: '10.0.0.2', nodeName: 'node-b' }),
  ]
  const named = service({
    name: 'web',
    clusterIP: '10.96.0.1',
    ports: [
      { name: 'main', port: 80, targetPort: 'http' },
      { name: 'side', port: 81, targetPort: 9090 },
    ],
  })
  const zones = {
    'web-1': { addresses: ['10.0.0.1'], zone: 'east', hints: { forZones: [{ name: 'east' }] } },
    'web-2': { addresses: ['10.0.0.2'], zone: 'west', nodeName: 'node-b', hints: { forZones: [{ name: 'west' }] } },
  }
  const cases: {
    name: string
    objects: readonly Resource[]
    lookup?: Lookup
    config?: Partial<ClusterConfig>
    found: readonly string[]
  }[] = [
    {
      name: 'all ready ones',
      objects: [web, one, two, slice({ service: 'web', pods: { 'web-1': '10.0.0.1', 'web-2': '10.0.0.2' } })],
      found: ['10.0.0.1:8080', '10.0.0.2:8080'],
    },
    {
      name: 'not one that is not ready',
      objects: [
        web,
        one,
        two,
        slice({
          service: 'web',
          pods: { 'web-1': '10.0.0.1', 'web-2': { addresses: ['10.0.0.2'], conditions: { ready: false } } },
        }),
      ],
      found: ['10.0.0.1:8080'],
    },
    {
      name: 'not one whose pod is not known yet',
      objects: [web, one, slice({ service: 'web', pods: { 'web-1': '10.0.0.1', 'web-2': '10.0.0.2' } })],
      found: ['10.0.0.1:8080'],
    },
    {
      name: 'from several slices',
      objects: [
        web,
        one,
        two,
        slice({ service: 'web', pods: { 'web-1': '10.0.0.1' } }),
        slice({ service: 'web', name: 'web-2', pods: { 'web-2': '10.0.0.2' } }),
      ],
      found: ['10.0.0.1:8080', '10.0.0.2:8080'],
    },
    {
      name: 'endpoints that are no pods',
      objects: [web, slice({ service: 'web', endpoints: [{ addresses: ['192.168.7.7'] }] })],
      found: ['192.168.7.7:8080'],
    },
    {
      name: 'the number of the slice port with this name',
      objects: [
        named,
        one,
        slice({
          service: 'web',
          pods: { 'web-1': '10.0.0.1' },
          ports: [
            { name: 'side', port: 9090 },
            { name: 'main', port: 8081 },
          ],
        }),
      ],
      found: ['10.0.0.1:8081'],
    },
    {
      name: 'another port of the service',
      objects: [
        named,
        one,
        slice({
          service: 'web',
          pods: { 'web-1': '10.0.0.1' },
          ports: [
            { name: 'side', port: 9090 },
            { name: 'main', port: 8081 },
          ],
        }),
      ],
      lookup: { port: 81 },
      found: ['10.0.0.1:9090'],
    },
    {
      name: 'a target port by name, when the slice has no number',
      objects: [named, one, slice({ service: 'web', pods: { 'web-1': '10.0.0.1' }, ports: [{ name: 'main' }] })],
      found: ['10.0.0.1:8080'],
    },
    {
      name: "an undeclared port is the pod's own",
      objects: [web, one, slice({ service: 'web', pods: { 'web-1': '10.0.0.1' } })],
      lookup: { port: 7000 },
      found: ['10.0.0.1:7000'],
    },
    {
      name: 'no IPv6 while it is off',
      objects: [web, one, slice({ service: 'web', addressType: 'IPv6', pods: { 'web-1': 'fd00::1' } })],
      found: [],
    },
    {
      name: 'one member of a StatefulSet',
      objects: [
        web,
        one,
        two,
        slice({
          service: 'web',
          pods: {
            'web-1': { addresses: ['10.0.0.1'], hostname: 'web-1' },
            'web-2': { addresses: ['10.0.0.2'], hostname: 'web-2' },
          },
        }),
      ],
      lookup: { instance: 'web-2' },
      found: ['10.0.0.2:8080'],
    },
    {
      name: 'internalTrafficPolicy Local keeps the node',
      objects: [
        service({ name: 'web', clusterIP: '10.96.0.1', spec: { internalTrafficPolicy: 'Local' } }),
        one,
        two,
        slice({ service: 'web', pods: zones }),
      ],
      lookup: { nodeName: 'node-b' },
      found: ['10.0.0.2:8080'],
    },
    {
      name: 'and keeps nothing when the node has none',
      objects: [
        service({ name: 'web', clusterIP: '10.96.0.1', spec: { internalTrafficPolicy: 'Local' } }),
        one,
        two,
        slice({ service: 'web', pods: zones }),
      ],
      lookup: { nodeName: 'node-c' },
      found: [],
    },
    {
      name: 'hints keep the zone',
      objects: [web, one, two, slice({ service: 'web', pods: zones })],
      lookup: { nodeName: 'node-b' },
      found: ['10.0.0.2:8080'],
    },
    {
      name: 'hints do nothing for an unknown zone',
      objects: [web, one, two, slice({ service: 'web', pods: zones })],
      lookup: { nodeName: 'node-c' },
      found: ['10.0.0.1:8080', '10.0.0.2:8080'],
    },
    {
      name: 'hints count only when all have them',
      objects: [
        web,
        one,
        two,
        slice({ service: 'web', pods: { ...zones, 'web-1': { addresses: ['10.0.0.1'], zone: 'east' } } }),
      ],
      lookup: { nodeName: 'node-b' },
      found: ['10.0.0.1:8080', '10.0.0.2:8080'],
    },
  ]
  for (const { name, objects, lookup, config, found } of cases)
    t.same(addresses(clusterOf(objects, config), lookup), found, name)
})

test('updates: additions first, then removals, and "none" at once', async (t) => {
  const objects = (...pods: readonly [string, string][]) => [
    service({ name: 'web', clusterIP: '10.96.0.1' }),
    ...['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((ip, at) => pod({ name: `web-${at + 1}`, ip })),
    slice({ service: 'web', pods: Object.fromEntries(pods) }),
  ]
  const [one, two, three] = [
    ['web-1', '10.0.0.1'],
    ['web-2', '10.0.0.2'],
    ['web-3', '10.0.0.3'],
  ] as [[string, string], [string, string], [string, string]]
  const store = storeOf(...objects())
  const cluster = new Cluster(store, DEFAULT_CLUSTER_CONFIG)
  let snapshot: ReturnType<typeof serviceEndpoints> | undefined
  let sent: Parameters<typeof endpointUpdates>[0]
  const next = () => {
    snapshot = serviceEndpoints(cluster, { namespace: 'shop', name: 'web', instance: undefined }, 80, snapshot)
    const endpoints = endpointsForClient(snapshot, { nodeName: '', zone: '' })
    const updates = endpointUpdates(sent, snapshot, endpoints)
    sent = { exists: snapshot.exists, endpoints }
    return updates.map(({ update }) => {
      switch (update.case) {
        case 'add':
          return `add ${update.value.addrs.map(({ addr }) => Number(addr!.ip!.ip.value) & 255)}`
        case 'remove':
          return `remove ${update.value.addrs.map(({ ip }) => Number(ip!.ip.value) & 255)}`
        default:
          return `none, exists ${update.value?.exists}`
      }
    })
  }
  t.same(next(), ['none, exists true'], 'a service without endpoints is answered')
  t.same(next(), [], 'once')
  store.apply(objects(one, two))
  t.same(next(), ['add 1,2'])
  const before = snapshot
  store.apply(objects(one, two))
  t.same(next(), [], 'replaced by equal objects: nothing')
  t.equal(snapshot, before, 'not even a new snapshot')
  store.apply(objects(two, three))
  t.same(next(), ['add 3', 'remove 1'])
  store.apply([pod({ name: 'web-2', ip: '10.0.0.2', annotations: { 'config.linkerd.io/opaque-ports': '8080' } })])
  t.same(next(), ['add 2'], 'an endpoint that changed is sent again')
  store.apply(objects())
  t.same(next(), ['none, exists true'])
  store.delete([{ kind: 'Service', namespace: 'shop', name: 'web' }])
  t.same(next(), ['none, exists false'])
  store.apply(objects(one))
  t.same(next(), ['add 1'])
})
