/** Applies a rule's filters to a request: what `filter.ts` describes, done to a head. */
import type { Head } from '../wire/head.ts'
import type { Filter, HeaderEdits } from './filter.ts'
import type { RouteMatch } from './route.ts'
import { editPath, rewriteUrl } from './url-rewrite.ts'

/** Why a request does not go on to a backend. */
export type FilterVerdict =
  | { readonly kind: 'redirect'; readonly status: number; readonly location: string }
  | { readonly kind: 'httpFailure'; readonly status: number; readonly message: string }
  | { readonly kind: 'grpcFailure'; readonly code: number; readonly message: string }
  /** 500: the policy asks for what cannot be done. */
  | { readonly kind: 'error'; readonly message: string }

/** The request's own URL, as far as redirects look at it. Latin1 strings. */
export interface RequestUrl {
  readonly scheme: string
  readonly authority: string | undefined
  readonly path: string
  /** Without the question mark; empty when there is none. */
  readonly query: string
}

/**
 * Applies `filters` in order; once per attempt, since a filter may draw at random.
 *
 * @param match that won, for redirects and rewrites that replace the matched prefix
 * @param url is only called by a redirect
 * @returns `undefined` when the request goes on, otherwise how it is answered
 */
export function applyRequestFilters(
  filters: readonly Filter[],
  head: Head,
  match: RouteMatch | undefined,
  url: () => RequestUrl,
  random: () => number,
): FilterVerdict | undefined {
  for (let at = 0; at < filters.length; at++) {
    const filter = filters[at]!
    switch (filter.kind) {
      case 'requestHeaders':
        editHeaders(head, filter.edits)
        break
      case 'responseHeaders':
      // Copies are made once, not per attempt: `outbound/mirror.ts`.
      case 'mirror':
        break
      case 'redirect': {
        const verdict = redirect(filter, match, url())
        if (verdict !== undefined) return verdict
        break
      }
      case 'rewrite': {
        const problem = rewriteUrl(filter, head, match)
        if (problem !== undefined) return { kind: 'error', message: problem }
        break
      }
      case 'httpFailure':
        if (fails(filter.ratio, random)) return { kind: 'httpFailure', status: filter.status, message: filter.message }
        break
      case 'grpcFailure':
        if (fails(filter.ratio, random)) return { kind: 'grpcFailure', code: filter.code, message: filter.message }
        break
      case 'unsupported':
        return { kind: 'error', message: `${filter.what} is not supported by this version of the proxy` }
    }
  }
  return undefined
}

/** Applies the response header edits among `filters`. */
export function applyResponseFilters(filters: readonly Filter[], head: Head): void {
  for (let at = 0; at < filters.length; at++) {
    const filter = filters[at]!
    if (filter.kind === 'responseHeaders') editHeaders(head, filter.edits)
  }
}

/** Add, then set, then remove. */
export function editHeaders(head: Head, { add, set, remove }: HeaderEdits): void {
  for (const { name, value } of add) head.add(name, value)
  // A name that is set twice keeps both values: only what the request brought is replaced.
  for (const { name } of set) head.dropName(name)
  for (const { name, value } of set) head.add(name, value)
  for (const name of remove) head.dropName(name)
}

type Redirect = Filter & { kind: 'redirect' }

/** `undefined` when the location would be the request's own URL: a loop helps nobody. */
function redirect(filter: Redirect, match: RouteMatch | undefined, url: RequestUrl): FilterVerdict | undefined {
  const scheme = filter.scheme ?? url.scheme
  const authority = redirectAuthority(filter, scheme, url.authority)
  if (authority === undefined)
    return { kind: 'error', message: 'the redirect has no host and the request no authority' }
  const path = redirectPath(filter, match, url)
  if (path === undefined)
    return { kind: 'error', message: 'the redirect replaces a prefix, but the rule matched by none' }
  const location = `${scheme}://${authority}${path}`
  const own = `${url.scheme}://${dropDefaultPort(url.authority ?? '', url.scheme)}${pathAndQuery(url.path, url.query)}`
  return location === own ? undefined : { kind: 'redirect', status: filter.status, location }
}

/** A host alone keeps the request's port, a port alone keeps its host; the scheme's default port is left out. */
function redirectAuthority({ host, port }: Redirect, scheme: string, own: string | undefined): string | undefined {
  const [, ownHost, ownPort] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(own ?? '') ?? []
  const newHost = host ?? ownHost
  if (newHost === undefined || newHost === '') return undefined
  const newPort = port ?? (ownPort === undefined || ownPort === '' ? undefined : Number(ownPort))
  return dropDefaultPort(newPort === undefined ? newHost : `${newHost}:${newPort}`, scheme)
}

function dropDefaultPort(authority: string, scheme: string): string {
  const suffix = scheme === 'https' ? ':443' : scheme === 'http' ? ':80' : undefined
  return suffix !== undefined && authority.endsWith(suffix) ? authority.slice(0, -suffix.length) : authority
}

function redirectPath({ path }: Redirect, match: RouteMatch | undefined, url: RequestUrl): string | undefined {
  if (path === undefined) return pathAndQuery(url.path, url.query)
  const edited = editPath(path, match, url.path)
  return edited === undefined || path.kind === 'full' ? edited : pathAndQuery(edited, url.query)
}

function pathAndQuery(path: string, query: string): string {
  return query === '' ? path : `${path}?${query}`
}

function fails(ratio: number, random: () => number): boolean {
  return ratio >= 1 || random() < ratio
}
