/** `inbound.proto` to `InboundPolicy`. */
import type {
  Authn,
  Authn_PermitMeshTLS,
  Authz,
  GrpcRoute,
  GrpcRoute_Filter,
  HttpLocalRateLimit,
  HttpRoute,
  HttpRoute_Filter,
  Network as NetworkMessage,
  Server,
} from '../../../api/gen/inbound_pb.js'
import type { IPNetwork } from '../../../api/gen/net_pb.js'
import { cidrFromMessage } from '../../../api/ip.ts'
import { type Authentication, type Authorization, LOCALHOST } from '../../policy/authorization.ts'
import type { Filter } from '../../policy/filter.ts'
import {
  defaultInboundTable,
  type InboundPolicy,
  type InboundProtocol,
  type InboundRoute,
} from '../../policy/inbound-policy.ts'
import { defaultMeta, describeMeta } from '../../policy/meta.ts'
import { type CompiledCidr, compileCidr, type Network } from '../../policy/network.ts'
import type { RateLimit } from '../../policy/rate-limit.ts'
import type { RouteMatch, RouteTable } from '../../policy/route.ts'
import { compileRoutes } from '../../policy/route-match.ts'
import { grpcFailureOf, headerModifierOf, httpFailureOf, redirectOf, unsupported } from './filter.ts'
import { grpcMatchOf, hostOf, httpMatchOf } from './match.ts'
import { metaOf, metaOfLabels } from './meta.ts'
import { orInvalid, Refused, required, requiredMs, within } from './refused.ts'

export function inboundPolicyOf(message: Server): InboundPolicy {
  return orInvalid(() => {
    const meta = metaOfLabels(message.labels, 'server')
    return within(describeMeta(meta), () => {
      const authorizations = [...message.authorizations.map(authorizationOf), LOCALHOST]
      const protocol = protocolOf(message, authorizations)
      return { kind: 'server', meta, authorizations, protocol, rateLimit: rateLimitOf(message) }
    })
  })
}

function protocolOf(message: Server, authorizations: readonly Authorization[]): InboundProtocol {
  const { kind } = required(message.protocol, 'protocol')
  switch (kind.case) {
    case 'detect': {
      const { timeout, httpRoutes } = kind.value
      const table = httpTableOf(httpRoutes, authorizations)
      return { kind: 'detect', timeoutMs: requiredMs(timeout, 'detect timeout'), table }
    }
    case 'http1':
    case 'http2':
      return { kind: kind.case, table: httpTableOf(kind.value.routes, authorizations) }
    case 'grpc':
      return {
        kind: 'grpc',
        table: tableOf(
          kind.value.routes.map((route) => grpcRouteOf(route, authorizations)),
          authorizations,
        ),
      }
    case 'opaque':
    case 'tls':
      return { kind: kind.case }
    case undefined:
      throw new Refused('the protocol is of a kind this version does not know')
  }
}

function httpTableOf(routes: readonly HttpRoute[], server: readonly Authorization[]): RouteTable<InboundRoute> {
  return tableOf(
    routes.map((route) => httpRouteOf(route, server)),
    server,
  )
}

function tableOf(routes: readonly InboundRoute[], server: readonly Authorization[]): RouteTable<InboundRoute> {
  return routes.length === 0 ? defaultInboundTable(server) : compileRoutes(routes)
}

function httpRouteOf(message: HttpRoute, server: readonly Authorization[]): InboundRoute {
  return routeOf(message, server, (rule) => ({
    matches: rule.matches.map(httpMatchOf),
    filters: rule.filters.map(httpFilterOf),
  }))
}

function grpcRouteOf(message: GrpcRoute, server: readonly Authorization[]): InboundRoute {
  return routeOf(message, server, (rule) => ({
    matches: rule.matches.map(grpcMatchOf),
    filters: rule.filters.map(grpcFilterOf),
  }))
}

function routeOf<R extends HttpRoute | GrpcRoute>(
  { metadata, hosts, authorizations, rules }: R,
  server: readonly Authorization[],
  ruleOf: (rule: R['rules'][number]) => { matches: RouteMatch[]; filters: Filter[] },
): InboundRoute {
  const meta = metaOf(metadata, 'a route', false)
  return within(describeMeta(meta), () => ({
    meta,
    hosts: hosts.map(hostOf),
    rules: rules.map(ruleOf),
    // A route can only add to what the server allows, never narrow it.
    authorizations: [...authorizations.map(authorizationOf), ...server],
  }))
}

