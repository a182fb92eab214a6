/** HTTPRoute, of the Gateway API and of Linkerd's own group, which share one shape. */
import { array, type Check, integer, object, optional, string, withDefault } from './check.ts'
import { GATEWAY_GROUP, POLICY_GROUP } from './reference.ts'
import {
  type BackendRef,
  backendRefs,
  headerMatches,
  queryMatches,
  type RouteFilter,
  type RouteObject,
  routeFilters,
  routeObject,
  type SessionPersistence,
  sessionPersistence,
  type ValueMatch,
} from './route.ts'

export type HttpRoute = RouteObject<'HTTPRoute', HttpRouteRule>

export interface HttpRouteRule {
  readonly name?: string
  /** Any of them; none matches everything. */
  readonly matches: readonly HttpRouteMatch[]
  readonly filters: readonly RouteFilter[]
  /** None: the parent itself. */
  readonly backendRefs: readonly BackendRef[]
  readonly timeouts?: HttpRouteTimeouts
  readonly retry?: HttpRouteRetry
  readonly sessionPersistence?: SessionPersistence
}
/** All given fields must hold. */
export interface HttpRouteMatch {
  /** `type` is `Exact`, `PathPrefix` or `RegularExpression`. */
  readonly path: { readonly type: string; readonly value: string }
  readonly headers: readonly ValueMatch[]
  readonly queryParams: readonly ValueMatch[]
  readonly method?: string
}
/** Durations as text: Gateway API or Go. */
export interface HttpRouteTimeouts {
  readonly request?: string
  readonly backendRequest?: string
}
/** GEP-1731. */
export interface HttpRouteRetry {
  readonly codes: readonly number[]
  readonly attempts?: number
  readonly backoff?: string
}

const anyPath = () => ({ type: 'PathPrefix', value: '/' })
const match: Check<HttpRouteMatch> = object<HttpRouteMatch>({
  path: withDefault(
    object<HttpRouteMatch['path']>({
      type: withDefault(string, () => 'PathPrefix'),
      value: withDefault(string, () => '/'),
    }),
    anyPath,
  ),
  headers: withDefault(headerMatches, () => []),
  queryParams: withDefault(queryMatches, () => []),
  method: optional(string),
})
const anything = (): readonly HttpRouteMatch[] => [{ path: anyPath(), headers: [], queryParams: [] }]

const rule: Check<HttpRouteRule> = object<HttpRouteRule>({
  name: optional(string),
  matches: withDefault(array(match), anything),
  filters: withDefault(routeFilters, () => []),
  backendRefs: withDefault(backendRefs, () => []),
  timeouts: optional(object<HttpRouteTimeouts>({ request: optional(string), backendRequest: optional(string) })),
  retry: optional(
    object<HttpRouteRetry>({
      codes: withDefault(array(integer(400, 599, 'a status that may be retried')), () => []),
      attempts: optional(integer(0, 65_535)),
      backoff: optional(string),
    }),
  ),
  sessionPersistence: optional(sessionPersistence),
})
const rules = array(rule)
const everything = (): readonly HttpRouteRule[] => [{ matches: anything(), filters: [], backendRefs: [] }]

export const gatewayHttpRoute: Check<HttpRoute> = routeObject<'HTTPRoute', HttpRouteRule>(
  GATEWAY_GROUP,
  rules,
  everything,
)
export const policyHttpRoute: Check<HttpRoute> = routeObject<'HTTPRoute', HttpRouteRule>(
  POLICY_GROUP,
  rules,
  everything,
)
