/** What a rule does to a request before it reaches a backend. Plain data; `filters.ts` applies it. */

import type { Backend } from './outbound-policy.ts'

export interface HeaderField {
  /** In lower case. */
  readonly name: string
  /** Latin1 reading of the bytes. */
  readonly value: string
}

/** Applied in this order: add, set, remove. */
export interface HeaderEdits {
  readonly add: readonly HeaderField[]
  readonly set: readonly HeaderField[]
  readonly remove: readonly string[]
}

/** Another path: whole, or in place of the prefix that the rule matched by. The query is not part of it. */
export interface PathEdit {
  readonly kind: 'full' | 'prefix'
  readonly value: string
}

/** The share of requests that fail: 1 is all of them. */
export type FailureRatio = number

export type Filter =
  | { readonly kind: 'requestHeaders'; readonly edits: HeaderEdits }
  | { readonly kind: 'responseHeaders'; readonly edits: HeaderEdits }
  | {
      readonly kind: 'redirect'
      readonly scheme: string | undefined
      readonly host: string | undefined
      readonly port: number | undefined
      readonly path: PathEdit | undefined
      readonly status: number
    }
  | {
      readonly kind: 'rewrite'
      /** Becomes `:authority` and Host. */
      readonly host: string | undefined
      readonly path: PathEdit | undefined
    }
  | {
      readonly kind: 'mirror'
      readonly backend: Backend
      /** The share of requests that are copied. */
      readonly ratio: number
    }
  | {
      readonly kind: 'httpFailure'
      readonly status: number
      readonly message: string
      readonly ratio: FailureRatio
    }
  | {
      readonly kind: 'grpcFailure'
      readonly code: number
      readonly message: string
      readonly ratio: FailureRatio
    }
  | Unsupported

/**
 * Something the policy asks for that this version cannot do. Wherever it stands in the message, it becomes a filter in
 * front of everything it concerns, so that those requests fail with a clear error and nothing is left out in silence.
 */
export interface Unsupported {
  readonly kind: 'unsupported'
  readonly what: string
}

/** Filters of opaque and TLS routes: both refuse the connection. */
export type ConnectionFilter =
  | { readonly kind: 'invalid'; readonly message: string }
  | { readonly kind: 'forbidden' }
  | Unsupported
