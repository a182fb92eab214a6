/**
 * Finds the rule of a request among HTTPRoutes or GRPCRoutes, by the precedence of the Gateway API: consumer routes, then
 * the most specific host, then for HTTP the exact path, the longest prefix, a method, most headers, most query parameters;
 * for gRPC the longest service, the longest method, most headers. Ties go to the first in the list.
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
  RouteTable,
  ValueMatch,
} from './route.ts'
import { type HeaderIndex, type HitList, indexRoutes, type PathIndex, type PrefixGroup } from './route-index.ts'

/** A request as matches see it; parts that no match asks for are never read. Latin1 strings. */
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

/** `undefined` when no route matches: 404. */
export function findHttpRule<T extends Route>(table: RouteTable<T>, request: RequestView): RouteHit<T> | undefined {
  if (table.always !== undefined) return table.always
  parsedQuery = undefined
  for (let tier = 0; tier < table.index.length; tier++) {
    const { exact, suffixes, any, readsHost } = table.index[tier]!
    if (readsHost) {
      const host = hostOf(request.authority)
      const own = exact.get(host)
      const hit =
        (own && findInPaths(own, request)) ?? (suffixes.size > 0 ? findBySuffix(suffixes, host, request) : undefined)
      if (hit !== undefined) return hit
    }
    const hit = any && findInPaths(any, request)
    if (hit !== undefined) return hit
  }
  return undefined
}

/** Longer suffixes have more labels, so they begin further to the left. */
function findBySuffix<T extends Route>(
  suffixes: ReadonlyMap<string, PathIndex<T>>,
  host: string,
  request: RequestView,
): RouteHit<T> | undefined {
  // Something stands in front of a suffix.
  for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const paths = suffixes.get(host.slice(dot))
    const hit = paths && findInPaths(paths, request)
    if (hit !== undefined) return hit
  }
  return undefined
}

function findInPaths<T extends Route>(paths: PathIndex<T>, request: RequestView): RouteHit<T> | undefined {
  const { exact, exactLengths, prefixes, others } = paths
  if (exactLengths.size > 0) {
    const { path } = request
    const hits = exactLengths.has(path.length) ? exact.get(path) : undefined
    const hit = hits && firstThatHolds(hits, request)
    if (hit !== undefined) return hit
  }
  if (prefixes.length > 0) {
    const { path } = request
    for (let at = 0; at < prefixes.length; at++) {
      const group = prefixes[at]!
      // Whole segments: `/v2` is a prefix of `/v2` and `/v2/x`, not of `/v2x`.
      if (path.length !== group.length && path.charCodeAt(group.length) !== SLASH) continue
      const hits = hitsOf(group, path)
      const hit = hits && firstThatHolds(hits, request)
      if (hit !== undefined) return hit
    }
  }
  return firstThatHolds(others, request)
}

function hitsOf<T extends Route>({ length, few, many }: PrefixGroup<T>, path: string): HitList<T> | undefined {
  if (many !== undefined) return many.get(path.slice(0, length))
  for (let at = 0; at < few.length; at++) if (path.startsWith(few[at]!.prefix)) return few[at]!.hits
  return undefined
}

const SLASH = 0x2f

function firstThatHolds<T extends Route>(
  { hits, byHeader }: HitList<T>,
  request: RequestView,
): RouteHit<T> | undefined {
  if (byHeader !== undefined) return firstOf(hits, byHeader, request)
  for (let at = 0; at < hits.length; at++) if (holds(hits[at]!, request)) return hits[at]
  return undefined
}

function holds({ match }: RouteHit, request: RequestView): boolean {
  if (match?.kind === 'http' && match.query.length > 0) parsedQuery ??= new URLSearchParams(request.query)
  return mismatchOf(match, request, parsedQuery, true) === Mismatch.none
}

/** As `firstThatHolds`, without those that want another value of the header. */
function firstOf<T extends Route>(
  hits: readonly RouteHit<T>[],
  { name, byValue, others }: HeaderIndex,
  request: RequestView,
): RouteHit<T> | undefined {
  const values = request.headerValues(name)
  const wanted =
    values.length === 1
      ? (byValue.get(values[0]!) ?? NONE)
      : [...new Set(values)].flatMap((value) => byValue.get(value) ?? NONE).sort((a, b) => a - b)
  // Both are in order, and so is what becomes of them.
  for (let at = 0, other = 0; at < wanted.length || other < others.length; ) {
    const position = (wanted[at] ?? hits.length) < (others[other] ?? hits.length) ? wanted[at++]! : others[other++]!
    if (holds(hits[position]!, request)) return hits[position]
  }
  return undefined
}

