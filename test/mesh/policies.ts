/** Routes and what hangs on them for the mesh suite, as plain JSON. */
import type { Manifest } from './manifests.ts'

type Annotations = Readonly<Record<string, string>>

export interface Route {
  readonly name: string
  readonly namespace: string
  /** One port of it. */
  readonly parent: ParentRef
  readonly rules: readonly object[]
  readonly hostnames?: readonly string[]
  readonly annotations?: Annotations
}

export interface ParentRef {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace: string
  readonly port: number
}

export function service(name: string, namespace: string, port: number): ParentRef {
  return { group: 'core', kind: 'Service', name, namespace, port }
}

export function egress(name: string, namespace: string, port: number): ParentRef {
  return { group: 'policy.linkerd.io', kind: 'EgressNetwork', name, namespace, port }
}

/** A Service as a backend of a route in its own namespace. */
export function backend(name: string, port: number, weight = 1, more: object = {}): object {
  return { name, port, weight, ...more }
}

export const httpRoute = (route: Route): Manifest => routeOf('HTTPRoute', 'v1', route)
export const grpcRoute = (route: Route): Manifest => routeOf('GRPCRoute', 'v1', route)
export const tlsRoute = (route: Route): Manifest => routeOf('TLSRoute', 'v1alpha2', route)
export const tcpRoute = (route: Route): Manifest => routeOf('TCPRoute', 'v1alpha2', route)

export function egressNetwork(
  name: string,
  namespace: string,
  spec: { readonly trafficPolicy: 'Allow' | 'Deny'; readonly networks?: readonly object[] },
): Manifest {
  return { apiVersion: 'policy.linkerd.io/v1alpha1', kind: 'EgressNetwork', metadata: { name, namespace }, spec }
}

function routeOf(kind: string, version: string, route: Route): Manifest {
  const { name, namespace, parent, rules, hostnames, annotations = {} } = route
  return {
    apiVersion: `gateway.networking.k8s.io/${version}`,
    kind,
    metadata: { name, namespace, annotations },
    spec: { parentRefs: [parent], ...(hostnames && { hostnames }), rules },
  }
}
