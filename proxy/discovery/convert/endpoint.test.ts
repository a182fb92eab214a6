import { create } from '@bufbuild/protobuf'
import { test } from 'tap'
import { UpdateSchema } from '../../../api/gen/destination_pb.js'
import { tcpAddressToMessage } from '../../../api/ip.ts'
import { type EndpointMeta, endpointKey, plainEndpoint, sameEndpoint } from '../../policy/endpoint.ts'
import { destinationUpdateOf } from './endpoint.ts'

// biome-ignore lint/suspicious/noExplicitAny: tables build partial and deliberately broken messages
type Init = any

const addr = tcpAddressToMessage({ ip: '10.0.0.1', port: 8080 })
const web = 'web.ns.serviceaccount.identity.linkerd.cluster.local'

function add(endpoint: Init, metricLabels: Init = {}) {
  return destinationUpdateOf(
    create(UpdateSchema, { update: { case: 'add', value: { addrs: [{ addr, ...endpoint }], metricLabels } } }),
  )
}

function only(endpoint: Init, setLabels: Init = {}): EndpointMeta {
  const update = add(endpoint, setLabels)
  if (update.kind !== 'add') throw new Error(JSON.stringify(update))
  return update.endpoints[0]!
}

const dns = (name: string) => ({ strategy: { case: 'dnsLikeIdentity', value: { name } } })

test('a meshed pod', async (t) => {
  const endpoint = only(
    {
      weight: 10_000,
      metricLabels: { pod: 'web-1', zone_locality: 'Local', namespace: 'own' },
      tlsIdentity: { ...dns(web), serverName: { name: web } },
      protocolHint: { protocol: { case: 'h2', value: {} }, opaqueTransport: { inboundPort: 4143 } },
      http2: { keepAlive: { interval: { seconds: 10n }, timeout: { seconds: 3n }, whileIdle: true } },
    },
    { service: 'web', namespace: 'set' },
  )
  t.same(
    [...endpoint.labels],
    [
      ['namespace', 'own'],
      ['pod', 'web-1'],
      ['service', 'web'],
      ['zone_locality', 'Local'],
    ],
    'sorted; its own win',
  )
  t.match(endpoint, {
    ip: '10.0.0.1',
    port: 8080,
    identity: { name: web, serverName: web },
    protocolHint: 'h2',
    opaqueTransportPort: 4143,
    authorityOverride: undefined,
    zoneLocality: 'local',
    weight: 1,
  })
  t.same(endpoint.http2, { isAdaptive: false, keepAlive: { intervalMs: 10_000, timeoutMs: 3_000, whileIdle: true } })
  t.equal(endpointKey(endpoint), '10.0.0.1:8080')
})

test('parts of an endpoint', async (t) => {
  const cases: { name: string; endpoint: Init; is: object }[] = [
    {
      name: 'an unmeshed pod',
      endpoint: {},
      is: {
        identity: undefined,
        protocolHint: 'unknown',
        opaqueTransportPort: undefined,
        http2: undefined,
        zoneLocality: 'unknown',
      },
    },
    {
      name: 'opaque',
      endpoint: { protocolHint: { protocol: { case: 'opaque', value: {} } } },
      is: { protocolHint: 'opaque' },
    },
    {
      name: 'opaque transport without TLS is ignored',
      endpoint: { protocolHint: { opaqueTransport: { inboundPort: 4143 } } },
      is: { opaqueTransportPort: undefined },
    },
    {
      name: 'port 65535 is ignored',
      endpoint: { tlsIdentity: dns(web), protocolHint: { opaqueTransport: { inboundPort: 65_535 } } },
      is: { opaqueTransportPort: undefined },
    },
    {
      name: 'the server name defaults to the identity',
      endpoint: { tlsIdentity: dns(web) },
      is: { identity: { serverName: web } },
    },
    {
      name: 'a SPIFFE identity',
      endpoint: {
        tlsIdentity: {
          strategy: { case: 'uriLikeIdentity', value: { uri: 'spiffe://a/b' } },
          serverName: { name: 'vm.a' },
        },
      },
      is: { identity: { name: 'spiffe://a/b', serverName: 'vm.a' } },
    },
    {
      name: 'a gateway',
      endpoint: { authorityOverride: { authorityOverride: 'web.ns.svc.remote.local:80' } },
      is: { authorityOverride: 'web.ns.svc.remote.local:80' },
    },
    { name: 'remote zone', endpoint: { metricLabels: { zone_locality: 'remote' } }, is: { zoneLocality: 'remote' } },
    { name: 'no weight', endpoint: { weight: 0 }, is: { weight: 1 } },
    { name: 'half a weight', endpoint: { weight: 5_000 }, is: { weight: 0.5 } },
    { name: 'an absurd weight', endpoint: { weight: 4_000_000_000 }, is: { weight: 100 } },
    { name: 'any other zone', endpoint: { metricLabels: { zone_locality: 'x' } }, is: { zoneLocality: 'unknown' } },
    {
      name: 'fixed windows',
      endpoint: {
        http2: {
          flowControl: { initialStreamWindowSize: 1, initialConnectionWindowSize: 2 },
          internals: { maxFrameSize: 3, maxSendBufSize: 4, maxConcurrentResetStreams: 5 },
        },
      },
      is: {
        http2: {
          isAdaptive: false,
          streamWindowBytes: 1,
          connectionWindowBytes: 2,
          maxFrameBytes: 3,
          maxSendBufferBytes: 4,
          maxConcurrentResetStreams: 5,
        },
      },
    },
    {
      name: 'adaptive windows override',
      endpoint: {
        http2: {
          flowControl: { adaptiveFlowControl: true, initialStreamWindowSize: 1, initialConnectionWindowSize: 2 },
        },
      },
      is: { http2: { isAdaptive: true, streamWindowBytes: undefined } },
    },
    {
      name: 'keep-alive without a timeout is none',
      endpoint: { http2: { keepAlive: { interval: { seconds: 1n } } } },
      is: { http2: { keepAlive: undefined } },
    },
  ]
  for (const { name, endpoint, is } of cases) t.match(only(endpoint), is, name)
})

