/**
 * Other paths and authorities for the backend: HTTPURLRewriteFilter and HTTPPathModifier of the Gateway API.
 *
 * What is written is checked where the policy is read, and what remains of the request was checked where it was read, so a
 * rewritten target is as sound as any other.
 */
import type { Head } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import type { Filter, PathEdit } from './filter.ts'
import type { RouteMatch } from './route.ts'

const AUTHORITY = token(':authority')
const PATH = token(':path')
const HOST = token('host')

/**
 * Applies `rewrite` to a request.
 *
 * @param match that won, for a path that replaces the matched prefix
 * @returns what is wrong with the policy; `undefined` when it was done
 */
export function rewriteUrl(
  { host, path }: Extract<Filter, { kind: 'rewrite' }>,
  head: Head,
  match: RouteMatch | undefined,
): string | undefined {
  const index = head.find(PATH)
  // The target of a CONNECT is where the client wants to be connected: it has no path, and its authority is no name of ours.
  if (index === -1) return undefined
  if (path !== undefined) {
    const target = head.valueAt(index)
    const queryAt = target.indexOf('?')
    const own = queryAt === -1 ? target : target.slice(0, queryAt)
    const edited = editPath(path, match, own)
    if (edited === undefined) return 'the URL rewrite replaces a prefix, but the rule matched by none'
    if (edited !== own) head.replace(index, queryAt === -1 ? edited : edited + target.slice(queryAt))
  }
  if (host !== undefined) setAuthority(head, host)
  return undefined
}

/**
 * The path that `edit` makes of `path`; `undefined` when there is no matched prefix to replace.
 *
 * Prefixes end where a segment does, so there is exactly one slash between what is written and what is kept. `//` at the
 * beginning would read as an authority (RFC 3986 §3.3): none is made, also not from `/prefix//rest`.
 */
export function editPath({ kind, value }: PathEdit, match: RouteMatch | undefined, path: string): string | undefined {
  // `OPTIONS *` asks about the server and has no path.
  if (path.charCodeAt(0) !== SLASH) return path
  if (kind === 'full') return value
  if (match?.kind !== 'http' || match.path?.kind !== 'prefix') return undefined
  const rest = path.slice(match.path.prefix.length)
  if (rest === '') return value === '' ? '/' : value
  let end = value.length
  while (end > 0 && value.charCodeAt(end - 1) === SLASH) end--
  if (end > 0) return value.slice(0, end) + rest
  let start = 0
  while (rest.charCodeAt(start + 1) === SLASH) start++
  return rest.slice(start)
}

const SLASH = 0x2f

function setAuthority(head: Head, host: string): void {
  const authority = head.find(AUTHORITY)
  if (authority !== -1) head.replace(authority, host)
  const own = head.find(HOST)
  if (own !== -1) head.replace(own, host)
  // A request of HTTP/1.0 may have had neither; with the pseudo-field alone every version has what it needs.
  else if (authority === -1) head.add('host', host)
}
