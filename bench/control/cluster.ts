/**
 * The cluster that the control plane serves in this benchmark, and what each proxy in it asks. Both are functions of
 * numbers, so the control plane's process and the proxies' processes agree without telling each other.
 *
 * Service `n` has one Server with its authorization, one route, and the pods `n`, `n + services` and so on, each with a
 * proxy. Routes take turns: HTTPRoute of both groups, GRPCRoute, and a consumer route in the namespace of half of the
 * clients. A pod calls three Services: one of its own namespace, one of the next, and the common Service 0.
 */
import type { Resource } from '../../api/resources/kinds.ts'
import { pod, resource, service, slice } from '../../control/cluster/fixtures.ts'

export interface Size {
  readonly namespaces: number
  /** A multiple of the namespaces. */
  readonly services: number
  /** A multiple of the services. */
  readonly proxies: number
}

/** What a proxy holds a stream for. */
export type Question =
  | { readonly kind: 'policy' | 'endpoints' | 'profile'; readonly service: number }
  | { readonly kind: 'port'; readonly port: number }

export interface MeshProxy {
  readonly namespace: string
  readonly pod: string
  /** That its pod belongs to. */
  readonly service: number
  readonly questions: readonly Question[]
}

export const APP_PORT = 8080
/** No Server is about it. */
const OTHER_PORT = 9090
export const SERVICE_PORT = 80
/** The Service whose route names another one, which comes and goes. */
export const CANARY = 5
export const CANARY_NAME = 'canary'

export function proxyAt(size: Size, index: number): MeshProxy {
  const own = index % size.services
  const called = new Set([0, (own + size.namespaces) % size.services, (own + 1) % size.services])
  return {
    namespace: namespaceOf(size, own),
    pod: podName(index),
    service: own,
    questions: [
      { kind: 'port', port: APP_PORT },
      { kind: 'port', port: OTHER_PORT },
      ...[...called].flatMap((service) =>
        (['profile', 'policy', 'endpoints'] as const).map((kind) => ({ kind, service })),
      ),
    ],
  }
}

export function clusterOf(size: Size): readonly Resource[] {
  const services = Array.from({ length: size.services }, (_, index) => index)
  const pods = Array.from({ length: size.proxies }, (_, index) => index)
  return [
    ...pods.map((index) => podOf(size, index, true)),
    ...services.flatMap((index) => [
      service({
        name: serviceName(index),
        namespace: namespaceOf(size, index),
        clusterIP: clusterIpOf(index),
        ports: [{ port: SERVICE_PORT, targetPort: APP_PORT }],
      }),
      sliceOf(size, index, podsOf(size, index)),
      routeOf(size, index, 0),
      serverOf(size, index, 0),
      authorizationOf(size, index),
      authenticationOf(size, index, 0),
    ]),
  ]
}

export function podOf(size: Size, index: number, isMeshed: boolean, annotations = {}): Resource {
  const own = index % size.services
  return pod({
    name: podName(index),
    namespace: namespaceOf(size, own),
    ip: podIp(index),
    labels: { app: serviceName(own) },
    serviceAccount: serviceName(own),
    isMeshed,
    annotations,
  })
}

/** The indexes of its pods. */
export function podsOf(size: Size, service: number): readonly number[] {
  return Array.from({ length: size.proxies / size.services }, (_, replica) => service + replica * size.services)
}

export function sliceOf(size: Size, index: number, pods: readonly number[]): Resource {
  return slice({
    service: serviceName(index),
    namespace: namespaceOf(size, index),
    pods: Object.fromEntries(pods.map((each) => [podName(each), podIp(each)])),
    ports: [{ name: '', port: APP_PORT }],
  })
}

const ROUTES = [
  { apiVersion: 'policy.linkerd.io/v1beta3', kind: 'HTTPRoute' },
  { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute' },
  { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GRPCRoute' },
] as const

/** Whether the route of a Service is one of clients in `consumerNamespaceOf`. */
export function hasConsumerRoute(service: number): boolean {
  return service % 4 === 3
}

export function consumerNamespaceOf(size: Size, service: number): string {
  return namespaceOf(size, service - 1)
}

/** @param version what a header has to say: two versions are two policies */
export function routeOf(size: Size, index: number, version: number): Resource {
  const name = serviceName(index)
  const namespace = namespaceOf(size, index)
  const { apiVersion, kind } = ROUTES[index % 4] ?? ROUTES[1]
  const backend = { group: '', kind: 'Service', name, namespace, port: SERVICE_PORT }
  return resource({
    apiVersion,
    kind,
    metadata: { name, namespace: hasConsumerRoute(index) ? consumerNamespaceOf(size, index) : namespace },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name, namespace, port: SERVICE_PORT }],
      rules: [
        {
          matches: [{ headers: [{ name: 'x-version', value: `${version}` }] }],
          backendRefs: [{ ...backend, name: index === CANARY ? CANARY_NAME : name }],
        },
        { backendRefs: [backend] },
      ],
    },
  })
}

export function serverOf(size: Size, index: number, version: number): Resource {
  return resource({
    apiVersion: 'policy.linkerd.io/v1beta3',
    kind: 'Server',
    metadata: { name: serviceName(index), namespace: namespaceOf(size, index) },
    spec: {
      podSelector: { matchLabels: { app: serviceName(index) } },
      port: APP_PORT,
      proxyProtocol: version % 2 === 0 ? 'HTTP/1' : 'HTTP/2',
    },
  })
}

export function authenticationOf(size: Size, index: number, version: number): Resource {
  return resource({
    apiVersion: 'policy.linkerd.io/v1alpha1',
    kind: 'MeshTLSAuthentication',
    metadata: { name: serviceName(index), namespace: namespaceOf(size, index) },
    spec: { identities: [`client-${version}.shop.serviceaccount.identity.linkerd.cluster.local`] },
  })
}

function authorizationOf(size: Size, index: number): Resource {
  const name = serviceName(index)
  return resource({
    apiVersion: 'policy.linkerd.io/v1alpha1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace: namespaceOf(size, index) },
    spec: {
      targetRef: { group: 'policy.linkerd.io', kind: 'Server', name },
      requiredAuthenticationRefs: [{ group: 'policy.linkerd.io', kind: 'MeshTLSAuthentication', name }],
    },
  })
}

export function namespaceOf({ namespaces }: Size, service: number): string {
  return `ns-${(service + namespaces) % namespaces}`
}

export function serviceName(index: number): string {
  return `svc-${index}`
}

export function clusterIpOf(index: number): string {
  return `10.96.${index >> 8}.${index & 255}`
}

function podName(index: number): string {
  return `pod-${index}`
}

function podIp(index: number): string {
  return `10.244.${index >> 8}.${index & 255}`
}
