/** Inbound policies as messages. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '../../../api/duration.ts'
import { HttpMethod_Registered } from '../../../api/gen/http_types_pb.js'
import {
  type AuthnSchema,
  type AuthzSchema,
  type HttpRouteSchema,
  type ProxyProtocolSchema,
  type Server,
  ServerSchema,
} from '../../../api/gen/inbound_pb.js'
import { type Cidr, cidrToMessage } from '../../../api/ip.ts'
import type { Authorization, InboundPolicy } from '../model/inbound.ts'

type Authz = MessageInitShape<typeof AuthzSchema>
type HttpRoute = MessageInitShape<typeof HttpRouteSchema>

const DETECT_TIMEOUT_MS = 10_000

export function inboundMessage(policy: InboundPolicy): Server {
  return create(ServerSchema, {
    protocol: protocol(policy),
    authorizations: policy.authorizations.map(authzMessage),
    labels: defaultLabels(policy.defaultPolicy),
  })
}

function protocol({
  isOpaque,
  probePaths,
  probeNetworks,
}: InboundPolicy): MessageInitShape<typeof ProxyProtocolSchema> {
  if (isOpaque) return { kind: { case: 'opaque', value: {} } }
  const httpRoutes = [EVERYTHING, ...(probePaths.length === 0 ? [] : [probeRoute(probePaths, probeNetworks)])]
  return { kind: { case: 'detect', value: { timeout: durationFromMs(DETECT_TIMEOUT_MS), httpRoutes } } }
}

/** Grants nothing by itself: the authorizations of the server apply to it. */
const EVERYTHING: HttpRoute = {
  metadata: { kind: { case: 'default', value: 'default' } },
  rules: [{ matches: [{ path: { kind: { case: 'prefix', value: '/' } } }] }],
}

function probeRoute(paths: readonly string[], networks: readonly Cidr[]): HttpRoute {
  return {
    metadata: { kind: { case: 'default', value: 'probe' } },
    authorizations: [authzMessage({ name: 'probe', networks, clients: 'anyone' })],
    rules: [
      {
        matches: paths.map((path) => ({
          path: { kind: { case: 'exact', value: path } },
          method: { type: { case: 'registered', value: HttpMethod_Registered.GET } },
        })),
      },
    ],
  }
}

function authzMessage({ name, networks, clients }: Authorization): Authz {
  return {
    networks: networks.map((network) => ({ net: cidrToMessage(network) })),
    authentication: AUTHENTICATION[clients],
    metadata: { kind: { case: 'default', value: name } },
    labels: defaultLabels(name),
  }
}

const AUTHENTICATION: Readonly<Record<Authorization['clients'], MessageInitShape<typeof AuthnSchema>>> = {
  anyone: { permit: { case: 'unauthenticated', value: {} } },
  // A suffix of no parts matches every identity.
  meshTls: { permit: { case: 'meshTLS', value: { clients: { case: 'identities', value: { suffixes: [{}] } } } } },
}

function defaultLabels(name: string): Record<string, string> {
  return { group: '', kind: 'default', name }
}
