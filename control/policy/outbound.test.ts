/** What the client's side is told, without any socket. */
import { status } from '@grpc/grpc-js'
import { test } from 'tap'
import { OutboundPolicySchema } from '../../api/gen/outbound_pb.js'
import { parseSocketAddress } from '../../api/ip.ts'
import type { Resource } from '../../api/resources/kinds.ts'
import { parseAuthority } from '../cluster/authority.ts'
import { Cluster } from '../cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { json, service, storeOf } from '../cluster/fixtures.ts'
import { outboundMessage } from './api/outbound-message.ts'
import { trafficSettings } from './index/annotations.ts'
import { outboundPolicyAt, outboundPolicyOf } from './index/outbound.ts'

function clusterOf(objects: readonly Resource[]): Cluster {
  return new Cluster(storeOf(...objects), DEFAULT_CLUSTER_CONFIG)
}

function messageAt(objects: readonly Resource[], address: string) {
  const { policy } = outboundPolicyAt(clusterOf(objects), 'shop', parseSocketAddress(address)!)
  return json(OutboundPolicySchema, outboundMessage(policy, { clusterDomain: 'cluster.local', hasExtensions: false }))
}

const RESOURCE = {
  resource: { group: 'core', kind: 'Service', name: 'web', namespace: 'shop', port: 80, weftGeneration: '1' },
}
const BACKEND = {
  metadata: RESOURCE,
  queue: { capacity: 100, failfastTimeout: '3s' },
  balancer: {
    discovery: { dst: { path: 'web.shop.svc.cluster.local:80' } },
    peakEwma: { defaultRtt: '0.030s', decay: '10s' },
  },
}
const FIRST = { firstAvailable: { backends: [{ backend: BACKEND }] } }
const HTTP = {
  routes: [{ metadata: { default: 'http' }, rules: [{ matches: [{ path: { prefix: '/' } }], backends: FIRST }] }],
}
const OPAQUE = { routes: [{ metadata: { default: 'opaq' }, rules: [{ backends: FIRST }] }] }
const DETECT = { detect: { timeout: '10s', opaque: OPAQUE, http1: HTTP, http2: HTTP } }

const web = (more: object = {}, port: object = {}) =>
  service({ name: 'web', clusterIP: '10.96.0.1', ports: [{ port: 80, targetPort: 8080, ...port }], ...more })

test('the protocol of a service port', async (t) => {
  const opaque = { annotations: { 'config.linkerd.io/opaque-ports': '80' } }
  const cases = [
    { name: 'is detected', object: web(), protocol: DETECT },
    { name: 'http', object: web({}, { appProtocol: 'http' }), protocol: { http1: HTTP } },
    { name: 'in any case', object: web({}, { appProtocol: 'HTTP' }), protocol: { http1: HTTP } },
    { name: 'HTTP/2', object: web({}, { appProtocol: 'kubernetes.io/h2c' }), protocol: { http2: HTTP } },
    { name: 'opaque', object: web({}, { appProtocol: 'linkerd.io/opaque' }), protocol: { opaque: OPAQUE } },
    { name: 'tcp', object: web({}, { appProtocol: 'linkerd.io/tcp' }), protocol: { opaque: OPAQUE } },
    { name: 'anything else is opaque', object: web({}, { appProtocol: 'https' }), protocol: { opaque: OPAQUE } },
    { name: 'opaque by annotation', object: web(opaque), protocol: { opaque: OPAQUE } },
    {
      name: 'appProtocol beats the annotation',
      object: web(opaque, { appProtocol: 'http' }),
      protocol: { http1: HTTP },
    },
  ]
  for (const { name, object, protocol } of cases) {
    t.same(messageAt([object], '10.96.0.1:80'), { metadata: RESOURCE, protocol }, name)
  }
})

