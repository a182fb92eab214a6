/** HTTPRoutes and GRPCRoutes of outbound parents, from their objects to the terms of the policy API. */
import { parseGoDurationMs } from '../../../api/duration.ts'
import type { GrpcRoute as GrpcRouteObject } from '../../../api/resources/grpc-route.ts'
import type { HttpRoute as HttpRouteObject, HttpRouteRule } from '../../../api/resources/http-route.ts'
import { nameOf } from '../../../api/resources/kinds.ts'
import type { BackendRef, RouteFilter as RouteFilterObject } from '../../../api/resources/route.ts'
import type {
  Backend,
  GrpcRoute,
  HttpRoute,
  RequestRule,
  Retry,
  RouteBackend,
  RouteSettings,
  Timeouts,
} from '../model/outbound.ts'
import type { Problem, RouteFilter } from '../model/route.ts'
import { type ParsedRouteSettings, routeSettings } from './annotations.ts'
import { type BackendRefs, backendOf } from './backend.ts'
import { resourceOrigin } from './origin.ts'
import type { AnyRoute } from './route-attachment.ts'
import { failure, routeFilters } from './route-filter.ts'
import { grpcMatch, hostMatch, httpMatch } from './route-match.ts'
import { timeoutMs } from './timeout.ts'
import { unknownBelow } from './unknown-fields.ts'

export interface RouteContext extends Omit<BackendRefs, 'route'> {
  /** What the parent's annotations say. */
  readonly settings: RouteSettings
  /** The backend of rules that name none: the parent itself. */
  readonly parentBackend: Backend
  /** One sentence for each thing that is not enforced as it was written. */
  readonly onProblem: (sentence: string) => void
}

export function httpRoute(route: HttpRouteObject, context: RouteContext): HttpRoute {
  const own = ownSettings(route, context)
  return {
    origin: resourceOrigin(route),
    hosts: route.spec.hostnames.map(hostMatch),
    rules: route.spec.rules.map((rule, index) => {
      const field = `spec.rules[${index}]`
      return requestRule(route, rule, field, context, (onProblem) => {
        const timeouts = ruleTimeouts(rule, own, context.settings, field, onProblem)
        const retry = ruleRetry(rule, own, context.settings, field, onProblem)
        return {
          matches: rule.matches.map((match, at) => httpMatch(match, `${field}.matches[${at}]`, onProblem)),
          ...(timeouts && { timeouts }),
          ...(retry && { retry }),
        }
      })
    }),
  }
}

export function grpcRoute(route: GrpcRouteObject, context: RouteContext): GrpcRoute {
  const own = ownSettings(route, context)
  const timeouts = own.setsTimeouts ? own.settings.timeouts : context.settings.timeouts
  const retry = own.setsRetry ? own.settings.retry : context.settings.retry
  return {
    origin: resourceOrigin(route),
    hosts: route.spec.hostnames.map(hostMatch),
    rules: route.spec.rules.map((rule, index) => {
      const field = `spec.rules[${index}]`
      return requestRule(route, rule, field, context, (onProblem) => ({
        matches: rule.matches.map((match, at) => grpcMatch(match, `${field}.matches[${at}]`, onProblem)),
        ...(timeouts && { timeouts }),
        ...(retry && { retry }),
      }))
    }),
  }
}

type RuleParts = { readonly filters: readonly RouteFilterObject[]; readonly backendRefs: readonly BackendRef[] }
type OnProblem = (problem: Problem) => void

function ownSettings(route: AnyRoute, { onProblem }: RouteContext): ParsedRouteSettings {
  const settings = routeSettings(route.metadata.annotations)
  for (const problem of settings.problems) onProblem(`${nameOf(route)}: ${problem}`)
  return settings
}

/** A rule of which anything was not understood answers 500 to all that its matches let through. */
function requestRule<Match>(
  route: AnyRoute,
  rule: RuleParts,
  field: string,
  context: RouteContext,
  matching: (onProblem: OnProblem) => Omit<RequestRule<Match>, 'filters' | 'backends'>,
): RequestRule<Match> {
  const refs: BackendRefs = { ...context, route }
  const onProblem = tell(route, context)
  let broken: string | undefined
  const parts = matching((problem) => {
    broken ??= `${problem.field}: ${problem.message}`
    onProblem(problem)
  })
  const [unknown] = DECIDING.flatMap((part) => unknownBelow(route, `${field}.${part}`))
  if (unknown !== undefined) {
    broken ??= `${unknown} is not known to this version`
    onProblem({ field: unknown, message: 'is not known to this version; requests of this rule are answered with 500' })
  }
  const filters = routeFilters<Backend>(rule.filters, `${field}.filters`, {
    mirror: (ref) => backendOf(refs, ref),
    onProblem,
  })
  const backends = ruleBackends(rule, field, refs, context, onProblem)
  const refusals: RouteFilter<Backend>[] = []
  if (broken !== undefined) refusals.push(failure(`${nameOf(route)}: ${broken}`))
  if (rule.backendRefs.length > 0 && backends.length === 0) {
    onProblem({ field: `${field}.backendRefs`, message: 'all weights are 0' })
    refusals.push(failure(`${nameOf(route)}: all weights of ${field}.backendRefs are 0`))
  }
  return { ...parts, filters: [...refusals, ...named(route, filters)], backends }
}

