/** What the policy API says about one port of this pod, as read-only data. */
import type { DefaultPolicy } from '../../api/vocabulary.ts'
import type { Authentication, Authorization } from './authorization.ts'
import type { Filter } from './filter.ts'
import { defaultMeta, type InvalidPolicy, isDefault, type Meta } from './meta.ts'
import { type Network, network } from './network.ts'
import type { RateLimit } from './rate-limit.ts'
import type { Route, RouteTable, Rule } from './route.ts'
import { compileRoutes } from './route-match.ts'

export type InboundPolicy = InboundServer | InvalidPolicy

export interface InboundServer {
  readonly kind: 'server'
  /** The Server resource or default policy: labels `srv_group`, `srv_kind`, `srv_name`. */
  readonly meta: Meta
  readonly protocol: InboundProtocol
  /** For connections that are not HTTP. What HTTP routes allow is in the routes. */
  readonly authorizations: readonly Authorization[]
  /** For HTTP requests that are authorised. */
  readonly rateLimit: RateLimit | undefined
}

export type InboundProtocol =
  | { readonly kind: 'detect'; readonly timeoutMs: number; readonly table: RouteTable<InboundRoute> }
  | { readonly kind: 'http1'; readonly table: RouteTable<InboundRoute> }
  | { readonly kind: 'http2'; readonly table: RouteTable<InboundRoute> }
  | { readonly kind: 'grpc'; readonly table: RouteTable<InboundRoute> }
  | { readonly kind: 'opaque' }
  | { readonly kind: 'tls' }

export interface InboundRoute extends Route<InboundRule> {
  /** All that may use the route: its own, then the server's. */
  readonly authorizations: readonly Authorization[]
}

export interface InboundRule extends Rule {
  /** Applied after authorization. */
  readonly filters: readonly Filter[]
}

/**
 * Whether nothing but HTTP may reach the port: its policy says so, or has routes, filters or a rate limit, which raw bytes
 * would pass by.
 * The routes that a controller makes up by itself (everything; a probe's path) ask nothing of a request.
 */
export function isHttpOnly({ protocol, rateLimit }: InboundServer): boolean {
  switch (protocol.kind) {
    case 'detect':
      return (
        rateLimit !== undefined ||
        protocol.table.routes.some(
          ({ meta, rules }) => !isDefault(meta) || rules.some(({ filters }) => filters.length > 0),
        )
      )
    case 'http1':
    case 'http2':
    case 'grpc':
      return true
    case 'opaque':
    case 'tls':
      return false
  }
}

/**
 * Whether a request was let in as a health check of the kubelet, which decides over the pod's life: a rate limit that
 * others have used up must not end it.
 */
export function isProbe({ meta }: Authorization): boolean {
  return meta.name === 'probe' && isDefault(meta)
}

/** Whether nothing but the default policy `audit` lets somebody in: what other authorizations permit is found before it. */
export function isAudit({ meta }: Authorization): boolean {
  return meta.name === 'audit' && isDefault(meta)
}

const ALL_NETWORKS: readonly Network[] = [network('0.0.0.0/0'), network('::/0')]

/**
 * The server that holds until the controller has answered.
 *
 * @param isOpaque the port is in `LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION`
 */
export function defaultServer(
  policy: DefaultPolicy,
  isOpaque: boolean,
  clusterNetworks: readonly Network[],
  detectTimeoutMs: number,
): InboundServer {
  const meta = defaultMeta(policy)
  // Closed before a byte is read: nothing is allowed, so nothing needs to be detected.
  if (policy === 'deny')
    return { kind: 'server', meta, protocol: { kind: 'opaque' }, authorizations: [], rateLimit: undefined }
  const authentication: Authentication = policy.endsWith('-authenticated')
    ? { kind: 'meshTls', identities: new Set(), suffixes: [''] }
    : { kind: 'unauthenticated' }
  const networks = policy.startsWith('cluster-') ? clusterNetworks : ALL_NETWORKS
  const authorizations: readonly Authorization[] = [{ meta, networks, authentication }]
  const protocol: InboundProtocol = isOpaque
    ? { kind: 'opaque' }
    : { kind: 'detect', timeoutMs: detectTimeoutMs, table: defaultInboundTable(authorizations) }
  return { kind: 'server', meta, protocol, authorizations, rateLimit: undefined }
}

/** What holds instead of a policy that was refused: nobody gets in. */
export function invalidServer(detectTimeoutMs: number): InboundServer {
  const protocol: InboundProtocol = { kind: 'detect', timeoutMs: detectTimeoutMs, table: defaultInboundTable([]) }
  return { kind: 'server', meta: defaultMeta('invalid'), protocol, authorizations: [], rateLimit: undefined }
}

/** The one route of a server without routes: everybody whom the server allows, everywhere. */
export function defaultInboundTable(authorizations: readonly Authorization[]): RouteTable<InboundRoute> {
  return compileRoutes<InboundRoute>([
    { meta: defaultMeta('default'), hosts: [], rules: [{ matches: [], filters: [] }], authorizations },
  ])
}
