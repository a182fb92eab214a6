/** Inbound policies as messages. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '../../../api/duration.ts'
import {
  type AuthnSchema,
  type AuthzSchema,
  type GrpcRoute_FilterSchema,
  type GrpcRouteSchema,
  type HttpLocalRateLimitSchema,
  type HttpRoute_FilterSchema,
  type HttpRouteSchema,
  type ProxyProtocolSchema,
  type Server,
  ServerSchema,
} from '../../../api/gen/inbound_pb.js'
import { cidrToMessage } from '../../../api/ip.ts'
import type {
  Authorization,
  Clients,
  GrpcInboundFilter,
  GrpcInboundRoute,
  HttpInboundFilter,
  HttpInboundRoute,
  InboundPolicy,
  InboundProtocol,
  InboundRoute,
  RateLimit,
} from '../model/inbound.ts'
import type { Origin } from '../model/route.ts'
import {
  failureMessage,
  grpcMatchMessage,
  headersMessage,
  hostMessage,
  httpMatchMessage,
  metadataMessage,
  redirectMessage,
} from './route-message.ts'

const DETECT_TIMEOUT_MS = 10_000

/** The same message for the same policy: replicas share it. Nobody may change it. */
export function inboundMessage(policy: InboundPolicy): Server {
  let message = MESSAGES.get(policy)
  if (message === undefined) {
    const { server, protocol, authorizations } = policy
    message = create(ServerSchema, {
      protocol: protocolMessage(protocol),
      authorizations: authorizations.map(authzMessage),
      labels: { ...labelsOf(server), ...generationOf(server) },
    })
    MESSAGES.set(policy, message)
  }
  return message
}

const MESSAGES = new WeakMap<InboundPolicy, Server>()

function protocolMessage(protocol: InboundProtocol): MessageInitShape<typeof ProxyProtocolSchema> {
  switch (protocol.kind) {
    case 'detect': {
      const { routes, rateLimit } = protocol
      const value = {
        timeout: durationFromMs(DETECT_TIMEOUT_MS),
        httpRoutes: routes.map(httpRouteMessage),
        ...(rateLimit && { httpLocalRateLimit: rateLimitMessage(rateLimit) }),
      }
      return { kind: { case: 'detect', value } }
    }
    case 'http1':
    case 'http2': {
      const { kind, routes, rateLimit } = protocol
      const value = {
        routes: routes.map(httpRouteMessage),
        ...(rateLimit && { localRateLimit: rateLimitMessage(rateLimit) }),
      }
      return { kind: { case: kind, value } }
    }
    case 'grpc':
      return { kind: { case: 'grpc', value: { routes: protocol.routes.map(grpcRouteMessage) } } }
    case 'opaque':
    case 'tls':
      return { kind: { case: protocol.kind, value: {} } }
  }
}

function httpRouteMessage(route: HttpInboundRoute): MessageInitShape<typeof HttpRouteSchema> {
  return {
    ...routeHead(route),
    rules: route.rules.map(({ matches, filters }) => ({
      matches: matches.map(httpMatchMessage),
      filters: filters.map(httpFilterMessage),
    })),
  }
}

function grpcRouteMessage(route: GrpcInboundRoute): MessageInitShape<typeof GrpcRouteSchema> {
  return {
    ...routeHead(route),
    rules: route.rules.map(({ matches, filters }) => ({
      matches: matches.map(grpcMatchMessage),
      filters: filters.map(grpcFilterMessage),
    })),
  }
}

function routeHead({ origin, hosts, authorizations }: InboundRoute<unknown, unknown>) {
  return {
    metadata: metadataMessage(origin),
    hosts: hosts.map(hostMessage),
    authorizations: authorizations.map(authzMessage),
  }
}

function httpFilterMessage(filter: HttpInboundFilter): MessageInitShape<typeof HttpRoute_FilterSchema> {
  switch (filter.kind) {
    case 'requestHeaders':
      return { kind: { case: 'requestHeaderModifier', value: headersMessage(filter.edits) } }
    case 'redirect':
      return { kind: { case: 'redirect', value: redirectMessage(filter) } }
    case 'failure':
      return { kind: { case: 'failureInjector', value: failureMessage(filter) } }
  }
}

/** INTERNAL: what proxies answer gRPC in place of 500. */
const GRPC_INTERNAL = 13

function grpcFilterMessage(filter: GrpcInboundFilter): MessageInitShape<typeof GrpcRoute_FilterSchema> {
  switch (filter.kind) {
    case 'requestHeaders':
      return { kind: { case: 'requestHeaderModifier', value: headersMessage(filter.edits) } }
    case 'failure':
      return { kind: { case: 'failureInjector', value: { code: GRPC_INTERNAL, message: filter.message } } }
  }
}

function rateLimitMessage(limit: RateLimit): MessageInitShape<typeof HttpLocalRateLimitSchema> {
  const { origin, total, identity, overrides } = limit
  return {
    metadata: metadataMessage(origin),
    ...(total !== undefined && { total: { requestsPerSecond: total } }),
    ...(identity !== undefined && { identity: { requestsPerSecond: identity } }),
    overrides: overrides.map(({ requestsPerSecond, identities }) => ({
      limit: { requestsPerSecond },
      clients: { identities: identities.map((name) => ({ name })) },
    })),
  }
}

function authzMessage(authorization: Authorization): MessageInitShape<typeof AuthzSchema> {
  const { origin, networks, clients } = authorization
  return {
    networks: networks.map(({ net, except }) => ({ net: cidrToMessage(net), except: except.map(cidrToMessage) })),
    authentication: authnMessage(clients),
    metadata: metadataMessage(origin),
    labels: labelsOf(origin),
  }
}

function authnMessage(clients: Clients): MessageInitShape<typeof AuthnSchema> {
  switch (clients.kind) {
    case 'anyone':
      return { permit: { case: 'unauthenticated', value: {} } }
    case 'tls':
      return { permit: { case: 'meshTLS', value: { clients: { case: 'unauthenticated', value: {} } } } }
    case 'identities': {
      const { exact, suffixes } = clients.identities
      const value = {
        identities: exact.map((name) => ({ name })),
        // A suffix of no parts matches every identity.
        suffixes: suffixes.map((suffix) => ({ parts: suffix === '' ? [] : suffix.split('.') })),
      }
      return { permit: { case: 'meshTLS', value: { clients: { case: 'identities', value } } } }
    }
  }
}

/** A server has no metadata: what proxies explain themselves by goes with its labels, of which they read those they know. */
function generationOf(server: Origin): Record<string, string> {
  return server.kind === 'default' ? {} : { weft_generation: String(server.resource.generation) }
}

/** What proxies put on their metrics. */
function labelsOf(origin: Origin): Record<string, string> {
  if (origin.kind === 'default') return { group: '', kind: 'default', name: origin.name }
  const { group, kind, name } = origin.resource
  return { group, kind, name }
}
