/**
 * Routes and what they match, shared by outbound and inbound policy, HTTPRoute and GRPCRoute.
 * Plain data; `route-match.ts` decides, and compiles a list of routes into the `RouteTable` it decides over.
 */

import type { RoutePattern } from '../../api/regex.ts'
import type { Meta } from './meta.ts'
import type { RouteIndex } from './route-index.ts'

/** Hosts are in lower case and without a trailing dot. A suffix begins with a dot: `*.example.com` is `.example.com`. */
export type HostMatch =
  | { readonly kind: 'exact'; readonly host: string }
  | { readonly kind: 'suffix'; readonly suffix: string }

/** Strings are latin1 readings of bytes, as heads give them. A prefix has no trailing slashes, `/` is the empty one. */
export type PathMatch =
  | { readonly kind: 'exact'; readonly path: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'regex'; readonly pattern: RoutePattern }

export type ValueMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'regex'; readonly pattern: RoutePattern }

/** A header (name in lower case) or a query parameter; one of its values has to match. */
export interface NamedMatch {
  readonly name: string
  readonly value: ValueMatch
}

export type RouteMatch =
  | {
      readonly kind: 'http'
      readonly path: PathMatch | undefined
      readonly headers: readonly NamedMatch[]
      readonly query: readonly NamedMatch[]
      readonly method: string | undefined
    }
  | {
      readonly kind: 'grpc'
      /** Full service name; empty for any. */
      readonly service: string
      /** Method name; empty for any. */
      readonly method: string
      readonly headers: readonly NamedMatch[]
    }

/** Without matches a rule matches every request. */
export interface Rule {
  readonly matches: readonly RouteMatch[]
}

/** Without hosts a route matches any authority. */
export interface Route<R extends Rule = Rule> {
  readonly meta: Meta
  readonly hosts: readonly HostMatch[]
  readonly rules: readonly R[]
}

/** What was found, made once per rule and match so that finding it allocates nothing. */
export interface RouteHit<T extends Route = Route> {
  readonly route: T
  readonly rule: T['rules'][number]
  /** The match that won; `undefined` for a rule without matches. */
  readonly match: RouteMatch | undefined
}

export interface RouteTable<T extends Route = Route> {
  readonly routes: readonly T[]
  /** All that may be found, in the order of the list. */
  readonly candidates: readonly RouteCandidate<T>[]
  readonly index: RouteIndex<T>
  /** Set when every request gets the same answer: the request need not be looked at. */
  readonly always: RouteHit<T> | undefined
}

export interface RouteCandidate<T extends Route = Route> {
  readonly route: T
  readonly hits: readonly RouteHit<T>[]
}
