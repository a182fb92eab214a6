/**
 * What all kinds of routes share: parents, backends, filters and the status per parent (Gateway API, and Linkerd's own
 * HTTPRoute, which differs in defaults only).
 *
 * Values that a newer API may extend (types of matches and filters) are kept as they are written: whoever turns a
 * route into policy decides what an unknown one means, which is never "nothing".
 */
import {
  array,
  type Check,
  dnsLabel,
  integer,
  matching,
  object,
  optional,
  port,
  required,
  string,
  withDefault,
} from './check.ts'
import { type Condition, conditions } from './condition.ts'
import { type ObjectMeta, objectMeta } from './meta.ts'
import { groupName, kindName, type ObjectRef, objectName } from './reference.ts'

/** Header fields, as in RFC 9110 §5.6.2. */
export const fieldName = matching(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, 'the name of a header field', 256)
const fieldValue = matching(/^[^\r\n\0]*$/, 'the value of a header field (one line, at most 4096 characters)', 4_096)
const hostname = matching(
  /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  'a host name such as web.example.org or *.example.org',
)
export const hostnames: Check<readonly string[]> = array(hostname)

export interface ParentRef extends ObjectRef {
  /** Only this port of the parent; absent means all. */
  readonly port?: number
  readonly sectionName?: string
}

/** @param defaultGroup that of the route itself */
export function parentRefs(defaultGroup: string): Check<readonly ParentRef[]> {
  return array(
    object<ParentRef>({
      group: withDefault(groupName, () => defaultGroup),
      kind: withDefault(kindName, () => 'Gateway'),
      name: required(objectName),
      namespace: optional(dnsLabel),
      port: optional(port),
      sectionName: optional(string),
    }),
  )
}

export interface BackendRef extends ObjectRef {
  readonly port?: number
  readonly weight: number
  readonly filters: readonly RouteFilter[]
}

/** One of the fields, as `type` says. */
export interface RouteFilter {
  readonly type: string
  readonly requestHeaderModifier?: HeaderModifier
  readonly responseHeaderModifier?: HeaderModifier
  readonly requestRedirect?: RequestRedirect
  readonly urlRewrite?: UrlRewrite
  readonly requestMirror?: RequestMirror
}
export interface HeaderModifier {
  readonly set: readonly HeaderValue[]
  readonly add: readonly HeaderValue[]
  readonly remove: readonly string[]
}
export interface HeaderValue {
  readonly name: string
  readonly value: string
}
export interface RequestRedirect {
  readonly scheme?: string
  readonly hostname?: string
  readonly path?: PathModifier
  readonly port?: number
  readonly statusCode: number
}
export interface UrlRewrite {
  readonly hostname?: string
  readonly path?: PathModifier
}
export interface PathModifier {
  readonly type: string
  readonly replaceFullPath?: string
  readonly replacePrefixMatch?: string
}
export interface RequestMirror {
  readonly backendRef: ObjectRef & { readonly port?: number }
  /** How many of the requests are mirrored: one of the two, or all. */
  readonly percent?: number
  readonly fraction?: { readonly numerator: number; readonly denominator: number }
}

const headerModifier: Check<HeaderModifier> = object<HeaderModifier>({
  set: withDefault(array(object<HeaderValue>({ name: required(fieldName), value: required(fieldValue) })), () => []),
  add: withDefault(array(object<HeaderValue>({ name: required(fieldName), value: required(fieldValue) })), () => []),
  remove: withDefault(array(fieldName), () => []),
})
const pathModifier: Check<PathModifier> = object<PathModifier>({
  type: required(string),
  replaceFullPath: optional(matching(/^/, 'a path of at most 1024 characters', 1_024)),
  replacePrefixMatch: optional(matching(/^/, 'a path of at most 1024 characters', 1_024)),
})
const mirroredRef = object<RequestMirror['backendRef']>({
  group: withDefault(groupName, () => ''),
  kind: withDefault(kindName, () => 'Service'),
  name: required(objectName),
  namespace: optional(dnsLabel),
  port: optional(port),
})

