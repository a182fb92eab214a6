/**
 * Every policy that a team would turn on, as the control plane makes it of these objects: canary by header and by weight,
 * matches, edits of fields, timeouts, retries, breakers, and behind them a port that lets named identities in and counts
 * their requests. What is left out is what changes the work itself: mirrors, redirects, faults.
 */
import { parseSocketAddress } from '../api/ip.ts'
import { Cluster } from '../control/cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../control/cluster/config.ts'
import { manifest, pod, service, storeOf } from '../control/cluster/fixtures.ts'
import { inboundMessage } from '../control/policy/api/inbound-message.ts'
import { outboundMessage } from '../control/policy/api/outbound-message.ts'
import { inboundPolicyOf } from '../control/policy/index/inbound.ts'
import { outboundPolicyAt } from '../control/policy/index/outbound.ts'
import type { StubPolicies } from '../test/support/control-stub.ts'
import { ORIGINS } from './origin-ports.ts'
import { VIP } from './pods.ts'

const NAMESPACE = 'bench'
const PORTS = { h2: ORIGINS.h2Policies.port, h1: ORIGINS.h1Policies.port, grpc: ORIGINS.grpcPolicies.port } as const

/** Services that the routes send to; both have the one endpoint there is. */
export const BACKENDS = [
  { name: 'app', address: VIP.weftPolicies },
  { name: 'canary', address: '10.78.3.1' },
] as const

const ANNOTATIONS = {
  'balancer.linkerd.io/failure-accrual': 'consecutive',
  'balancer.alpha.linkerd.io/penalize-failures': 'true',
  'retry.linkerd.io/http': '5xx',
  'retry.linkerd.io/grpc': 'unavailable,cancelled',
  'retry.linkerd.io/limit': '2',
  'retry.linkerd.io/timeout': '4s',
  'timeout.linkerd.io/idle': '60s',
}

const httpRoute = (name: string, port: number) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: ${NAMESPACE} }
spec:
  parentRefs: [{ group: "", kind: Service, name: app, port: ${port} }]
  rules:
    - matches: [{ headers: [{ name: x-canary, value: "1" }] }]
      backendRefs: [{ name: canary, port: ${port} }]
    - matches:
        - { method: POST, path: { type: PathPrefix, value: /api/v1/orders } }
        - { method: DELETE, path: { type: PathPrefix, value: /api/v1/orders } }
      backendRefs: [{ name: app, port: ${port} }]
    - matches: [{ path: { type: Exact, value: /api/v1/stock } }, { queryParams: [{ name: preview, value: "true" }] }]
      backendRefs: [{ name: canary, port: ${port} }]
    - matches: [{ path: { type: PathPrefix, value: /api/v1/products }, headers: [{ name: tracestate, value: "vendor=t61rcWkgMzE" }] }]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: { set: [{ name: x-team, value: books }], remove: [x-debug, referer] }
        - type: ResponseHeaderModifier
          responseHeaderModifier: { set: [{ name: x-served-by, value: mesh }], remove: [server] }
      backendRefs: [{ name: app, port: ${port}, weight: 95 }, { name: canary, port: ${port}, weight: 5 }]
      timeouts: { request: 20s, backendRequest: 10s }
    - backendRefs: [{ name: app, port: ${port} }]
`

const grpcRoute = (name: string, port: number) => `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: ${name}, namespace: ${NAMESPACE} }
spec:
  parentRefs: [{ group: "", kind: Service, name: app, port: ${port} }]
  rules:
    - matches: [{ headers: [{ name: x-canary, value: "1" }] }]
      backendRefs: [{ name: canary, port: ${port} }]
    - matches: [{ method: { service: shop.inventory.v1.Inventory, method: Reserve } }]
      backendRefs: [{ name: app, port: ${port} }]
    - matches: [{ method: { service: shop.inventory.v1.Inventory }, headers: [{ name: x-tenant, value: eu-books }] }]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: { set: [{ name: x-team, value: books }], remove: [x-debug] }
        - type: ResponseHeaderModifier
          responseHeaderModifier: { set: [{ name: x-served-by, value: mesh }] }
      backendRefs: [{ name: app, port: ${port}, weight: 95 }, { name: canary, port: ${port}, weight: 5 }]
    - backendRefs: [{ name: app, port: ${port} }]
