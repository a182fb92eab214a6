/**
 * ServiceProfile (linkerd.io): routes, response classes, retries, timeouts and traffic split of one service.
 *
 * Checked more strictly than a Kubernetes API server would: a misspelt field here means retries or timeouts that
 * silently do not happen, so unknown fields, bad regular expressions and budgets that the proxy would drop are refused.
 */

import { parseGoDurationMs } from '../duration.ts'
import { compileAnchoredPattern } from '../regex.ts'
import {
  array,
  boolean,
  type Check,
  describe,
  fail,
  integer,
  isMap,
  matching,
  object,
  optional,
  required,
  string,
  withDefault,
} from './check.ts'
import { type ObjectMeta, objectMeta } from './meta.ts'

export interface ServiceProfile {
  readonly apiVersion: string
  readonly kind: 'ServiceProfile'
  /** The name is the service's full name: `web.shop.svc.cluster.local`. */
  readonly metadata: ObjectMeta
  readonly spec: ServiceProfileSpec
}
export interface ServiceProfileSpec {
  readonly routes: readonly ProfileRoute[]
  readonly retryBudget?: RetryBudget
  readonly dstOverrides: readonly DstOverride[]
  readonly opaquePorts: readonly string[]
}
export interface ProfileRoute {
  readonly name: string
  readonly condition: RequestMatch
  readonly isRetryable: boolean
  /** Go duration; absent means no timeout. */
  readonly timeout?: string
  readonly responseClasses: readonly ResponseClass[]
}
/** All given fields must hold. */
export interface RequestMatch {
  readonly pathRegex?: string
  readonly method?: string
  readonly all?: readonly RequestMatch[]
  readonly any?: readonly RequestMatch[]
  readonly not?: RequestMatch
}
export interface ResponseClass {
  readonly condition: ResponseMatch
  readonly isFailure: boolean
}
export interface ResponseMatch {
  /** Only one of the two means exactly that code. */
  readonly status?: { readonly min?: number; readonly max?: number }
  readonly all?: readonly ResponseMatch[]
  readonly any?: readonly ResponseMatch[]
  readonly not?: ResponseMatch
}
export interface RetryBudget {
  readonly retryRatio: number
  readonly minRetriesPerSecond: number
  /** Go duration, 1s to 60s. */
  readonly ttl: string
}
export interface DstOverride {
  /** `host` or `host:port`. */
  readonly authority: string
  /** Kubernetes quantity such as `1` or `500m`. */
  readonly weight: string
}

const goDuration: Check<string> = (value, path, report) => {
  if (typeof value === 'string' && parseGoDurationMs(value) !== undefined) return value
  return fail(report, path, `${describe(value)} is not a duration such as 300ms, 10s or 1m30s`)
}

const pathRegex: Check<string> = (value, path, report) => {
  const source = string(value, path, report)
  if (source === undefined) return undefined
  const pattern = compileAnchoredPattern(source)
  if (!('problem' in pattern)) return source
  // V8's reasons begin with a capital.
  const reason = pattern.reason.charAt(0).toLowerCase() + pattern.reason.slice(1)
  return fail(
    report,
    path,
    `${describe(source)} is not a regular expression: ${reason}; correct it or escape the character with \\`,
  )
}

const requestFields: Check<RequestMatch> = object<RequestMatch>(
  {
    pathRegex: optional(pathRegex),
    method: optional(matching(/^[A-Z]+$/, 'an HTTP method in capitals such as GET', 32)),
    all: optional(array((value, path, report) => requestMatch(value, path, report), { min: 1 })),
    any: optional(array((value, path, report) => requestMatch(value, path, report), { min: 1 })),
    not: optional((value, path, report) => requestMatch(value, path, report)),
  },
  { unknown: 'refuse' },
)
const requestMatch: Check<RequestMatch> = notEmpty(requestFields, 'pathRegex, method, all, any or not')

