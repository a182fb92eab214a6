/** Machines outside the cluster: which slices name them, and what clients are told of them. */
import { test } from 'tap'
import { DestinationProfileSchema, UpdateSchema } from '../../api/gen/destination_pb.js'
import type { ExternalWorkload } from '../../api/resources/external-workload.ts'
import type { Service } from '../../api/resources/service.ts'
import { parseAuthority } from '../cluster/authority.ts'
import { Cluster } from '../cluster/cluster.ts'
import { type ClusterConfig, DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { json, pod, resource, service, storeOf } from '../cluster/fixtures.ts'
import { endpointUpdates } from './api/endpoint-updates.ts'
import { profileMessage } from './api/profile-message.ts'
import { externalSlicesOf } from './index/external-slices.ts'
import { profileOf } from './index/profile.ts'
import { endpointsForClient, serviceEndpoints } from './index/service-endpoints.ts'

const SPIFFE = 'spiffe://root.linkerd.cluster.local/vm'
const READY = { conditions: [{ type: 'Ready', status: 'True' }] }

interface VmFixture {
  readonly name?: string
  readonly namespace?: string
  readonly metadata?: object
  readonly spec?: object
  readonly status?: object
}

function vm({ name = 'vm', namespace = 'shop', metadata, spec, status = READY }: VmFixture = {}): ExternalWorkload {
  return resource({
    apiVersion: 'workload.linkerd.io/v1beta1',
    kind: 'ExternalWorkload',
    metadata: { name, namespace, labels: { app: 'web' }, ...metadata },
    spec: {
      meshTLS: { identity: SPIFFE, serverName: 'vm.example.com' },
      ports: [{ name: 'http', port: 8080 }],
      workloadIPs: [{ ip: '192.0.2.7' }],
      ...spec,
    },
    status,
  }) as ExternalWorkload
}

const web = service({
  name: 'web',
  clusterIP: '10.96.0.1',
  ports: [{ port: 80, targetPort: 'http' }],
  spec: { selector: { app: 'web' } },
}) as Service

test('slices', async (t) => {
  const cases = [
    { name: 'a ready one', vms: [vm()], is: ['linkerd-external-web-0 IPv4 8080: 192.0.2.7'] },
    {
      name: 'without a condition it is not ready',
      vms: [vm({ status: {} })],
      is: ['linkerd-external-web-0 IPv4 8080: -192.0.2.7'],
    },
    {
      name: 'nor when the condition is not true',
      vms: [vm({ status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } })],
      is: ['linkerd-external-web-0 IPv4 8080: -192.0.2.7'],
    },
    {
      name: 'nor when it is being deleted',
      vms: [vm({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z', labels: { app: 'web' } } })],
      is: ['linkerd-external-web-0 IPv4 8080: -192.0.2.7'],
    },
    { name: 'other labels', vms: [vm({ metadata: { labels: { app: 'api' } } })], is: [] },
    { name: 'another namespace', vms: [vm({ namespace: 'other' })], is: [] },
    {
      name: 'a named port may be another number on every machine',
      vms: [
        vm(),
        vm({ name: 'vm-2', spec: { workloadIPs: [{ ip: '192.0.2.8' }], ports: [{ name: 'http', port: 9090 }] } }),
        vm({ name: 'vm-3', spec: { workloadIPs: [{ ip: '192.0.2.9' }] } }),
      ],
      is: ['linkerd-external-web-0 IPv4 8080: 192.0.2.7 192.0.2.9', 'linkerd-external-web-1 IPv4 9090: 192.0.2.8'],
    },
    {
      name: 'a port of this name of another protocol is another port',
      vms: [vm({ spec: { ports: [{ name: 'http', port: 8080, protocol: 'UDP' }] } })],
      is: ['linkerd-external-web-0 IPv4 : 192.0.2.7'],
    },
    {
      name: 'each family has its slice',
      vms: [vm({ spec: { workloadIPs: [{ ip: '192.0.2.7' }, { ip: '2001:db8::7' }] } })],
      is: ['linkerd-external-web-0 IPv4 8080: 192.0.2.7', 'linkerd-external-web-1 IPv6 8080: 2001:db8::7'],
    },
    { name: 'no machine, no slice', vms: [], is: [] },
  ]
  for (const { name, vms, is } of cases) {
    const slices = externalSlicesOf(web, vms).map(({ metadata, addressType, ports, endpoints }) => {
      const members = endpoints.map(({ addresses, conditions }) => `${conditions.ready ? '' : '-'}${addresses[0]}`)
      return `${metadata.name} ${addressType} ${ports.map(({ port }) => port)}: ${members.join(' ')}`
    })
    t.same(slices, is, name)
  }
  const [slice] = externalSlicesOf(web, [
    vm({ metadata: { labels: { app: 'web', 'topology.kubernetes.io/zone': 'east' } } }),
  ])
  t.match(slice, {
    metadata: {
      labels: {
        'kubernetes.io/service-name': 'web',
        'endpointslice.kubernetes.io/managed-by': 'linkerd-external-workloads-controller',
      },
    },
    endpoints: [{ zone: 'east', targetRef: { kind: 'ExternalWorkload', namespace: 'shop', name: 'vm' } }],
  })
  t.same(externalSlicesOf(service({ name: 'all', clusterIP: '10.96.0.2' }) as Service, [vm()]), [], 'without selector')
  const early = service({
    name: 'web',
    clusterIP: '10.96.0.1',
    spec: { selector: { app: 'web' }, publishNotReadyAddresses: true },
  }) as Service
  t.match(
    externalSlicesOf(early, [vm({ status: {} })]),
    [{ endpoints: [{ conditions: { ready: true, serving: false } }] }],
    'publishNotReadyAddresses',
  )
})

function clusterOf(vms: readonly ExternalWorkload[], config: Partial<ClusterConfig> = {}): Cluster {
  return new Cluster(storeOf(web, ...vms, ...externalSlicesOf(web, vms)), { ...DEFAULT_CLUSTER_CONFIG, ...config })
}

function told(cluster: Cluster) {
  const snapshot = serviceEndpoints(cluster, { namespace: 'shop', name: 'web', instance: undefined }, 80, undefined)
  const updates = endpointUpdates(undefined, snapshot, endpointsForClient(snapshot, { nodeName: '', zone: 'east' }))
  return json(UpdateSchema, updates[0]!)
}

const HTTP2 = { keepAlive: { interval: '10s', timeout: '3s', whileIdle: true } }
const PEER = {
  tlsIdentity: { uriLikeIdentity: { uri: SPIFFE }, serverName: { name: 'vm.example.com' } },
  protocolHint: { h2: {}, opaqueTransport: { inboundPort: 4143 } },
  http2: HTTP2,
}

test('an endpoint is described in full', async (t) => {
  const labels = { app: 'web', 'topology.kubernetes.io/zone': 'east' }
  const ownerReferences = [{ apiVersion: 'vm.example.com/v1', kind: 'MachineGroup', name: 'big', uid: 'u' }]
  t.same(told(clusterOf([vm({ metadata: { labels, ownerReferences } })])), {
    add: {
      metricLabels: { service: 'web', namespace: 'shop' },
      addrs: [
        {
          addr: { ip: { ipv4: 0xc0000207 }, port: 8080 },
          weight: 10_000,
          metricLabels: { machinegroup: 'big', external_workload: 'vm', zone: 'east', zone_locality: 'local' },
          ...PEER,
        },
      ],
    },
  })
})

test('what is known of a machine’s proxy', async (t) => {
  const ports = [{ name: 'http', port: 8080 }]
  const cases = [
    {
      name: 'its proxy listens where it says',
      vm: { spec: { ports: [...ports, { name: 'linkerd-proxy', port: 9143 }] } },
      is: { ...PEER, protocolHint: { h2: {}, opaqueTransport: { inboundPort: 9143 } } },
    },
    {
      name: 'opaque by the annotation, as a number',
      vm: { metadata: { labels: { app: 'web' }, annotations: { 'config.linkerd.io/opaque-ports': '8080' } } },
      is: { ...PEER, protocolHint: { opaque: {}, opaqueTransport: { inboundPort: 4143 } } },
    },
    {
      name: 'opaque by the annotation, as a name',
      vm: { metadata: { labels: { app: 'web' }, annotations: { 'config.linkerd.io/opaque-ports': 'http' } } },
      is: { ...PEER, protocolHint: { opaque: {}, opaqueTransport: { inboundPort: 4143 } } },
    },
    {
      name: 'opaque by the defaults',
      vm: { spec: { ports: [{ name: 'http', port: 6379 }] } },
      is: { ...PEER, protocolHint: { opaque: {}, opaqueTransport: { inboundPort: 4143 } } },
    },
    {
      name: 'transparent mode',
      vm: {},
      config: { transportMode: 'transparent' as const },
      is: { ...PEER, protocolHint: { h2: {} } },
    },
    {
      name: 'an identity that is a DNS name',
      vm: { spec: { meshTLS: { identity: 'vm.shop.example.com', serverName: 'vm.example.com' } } },
      is: {
        ...PEER,
        tlsIdentity: { dnsLikeIdentity: { name: 'vm.shop.example.com' }, serverName: { name: 'vm.example.com' } },
      },
    },
  ]
  for (const { name, vm: fixture, config = {}, is } of cases) {
    const { tlsIdentity, protocolHint, http2 } = told(clusterOf([vm(fixture)], config)).add.addrs[0]
    t.same({ tlsIdentity, protocolHint, http2 }, is, name)
  }
})

test('who is balanced to', async (t) => {
  t.same(told(clusterOf([vm({ status: {} })])), { noEndpoints: { exists: true } }, 'nobody who is not ready')
  const lost = new Cluster(storeOf(web, ...externalSlicesOf(web, [vm()])), DEFAULT_CLUSTER_CONFIG)
  t.same(told(lost), { noEndpoints: { exists: true } }, 'nobody whose identity is not known yet')
})

test('a change of the workload is a change of its endpoints', async (t) => {
  const store = storeOf(web, vm(), ...externalSlicesOf(web, [vm()]))
  const cluster = new Cluster(store, DEFAULT_CLUSTER_CONFIG)
  const ref = { namespace: 'shop', name: 'web', instance: undefined }
  const before = serviceEndpoints(cluster, ref, 80, undefined)
  store.apply([vm({ spec: { meshTLS: { identity: SPIFFE, serverName: 'new.example.com' } } })])
  const after = serviceEndpoints(cluster, ref, 80, before)
  t.match([...after.endpoints.values()], [{ mesh: { serverName: 'new.example.com' } }])
})

test('the profile of an address', async (t) => {
  const profile = (vms: readonly ExternalWorkload[], path = '192.0.2.7:8080', others = storeOf().list('Pod')) => {
    const cluster = new Cluster(storeOf(...vms, ...others), DEFAULT_CLUSTER_CONFIG)
    const { endpoint, opaqueProtocol = false } = json(
      DestinationProfileSchema,
      profileMessage(profileOf(cluster, parseAuthority(path)!, 'shop')),
    )
    return { endpoint, opaqueProtocol }
  }
  const endpoint = {
    addr: { ip: { ipv4: 0xc0000207 }, port: 8080 },
    weight: 10_000,
    metricLabels: { external_workload: 'vm', zone: '', namespace: 'shop' },
    ...PEER,
  }
  t.same(profile([vm()]), { endpoint, opaqueProtocol: false })
  t.same(profile([vm({ status: {} })]), { endpoint, opaqueProtocol: false }, 'also when it is not ready')
  t.match(profile([vm()], '192.0.2.7:6379'), {
    endpoint: { protocolHint: { opaque: {} } },
    opaqueProtocol: true,
  })
  t.same(profile([vm()], '192.0.2.8:8080').endpoint.tlsIdentity, undefined, 'another address')
  t.throws(() => profile([vm(), vm({ name: 'vm-2' })]), { code: 9 }, 'an address of two machines')
  const owner = storeOf(pod({ name: 'web-1', ip: '192.0.2.7' })).list('Pod')
  t.match(profile([vm()], '192.0.2.7:8080', owner).endpoint, { metricLabels: { pod: 'web-1' } }, 'a pod goes before')
})
