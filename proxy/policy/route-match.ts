/**
 * Finds the rule of a request among HTTPRoutes or GRPCRoutes, by the precedence of the Gateway API as Linkerd reads it:
 * most specific host, then for HTTP the longest path, most headers, most query parameters, a method; for gRPC the
 * longest service, the longest method, most headers. Ties go to the first in the list.
 */
import { matchesWhole } from '../../api/regex.ts'
import type {
  HostMatch,
  NamedMatch,
  PathMatch,
  Route,
  RouteCandidate,
  RouteHit,
  RouteMatch,
  RouteNeeds,
  RouteTable,
  ValueMatch,
} from './route.ts'

/** A request as matches see it; parts that `RouteTable.needs` does not name are never read. Latin1 strings. */
export interface RequestView {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** Without the question mark; empty when there is none. */
  readonly query: string
  readonly authority: string | undefined
  /** All values of a header by its lower-case name, in order. */
  headerValues(name: string): readonly string[]
}

/** Ranks of the match just looked at, most important first. Scratch space: matching is synchronous, must not allocate. */
let rank0 = 0
let rank1 = 0
let rank2 = 0
let rank3 = 0
/** The header or query parameter at which the match failed. */
let failedAt = 0

/** `undefined` when no route matches: 404. */
export function findHttpRule<T extends Route>(table: RouteTable<T>, request: RequestView): RouteHit<T> | undefined {
  if (table.always !== undefined) return table.always
  const host = table.needs.authority ? hostOf(request.authority) : ''
  const { candidates } = table
  let found: RouteHit<T> | undefined
  let foundHost = 0
  let best0 = 0
  let best1 = 0
  let best2 = 0
  let best3 = 0
  let query: URLSearchParams | undefined
  for (let at = 0; at < candidates.length; at++) {
    const { route, hits } = candidates[at]!
    const hostRank = rankHost(route.hosts, host)
    if (hostRank === NO_HOST || (found !== undefined && hostRank < foundHost)) continue
    for (let h = 0; h < hits.length; h++) {
      const hit = hits[h]!
      const { match } = hit
      if (match?.kind === 'http' && match.query.length > 0) query ??= new URLSearchParams(request.query)
      if (mismatchOf(match, request, query) !== Mismatch.none) continue
      const isBetter =
        rank0 !== best0
          ? rank0 > best0
          : rank1 !== best1
            ? rank1 > best1
            : rank2 !== best2
              ? rank2 > best2
              : rank3 > best3
      if (found !== undefined && hostRank === foundHost && !isBetter) continue
      found = hit
      foundHost = hostRank
      best0 = rank0
      best1 = rank1
      best2 = rank2
      best3 = rank3
    }
  }
  return found
}

/** Prepares routes for `findHttpRule`: once per policy update. */
export function compileRoutes<T extends Route>(routes: readonly T[]): RouteTable<T> {
  const candidates: RouteCandidate<T>[] = routes.map((route) => ({
    route,
    hits: route.rules.flatMap((rule): RouteHit<T>[] =>
      rule.matches.length === 0
        ? [{ route, rule, match: undefined }]
        : rule.matches.map((match) => ({ route, rule, match })),
    ),
  }))
  const only = candidates.length === 1 && candidates[0]!.hits.length === 1 ? candidates[0]!.hits[0]! : undefined
  const isAlways = only !== undefined && only.route.hosts.length === 0 && matchesEverything(only.match)
  return { routes, candidates, needs: needsOf(routes, isAlways), always: isAlways ? only : undefined }
}

