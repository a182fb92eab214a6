/** Routes of both sides of the wire, as plain data in the terms of the policy API. */

/** The object that something came from, or the name of a default. */
export type Origin =
  | { readonly kind: 'default'; readonly name: string }
  | {
      readonly kind: 'resource'
      readonly resource: ResourceName
      /** Of a Service or EgressNetwork. */
      readonly port?: number
    }

export interface ResourceName {
  /** `core` for Kubernetes' own kinds. */
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly generation: number
}

/** In lower case; `*.example.com` is the suffix `example.com`. */
export type HostMatch =
  | { readonly kind: 'exact'; readonly host: string }
  | { readonly kind: 'suffix'; readonly suffix: string }

export type TextMatch = { readonly kind: 'exact' | 'regex'; readonly value: string }
export type PathMatch = { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string }
export interface NamedMatch {
  readonly name: string
  readonly value: TextMatch
}

/** All given parts must hold. */
export interface HttpMatch {
  readonly path?: PathMatch
  readonly headers: readonly NamedMatch[]
  readonly query: readonly NamedMatch[]
  readonly method?: string
}
export interface GrpcMatch {
  /** Empty for any. */
  readonly service: string
  readonly method: string
  readonly headers: readonly NamedMatch[]
}

/**
 * @typeParam Backend what requests can be copied to; `never` on the inbound side
 */
export type RouteFilter<Backend> =
  | { readonly kind: 'requestHeaders'; readonly edits: HeaderEdits }
  | { readonly kind: 'responseHeaders'; readonly edits: HeaderEdits }
  | {
      readonly kind: 'redirect'
      readonly scheme?: string
      readonly host?: string
      readonly port?: number
      readonly path?: PathEdit
      readonly status: number
    }
  | { readonly kind: 'rewrite'; readonly host?: string; readonly path?: PathEdit }
  | { readonly kind: 'mirror'; readonly backend: Backend; readonly ratio?: Ratio }
  | Failure

/** Answers in place of a backend. */
export interface Failure {
  readonly kind: 'failure'
  readonly status: number
  /** In gRPC routes. */
  readonly grpcCode: number
  readonly message: string
}
export interface HeaderEdits {
  readonly add: readonly HeaderField[]
  readonly set: readonly HeaderField[]
  readonly remove: readonly string[]
}
export interface HeaderField {
  readonly name: string
  readonly value: string
}
export interface PathEdit {
  readonly kind: 'full' | 'prefix'
  readonly value: string
}
export interface Ratio {
  readonly numerator: number
  readonly denominator: number
}

/** What was not understood, and what became of it: for log, metric and status. */
export interface Problem {
  /** Path of the field in its object, such as `spec.rules[0].filters[1].type`. */
  readonly field: string
  readonly message: string
}
