/**
 * What one policy or profile says, made ready for requests: each route with its backends held open and its counters found.
 * A routing is never changed; a new policy makes a new one, and requests that began on the old one end on it.
 */

import { DECAY_MS, SEED_RTT_MS } from '../policy/balance/peak-ewma.ts'
import type { SessionAffinity } from '../policy/balance/session-affinity.ts'
import { pickBackend } from '../policy/distribution.ts'
import type { EndpointMeta } from '../policy/endpoint.ts'
import type { Filter } from '../policy/filter.ts'
import { defaultMeta, describeMeta, type Meta } from '../policy/meta.ts'
import type { HttpRoute } from '../policy/outbound-policy.ts'
import {
  type HttpPolicy,
  type HttpRule,
  NO_TIMEOUTS,
  type OutboundPolicy,
  type RouteBackend,
} from '../policy/outbound-policy.ts'
import type { Profile, ProfileRoute } from '../policy/profile.ts'
import { findProfileRoute } from '../policy/profile-match.ts'
import { HeadView } from '../policy/request-view.ts'
import { RetryBudget } from '../policy/retry-budget.ts'
import type { RouteHit } from '../policy/route.ts'
import { findingsOf, findingsOfProfile, type RouteFindings } from '../policy/route-findings.ts'
import { compileRoutes, findHttpRule } from '../policy/route-match.ts'
import type { Head } from '../wire/head.ts'
import type { Backend } from './backend.ts'
import type { BalancedTarget } from './backend-cache.ts'
import { DeadlineQueue } from './deadline-queue.ts'
import { shortestTimeoutMs } from './exchange-timers.ts'
import type { MirrorPlan, MirrorResult } from './mirror.ts'
import { type BackendPlan, isAvailable, type PlannedRoute, type RetryPlan, type RoutePlan } from './route-plan.ts'
import type { BackendRecorder, RouteRecorder } from './route-recorder.ts'

/** Of all routes of a policy together; the policy API has no other, so it is the default of service profiles. */
const ROUTE_BUDGET = { retryRatio: 0.2, minRetriesPerSecond: 10, ttlMs: 10_000 } as const
/** Content kept for a retry on a service profile's route. */
const PROFILE_RETRY_BYTES = 65_536

/** Finds the counters of a route; telemetry is the assembly's business. */
export interface RecorderFactory {
  profileRoute(dst: string, route: ProfileRoute | undefined): RouteRecorder
  policyRoute(
    parent: Meta,
    route: Meta,
    backends: readonly Meta[],
    isGrpc: boolean,
  ): RouteRecorder & { backends: readonly (BackendRecorder | undefined)[] }
  mirror(parent: Meta, route: Meta, backend: Meta): (result: MirrorResult) => void
}

/** Where routings get their backends; each is released as often as it was acquired. */
export interface BackendSource {
  acquire(target: BalancedTarget): Backend
  release(target: BalancedTarget): void
}

export interface RoutingDeps {
  readonly cache: BackendSource
  readonly recorders: RecorderFactory
  readonly random: () => number
  readonly nowMs: () => number
}

export interface Routing {
  /** `undefined`: no route matches. */
  find(head: Head): PlannedRoute | undefined
  /** Every route that was looked at, and why it is not the one. */
  findings(head: Head): RouteFindings
  /** An endpoint of its backends takes extended CONNECT (RFC 8441). */
  takesConnect(): boolean
  /** Lets go of the backends. */
  release(): void
}

/** Routes by a ServiceProfile: the first route that matches, else the route without a name. */
export class ProfileRouting implements Routing {
  readonly #profile: Profile
  readonly #byRoute: ReadonlyMap<ProfileRoute, PlannedRoute>
  readonly #default: PlannedRoute
  readonly #held: Held

