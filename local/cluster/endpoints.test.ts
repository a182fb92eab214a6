import { test } from 'tap'
import type { ResourceOf } from '../../api/resources/kinds.ts'
import { manifest, pod, service } from '../testing/objects.ts'
import { endpointSlicesOf, isOwnSlice } from './endpoints.ts'

const web = service('web', '{ selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }')
const labels = { app: 'web' }
const withPort = (port: number) =>
  `containers: [{ name: main, command: [x], ports: [{ name: http, containerPort: ${port} }] }]`

test('endpointSlicesOf', async (t) => {
  const cases = [
    {
      name: 'ready pods',
      pods: [pod('a', { ip: '10.42.0.2', labels, spec: withPort(8080) })],
      ready: ['10.42.0.2'],
      notReady: [],
    },
    {
      name: 'pods that are not ready are listed as such',
      pods: [pod('a', { ip: '10.42.0.2', labels, spec: withPort(8080), isReady: false })],
      ready: [],
      notReady: ['10.42.0.2'],
    },
    {
      name: 'a terminating pod is not ready any more',
      pods: [pod('a', { ip: '10.42.0.2', labels, spec: withPort(8080), isTerminating: true })],
      ready: [],
      notReady: ['10.42.0.2'],
    },
    {
      name: 'other labels',
      pods: [pod('a', { ip: '10.42.0.2', labels: { app: 'db' }, spec: withPort(8080) })],
      ready: [],
      notReady: [],
    },
    { name: 'pods without address', pods: [pod('a', { labels, spec: withPort(8080) })], ready: [], notReady: [] },
  ]
  for (const { name, pods, ready, notReady } of cases) {
    const endpoints = endpointSlicesOf([web], pods).flatMap((slice) => slice.endpoints)
    t.same(
      endpoints.filter(({ conditions }) => conditions.ready).flatMap(({ addresses }) => addresses),
      ready,
      name,
    )
    t.same(
      endpoints.filter(({ conditions }) => !conditions.ready).flatMap(({ addresses }) => addresses),
      notReady,
      name,
    )
  }
})

test('a named port may be another number in every pod', async (t) => {
  const slices = endpointSlicesOf(
    [web],
    [
      pod('a', { ip: '10.42.0.2', labels, spec: withPort(8080) }),
      pod('b', { ip: '10.42.0.3', labels, spec: withPort(9090) }),
    ],
  )
  t.same(
    slices.map(({ metadata, ports, endpoints }) => [metadata.name, ports[0]?.port, endpoints[0]?.addresses[0]]),
    [
      ['web', 8080, '10.42.0.2'],
      ['web-1', 9090, '10.42.0.3'],
    ],
  )
})

test('a service without selector or pods', async (t) => {
  t.same(
    endpointSlicesOf([service('ext', '{ ports: [{ port: 80 }] }')], []),
    [],
    'without selector its endpoints are the user’s',
  )
  t.match(
    endpointSlicesOf([web], []),
    [{ metadata: { name: 'web' }, endpoints: [] }],
    'without pods it is known to have nobody',
  )
})

test('machines outside have slices of their own', async (t) => {
  const [vm] = manifest(`
apiVersion: workload.linkerd.io/v1beta1
kind: ExternalWorkload
metadata: { name: vm, namespace: shop, labels: { app: web } }
spec:
  meshTLS: { identity: spiffe://example.com/vm, serverName: vm.example.com }
  workloadIPs: [{ ip: 192.0.2.7 }]
  ports: [{ name: http, port: 8080 }]
status: { conditions: [{ type: Ready, status: 'True' }] }
`) as readonly ResourceOf<'ExternalWorkload'>[]
  const slices = endpointSlicesOf([web], [pod('a', { ip: '10.42.0.2', labels, spec: withPort(8080) })], [vm!])
  t.same(
    slices.map(({ metadata, endpoints }) => [metadata.name, endpoints[0]?.addresses[0]]),
    [
      ['web', '10.42.0.2'],
      ['linkerd-external-web-0', '192.0.2.7'],
    ],
  )
  t.ok(slices.every(isOwnSlice), 'which are kept with the others')
})
