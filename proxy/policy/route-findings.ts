/**
 * Which routes were looked at for a request and why each is not the one: what `route-match.ts` decides, told in words. It
 * asks the same functions, so that it cannot tell anything else.
 */
import type { Meta } from './meta.ts'
import type { Profile, RequestCondition } from './profile.ts'
import { findProfileRoute, holds } from './profile-match.ts'
import type { HostMatch, NamedMatch, PathMatch, Route, RouteHit, RouteMatch, RouteTable, ValueMatch } from './route.ts'
import { findHttpRule, hostOf, Mismatch, mismatchAt, mismatchOf, type RequestView, takesHost } from './route-match.ts'

/** One match of a rule, or a route as a whole where it is about other hosts. */
export interface RouteFinding {
  readonly route: Meta
  /** Places in the route and in the rule; -1 for a route as a whole. */
  readonly rule: number
  readonly match: number
  readonly verdict: 'chosen' | 'outranked' | 'mismatch'
  /** What was looked for, or the first condition that the request does not meet. */
  readonly reason: string
}

export interface RouteFindings {
  readonly listed: readonly RouteFinding[]
  /** How many more there are. */
  readonly omitted: number
}

/** A policy may have thousands of rules; people read a few. Those that matched come first. */
export const MAX_FINDINGS = 200

const ORDER = { chosen: 0, outranked: 1, mismatch: 2 } as const

/** Findings about HTTPRoutes or GRPCRoutes. */
export function findingsOf<T extends Route>(table: RouteTable<T>, request: RequestView): RouteFindings {
  const chosen = findHttpRule(table, request)
  const query = new URLSearchParams(request.query)
  const host = hostOf(request.authority)
  const found = table.candidates.flatMap(({ route, hits }): RouteFinding[] => {
    const { meta } = route
    if (!takesHost(route.hosts, host))
      return [{ route: meta, rule: -1, match: -1, verdict: 'mismatch', reason: otherHost(route.hosts, host) }]
    return hits.map((hit) => ({ route: meta, ...placeOf(hit), ...verdictOf(hit, hit === chosen, request, query) }))
  })
  return bounded(found)
}

/** Findings about the routes of a ServiceProfile: the first one whose condition holds is taken. */
export function findingsOfProfile(profile: Profile, meta: Meta, { method, path }: RequestView): RouteFindings {
  const chosen = findProfileRoute(profile, method, path)
  return bounded(
    profile.routes.map((route, rule): RouteFinding => {
      const condition = `${route.name === '' ? '' : `${route.name}: `}${describeCondition(route.condition)}`
      const place = { route: meta, rule, match: 0 }
      if (route === chosen) return { ...place, verdict: 'chosen', reason: condition }
      return holds(route.condition, method, path)
        ? { ...place, verdict: 'outranked', reason: `${condition} holds too, but comes later` }
        : { ...place, verdict: 'mismatch', reason: `${condition} does not hold` }
    }),
  )
}

function bounded(found: RouteFinding[]): RouteFindings {
  found.sort((a, b) => ORDER[a.verdict] - ORDER[b.verdict])
  return { listed: found.slice(0, MAX_FINDINGS), omitted: Math.max(0, found.length - MAX_FINDINGS) }
}

function placeOf({ route, rule, match }: RouteHit): { readonly rule: number; readonly match: number } {
  return { rule: route.rules.indexOf(rule), match: match === undefined ? 0 : rule.matches.indexOf(match) }
}

function verdictOf(
  { match }: RouteHit,
  isChosen: boolean,
  request: RequestView,
  query: URLSearchParams,
): Pick<RouteFinding, 'verdict' | 'reason'> {
  if (isChosen) return { verdict: 'chosen', reason: describeMatch(match) }
  const mismatch = mismatchOf(match, request, query)
  if (mismatch === Mismatch.none || match === undefined) {
    const reason = `${describeMatch(match)}: matches too, but another is more specific or comes first`
    return { verdict: 'outranked', reason }
  }
  return { verdict: 'mismatch', reason: reasonOf(mismatch, match, request, query) }
}

function reasonOf(mismatch: Mismatch, match: RouteMatch, request: RequestView, query: URLSearchParams): string {
  const { method, path } = request
  switch (mismatch) {
    case Mismatch.method:
      return `the method is ${method}, not ${match.kind === 'grpc' ? 'POST' : match.method}`
    case Mismatch.path:
      return `the path ${path} ${match.kind === 'http' && match.path !== undefined ? notPath(match.path) : ''}`
    case Mismatch.rpc:
      return `the path ${path} is not ${match.kind === 'grpc' ? rpcOf(match) : ''}`
    case Mismatch.header: {
      const wanted = match.headers[mismatchAt()]!
      return lacking('header', wanted, request.headerValues(wanted.name))
    }
    case Mismatch.query: {
      const wanted = match.kind === 'http' ? match.query[mismatchAt()]! : NOTHING
      return lacking('query parameter', wanted, query.getAll(wanted.name))
    }
    case Mismatch.none:
      return ''
  }
}

const NOTHING: NamedMatch = { name: '', value: { kind: 'exact', value: '' } }

function otherHost(hosts: readonly HostMatch[], host: string): string {
  const named = hosts.map((match) => (match.kind === 'exact' ? match.host : `*${match.suffix}`)).join(', ')
  return `the host is ${host === '' ? 'not said' : host}, not ${named}`
}

function lacking(what: string, { name, value }: NamedMatch, values: readonly string[]): string {
  if (values.length === 0) return `there is no ${what} ${name}; it has to be ${describeValue(value)}`
  return `the ${what} ${name} is ${values.map((each) => JSON.stringify(each)).join(', ')}, not ${describeValue(value)}`
}

function notPath(path: PathMatch): string {
  switch (path.kind) {
    case 'exact':
      return `is not ${path.path}`
    case 'prefix':
      return `is not below ${path.prefix}`
    case 'regex':
      return `does not match ${path.pattern.source}`
  }
}

function describeMatch(match: RouteMatch | undefined): string {
  if (match === undefined) return 'every request'
  const parts =
    match.kind === 'grpc'
      ? [rpcOf(match)]
      : [match.method, match.path && describePath(match.path)].filter((part) => part !== undefined)
  for (const { name, value } of match.headers) parts.push(`header ${name} is ${describeValue(value)}`)
  if (match.kind === 'http')
    for (const { name, value } of match.query) parts.push(`query parameter ${name} is ${describeValue(value)}`)
  return parts.length === 0 ? 'every request' : parts.join(', ')
}

function describePath(path: PathMatch): string {
  switch (path.kind) {
    case 'exact':
      return `path ${path.path}`
    case 'prefix':
      return path.prefix === '' ? 'every path' : `path below ${path.prefix}`
    case 'regex':
      return `path like ${path.pattern.source}`
  }
}

function describeValue(value: ValueMatch): string {
  return value.kind === 'exact' ? JSON.stringify(value.value) : `like ${value.pattern.source}`
}

function rpcOf({ service, method }: RouteMatch & { kind: 'grpc' }): string {
  return `/${service === '' ? '*' : service}/${method === '' ? '*' : method}`
}

function describeCondition(condition: RequestCondition): string {
  switch (condition.kind) {
    case 'all':
      return condition.of.length === 0 ? 'every request' : condition.of.map(describeCondition).join(' and ')
    case 'any':
      return `(${condition.of.map(describeCondition).join(' or ')})`
    case 'not':
      return `not ${describeCondition(condition.of)}`
    case 'path':
      return `path like ${condition.pattern.source}`
    case 'method':
      return `method ${condition.method}`
  }
}
