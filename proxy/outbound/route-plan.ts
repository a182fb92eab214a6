/**
 * All that one route says about a request, looked up once per request: built when a policy or profile arrives, from which
 * point nothing is decided twice.
 */
import type { SessionAffinity } from '../policy/balance/session-affinity.ts'
import type { Filter } from '../policy/filter.ts'
import type { Meta } from '../policy/meta.ts'
import type { RetryPolicy, Timeouts } from '../policy/outbound-policy.ts'
import type { ResponseClass } from '../policy/profile.ts'
import type { RetryBudget } from '../policy/retry-budget.ts'
import type { RouteMatch } from '../policy/route.ts'
import type { Backend } from './backend.ts'
import type { DeadlineQueue } from './deadline-queue.ts'
import type { MirrorPlan } from './mirror.ts'
import type { BackendRecorder, RouteRecorder } from './route-recorder.ts'

export type RetryPlan =
  /** ServiceProfile: whatever is classified as failure, as often as the budget allows. */
  | { readonly kind: 'budget'; readonly maxRequestBytes: number }
  /** HTTPRoute, GRPCRoute: what the policy lists, a number of times. */
  | { readonly kind: 'policy'; readonly policy: RetryPolicy; readonly maxRequestBytes: number }

/** The backend of one attempt and what is done to requests that go there. */
export interface BackendPlan {
  readonly meta: Meta
  /** `undefined`: named by the policy but not resolvable. */
  readonly backend: Backend | undefined
  readonly filters: readonly Filter[]
  readonly weight: number
  /** Copies of what goes there. */
  readonly mirrors: readonly MirrorPlan[]
  readonly recorder: BackendRecorder | undefined
}

export interface RoutePlan {
  /** For error messages: `HTTPRoute web.emojivoto`, `default http`. */
  readonly name: string
  /** The route, and which of its rules. */
  readonly meta: Meta
  readonly rule: number
  readonly filters: readonly Filter[]
  /** Copies of every request, made of the first attempt. */
  readonly mirrors: readonly MirrorPlan[]
  /** How `choose` draws: by order or by weight. */
  readonly distribution: 'firstAvailable' | 'randomAvailable'
  /** Draws the backend of one attempt by `random`; `undefined` when none is ready or there is none. */
  readonly choose: (random: () => number) => BackendPlan | undefined
  /** How sessions are told; the same for all its backends. */
  readonly affinity: SessionAffinity | undefined
  /** All that may be drawn: the one to wait for when none is ready. */
  readonly backends: readonly BackendPlan[]
  readonly timeouts: Timeouts
  /** A ServiceProfile's timeout covers the exchange up to the response head and closes the client's connection. */
  readonly headTimeoutMs: number | undefined
  /** Where its exchanges wait for the shortest of these times; without it each has a timer of its own. */
  readonly deadlines: DeadlineQueue | undefined
  readonly retry: RetryPlan | undefined
  readonly responseClasses: readonly ResponseClass[]
  /** Every request pays into the budget, every attempt for it beyond the first takes out. */
  readonly budget: RetryBudget | undefined
  /** Added as `l5d-dst-canonical`, latin1; only profiles have it. */
  readonly canonicalName: Buffer | undefined
  /** The policy lets `l5d-…` request headers override timeouts and retries. */
  readonly allowsOverrides: boolean
  readonly recorder: RouteRecorder
}

/** Whether an attempt may go there now. What cannot be resolved is "ready" to fail: its filter (or a 502) answers for it. */
export function isAvailable({ backend, filters }: BackendPlan): boolean {
  return backend === undefined || filters.length > 0 || backend.hasReady()
}

/** A plan and the match it was found by, which redirects with `prefix` need. */
export interface PlannedRoute {
  readonly plan: RoutePlan
  readonly match: RouteMatch | undefined
  /** Fields of the request that were to override the plan and make no sense. */
  readonly ignoredFields?: number
}