/** Parts of a rule in which an unknown field may change what happens to a request. */
const DECIDING = ['matches', 'filters', 'backendRefs']

function ruleBackends(
  rule: RuleParts,
  field: string,
  refs: BackendRefs,
  { parentBackend }: RouteContext,
  onProblem: OnProblem,
): readonly RouteBackend[] {
  if (rule.backendRefs.length === 0) return [{ backend: parentBackend, weight: 1, filters: [] }]
  return rule.backendRefs.flatMap((ref, index) => {
    if (ref.weight === 0) return []
    const at = `${field}.backendRefs[${index}]`
    const backend = backendOf(refs, ref)
    if (backend.kind === 'invalid') onProblem({ field: at, message: backend.message })
    const filters = routeFilters<Backend>(ref.filters, `${at}.filters`, {
      mirror: (mirrored) => backendOf(refs, mirrored),
      onProblem,
    })
    const refusal: RouteFilter<Backend>[] =
      backend.kind === 'invalid' ? [failure(`${nameOf(refs.route)}: ${at}: ${backend.message}`)] : []
    return [{ backend, weight: ref.weight, filters: [...refusal, ...named(refs.route, filters)] }]
  })
}

/** Failures name the route they come from: clients and logs see nothing else of it. */
function named(route: AnyRoute, filters: readonly RouteFilter<Backend>[]): readonly RouteFilter<Backend>[] {
  return filters.map((filter) => {
    if (filter.kind === 'failure') return { ...filter, message: `${nameOf(route)}: ${filter.message}` }
    if (filter.kind === 'mirror' && filter.backend.kind === 'invalid')
      return failure(`${nameOf(route)}: the mirror's backend: ${filter.backend.message}`)
    return filter
  })
}

function tell(route: AnyRoute, { onProblem }: RouteContext): OnProblem {
  return ({ field, message }) => onProblem(`${nameOf(route)}: ${field}: ${message}`)
}

/** Annotations of the route go before fields of the rule, and both before the parent's annotations. */
function ruleTimeouts(
  { timeouts: fields }: HttpRouteRule,
  own: ParsedRouteSettings,
  parent: RouteSettings,
  field: string,
  onProblem: OnProblem,
): Timeouts | undefined {
  const ms = (name: 'request' | 'backendRequest'): number | undefined => {
    return timeoutMs(fields?.[name], (message) => onProblem({ field: `${field}.timeouts.${name}`, message }))
  }
  const requestMs = own.setsRequestTimeout ? undefined : ms('request')
  const backendRequestMs = ms('backendRequest')
  const timeouts: Timeouts = {
    ...(own.setsTimeouts ? own.settings.timeouts : requestMs === undefined ? parent.timeouts : undefined),
    ...(requestMs && { requestMs }),
    ...(backendRequestMs && { backendRequestMs }),
  }
  return Object.keys(timeouts).length === 0 ? undefined : timeouts
}

function ruleRetry(
  { retry: fields }: HttpRouteRule,
  own: ParsedRouteSettings,
  parent: RouteSettings,
  field: string,
  onProblem: OnProblem,
): Retry | undefined {
  if (own.setsRetry) return own.settings.retry
  if (fields === undefined) return parent.retry
  const { codes, attempts = 1, backoff } = fields
  const backoffMs = backoff === undefined ? undefined : parseGoDurationMs(backoff)
  if (backoff !== undefined && backoffMs === undefined) {
    onProblem({ field: `${field}.retry.backoff`, message: `"${backoff}" is not a duration such as 100ms` })
  }
  if (attempts === 0) return undefined
  return {
    maxRetries: attempts,
    ...(backoffMs && { backoffMs }),
    statuses: codes.map((code) => ({ start: code, end: code })),
    grpcCodes: [],
  }
}