test('an endpoint that cannot be used as told is left out, with a reason', async (t) => {
  const cases: { name: string; endpoint: Init; problem: RegExp }[] = [
    { name: 'no address', endpoint: { addr: undefined }, problem: /no address/ },
    {
      name: 'an identity of no kind',
      endpoint: { tlsIdentity: {} },
      problem: /^endpoint 10\.0\.0\.1:8080: its identity is of a kind/,
    },
    { name: 'a trailing dot', endpoint: { tlsIdentity: dns(`${web}.`) }, problem: /is not a DNS name/ },
    { name: 'an empty name', endpoint: { tlsIdentity: dns('') }, problem: /"" is not a DNS name/ },
    {
      name: 'a URI without server name',
      endpoint: { tlsIdentity: { strategy: { case: 'uriLikeIdentity', value: { uri: 'spiffe://a/b' } } } },
      problem: /no server name/,
    },
    {
      name: 'no URI',
      endpoint: {
        tlsIdentity: { strategy: { case: 'uriLikeIdentity', value: { uri: 'a b' } }, serverName: { name: 'a' } },
      },
      problem: /not a URI/,
    },
    {
      name: 'a bad authority',
      endpoint: { authorityOverride: { authorityOverride: 'a b' } },
      problem: /"a b" is not host/,
    },
  ]
  for (const { name, endpoint, problem } of cases)
    t.match(add(endpoint), { kind: 'ignored', problems: [problem] }, name)
})

test('updates', async (t) => {
  const update = (init: Init) => destinationUpdateOf(create(UpdateSchema, init))
  const addrs = [addr, tcpAddressToMessage({ ip: 'fd00::1', port: 1 }), { port: 1 }]
  t.same(update({ update: { case: 'remove', value: { addrs } } }), {
    kind: 'remove',
    keys: ['10.0.0.1:8080', '[fd00::1]:1'],
  })
  t.same(update({ update: { case: 'noEndpoints', value: { exists: true } } }), { kind: 'noEndpoints', exists: true })
  t.same(update({ update: { case: 'noEndpoints', value: {} } }), { kind: 'noEndpoints', exists: false })
  t.same(update({}), { kind: 'ignored', problems: [] })
  t.same(update({ update: { case: 'add', value: {} } }), { kind: 'ignored', problems: [] })
  const mixed = update({ update: { case: 'add', value: { addrs: [{ addr }, {}] } } })
  t.match(
    mixed,
    { kind: 'add', endpoints: [{ port: 8080 }], problems: [/no address/] },
    'the good ones of a set are used',
  )
})

test('sameEndpoint', async (t) => {
  const base = only({ tlsIdentity: dns(web), metricLabels: { a: '1' }, http2: {} })
  t.ok(sameEndpoint(base, only({ tlsIdentity: dns(web), metricLabels: { a: '1' }, http2: {} })))
  const others: Init[] = [
    { tlsIdentity: dns(web), metricLabels: { a: '2' }, http2: {} },
    { tlsIdentity: dns(web), metricLabels: { a: '1', b: '' }, http2: {} },
    { tlsIdentity: dns(`x${web}`), metricLabels: { a: '1' }, http2: {} },
    { metricLabels: { a: '1' }, http2: {} },
    { tlsIdentity: dns(web), metricLabels: { a: '1' }, http2: {}, weight: 5_000 },
    { tlsIdentity: dns(web), metricLabels: { a: '1' } },
    { tlsIdentity: dns(web), metricLabels: { a: '1' }, http2: { internals: { maxFrameSize: 1 } } },
  ]
  for (const other of others) t.notOk(sameEndpoint(base, only(other)))
  t.match(plainEndpoint('10.0.0.1', 1), { identity: undefined, protocolHint: 'unknown' })
})
