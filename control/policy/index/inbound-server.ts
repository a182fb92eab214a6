/** What a Server says about its port, whichever of its workloads is asked. */
import type { Kind } from '../../../api/resources/kinds.ts'
import { POLICY_GROUP } from '../../../api/resources/reference.ts'
import { PROXY_PROTOCOLS, type ProxyProtocol, type Server } from '../../../api/resources/server.ts'
import { DefaultPolicy } from '../../../api/vocabulary.ts'
import type { Cluster, Derived } from '../../cluster/cluster.ts'
import type {
  Authorization,
  GrpcInboundRoute,
  HttpInboundRoute,
  InboundProtocol,
  InboundRoute,
  RateLimit,
} from '../model/inbound.ts'
import type { Failure, Origin } from '../model/route.ts'
import { AUTHORIZATION_KINDS, serverAuthorizations } from './authorizations.ts'
import { defaultAuthorizations, parseDefaultPolicy } from './default-policy.ts'
import { serverRoutes } from './inbound-routes.ts'
import { rateLimitOf } from './rate-limits.ts'
import { ROUTE_KINDS } from './route-attachment.ts'
import { failure } from './route-filter.ts'
import { unknownBelow } from './unknown-fields.ts'

export interface ServerPolicy {
  readonly server: Origin
  readonly protocol: InboundProtocol['kind']
  readonly authorizations: readonly Authorization[]
  readonly http: readonly HttpInboundRoute[]
  readonly grpc: readonly GrpcInboundRoute[]
  readonly rateLimit?: RateLimit
  /** Set when no request may pass, whoever sends it: why. */
  readonly failure?: string
  readonly problems: readonly string[]
}

/** The kinds that `serverPolicyOf` reads. */
export const SERVER_POLICY_KINDS: readonly Kind[] = [
  'Server',
  ...AUTHORIZATION_KINDS,
  ...ROUTE_KINDS,
  'HTTPLocalRateLimitPolicy',
]

/** Computed once for all workloads of the Server. */
export function serverPolicyOf(cluster: Cluster, server: Server): ServerPolicy {
  const known = cluster.derived(SERVER_POLICIES)
  let policy = known.get(server)
  if (policy === undefined) {
    policy = compute(cluster, server)
    known.set(server, policy)
  }
  return policy
}

const SERVER_POLICIES: Derived<WeakMap<Server, ServerPolicy>> = {
  kinds: SERVER_POLICY_KINDS,
  compute: () => new WeakMap(),
}

const PROTOCOLS: { readonly [P in ProxyProtocol]: InboundProtocol['kind'] } = {
  unknown: 'detect',
  'HTTP/1': 'http1',
  'HTTP/2': 'http2',
  gRPC: 'grpc',
  opaque: 'opaque',
  TLS: 'tls',
}

function compute(cluster: Cluster, server: Server): ServerPolicy {
  const { namespace, name, generation } = server.metadata
  const { proxyProtocol, accessPolicy } = server.spec
  const at = `Server ${namespace}/${name}: `
  const origin: Origin = {
    kind: 'resource',
    resource: { group: POLICY_GROUP, kind: 'server', namespace: '', name, generation },
  }
  const problems = unknownBelow(server, 'spec').map(
    (field) => `${at}${field}: this version does not know the field and does without it`,
  )
  const protocol = PROXY_PROTOCOLS.find((known) => known === proxyProtocol)
  if (protocol === undefined) {
    problems.push(
      `${at}spec.proxyProtocol: "${proxyProtocol.slice(0, 100)}" is not ${PROXY_PROTOCOLS.join(', ')}; its port denies everything until that is corrected`,
    )
    return { server: origin, protocol: 'detect', authorizations: [], http: [], grpc: [], problems }
  }
  const access = parseDefaultPolicy(accessPolicy)
  if (access === undefined) {
    problems.push(
      `${at}spec.accessPolicy: "${accessPolicy.slice(0, 100)}" is not ${Object.values(DefaultPolicy).join(', ')}; it means deny until that is corrected`,
    )
  }
  const granted = serverAuthorizations(cluster, server)
  const routes = serverRoutes(cluster, server)
  const rate = rateLimitOf(cluster, server)
  problems.push(...granted.problems, ...routes.problems, ...rate.problems)
  return {
    server: origin,
    protocol: PROTOCOLS[protocol],
    // Whoever a policy admits is not a matter of the default, which may be one that logs what it lets through.
    authorizations: [...granted.authorizations, ...defaultAuthorizations(cluster.config, access ?? DefaultPolicy.deny)],
    http: routes.http,
    grpc: routes.grpc,
    ...(typeof rate.limit === 'string' && { failure: rate.limit }),
    ...(typeof rate.limit === 'object' && { rateLimit: rate.limit }),
    problems,
  }
}

/** The same routes, whose requests all fail. */
export function failing<Match, Filter>(
  routes: readonly InboundRoute<Match, Filter>[],
  message: string | undefined,
): readonly InboundRoute<Match, Filter | Failure>[] {
  if (message === undefined) return routes
  return routes.map((route) => ({
    ...route,
    rules: route.rules.map(({ matches }) => ({ matches, filters: [failure(message)] })),
  }))
}
