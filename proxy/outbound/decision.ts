/**
 * What is decided about an outbound request before anything is sent: its route, and what filters make of it. Traffic goes
 * by it, and `explain/` tells it; nothing here counts, waits or opens.
 */
import type { ProxyError } from '../http/error-response.ts'
import type { Filter } from '../policy/filter.ts'
import { applyRequestFilters, type FilterVerdict } from '../policy/filters.ts'
import { describeMeta } from '../policy/meta.ts'
import { requestUrl } from '../policy/request-view.ts'
import type { RouteMatch } from '../policy/route.ts'
import type { Head } from '../wire/head.ts'
import type { Backend } from './backend.ts'
import { errors } from './errors.ts'
import type { MirrorPlan } from './mirror.ts'
import { overridden } from './overrides.ts'
import type { BackendPlan, PlannedRoute, RoutePlan } from './route-plan.ts'
import type { Routing } from './routing.ts'
import type { TargetProtocol } from './target.ts'

/** An answer of the proxy in place of a backend's. */
export interface Answer {
  readonly error: ProxyError
  readonly fields: readonly (readonly [string, string])[] | undefined
  /** The policy asked for this answer; otherwise something is wrong with the policy, and it counts as an error. */
  readonly isMeant: boolean
}

/** Makes copies of a request, as the filters passed so far leave it. */
export interface Copier {
  onMirrors(mirrors: readonly MirrorPlan[], head: Head): void
}

/** The route of a request, or why it gets none. `routing` is the target's for the HTTP version of the request. Fields
 * that override the policy are taken out of `head`. */
export function decideRoute(
  head: Head,
  routing: Routing | undefined,
  target: { readonly parentName: string; readonly protocol: TargetProtocol },
): PlannedRoute | ProxyError {
  if (routing === undefined) {
    const { protocol, parentName } = target
    return errors.invalidPolicy(protocol.kind === 'invalid' ? protocol.reason : `${parentName} does not serve HTTP`)
  }
  const route = routing.find(head)
  if (route === undefined) return errors.noRoute(target.parentName)
  return route.plan.allowsOverrides ? overridden(route, head) : route
}

export function isRouted(decision: PlannedRoute | ProxyError): decision is PlannedRoute {
  return 'plan' in decision
}

/**
 * What becomes of one attempt: a backend that exists, which may have no endpoint ready, or an answer. Filters are applied to
 * `head`, those of the rule first: a redirect needs no backend.
 *
 * @param drawn what `plan.choose()` gave; without one the attempt waits at the first backend that may be drawn
 * @param copier hears where copies go; `undefined` when they were made
 */
export function decideAttempt(
  { plan, match }: PlannedRoute,
  drawn: BackendPlan | undefined,
  head: Head,
  random: () => number,
  copier: Copier | undefined,
): ExistingBackend | Answer {
  const own = applied(plan, plan.filters, match, head, random)
  if (own !== undefined) return own
  if (plan.mirrors.length > 0) copier?.onMirrors(plan.mirrors, head)
  const backend = drawn ?? plan.backends.find(({ backend, weight }) => backend !== undefined && weight > 0)
  if (backend === undefined) return failure(errors.noBackend(plan.name))
  const answer = applied(plan, backend.filters, match, head, random)
  if (answer !== undefined) return answer
  if (backend.mirrors.length > 0) copier?.onMirrors(backend.mirrors, head)
  return exists(backend) ? backend : failure(errors.invalidBackend(plan.name, describeMeta(backend.meta)))
}

export function isAnswer(decision: ExistingBackend | Answer): decision is Answer {
  return 'error' in decision
}

type ExistingBackend = BackendPlan & { readonly backend: Backend }

function exists(plan: BackendPlan): plan is ExistingBackend {
  return plan.backend !== undefined
}

function applied(
  plan: RoutePlan,
  filters: readonly Filter[],
  match: RouteMatch | undefined,
  head: Head,
  random: () => number,
): Answer | undefined {
  if (filters.length === 0) return undefined
  const verdict = applyRequestFilters(filters, head, match, () => requestUrl(head), random)
  return verdict && answerOf(verdict, plan)
}

function failure(error: ProxyError): Answer {
  return { error, fields: undefined, isMeant: false }
}

function answerOf(verdict: FilterVerdict, plan: RoutePlan): Answer {
  switch (verdict.kind) {
    case 'redirect':
      return { error: errors.redirect(verdict.status), fields: [['location', verdict.location]], isMeant: true }
    case 'httpFailure':
      return { error: errors.injectedHttp(verdict.status, verdict.message), fields: undefined, isMeant: true }
    case 'grpcFailure':
      return { error: errors.injectedGrpc(verdict.code, verdict.message), fields: undefined, isMeant: true }
    case 'error':
      return failure(errors.invalidPolicy(`${plan.name}: ${verdict.message}`))
  }
}
