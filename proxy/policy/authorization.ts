/**
 * Who may use a port or a route: a client that comes from one of the networks and shows what is required.
 * Follows policy.linkerd.io; a MeshTLSAuthentication becomes `meshTls`.
 */
import type { Meta } from './meta.ts'
import { type Ip, isInNetworks, type Network, network } from './network.ts'

/** What a client has to show. */
export type Authentication =
  | { readonly kind: 'unauthenticated' }
  | { readonly kind: 'tls' }
  | {
      readonly kind: 'meshTls'
      /** DNS names or URIs, exactly. */
      readonly identities: ReadonlySet<string>
      /** `.ns.serviceaccount…`, for DNS names only; the empty suffix is every DNS name. */
      readonly suffixes: readonly string[]
    }

/** What a client showed: nothing, mesh TLS without a certificate, or its identity. */
export type ClientTls =
  | { readonly kind: 'none' }
  | { readonly kind: 'tls' }
  | { readonly kind: 'meshTls'; readonly identity: string }

export interface Client {
  readonly ip: Ip
  readonly tls: ClientTls
}

export interface Authorization {
  readonly meta: Meta
  readonly networks: readonly Network[]
  readonly authentication: Authentication
}

/** The first authorization that permits the client; `undefined` denies. */
export function authorize(authorizations: readonly Authorization[], client: Client): Authorization | undefined {
  for (let at = 0; at < authorizations.length; at++) {
    const authorization = authorizations[at]!
    if (denialOf(authorization, client) === undefined) return authorization
  }
  return undefined
}

/** What keeps an authorization from permitting the client; `undefined` when it does. */
export function denialOf(authorization: Authorization, client: Client): 'identity' | 'network' | undefined {
  if (!isAuthenticated(authorization.authentication, client.tls)) return 'identity'
  return isInNetworks(authorization.networks, client.ip) ? undefined : 'network'
}

// No default branch: with a declared return type, a new kind fails to compile wherever it is decided.
export function isAuthenticated(required: Authentication, tls: ClientTls): boolean {
  switch (required.kind) {
    case 'unauthenticated':
      return true
    case 'tls':
      return tls.kind !== 'none'
    case 'meshTls':
      return (
        tls.kind === 'meshTls' && (required.identities.has(tls.identity) || hasSuffix(required.suffixes, tls.identity))
      )
  }
}

/** Every server a controller describes lets its own pod in, whatever else it says. */
export const LOCALHOST: Authorization = {
  meta: { group: '', kind: 'default', namespace: '', name: 'localhost', section: '', port: 0 },
  networks: [network('127.0.0.1/32'), network('::1/128')],
  authentication: { kind: 'unauthenticated' },
}

function hasSuffix(suffixes: readonly string[], identity: string): boolean {
  if (suffixes.length === 0 || identity.includes('://')) return false
  for (let at = 0; at < suffixes.length; at++) if (identity.endsWith(suffixes[at]!)) return true
  return false
}
