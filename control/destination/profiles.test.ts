/** What the profile of an address or name is and how it is sent, without any socket. */
import { test } from 'tap'
import { DestinationProfileSchema } from '../../api/gen/destination_pb.js'
import { parsePortSet } from '../../api/port-set.ts'
import type { Resource } from '../../api/resources/kinds.ts'
import { parseAuthority } from '../cluster/authority.ts'
import { Cluster } from '../cluster/cluster.ts'
import { type ClusterConfig, DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { json, pod, profile, resource, service, slice, storeOf } from '../cluster/fixtures.ts'
import { profileMessage } from './api/profile-message.ts'
import { profileOf } from './index/profile.ts'

const WEB_ID = 'web.shop.serviceaccount.identity.linkerd.cluster.local'

function clusterOf(objects: readonly Resource[], config: Partial<ClusterConfig> = {}): Cluster {
  return new Cluster(storeOf(...objects), { ...DEFAULT_CLUSTER_CONFIG, ...config })
}

test('profiles', async (t) => {
  const budget = { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: '10s' }
  const web = service({ name: 'web', clusterIP: '10.96.0.1' })
  const webPod = pod({ name: 'web-1', ip: '10.0.0.1' })
  const parentRef = { resource: { group: 'core', kind: 'Service', name: 'web', namespace: 'shop', port: 80 } }
  const plain = {
    fullyQualifiedName: 'web.shop.svc.cluster.local',
    retryBudget: budget,
    parentRef,
    profileRef: { resource: { group: 'linkerd.io' } },
  }
  const named = (namespace: string, name: string) =>
    profile('web.shop.svc.cluster.local', namespace, { routes: [{ name, condition: { method: 'GET' } }] })
  const withRoute = (namespace: string, route: string) => ({
    ...plain,
    routes: [{ condition: { method: { registered: 'GET' } }, metricsLabels: { route } }],
    profileRef: {
      resource: { group: 'linkerd.io', kind: 'ServiceProfile', name: 'web.shop.svc.cluster.local', namespace },
    },
  })
  const meshed = {
    weight: 10_000,
    tlsIdentity: { dnsLikeIdentity: { name: WEB_ID }, serverName: { name: WEB_ID } },
    protocolHint: { h2: {}, opaqueTransport: { inboundPort: 4143 } },
    http2: { keepAlive: { interval: '10s', timeout: '3s', whileIdle: true } },
  }
  const labels = { pod: 'web-1', serviceaccount: 'web', control_plane_ns: 'linkerd', zone: '', namespace: 'shop' }
  const cases: {
    name: string
    objects: readonly Resource[]
    path: string
    clientNs?: string
    config?: Partial<ClusterConfig>
    is: object
  }[] = [
    { name: 'a service by address', objects: [web], path: '10.96.0.1:80', is: plain },
    { name: 'a service by name', objects: [web], path: 'web.shop.svc.cluster.local:80', is: plain },
    {
      name: 'names are lower case, without a trailing dot',
      objects: [web],
      path: 'WEB.shop.svc.cluster.local.:80',
      is: plain,
    },
    { name: 'an undeclared port is empty', objects: [web], path: '10.96.0.1:81', is: {} },
    {
      name: 'an opaque port by annotation',
      objects: [
        service({ name: 'web', clusterIP: '10.96.0.1', annotations: { 'config.linkerd.io/opaque-ports': '80' } }),
      ],
      path: '10.96.0.1:80',
      is: { ...plain, opaqueProtocol: true },
    },
    {
      name: "an opaque port by the namespace's annotation",
      objects: [
        web,
        resource({
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: { name: 'shop', annotations: { 'config.linkerd.io/opaque-ports': '80' } },
        }),
      ],
      path: '10.96.0.1:80',
      is: { ...plain, opaqueProtocol: true },
    },
    {
      name: 'a default opaque port',
      objects: [web],
      config: { opaquePorts: parsePortSet('80').ports },
      path: '10.96.0.1:80',
      is: { ...plain, opaqueProtocol: true },
    },
    {
      name: 'appProtocol beats the list',
      objects: [service({ name: 'web', clusterIP: '10.96.0.1', ports: [{ port: 80, appProtocol: 'http' }] })],
      config: { opaquePorts: parsePortSet('80').ports },
      path: '10.96.0.1:80',
      is: plain,
    },
    {
      name: "the owner's profile",
      objects: [web, named('shop', 'owner')],
      path: '10.96.0.1:80',
      clientNs: 'front',
      is: withRoute('shop', 'owner'),
    },
    {
      name: "the client's profile wins",
      objects: [web, named('shop', 'owner'), named('front', 'client')],
      path: '10.96.0.1:80',
      clientNs: 'front',
      is: withRoute('front', 'client'),
    },
    {
      name: 'a pod by address',
      objects: [webPod],
      path: '10.0.0.1:8080',
      is: {
        retryBudget: budget,
        endpoint: { ...meshed, addr: { ip: { ipv4: 0x0a000001 }, port: 8080 }, metricLabels: labels },
      },
    },
    {
      name: 'a pod that does not run is only an address',
      objects: [pod({ name: 'web-1', ip: '10.0.0.1', phase: 'Pending' })],
      path: '10.0.0.1:8080',
      is: { retryBudget: budget, endpoint: { weight: 10_000, addr: { ip: { ipv4: 0x0a000001 }, port: 8080 } } },
    },
    {
      name: 'an ended pod does not own its address',
      objects: [pod({ name: 'web-0', ip: '10.0.0.1', phase: 'Succeeded' }), webPod],
      path: '10.0.0.1:8080',
      is: {
        retryBudget: budget,
        endpoint: { ...meshed, addr: { ip: { ipv4: 0x0a000001 }, port: 8080 }, metricLabels: labels },
      },
    },
    {
      name: 'a port of a node',
      objects: [pod({ name: 'web-1', ip: '10.0.0.1', ports: [{ containerPort: 8080, hostPort: 30080 }] })],
      path: '10.1.0.1:30080',
      is: {
        retryBudget: budget,
        endpoint: { ...meshed, addr: { ip: { ipv4: 0x0a000001 }, port: 8080 }, metricLabels: labels },
      },
    },
    {
      name: 'an unknown address',
      objects: [],
      path: '10.9.9.9:6379',
      is: {
        opaqueProtocol: true,
        retryBudget: budget,
        endpoint: { weight: 10_000, addr: { ip: { ipv4: 0x0a090909 }, port: 6379 } },
      },
    },
    {
      name: 'a member of a StatefulSet',
      objects: [
        service({ name: 'web', clusterIP: 'None' }),
        webPod,
        slice({ service: 'web', pods: { 'web-1': { addresses: ['10.0.0.1'], hostname: 'web-1' } } }),
      ],
      path: 'web-1.web.shop.svc.cluster.local:8080',
      is: {
        retryBudget: budget,
        endpoint: { ...meshed, addr: { ip: { ipv4: 0x0a000001 }, port: 8080 }, metricLabels: labels },
      },
    },
  ]
  for (const { name, objects, path, clientNs = 'shop', config, is } of cases) {
    const message = profileMessage(profileOf(clusterOf(objects, config), parseAuthority(path)!, clientNs))
    const sent = json(DestinationProfileSchema, message)
    // A float on the wire.
    if (sent.retryBudget) sent.retryBudget.retryRatio = Math.round(sent.retryBudget.retryRatio * 1e6) / 1e6
    t.same(sent, is, name)
  }
  const refused = [
    { name: 'a name outside the cluster domain', objects: [], path: 'example.com:80', code: 3 },
    { name: 'an unknown service', objects: [], path: 'api.shop.svc.cluster.local:80', code: 2 },
    { name: 'an unknown member', objects: [web], path: 'web-9.web.shop.svc.cluster.local:80', code: 5 },
    {
      name: 'an address of two services',
      objects: [web, service({ name: 'api', clusterIP: '10.96.0.1' })],
      path: '10.96.0.1:80',
      code: 9,
    },
    {
      name: 'an address of two pods',
      objects: [webPod, pod({ name: 'web-2', ip: '10.0.0.1' })],
      path: '10.0.0.1:80',
      code: 9,
    },
  ]
  for (const { name, objects, path, code } of refused) {
    t.throws(() => profileOf(clusterOf(objects), parseAuthority(path)!, 'shop'), { code }, name)
  }
})

test('a service profile becomes routes, a budget and a split', async (t) => {
  const spec = {
    retryBudget: { retryRatio: 0.5, minRetriesPerSecond: 3, ttl: '30s' },
    dstOverrides: [
      { authority: 'web-v2.shop.svc.cluster.local', weight: '500m' },
      { authority: 'web.shop.svc.cluster.local:8080', weight: 1 },
    ],
    routes: [
      {
        name: 'buy',
        condition: { method: 'POST', pathRegex: '/buy/[^/]*' },
        isRetryable: true,
        timeout: '1m30s',
        responseClasses: [
          { condition: { status: { min: 500, max: 599 } }, isFailure: true },
          { condition: { status: { min: 404 } } },
        ],
      },
      { name: 'odd', condition: { any: [{ method: 'PURGE' }, { not: { pathRegex: '/x' } }] } },
    ],
  }
  const cluster = clusterOf([
    service({ name: 'web', clusterIP: '10.96.0.1' }),
    profile('web.shop.svc.cluster.local', 'shop', spec),
  ])
  const message = profileMessage(profileOf(cluster, parseAuthority('10.96.0.1:80')!, 'shop'))
  const { routes, retryBudget, dstOverrides } = json(DestinationProfileSchema, message)
  t.same(retryBudget, { retryRatio: 0.5, minRetriesPerSecond: 3, ttl: '30s' })
  t.same(dstOverrides, [
    { authority: 'web-v2.shop.svc.cluster.local:80', weight: 5_000 },
    { authority: 'web.shop.svc.cluster.local:8080', weight: 10_000 },
  ])
  t.same(routes, [
    {
      condition: { all: { matches: [{ path: { regex: '/buy/[^/]*' } }, { method: { registered: 'POST' } }] } },
      isRetryable: true,
      timeout: '90s',
      metricsLabels: { route: 'buy' },
      responseClasses: [
        { condition: { status: { min: 500, max: 599 } }, isFailure: true },
        { condition: { status: { min: 404, max: 404 } } },
      ],
    },
    {
      condition: { any: { matches: [{ method: { unregistered: 'PURGE' } }, { not: { path: { regex: '/x' } } }] } },
      metricsLabels: { route: 'odd' },
    },
  ])
})