/** Host of an authority in lower case, without port and trailing dot. */
export function hostOf(authority: string | undefined): string {
  if (authority === undefined) return ''
  const isBracketed = authority.charCodeAt(0) === 0x5b
  const colon = authority.indexOf(':', isBracketed ? authority.indexOf(']') : 0)
  const host = colon === -1 ? authority : authority.slice(0, colon)
  return (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase()
}

/** No host of a route is the request's. */
export const NO_HOST = -1
/** Longer than any host, so that exact beats every suffix. */
const EXACT_HOST = 1 << 20

/** How specific the host is by which a route takes requests for `host`; `NO_HOST` when it does not. */
export function rankHost(hosts: readonly HostMatch[], host: string): number {
  if (hosts.length === 0) return 0
  let rank = NO_HOST
  for (let at = 0; at < hosts.length; at++) {
    const match = hosts[at]!
    if (match.kind === 'exact') {
      if (match.host === host) rank = Math.max(rank, EXACT_HOST + host.length)
    } else if (host.length > match.suffix.length && host.endsWith(match.suffix)) {
      rank = Math.max(rank, 1 + match.suffix.length)
    }
  }
  return rank
}

/** The first condition of a match that a request does not meet. */
export const Mismatch = { none: 0, method: 1, path: 2, rpc: 3, header: 4, query: 5 } as const
export type Mismatch = (typeof Mismatch)[keyof typeof Mismatch]

/**
 * Why `match` does not hold; `Mismatch.none` when it does, and then its ranks are in the scratch variables. Of headers and
 * query parameters `mismatchAt()` is the one.
 */
export function mismatchOf(
  match: RouteMatch | undefined,
  request: RequestView,
  query: URLSearchParams | undefined,
): Mismatch {
  rank0 = rank1 = rank2 = rank3 = 0
  if (match === undefined) return Mismatch.none
  if (match.kind === 'grpc') {
    if (request.method !== 'POST') return Mismatch.method
    if (!matchesRpc(match.service, match.method, request.path)) return Mismatch.rpc
    rank0 = match.service.length
    rank1 = match.method.length
    rank2 = match.headers.length
    return matchesHeaders(match.headers, request) ? Mismatch.none : Mismatch.header
  }
  if (match.method !== undefined && match.method !== request.method) return Mismatch.method
  if (match.path !== undefined) {
    const length = matchedPathLength(match.path, request.path)
    if (length === NO_PATH) return Mismatch.path
    rank0 = length
  }
  rank1 = match.headers.length
  rank2 = match.query.length
  rank3 = match.method === undefined ? 0 : 1
  if (!matchesHeaders(match.headers, request)) return Mismatch.header
  return matchesQuery(match.query, query) ? Mismatch.none : Mismatch.query
}

/** Which of the headers or query parameters the last `mismatchOf` failed at. */
export function mismatchAt(): number {
  return failedAt
}

const NO_PATH = -1

function matchedPathLength(match: PathMatch, path: string): number {
  switch (match.kind) {
    case 'exact':
      return match.path === path ? path.length : NO_PATH
    case 'prefix': {
      const { prefix } = match
      if (prefix === '') return 1
      // Whole segments: `/v2` is a prefix of `/v2` and `/v2/x`, not of `/v2x`.
      const isWhole = path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f
      return isWhole && path.startsWith(prefix) ? prefix.length : NO_PATH
    }
    case 'regex':
      return matchesWhole(match.pattern, path) ? path.length : NO_PATH
  }
}

/** Whether `path` is `/service/method` with these names; an empty name is any. */
function matchesRpc(service: string, method: string, path: string): boolean {
  const slash = path.indexOf('/', 1)
  if (path.charCodeAt(0) !== 0x2f || slash < 2 || slash === path.length - 1) return false
  if (path.indexOf('/', slash + 1) !== -1) return false
  if (service !== '' && (slash !== service.length + 1 || !path.startsWith(service, 1))) return false
  return method === '' || (path.length === slash + 1 + method.length && path.endsWith(method))
}

function matchesHeaders(headers: readonly NamedMatch[], request: RequestView): boolean {
  for (let at = 0; at < headers.length; at++) {
    const { name, value } = headers[at]!
    if (!matchesAny(value, request.headerValues(name))) {
      failedAt = at
      return false
    }
  }
  return true
}

function matchesQuery(wanted: readonly NamedMatch[], query: URLSearchParams | undefined): boolean {
  for (let at = 0; at < wanted.length; at++) {
    const { name, value } = wanted[at]!
    if (query === undefined || !matchesAny(value, query.getAll(name))) {
      failedAt = at
      return false
    }
  }
  return true
}

function matchesAny(match: ValueMatch, values: readonly string[]): boolean {
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!
    if (match.kind === 'exact' ? match.value === value : matchesWhole(match.pattern, value)) return true
  }
  return false
}

function matchesEverything(match: RouteMatch | undefined): boolean {
  if (match === undefined) return true
  if (match.kind === 'grpc') return false
  const { path, headers, query, method } = match
  const anyPath = path === undefined || (path.kind === 'prefix' && path.prefix === '')
  return anyPath && headers.length === 0 && query.length === 0 && method === undefined
}

function needsOf(routes: readonly Route[], isAlways: boolean): RouteNeeds {
  const all = isAlways ? [] : routes.flatMap((route) => route.rules.flatMap((rule) => rule.matches))
  return {
    method: all.some((match) => match.kind === 'grpc' || match.method !== undefined),
    path: all.some((match) => match.kind === 'grpc' || match.path !== undefined),
    query: all.some((match) => match.kind === 'http' && match.query.length > 0),
    authority: routes.some((route) => route.hosts.length > 0),
    headers: all.some((match) => match.headers.length > 0),
  }
}
