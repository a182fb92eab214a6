/** TLSRoute (by SNI, without terminating TLS) and TCPRoute (gateway.networking.k8s.io). */
import { array, type Check, object, optional, string, withDefault } from './check.ts'
import { GATEWAY_GROUP } from './reference.ts'
import { type BackendRef, backendRefs, type RouteObject, routeObject } from './route.ts'

/** Exactly one rule is supported. */
export type TlsRoute = RouteObject<'TLSRoute', StreamRouteRule>
export type TcpRoute = RouteObject<'TCPRoute', StreamRouteRule>

export interface StreamRouteRule {
  readonly name?: string
  readonly backendRefs: readonly BackendRef[]
}

const rules = array(
  object<StreamRouteRule>({ name: optional(string), backendRefs: withDefault(backendRefs, () => []) }),
)

export const tlsRoute: Check<TlsRoute> = routeObject<'TLSRoute', StreamRouteRule>(GATEWAY_GROUP, rules, () => [])
export const tcpRoute: Check<TcpRoute> = routeObject<'TCPRoute', StreamRouteRule>(GATEWAY_GROUP, rules, () => [])