// Unlike everywhere else a filter that was not understood fails its rule only: 500.
const UNKNOWN_FILTER = unsupported('a filter of an unknown kind')

function httpFilterOf({ kind }: HttpRoute_Filter): Filter {
  switch (kind.case) {
    case 'failureInjector':
      return httpFailureOf(kind.value)
    case 'requestHeaderModifier':
      return headerModifierOf('requestHeaders', kind.value)
    case 'redirect':
      return redirectOf(kind.value)
    case undefined:
      return UNKNOWN_FILTER
  }
}

function grpcFilterOf({ kind }: GrpcRoute_Filter): Filter {
  switch (kind.case) {
    case 'failureInjector':
      return grpcFailureOf(kind.value)
    case 'requestHeaderModifier':
      return headerModifierOf('requestHeaders', kind.value)
    case undefined:
      return UNKNOWN_FILTER
  }
}

function rateLimitOf({ protocol }: Server): RateLimit | undefined {
  switch (protocol?.kind.case) {
    case 'detect':
      return limitOf(protocol.kind.value.httpLocalRateLimit)
    case 'http1':
    case 'http2':
      return limitOf(protocol.kind.value.localRateLimit)
    // The API has no place for one.
    case 'grpc':
    case 'opaque':
    case 'tls':
    case undefined:
      return undefined
  }
}

function limitOf(message: HttpLocalRateLimit | undefined): RateLimit | undefined {
  if (message === undefined) return undefined
  const meta =
    message.metadata === undefined ? defaultMeta('ratelimit') : metaOf(message.metadata, 'a rate limit', false)
  const total = message.total?.requestsPerSecond ?? 0
  const identity = message.identity?.requestsPerSecond ?? 0
  const overrides = message.overrides.flatMap(({ limit, clients }) => {
    const requestsPerSecond = limit?.requestsPerSecond ?? 0
    const identities = clients?.identities.map(({ name }) => name).filter((name) => name !== '') ?? []
    return requestsPerSecond > 0 && identities.length > 0 ? [{ requestsPerSecond, identities }] : []
  })
  return total > 0 || identity > 0 || overrides.length > 0 ? { meta, total, identity, overrides } : undefined
}

function authorizationOf(message: Authz): Authorization {
  const meta =
    message.metadata === undefined
      ? metaOfLabels(message.labels, 'serverauthorization')
      : metaOf(message.metadata, 'an authorization', false)
  return within(`authorization ${meta.name}`, () => {
    if (message.networks.length === 0) throw new Refused('it names no networks')
    return {
      meta,
      networks: message.networks.map(networkOf),
      authentication: authenticationOf(required(message.authentication, 'authentication')),
    }
  })
}

function networkOf({ net, except }: NetworkMessage): Network {
  return { cidr: cidrOf(required(net, 'a network')), except: except.map(cidrOf) }
}

function cidrOf(message: IPNetwork): CompiledCidr {
  const cidr = cidrFromMessage(message)
  if (cidr === undefined) throw new Refused(`a network has no address or an impossible prefix (${message.prefixLen})`)
  return compileCidr(cidr)
}

function authenticationOf({ permit }: Authn): Authentication {
  switch (permit.case) {
    case 'unauthenticated':
      return { kind: 'unauthenticated' }
    case 'meshTLS':
      return meshTlsOf(permit.value)
    case undefined:
      throw new Refused('authentication is of a kind this version does not know')
  }
}

function meshTlsOf({ clients }: Authn_PermitMeshTLS): Authentication {
  switch (clients.case) {
    case 'unauthenticated':
      return { kind: 'tls' }
    case 'identities':
      return {
        kind: 'meshTls',
        identities: new Set(clients.value.identities.map(({ name }) => name)),
        suffixes: clients.value.suffixes.map(({ parts }) => (parts.length === 0 ? '' : `.${parts.join('.')}`)),
      }
    case undefined:
      throw new Refused('mesh TLS is required of clients of a kind this version does not know')
  }
}