const statusCode = integer(100, 599, 'an HTTP status')
const responseFields: Check<ResponseMatch> = object<ResponseMatch>(
  {
    status: optional(
      object<NonNullable<ResponseMatch['status']>>(
        { min: optional(statusCode), max: optional(statusCode) },
        {
          unknown: 'refuse',
          also({ min, max }, path, report) {
            if (min === undefined && max === undefined) report.problem(path, 'is empty; give min, max or both')
            if (min !== undefined && max !== undefined && max < min) {
              report.problem([...path, 'max'], `${max} is below min ${min}; exchange the two`)
            }
          },
        },
      ),
    ),
    all: optional(array((value, path, report) => responseMatch(value, path, report), { min: 1 })),
    any: optional(array((value, path, report) => responseMatch(value, path, report), { min: 1 })),
    not: optional((value, path, report) => responseMatch(value, path, report)),
  },
  { unknown: 'refuse' },
)
const responseMatch: Check<ResponseMatch> = notEmpty(responseFields, 'status, all, any or not')

/** How deep conditions may nest; deeper ones nobody writes by hand, and the check recurses. */
const MAX_CONDITION_DEPTH = 16

function notEmpty<T extends object>(check: Check<T>, choices: string): Check<T> {
  return (value, path, report) => {
    const depth = path.filter((step) => step === 'all' || step === 'any' || step === 'not').length
    if (depth > MAX_CONDITION_DEPTH)
      return fail(report, path, `conditions nest deeper than ${MAX_CONDITION_DEPTH}; flatten them`)
    if (isMap(value) && Object.keys(value).length === 0) return fail(report, path, `is empty; give ${choices}`)
    return check(value, path, report)
  }
}

const route: Check<ProfileRoute> = object<ProfileRoute>(
  {
    name: required(string),
    condition: required(requestMatch),
    isRetryable: withDefault(boolean, () => false),
    timeout: optional(goDuration),
    responseClasses: withDefault(
      array(
        object<ResponseClass>(
          { condition: required(responseMatch), isFailure: withDefault(boolean, () => false) },
          { unknown: 'refuse' },
        ),
      ),
      () => [],
    ),
  },
  { unknown: 'refuse' },
)

const retryBudget: Check<RetryBudget> = object<RetryBudget>(
  {
    retryRatio: required((value, path, report) =>
      typeof value === 'number' && value >= 0 && value <= 1_000
        ? value
        : fail(
            report,
            path,
            `${describe(value)} is not a retry ratio (0 to 1000; 0.2 means one retry for five requests)`,
          ),
    ),
    minRetriesPerSecond: required(integer(0, 2 ** 31 - 1, 'a number of retries')),
    ttl: required((value, path, report) => {
      const ttl = goDuration(value, path, report)
      if (ttl === undefined) return undefined
      const ttlMs = parseGoDurationMs(ttl)!
      if (ttlMs >= 1_000 && ttlMs <= 60_000) return ttl
      return fail(report, path, `${ttl} is outside 1s to 60s; the proxy would retry nothing`)
    }),
  },
  { unknown: 'refuse' },
)

const weight: Check<string> = (value, path, report) => {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text === 'string' && /^\d+(\.\d+)?(m|k|M|G)?$/.test(text)) return text
  return fail(report, path, `${describe(value)} is not a weight such as 1 or 500m`)
}

const spec: Check<ServiceProfileSpec> = object<ServiceProfileSpec>(
  {
    routes: withDefault(array(route), () => []),
    retryBudget: optional(retryBudget),
    dstOverrides: withDefault(
      array(
        object<DstOverride>(
          {
            authority: required(
              matching(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\.?(:\d{1,5})?$/i, 'a host or host:port', 260),
            ),
            weight: required(weight),
          },
          { unknown: 'refuse' },
        ),
      ),
      () => [],
    ),
    opaquePorts: withDefault(array(string), () => []),
  },
  { unknown: 'refuse' },
)

export const serviceProfile: Check<ServiceProfile> = object<ServiceProfile>(
  {
    apiVersion: required(string),
    kind: required((value) => value as 'ServiceProfile'),
    metadata: required(objectMeta),
    spec: withDefault(spec, () => ({ routes: [], dstOverrides: [], opaquePorts: [] })),
  },
  {
    also({ metadata }, path, report) {
      if (/^[^.]+\.[^.]+\.svc\../.test(metadata.name)) return
      report.problem(
        [...path, 'metadata', 'name'],
        `${describe(metadata.name)} is not a service's full name such as web.shop.svc.cluster.local`,
      )
    },
  },
)