`

const server = (name: string, port: number, protocol: string) => `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: ${name}, namespace: ${NAMESPACE} }
spec: { port: ${port}, proxyProtocol: ${protocol}, accessPolicy: deny, podSelector: { matchLabels: { app: bench } } }
---
apiVersion: policy.linkerd.io/v1alpha1
kind: HTTPLocalRateLimitPolicy
metadata: { name: ${name}, namespace: ${NAMESPACE} }
spec:
  targetRef: { group: policy.linkerd.io, kind: Server, name: ${name} }
  total: { requestsPerSecond: 4000000 }
  identity: { requestsPerSecond: 2000000 }
`

const serverRoutes = (name: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}-in, namespace: ${NAMESPACE} }
spec:
  parentRefs: [{ group: policy.linkerd.io, kind: Server, name: ${name} }]
  rules:
    - matches: [{ method: GET, path: { type: Exact, value: /metrics } }]
    - matches: [{ method: POST, path: { type: PathPrefix, value: /admin } }]
    - matches: [{ path: { type: PathPrefix, value: /api/v1 } }]
      filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { remove: [x-internal] } }]
---
${grant('HTTPRoute', 'gateway.networking.k8s.io', `${name}-in`)}
`

function grant(kind: string, group: string, name: string): string {
  return `
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: ${NAMESPACE} }
spec:
  targetRef: { group: ${group}, kind: ${kind}, name: ${name} }
  requiredAuthenticationRefs:
    - { group: policy.linkerd.io, kind: MeshTLSAuthentication, name: clients }
    - { group: policy.linkerd.io, kind: NetworkAuthentication, name: pods }
`
}

const clients = (identity: string) => `
apiVersion: policy.linkerd.io/v1alpha1
kind: MeshTLSAuthentication
metadata: { name: clients, namespace: ${NAMESPACE} }
spec: { identities: [web.shop.serviceaccount.identity.linkerd.cluster.local, ${identity}] }
---
apiVersion: policy.linkerd.io/v1alpha1
kind: NetworkAuthentication
metadata: { name: pods, namespace: ${NAMESPACE} }
spec: { networks: [{ cidr: 10.0.0.0/8 }] }
`

/** @param identity of every pod of the benchmark, as who its clients come */
export function policiesOf({ endpointIp, identity }: { endpointIp: string; identity: string }): StubPolicies {
  const yaml = [
    httpRoute('h2', PORTS.h2),
    httpRoute('h1', PORTS.h1),
    grpcRoute('grpc', PORTS.grpc),
    server('h2', PORTS.h2, 'HTTP/2'),
    server('h1', PORTS.h1, 'HTTP/1'),
    server('grpc', PORTS.grpc, 'gRPC'),
    serverRoutes('h2'),
    serverRoutes('h1'),
    grant('Server', 'policy.linkerd.io', 'grpc'),
    clients(identity),
  ].join('\n---\n')
  const store = storeOf(
    pod({ name: 'pod-b', namespace: NAMESPACE, ip: endpointIp, labels: { app: 'bench' } }),
    ...BACKENDS.map(({ name, address }) =>
      service({
        ...{ name, namespace: NAMESPACE, clusterIP: address, annotations: ANNOTATIONS },
        ports: Object.entries(PORTS).map(([name, port]) => ({ name, port })),
      }),
    ),
    ...manifest(yaml),
  )
  const cluster = new Cluster(store, DEFAULT_CLUSTER_CONFIG)
  const ports: readonly number[] = Object.values(PORTS)
  const workload = { kind: 'pod', namespace: NAMESPACE, name: 'pod-b' } as const
  return {
    outbound(address) {
      const parsed = parseSocketAddress(address)
      if (parsed === undefined || !address.startsWith(`${VIP.weftPolicies}:`)) return undefined
      const { policy, problems } = outboundPolicyAt(cluster, NAMESPACE, parsed)
      refuse(problems)
      return outboundMessage(policy, { clusterDomain: DEFAULT_CLUSTER_CONFIG.clusterDomain, hasExtensions: true })
    },
    inbound(port) {
      if (!ports.includes(port)) return undefined
      const { policy, problems } = inboundPolicyOf(cluster, workload, port)
      refuse(problems)
      return inboundMessage(policy)
    },
  }
}

/** A policy that is not as it was written would be measured for another. */
function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`bench: ${problems.join('; ')}`)
}
