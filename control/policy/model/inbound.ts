/** What a server's proxy does with connections to one port. Plain data, in the terms of the policy API. */
import type { Cidr } from '../../../api/ip.ts'
import type { GrpcMatch, HostMatch, HttpMatch, Origin, RouteFilter } from './route.ts'

export interface InboundPolicy {
  /** The Server that decides, or the default policy where none does. */
  readonly server: Origin
  readonly protocol: InboundProtocol
  readonly authorizations: readonly Authorization[]
}

export type InboundProtocol =
  | {
      /** `detect` is HTTP where it looks like it, and bytes otherwise. */
      readonly kind: 'detect' | 'http1' | 'http2'
      readonly routes: readonly HttpInboundRoute[]
      readonly rateLimit?: RateLimit
    }
  | { readonly kind: 'grpc'; readonly routes: readonly GrpcInboundRoute[] }
  /** `tls` is the application's own TLS. */
  | { readonly kind: 'opaque' | 'tls' }

export type HttpInboundRoute = InboundRoute<HttpMatch, HttpInboundFilter>
export type GrpcInboundRoute = InboundRoute<GrpcMatch, GrpcInboundFilter>

/** Without hosts it matches any. Its authorizations are in addition to those of the server. */
export interface InboundRoute<Match, Filter> {
  readonly origin: Origin
  readonly hosts: readonly HostMatch[]
  readonly authorizations: readonly Authorization[]
  readonly rules: readonly InboundRule<Match, Filter>[]
}
/** Without matches it matches everything. */
export interface InboundRule<Match, Filter> {
  readonly matches: readonly Match[]
  readonly filters: readonly Filter[]
}
/** What the inbound API has a place for. */
export type HttpInboundFilter = Extract<RouteFilter<never>, { kind: 'requestHeaders' | 'redirect' | 'failure' }>
export type GrpcInboundFilter = Extract<RouteFilter<never>, { kind: 'requestHeaders' | 'failure' }>

/** Permits clients that come from one of the networks and show what is asked. */
export interface Authorization {
  readonly origin: Origin
  readonly networks: readonly AuthorizedNetwork[]
  readonly clients: Clients
}
export interface AuthorizedNetwork {
  readonly net: Cidr
  readonly except: readonly Cidr[]
}
export type Clients =
  | { readonly kind: 'anyone' }
  /** Mesh TLS, also without an identity. */
  | { readonly kind: 'tls' }
  | { readonly kind: 'identities'; readonly identities: Identities }

export interface Identities {
  /** DNS names or SPIFFE ids. */
  readonly exact: readonly string[]
  /** `shop.serviceaccount…` permits every name that ends with `.shop.serviceaccount…`; the empty one is every name. */
  readonly suffixes: readonly string[]
}

/** Requests per second that each proxy admits. */
export interface RateLimit {
  readonly origin: Origin
  readonly total?: number
  readonly identity?: number
  readonly overrides: readonly { readonly requestsPerSecond: number; readonly identities: readonly string[] }[]
}