const NONE: readonly number[] = []

/**
 * Prepares routes for `findHttpRule`: once per policy update.
 *
 * @param producerNamespace of the object that the routes are about: a route of another namespace was made there for its own
 *   clients (a consumer route) and counts before those of the producer; without one all are equal
 */
export function compileRoutes<T extends Route>(routes: readonly T[], producerNamespace = ''): RouteTable<T> {
  const candidates: RouteCandidate<T>[] = routes.map((route) => ({
    route,
    hits: route.rules.flatMap((rule): RouteHit<T>[] =>
      rule.matches.length === 0
        ? [{ route, rule, match: undefined }]
        : rule.matches.map((match) => ({ route, rule, match })),
    ),
  }))
  const hits = candidates.flatMap((candidate) => candidate.hits)
  const only = hits.length === 1 ? hits[0]! : undefined
  const isAlways = only !== undefined && only.route.hosts.length === 0 && matchesEverything(only.match)
  const isConsumer = ({ meta: { namespace } }: T): boolean =>
    producerNamespace !== '' && namespace !== '' && namespace !== producerNamespace
  return { routes, candidates, index: indexRoutes(hits, isConsumer), always: isAlways ? only : undefined }
}

/** Host of an authority in lower case, without port and trailing dot. */
export function hostOf(authority: string | undefined): string {
  if (authority === undefined) return ''
  const isBracketed = authority.charCodeAt(0) === 0x5b
  const colon = authority.indexOf(':', isBracketed ? authority.indexOf(']') : 0)
  const host = colon === -1 ? authority : authority.slice(0, colon)
  return (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase()
}

/** Whether a route with these hosts takes requests for `host`. */
export function takesHost(hosts: readonly HostMatch[], host: string): boolean {
  return hosts.length === 0 || hosts.some((match) => isHost(match, host))
}

function isHost(match: HostMatch, host: string): boolean {
  if (match.kind === 'exact') return match.host === host
  return host.length > match.suffix.length && host.endsWith(match.suffix)
}

/** Of the request just looked at, when some match asked for it. Scratch space: matching is synchronous. */
let parsedQuery: URLSearchParams | undefined

/** The header or query parameter at which the match failed. */
let failedAt = 0

/** The first condition of a match that a request does not meet. */
export const Mismatch = { none: 0, method: 1, path: 2, rpc: 3, header: 4, query: 5 } as const
export type Mismatch = (typeof Mismatch)[keyof typeof Mismatch]

/**
 * Why `match` does not hold; `Mismatch.none` when it does. Of headers and query parameters `mismatchAt()` is the one.
 *
 * @param isIndexed the index found it by its path, unless that is a regular expression
 */
export function mismatchOf(
  match: RouteMatch | undefined,
  request: RequestView,
  query: URLSearchParams | undefined,
  isIndexed = false,
): Mismatch {
  if (match === undefined) return Mismatch.none
  if (match.kind === 'grpc') {
    if (request.method !== 'POST') return Mismatch.method
    if (!matchesRpc(match.service, match.method, request.path)) return Mismatch.rpc
    return matchesHeaders(match.headers, request) ? Mismatch.none : Mismatch.header
  }
  if (match.method !== undefined && match.method !== request.method) return Mismatch.method
  const { path } = match
  if (path !== undefined && !(isIndexed && path.kind !== 'regex') && !matchesPath(path, request.path))
    return Mismatch.path
  if (!matchesHeaders(match.headers, request)) return Mismatch.header
  return matchesQuery(match.query, query) ? Mismatch.none : Mismatch.query
}

/** Which of the headers or query parameters the last `mismatchOf` failed at. */
export function mismatchAt(): number {
  return failedAt
}

function matchesPath(match: PathMatch, path: string): boolean {
  switch (match.kind) {
    case 'exact':
      return match.path === path
    case 'prefix': {
      const { prefix } = match
      // Whole segments: `/v2` is a prefix of `/v2` and `/v2/x`, not of `/v2x`.
      const isWhole = prefix === '' || path.length === prefix.length || path.charCodeAt(prefix.length) === SLASH
      return isWhole && path.startsWith(prefix)
    }
    case 'regex':
      return matchesWhole(match.pattern, path)
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