  constructor(profile: Profile, port: number, deps: RoutingDeps) {
    this.#profile = profile
    this.#held = new Held(deps.cache)
    const logical = `${profile.name}:${port}`
    const canonicalName = Buffer.from(logical, 'latin1')
    const budget = profile.budget === undefined ? undefined : new RetryBudget(profile.budget, deps.nowMs())
    const targets = profile.overrides.length > 0 ? profile.overrides : [{ authority: logical, weight: 1 }]
    const backends: BackendPlan[] = targets.map(({ authority, weight }) => ({
      meta: defaultMeta(authority),
      backend: this.#held.acquire({ kind: 'balancer', path: authority, seedRttMs: SEED_RTT_MS, decayMs: DECAY_MS }),
      filters: [],
      mirrors: [],
      weight,
      recorder: undefined,
    }))
    const choose = chooser(backends)
    const plan = (route: ProfileRoute | undefined): PlannedRoute => ({
      match: undefined,
      plan: withDeadlines(deps, {
        name:
          route === undefined || route.name === ''
            ? `profile ${profile.name}`
            : `profile ${profile.name} ${route.name}`,
        meta: profileMeta(profile),
        rule: route === undefined ? NO_RULE : profile.routes.indexOf(route),
        distribution: 'randomAvailable',
        filters: [],
        mirrors: [],
        choose,
        affinity: undefined,
        backends,
        timeouts: NO_TIMEOUTS,
        headTimeoutMs: route?.timeoutMs,
        retry:
          route?.isRetryable && budget !== undefined
            ? { kind: 'budget', maxRequestBytes: PROFILE_RETRY_BYTES }
            : undefined,
        responseClasses: route?.responseClasses ?? [],
        budget,
        canonicalName,
        allowsOverrides: false,
        recorder: deps.recorders.profileRoute(logical, route),
      }),
    })
    this.#byRoute = new Map(profile.routes.map((route) => [route, plan(route)]))
    this.#default = plan(undefined)
  }