test('addresses that are no port of a service', async (t) => {
  const undeclared = { resource: { ...RESOURCE.resource, port: 81 } }
  const route = { backends: { empty: {} }, filters: [{ forbidden: {} }] }
  t.same(
    messageAt([web()], '10.96.0.1:81'),
    {
      metadata: undeclared,
      protocol: { opaque: { routes: [{ metadata: { default: 'undefined-port' }, rules: [route] }] } },
    },
    'an undeclared port is forbidden',
  )
  const metadata = { default: 'egress-fallback' }
  const backend = {
    metadata,
    queue: BACKEND.queue,
    forward: { addr: { ip: { ipv4: 0x5db8d822 }, port: 443 }, weight: 1 },
  }
  const backends = { firstAvailable: { backends: [{ backend }] } }
  const http = { routes: [{ metadata, rules: [{ matches: [{ path: { prefix: '/' } }], backends }] }] }
  const opaque = { routes: [{ metadata, rules: [{ backends }] }] }
  t.same(
    messageAt([web()], '93.184.216.34:443'),
    { metadata, protocol: { detect: { timeout: '10s', opaque, http1: http, http2: http } } },
    'outside the cluster is forwarded',
  )
  const inside = parseSocketAddress('10.0.0.1:80')!
  t.throws(() => outboundPolicyAt(clusterOf([web()]), 'shop', inside), { code: status.NOT_FOUND }, 'a pod')
})

test('by name', async (t) => {
  const named = (text: string, objects: readonly Resource[] = []) => {
    const { policy } = outboundPolicyOf(clusterOf(objects), 'shop', parseAuthority(text)!)
    return json(OutboundPolicySchema, outboundMessage(policy, { clusterDomain: 'cluster.local', hasExtensions: false }))
  }
  const http1 = web({}, { appProtocol: 'http' })
  t.same(named('web.shop.svc.cluster.local:80', [http1]).protocol, { http1: HTTP })
  t.same(named('web.shop.svc', [http1]).protocol, { http1: HTTP }, 'the domain and port 80 may be left out')
  const absent = JSON.parse(JSON.stringify(DETECT).replaceAll(',"weftGeneration":"1"', ''))
  t.same(named('web.shop.svc.cluster.local').protocol, absent, 'the service need not exist')
  for (const text of ['example.com', 'web.shop', '10.0.0.1:80']) {
    t.throws(() => named(text), { code: status.NOT_FOUND }, text)
  }
})

test('traffic annotations reach the default route', async (t) => {
  const annotations = {
    'timeout.linkerd.io/request': '2s',
    'timeout.linkerd.io/response': '1s',
    'timeout.linkerd.io/idle': '0',
    'retry.linkerd.io/http': '5xx,gateway-error,429,410-411',
    'retry.linkerd.io/limit': '3',
    'retry.linkerd.io/timeout': '500ms',
    'balancer.linkerd.io/failure-accrual': 'unified',
    'balancer.linkerd.io/failure-accrual-consecutive-max-failures': '5',
    'balancer.alpha.linkerd.io/failure-accrual-success-rate-threshold': '0.5',
    'balancer.alpha.linkerd.io/failure-accrual-honor-retry-after': 'true',
    'balancer.alpha.linkerd.io/penalize-failures': 'true',
  }
  const { protocol } = messageAt([web({ annotations }, { appProtocol: 'http' })], '10.96.0.1:80')
  const { routes, failureAccrual } = protocol.http1
  const [{ timeouts, requestTimeout, retry, backends }] = routes[0].rules
  t.same(timeouts, { request: '2s', response: '1s' }, 'zero is none')
  t.same(requestTimeout, '2s', 'also in the older field')
  const ranges = [
    [500, 599],
    [502, 504],
    [429, 429],
    [410, 411],
  ]
  t.same(retry, {
    maxRetries: 3,
    maxRequestBytes: 65_536,
    timeout: '0.500s',
    conditions: { statusRanges: ranges.map(([start, end]) => ({ start, end })) },
    backoff: { minBackoff: '0.025s', maxBackoff: '0.250s', jitterRatio: 1 },
  })
  t.same(failureAccrual, {
    unified: {
      successRateThreshold: 0.5,
      decay: '10s',
      minRequests: 5,
      maxConsecutiveFailures: 5,
      backoff: { minBackoff: '1s', maxBackoff: '60s', jitterRatio: 0.5, respectRetryAfterHint: true },
    },
  })
  t.same(backends.firstAvailable.backends[0].backend.balancer.penaltyPeakEwma, {
    defaultRtt: '0.030s',
    decay: '10s',
    penalty: '5s',
    maxRetryAfter: '300s',
    penaltyDecay: '10s',
  })
})