export const routeFilters: Check<readonly RouteFilter[]> = array(
  object<RouteFilter>({
    type: required(string),
    requestHeaderModifier: optional(headerModifier),
    responseHeaderModifier: optional(headerModifier),
    requestRedirect: optional(
      object<RequestRedirect>({
        scheme: optional(string),
        hostname: optional(hostname),
        path: optional(pathModifier),
        port: optional(port),
        statusCode: withDefault(integer(300, 399, 'a status of a redirect'), () => 302),
      }),
    ),
    urlRewrite: optional(object<UrlRewrite>({ hostname: optional(hostname), path: optional(pathModifier) })),
    requestMirror: optional(
      object<RequestMirror>({
        backendRef: required(mirroredRef),
        percent: optional(integer(0, 100, 'a percentage')),
        fraction: optional(
          object<NonNullable<RequestMirror['fraction']>>({
            numerator: required(integer(0, 2 ** 31 - 1)),
            denominator: withDefault(integer(1, 2 ** 31 - 1), () => 100),
          }),
        ),
      }),
    ),
  }),
)

export const backendRefs: Check<readonly BackendRef[]> = array(
  object<BackendRef>({
    group: withDefault(groupName, () => ''),
    kind: withDefault(kindName, () => 'Service'),
    name: required(objectName),
    namespace: optional(dnsLabel),
    port: optional(port),
    weight: withDefault(integer(0, 1_000_000, 'a weight'), () => 1),
    filters: withDefault(routeFilters, () => []),
  }),
)

/** How header fields and query parameters are compared; `type` is `Exact` or `RegularExpression`. */
export interface ValueMatch {
  readonly type: string
  readonly name: string
  readonly value: string
}
export const headerMatches: Check<readonly ValueMatch[]> = array(
  object<ValueMatch>({ type: withDefault(string, () => 'Exact'), name: required(fieldName), value: required(string) }),
)
export const queryMatches: Check<readonly ValueMatch[]> = array(
  object<ValueMatch>({ type: withDefault(string, () => 'Exact'), name: required(string), value: required(string) }),
)

/** What one controller says about a route under one parent. */
export interface RouteParentStatus {
  readonly parentRef: ParentRef
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}
export interface RouteStatus {
  readonly parents: readonly RouteParentStatus[]
}
export function routeStatus(defaultGroup: string): Check<RouteStatus> {
  const one = (value: unknown, path: Parameters<Check<unknown>>[1], report: Parameters<Check<unknown>>[2]) =>
    parentRefs(defaultGroup)([value], path, report)?.[0]
  return object<RouteStatus>(
    {
      parents: withDefault(
        array(
          object<RouteParentStatus>(
            {
              parentRef: required(one),
              controllerName: required(string),
              conditions: withDefault(conditions, () => []),
            },
            { unknown: 'ignore' },
          ),
        ),
        () => [],
      ),
    },
    { unknown: 'ignore' },
  )
}

/** Sessions that stay with one backend endpoint (GEP-1619). */
export interface SessionPersistence {
  readonly sessionName?: string
  /** `Cookie` or `Header`. */
  readonly type: string
  /** Gateway API duration. */
  readonly absoluteTimeout?: string
  readonly cookieConfig?: { readonly lifetimeType: string }
}
export const sessionPersistence: Check<SessionPersistence> = object<SessionPersistence>({
  sessionName: optional(matching(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, 'the name of a cookie or header field', 128)),
  type: withDefault(string, () => 'Cookie'),
  absoluteTimeout: optional(string),
  cookieConfig: optional(
    object<NonNullable<SessionPersistence['cookieConfig']>>({ lifetimeType: withDefault(string, () => 'Session') }),
  ),
})

/** What routes of every kind have around their rules. */
export interface RouteSpec<Rule> {
  readonly parentRefs: readonly ParentRef[]
  readonly hostnames: readonly string[]
  readonly rules: readonly Rule[]
}
export interface RouteObject<Kind extends string, Rule> {
  readonly apiVersion: string
  readonly kind: Kind
  readonly metadata: ObjectMeta
  readonly spec: RouteSpec<Rule>
  readonly status?: RouteStatus
}

/**
 * @param defaultGroup of parents that name none: that of the route
 * @param rules with the default for a route that has none
 */
export function routeObject<Kind extends string, Rule>(
  defaultGroup: string,
  rules: Check<readonly Rule[]>,
  defaultRules: () => readonly Rule[],
): Check<RouteObject<Kind, Rule>> {
  return object<RouteObject<Kind, Rule>>({
    apiVersion: required(string),
    kind: required((value) => value as Kind),
    metadata: required(objectMeta),
    spec: required(
      object<RouteSpec<Rule>>({
        parentRefs: withDefault(parentRefs(defaultGroup), () => []),
        hostnames: withDefault(hostnames, () => []),
        rules: withDefault(rules, defaultRules),
      }),
    ),
    status: optional(routeStatus(defaultGroup)),
  })
}
