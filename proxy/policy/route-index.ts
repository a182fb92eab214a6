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
  readonly exact: ReadonlyMap<string, HitList<T>>
  /** Most paths have a length that no exact path has: those need not be hashed. */
  readonly exactLengths: ReadonlySet<number>
  /** Longest first. */
  readonly prefixes: readonly PrefixGroup<T>[]
  /** Regular expressions, then what matches any path. */
  readonly others: HitList<T>
}

/** Matches in their order: the first one that holds counts. */
export interface HitList<T extends Route = Route> {
  readonly hits: readonly RouteHit<T>[]
  /** Where many of them want a value of one header: only those that want the request's are held against it. */
  readonly byHeader: HeaderIndex | undefined
}

export interface HeaderIndex {
  readonly name: string
  /** Positions of the hits that want this value exactly, in order. */
  readonly byValue: ReadonlyMap<string, readonly number[]>
  /** Positions of the hits that want none exactly. */
  readonly others: readonly number[]
}

/** All prefixes of one length. */
export interface PrefixGroup<T extends Route = Route> {
  readonly length: number
  /** A few are compared one by one: a path is another one in every request, and its hash is no cheaper. */
  readonly few: readonly { readonly prefix: string; readonly hits: HitList<T> }[]
  /** Instead of `few` where there are more. */
  readonly many: ReadonlyMap<string, HitList<T>> | undefined
}

/** More prefixes of one length are looked up by hash: that costs about as much as so many comparisons. */
const MAX_COMPARED = 6
/** Shorter lists are gone through one by one. */
const MIN_INDEXED_HITS = 8

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
  const exactLengths = new Set([...exact.keys()].map(({ length }) => length))
  return {
    exact: mapValues(exact, listOf),
    exactLengths,
    prefixes: groupByLength(mapValues(prefixes, listOf)),
    others: listOf(others),
  }
}

/** By the header that most of them want a value of, when most do. */
function listOf<T extends Route>(hits: readonly RouteHit<T>[]): HitList<T> {
  if (hits.length < MIN_INDEXED_HITS) return { hits, byHeader: undefined }
  const wanting = new Map<string, number>()
  for (const { match } of hits)
    for (const name of new Set(exactHeaders(match).map(({ name }) => name)))
      wanting.set(name, (wanting.get(name) ?? 0) + 1)
  const [most] = [...wanting].sort(([, a], [, b]) => b - a)
  if (most === undefined || most[1] < hits.length / 2) return { hits, byHeader: undefined }
  const [name] = most
  const byValue = new Map<string, number[]>()
  const others: number[] = []
  for (const [position, { match }] of hits.entries()) {
    const wanted = exactHeaders(match).find((header) => header.name === name)
    if (wanted === undefined) others.push(position)
    else push(byValue, wanted.value.value, position)
  }
  return { hits, byHeader: { name, byValue, others } }
}

function exactHeaders(match: RouteMatch | undefined) {
  if (match === undefined) return []
  return match.headers.flatMap(({ name, value }) => (value.kind === 'exact' ? [{ name, value }] : []))
}

function groupByLength<T extends Route>(prefixes: ReadonlyMap<string, HitList<T>>): PrefixGroup<T>[] {
  const groups = Map.groupBy(prefixes, ([prefix]) => prefix.length)
  return [...groups]
    .sort(([a], [b]) => b - a)
    .map(([length, entries]) => {
      const isMany = entries.length > MAX_COMPARED
      return {
        length,
        few: isMany ? [] : entries.map(([prefix, hits]) => ({ prefix, hits })),
        many: isMany ? new Map(entries) : undefined,
      }
    })
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
