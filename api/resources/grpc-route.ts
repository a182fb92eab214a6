/** GRPCRoute (gateway.networking.k8s.io). */
import { array, type Check, object, optional, string, withDefault } from './check.ts'
import { GATEWAY_GROUP } from './reference.ts'
import {
  type BackendRef,
  backendRefs,
  headerMatches,
  type RouteFilter,
  type RouteObject,
  routeFilters,
  routeObject,
  type SessionPersistence,
  sessionPersistence,
  type ValueMatch,
} from './route.ts'

export type GrpcRoute = RouteObject<'GRPCRoute', GrpcRouteRule>

export interface GrpcRouteRule {
  readonly name?: string
  /** Any of them; none matches everything. */
  readonly matches: readonly GrpcRouteMatch[]
  readonly filters: readonly RouteFilter[]
  /** None: the parent itself. */
  readonly backendRefs: readonly BackendRef[]
  readonly sessionPersistence?: SessionPersistence
}
/** All given fields must hold. */
export interface GrpcRouteMatch {
  /** `type` is `Exact`, or `RegularExpression`. */
  readonly method?: { readonly type: string; readonly service?: string; readonly method?: string }
  readonly headers: readonly ValueMatch[]
}

const rules = array(
  object<GrpcRouteRule>({
    name: optional(string),
    matches: withDefault(
      array(
        object<GrpcRouteMatch>({
          method: optional(
            object<NonNullable<GrpcRouteMatch['method']>>({
              type: withDefault(string, () => 'Exact'),
              service: optional(string),
              method: optional(string),
            }),
          ),
          headers: withDefault(headerMatches, () => []),
        }),
      ),
      () => [],
    ),
    filters: withDefault(routeFilters, () => []),
    backendRefs: withDefault(backendRefs, () => []),
    sessionPersistence: optional(sessionPersistence),
  }),
)

export const grpcRoute: Check<GrpcRoute> = routeObject<'GRPCRoute', GrpcRouteRule>(GATEWAY_GROUP, rules, () => [
  { matches: [], filters: [], backendRefs: [] },
])