test('annotations', async (t) => {
  const cases = [
    { name: 'none', annotations: {}, settings: {} },
    {
      name: 'any retry key gives one retry',
      annotations: { 'retry.linkerd.io/grpc': 'internal' },
      settings: { retry: { maxRetries: 1, statuses: [], grpcCodes: ['internal'] } },
    },
    {
      name: 'a limit of zero counts as absent',
      annotations: { 'retry.linkerd.io/limit': '0' },
      settings: { retry: { maxRetries: 1, statuses: [], grpcCodes: [] } },
    },
    {
      name: 'conditions in any case',
      annotations: { 'retry.linkerd.io/http': 'Gateway-Error' },
      settings: { retry: { maxRetries: 1, statuses: [{ start: 502, end: 504 }], grpcCodes: [] } },
    },
    {
      name: 'consecutive accrual and its defaults',
      annotations: { 'balancer.linkerd.io/failure-accrual': 'consecutive' },
      settings: {
        accrual: { kind: 'consecutive', maxFailures: 7, minPenaltyMs: 1_000, maxPenaltyMs: 60_000, jitterRatio: 0.5 },
      },
    },
    {
      name: 'a floor of ready endpoints',
      annotations: {
        'balancer.linkerd.io/failure-accrual': 'consecutive',
        'balancer.weft.dev/failure-accrual-min-ready-endpoints': '2',
      },
      settings: {
        accrual: {
          kind: 'consecutive',
          minReadyEndpoints: 2,
          maxFailures: 7,
          minPenaltyMs: 1_000,
          maxPenaltyMs: 60_000,
          jitterRatio: 0.5,
        },
      },
    },
    {
      name: 'affinity by header',
      annotations: { 'balancer.weft.dev/session-affinity-header': 'X-User' },
      settings: { affinity: { key: { kind: 'header', name: 'x-user' }, maxLoad: 1.25 } },
    },
    {
      name: 'affinity by cookie',
      annotations: {
        'balancer.weft.dev/session-affinity-cookie': 'sid',
        'balancer.weft.dev/session-affinity-cookie-ttl': '1h',
        'balancer.weft.dev/session-affinity-max-load': '2',
      },
      settings: { affinity: { key: { kind: 'cookie', name: 'sid', path: '/', ttlMs: 3_600_000 }, maxLoad: 2 } },
    },
    {
      name: 'slow start',
      annotations: { 'balancer.weft.dev/slow-start-window': '30s' },
      settings: { slowStartMs: 30_000 },
    },
    {
      name: 'other balancer keys alone do nothing',
      annotations: { 'balancer.linkerd.io/failure-accrual-consecutive-max-failures': '3' },
      settings: {},
    },
  ]
  for (const { name, annotations, settings } of cases)
    t.same(trafficSettings(annotations), { settings, problems: [] }, name)

  const wrong = [
    { 'timeout.linkerd.io/request': '1m30s' },
    { 'timeout.linkerd.io/idle': '5' },
    { 'retry.linkerd.io/http': '5xx, 429' },
    { 'retry.linkerd.io/http': '600' },
    { 'retry.linkerd.io/http': '' },
    { 'retry.linkerd.io/limit': '65536' },
    { 'balancer.linkerd.io/failure-accrual': 'on' },
    {
      'balancer.linkerd.io/failure-accrual': 'consecutive',
      'balancer.linkerd.io/failure-accrual-consecutive-min-penalty': '2m',
    },
    {
      'balancer.linkerd.io/failure-accrual': 'consecutive',
      'balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio': '101',
    },
    {
      'balancer.linkerd.io/failure-accrual': 'unified',
      'balancer.alpha.linkerd.io/failure-accrual-success-rate-window': '5ms',
    },
    { 'balancer.alpha.linkerd.io/penalize-failures': 'yes' },
    { 'retry.linkerd.io/grpc': 'unknown' },
    { 'balancer.weft.dev/session-affinity-cookie': 'a b' },
    { 'balancer.weft.dev/session-affinity-cookie': 'a', 'balancer.weft.dev/session-affinity-header': 'b' },
    { 'balancer.weft.dev/session-affinity-header': 'b', 'balancer.weft.dev/session-affinity-max-load': '0.5' },
    { 'balancer.weft.dev/slow-start-window': '2h' },
  ]
  for (const annotations of wrong) {
    const { settings, problems } = trafficSettings(annotations)
    const name = JSON.stringify(annotations)
    t.same(settings, {}, `${name} is dropped`)
    t.match(
      problems,
      [/^annotation \S+: ".*" is not .*; the settings of this group are not applied$/],
      `${name} is told`,
    )
  }
  const { settings } = trafficSettings({ 'timeout.linkerd.io/request': 'soon', 'retry.linkerd.io/limit': '2' })
  t.same(settings, { retry: { maxRetries: 2, statuses: [], grpcCodes: [] } }, 'one wrong group leaves the others')
})