  find(head: Head): PlannedRoute {
    if (this.#profile.routes.length === 0) return this.#default
    const view = new HeadView(head)
    const route = findProfileRoute(this.#profile, view.method, view.path)
    return route === undefined ? this.#default : this.#byRoute.get(route)!
  }

  findings(head: Head): RouteFindings {
    return findingsOfProfile(this.#profile, profileMeta(this.#profile), new HeadView(head))
  }

  takesConnect(): boolean {
    return this.#held.takesConnect()
  }

  release(): void {
    this.#held.release()
  }
}

/** Routes by HTTPRoutes or GRPCRoutes. */
export class PolicyRouting implements Routing {
  readonly #policy: HttpPolicy
  readonly #byHit = new Map<RouteHit<HttpRoute>, PlannedRoute>()
  readonly #always: PlannedRoute | undefined
  readonly #budget: RetryBudget
  readonly #held: Held

  constructor(parent: Meta, policy: HttpPolicy, isGrpc: boolean, deps: RoutingDeps) {
    this.#policy = policy
    this.#held = new Held(deps.cache)
    this.#budget = new RetryBudget(ROUTE_BUDGET, deps.nowMs())
    const plans = new Map<HttpRule, RoutePlan>()
    for (const hit of policy.table.candidates.flatMap(({ hits }) => hits)) {
      let plan = plans.get(hit.rule)
      if (plan === undefined) {
        plan = this.#plan(parent, hit.route, hit.rule, isGrpc, deps)
        plans.set(hit.rule, plan)
      }
      this.#byHit.set(hit, { plan, match: hit.match })
    }
    this.#always = policy.table.always === undefined ? undefined : this.#byHit.get(policy.table.always)
  }

  find(head: Head): PlannedRoute | undefined {
    if (this.#always !== undefined) return this.#always
    const hit = findHttpRule(this.#policy.table, new HeadView(head))
    return hit === undefined ? undefined : this.#byHit.get(hit)
  }

  findings(head: Head): RouteFindings {
    return findingsOf(this.#policy.table, new HeadView(head))
  }

  takesConnect(): boolean {
    return this.#held.takesConnect()
  }

  release(): void {
    this.#held.release()
  }

  #plan(parent: Meta, route: HttpRoute, rule: HttpRule, isGrpc: boolean, deps: RoutingDeps): RoutePlan {
    const { distribution } = rule
    const listed: readonly RouteBackend<Filter>[] = distribution.kind === 'empty' ? [] : distribution.backends
    const recorder = deps.recorders.policyRoute(
      parent,
      route.meta,
      listed.map(({ backend }) => backend.meta),
      isGrpc,
    )
    const mirrors = (filters: readonly Filter[]): MirrorPlan[] =>
      filters.flatMap((filter) => {
        if (filter.kind !== 'mirror' || filter.backend.target.kind === 'none') return []
        const { meta, target } = filter.backend
        const backend = this.#held.acquire({ ...target, failureAccrual: this.#policy.failureAccrual })
        return [{ backend, ratio: filter.ratio, onEnd: deps.recorders.mirror(parent, route.meta, meta) }]
      })
    const planOf = new Map<RouteBackend<Filter>, BackendPlan>(
      listed.map((entry, at) => [
        entry,
        {
          meta: entry.backend.meta,
          backend:
            entry.backend.target.kind === 'none'
              ? undefined
              : this.#held.acquire({ ...entry.backend.target, failureAccrual: this.#policy.failureAccrual }),
          filters: entry.filters,
          mirrors: mirrors(entry.filters),
          weight: entry.weight,
          recorder: recorder.backends[at],
        },
      ]),
    )
    const isReady = (entry: RouteBackend<Filter>): boolean => isAvailable(planOf.get(entry)!)
    const only = listed.length === 1 ? planOf.get(listed[0]!) : undefined
    const retry: RetryPlan | undefined = rule.retry && {
      kind: 'policy',
      policy: rule.retry,
      maxRequestBytes: rule.retry.maxRequestBytes,
    }
    return withDeadlines(deps, {
      name: describeMeta(route.meta),
      meta: route.meta,
      rule: route.rules.indexOf(rule),
      distribution: distribution.kind === 'randomAvailable' ? 'randomAvailable' : 'firstAvailable',
      filters: rule.filters,
      mirrors: mirrors(rule.filters),
      choose:
        only !== undefined
          ? () => only
          : (random) => {
              const picked = pickBackend(distribution, random, isReady)
              return picked && planOf.get(picked)
            },
      affinity: affinityOf(listed),
      backends: [...planOf.values()],
      timeouts: rule.timeouts,
      headTimeoutMs: undefined,
      retry,
      responseClasses: [],
      budget: this.#budget,
      canonicalName: undefined,
      allowsOverrides: rule.allowL5dHeaders,
      recorder,
    })
  }
}

function withDeadlines({ nowMs }: RoutingDeps, plan: Omit<RoutePlan, 'deadlines'>): RoutePlan {
  const shortestMs = shortestTimeoutMs(plan)
  return { ...plan, deadlines: shortestMs === undefined ? undefined : new DeadlineQueue(shortestMs, nowMs) }
}

/** Session affinity is said of the parent, so its backends agree. */
function affinityOf(backends: readonly RouteBackend<Filter>[]): SessionAffinity | undefined {
  for (const { target } of backends.map(({ backend }) => backend))
    if (target.kind === 'balancer' && target.affinity !== undefined) return target.affinity
  return undefined
}

/** The rule of a request that no route of its profile is about. */
const NO_RULE = -1

function profileMeta({ name }: Profile): Meta {
  return { group: 'linkerd.io', kind: 'ServiceProfile', namespace: '', name, section: '', port: 0 }
}

/** Where nothing is known but an address: everything goes to that endpoint. */
export function forwardPolicy(endpoint: EndpointMeta): HttpPolicy & { readonly endpoint: EndpointMeta } {
  const meta = defaultMeta('forward')
  const rule: HttpRule = {
    matches: [],
    filters: [],
    distribution: {
      kind: 'firstAvailable',
      backends: [{ backend: { meta, target: { kind: 'forward', endpoint } }, filters: [], weight: 1 }],
    },
    timeouts: NO_TIMEOUTS,
    retry: undefined,
    allowL5dHeaders: false,
  }
  const route: HttpRoute = { meta, hosts: [], rules: [rule] }
  return { endpoint, failureAccrual: undefined, table: compileRoutes([route]) }
}

/** Draws by weight among the backends that have a ready endpoint; with one there is nothing to draw. */
function chooser(backends: readonly BackendPlan[]): RoutePlan['choose'] {
  const [only] = backends
  if (backends.length === 1 && only !== undefined) return () => only
  return (random) => {
    const ready = backends.filter((plan) => plan.weight > 0 && isAvailable(plan))
    let total = 0
    for (const { weight } of ready) total += weight
    let point = random() * total
    for (const plan of ready) {
      if (point < plan.weight) return plan
      point -= plan.weight
    }
    return ready[ready.length - 1]
  }
}

/** The backends a routing keeps alive. */
class Held {
  readonly #cache: BackendSource
  readonly #targets: BalancedTarget[] = []
  readonly #backends: Backend[] = []

  constructor(cache: BackendSource) {
    this.#cache = cache
  }

  acquire(target: BalancedTarget): Backend {
    this.#targets.push(target)
    const backend = this.#cache.acquire(target)
    this.#backends.push(backend)
    return backend
  }

  takesConnect(): boolean {
    for (const { endpoints } of this.#backends) for (const { takesConnect } of endpoints) if (takesConnect) return true
    return false
  }

  release(): void {
    for (const target of this.#targets.splice(0)) this.#cache.release(target)
  }
}

/** A policy as requests of one HTTP version see it; `undefined` when it does not serve HTTP. */
export function httpPolicyOf(
  policy: Extract<OutboundPolicy, { kind: 'target' }>,
  isHttp2: boolean,
): HttpPolicy | undefined {
  switch (policy.protocol.kind) {
    case 'detect':
      return isHttp2 ? policy.protocol.http2 : policy.protocol.http1
    case 'http1':
    case 'http2':
    case 'grpc':
      return policy.protocol.http
    case 'opaque':
    case 'tls':
      return undefined
  }
}
