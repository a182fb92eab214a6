/** A service profile: routes with response classes, retries and timeouts, and traffic splits. Read-only data. */

import type { RoutePattern } from '../../api/regex.ts'
import type { EndpointMeta } from './endpoint.ts'
import type { RetryBudgetParams } from './retry-budget.ts'

export interface Profile {
  /** `web.emojivoto.svc.cluster.local`; empty when the address is no service. Routes and overrides need a name. */
  readonly name: string
  /** Skip detection and treat everything as opaque TCP, whatever the policy says. */
  readonly isOpaque: boolean
  /** The first one whose condition holds wins. */
  readonly routes: readonly ProfileRoute[]
  /** `undefined`: nothing is retried. */
  readonly budget: RetryBudgetParams | undefined
  /** A traffic split; empty means none. Entries of weight 0 are left out. */
  readonly overrides: readonly WeightedTarget[]
  /** The address is this one endpoint; used where the policy API does not know it. */
  readonly endpoint: EndpointMeta | undefined
  /** Parts that were not understood and therefore never match; for the log. */
  readonly problems: readonly string[]
}

export interface ProfileRoute {
  /** The label `route`; empty without one. */
  readonly name: string
  /** Metric labels without their `rt_` prefix, sorted by name. */
  readonly labels: ReadonlyMap<string, string>
  readonly condition: RequestCondition
  /** The first one whose condition holds decides. */
  readonly responseClasses: readonly ResponseClass[]
  readonly isRetryable: boolean
  /** The whole exchange up to the response head, retries included. */
  readonly timeoutMs: number | undefined
}

export type RequestCondition =
  | { readonly kind: 'all'; readonly of: readonly RequestCondition[] }
  | { readonly kind: 'any'; readonly of: readonly RequestCondition[] }
  | { readonly kind: 'not'; readonly of: RequestCondition }
  | { readonly kind: 'path'; readonly pattern: RoutePattern }
  | { readonly kind: 'method'; readonly method: string }

export interface ResponseClass {
  readonly condition: ResponseCondition
  readonly isFailure: boolean
}

export type ResponseCondition =
  | { readonly kind: 'all'; readonly of: readonly ResponseCondition[] }
  | { readonly kind: 'any'; readonly of: readonly ResponseCondition[] }
  | { readonly kind: 'not'; readonly of: ResponseCondition }
  /** Inclusive. */
  | { readonly kind: 'status'; readonly min: number; readonly max: number }

export interface WeightedTarget {
  /** `name:port`. */
  readonly authority: string
  readonly weight: number
}

/** What an address without a profile has. */
export const NO_PROFILE: Profile = {
  name: '',
  isOpaque: false,
  routes: [],
  budget: undefined,
  overrides: [],
  endpoint: undefined,
  problems: [],
}

/** Whether HTTP requests are routed by the profile rather than by the policy. */
export function routesHttp({ name, routes, overrides }: Profile): boolean {
  return name !== '' && (routes.length > 0 || overrides.length > 0)
}

/** Whether opaque connections are split by the profile. */
export function splitsOpaque({ name, overrides }: Profile): boolean {
  return name !== '' && overrides.length > 0
}
