/**
 * Routes prepared for the search: once per policy update, so that a request is held against few of them.
 *
 * The precedence of the Gateway API hardly depends on the request: of all matches that hold, which one counts is known
 * beforehand. So matches are put in order once, and found by what distinguishes most of them, the host and then the path.
 * The first one that holds is the answer.
 */
import type { HostMatch, Route, RouteHit, RouteMatch } from './route.ts'

/** Routes in the order in which they are asked: those of a consumer come before those of the producer. */
export type RouteIndex<T extends Route = Route> = readonly HostIndex<T>[]

/** Exact hosts before suffixes, longer ones first, before routes for any host. Keys come from the policy alone. */
export interface HostIndex<T extends Route = Route> {
  readonly exact: ReadonlyMap<string, PathIndex<T>>
  /** By suffix, which begins with a dot. */
  readonly suffixes: ReadonlyMap<string, PathIndex<T>>
  readonly any: PathIndex<T> | undefined
  /** Some route is for certain hosts. */
  readonly readsHost: boolean
}

/** Exact paths before prefixes, longer ones first, before all others. Lists are in order. */
export interface PathIndex<T extends Route = Route> {
  readonly exact: ReadonlyMap<string, readonly RouteHit<T>[]>
  readonly prefixes: ReadonlyMap<string, readonly RouteHit<T>[]>
  /** Of the prefixes, longest first. */
  readonly prefixLengths: readonly number[]
  /** Regular expressions, then what matches any path. */
  readonly others: readonly RouteHit<T>[]
}

/**
 * @param hits of each route, in the order of the list
 * @param isConsumer the route was made for clients of its own namespace
 */
export function indexRoutes<T extends Route>(
  hits: readonly RouteHit<T>[],
  isConsumer: (route: T) => boolean,
): RouteIndex<T> {
  const consumer = hits.filter(({ route }) => isConsumer(route))
  const producer = hits.filter(({ route }) => !isConsumer(route))
  return [consumer, producer].filter((tier) => tier.length > 0).map(indexHosts)
}

function indexHosts<T extends Route>(hits: readonly RouteHit<T>[]): HostIndex<T> {
  const exact = new Map<string, RouteHit<T>[]>()
  const suffixes = new Map<string, RouteHit<T>[]>()
  const any: RouteHit<T>[] = []
  for (const hit of hits) {
    const { hosts } = hit.route
    if (hosts.length === 0) any.push(hit)
    for (const host of distinct(hosts)) {
      if (host.kind === 'exact') push(exact, host.host, hit)
      else push(suffixes, host.suffix, hit)
    }
  }
  return {
    exact: mapValues(exact, indexPaths),
    suffixes: mapValues(suffixes, indexPaths),
    any: any.length === 0 ? undefined : indexPaths(any),
    readsHost: exact.size > 0 || suffixes.size > 0,
  }
}

function indexPaths<T extends Route>(hits: readonly RouteHit<T>[]): PathIndex<T> {
  const exact = new Map<string, RouteHit<T>[]>()
  const prefixes = new Map<string, RouteHit<T>[]>()
  const others: RouteHit<T>[] = []
  // Sorting keeps the order of equals, which is that of the list.
  for (const hit of [...hits].sort((a, b) => compareMatches(a.match, b.match))) {
    const { match } = hit
    if (match?.kind === 'grpc' && match.service !== '') {
      if (match.method !== '') push(exact, `/${match.service}/${match.method}`, hit)
      else push(prefixes, `/${match.service}`, hit)
    } else if (match?.kind === 'http' && match.path?.kind === 'exact') push(exact, match.path.path, hit)
    else if (match?.kind === 'http' && match.path?.kind === 'prefix' && match.path.prefix !== '')
      push(prefixes, match.path.prefix, hit)
    else others.push(hit)
  }
  const prefixLengths = [...new Set([...prefixes.keys()].map(({ length }) => length))].sort((a, b) => b - a)
  return { exact, prefixes, prefixLengths, others }
}

/** What comes first among matches with the same path, or among those that are not found by a path. */
function compareMatches(a: RouteMatch | undefined, b: RouteMatch | undefined): number {
  const ranksOfA = ranksOf(a)
  const ranksOfB = ranksOf(b)
  for (let at = 0; at < ranksOfA.length; at++) if (ranksOfA[at] !== ranksOfB[at]) return ranksOfB[at]! - ranksOfA[at]!
  return 0
}

/** Most important first; more is better. */
function ranksOf(match: RouteMatch | undefined): readonly number[] {
  if (match === undefined) return [0, 0, 0, 0]
  if (match.kind === 'grpc') return [match.method === '' ? 0 : 1, match.method.length, match.headers.length, 0]
  return [
    // Where regular expressions stand is left to implementations: they are more than a prefix that takes every path.
    match.path?.kind === 'regex' ? 1 : 0,
    match.method === undefined ? 0 : 1,
    match.headers.length,
    match.query.length,
  ]
}

function distinct(hosts: readonly HostMatch[]): readonly HostMatch[] {
  const seen = new Set<string>()
  return hosts.filter((host) => {
    const key = host.kind === 'exact' ? host.host : host.suffix
    const isNew = !seen.has(key)
    seen.add(key)
    return isNew
  })
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

function mapValues<K, V, W>(map: ReadonlyMap<K, V>, convert: (value: V) => W): ReadonlyMap<K, W> {
  return new Map([...map].map(([key, value]) => [key, convert(value)]))
}
