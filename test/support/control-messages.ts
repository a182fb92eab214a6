/** The answers of the control stub: services in, messages out, shaped as Linkerd's controllers send them. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '../../api/duration.ts'
import type {
  DestinationProfileSchema,
  RetryBudgetSchema,
  RouteSchema,
  UpdateSchema,
  WeightedAddrSchema,
  WeightedDstSchema,
} from '../../api/gen/destination_pb.js'
import { type Server, ServerSchema } from '../../api/gen/inbound_pb.js'
import type { MetadataSchema } from '../../api/gen/meta_pb.js'
import { type BackendSchema, type OutboundPolicy, OutboundPolicySchema } from '../../api/gen/outbound_pb.js'
import { cidrToMessage, parseCidr, parseSocketAddress, tcpAddressToMessage } from '../../api/ip.ts'
import { Port } from '../../api/vocabulary.ts'

export interface StubEndpoint {
  /** `10.77.0.3:8080` */
  readonly address: string
  /** Mesh identity; without it the endpoint counts as unmeshed and is reached in plain text. */
  readonly identity?: string
  readonly labels?: Readonly<Record<string, string>>
}

export interface StubService {
  /** `echo.bench.svc.cluster.local:8080`: the path of `Destination.Get`. */
  readonly name: string
  /** `10.78.0.1:8080`: the original destination under which it is found. */
  readonly address: string
  readonly isOpaque?: boolean
  readonly endpoints: readonly StubEndpoint[]
  /** Routes, budget and overrides of the service's profile. */
  readonly profile?: StubProfile
}

export interface StubProfile {
  readonly routes?: MessageInitShape<typeof RouteSchema>[]
  readonly retryBudget?: MessageInitShape<typeof RetryBudgetSchema>
  readonly dstOverrides?: MessageInitShape<typeof WeightedDstSchema>[]
}

const FULL_WEIGHT = 10_000
const QUEUE = { capacity: 100, failfastTimeout: durationFromMs(3_000) }
const RETRY_BUDGET = { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: durationFromMs(10_000) }

/** What a watcher of `Destination.Get` is told: all endpoints, then those that are gone. */
export function endpointsUpdate(
  service: StubService,
  gone: readonly StubEndpoint[],
): MessageInitShape<typeof UpdateSchema>[] {
  const { name, namespace } = serviceParts(service)
  const updates: MessageInitShape<typeof UpdateSchema>[] = []
  if (service.endpoints.length > 0) {
    const addrs = service.endpoints.map((endpoint) => weightedAddress(service, endpoint))
    updates.push({ update: { case: 'add', value: { addrs, metricLabels: { service: name, namespace } } } })
  } else if (gone.length === 0) {
    updates.push({ update: { case: 'noEndpoints', value: { exists: true } } })
  }
  if (gone.length > 0) {
    updates.push({ update: { case: 'remove', value: { addrs: gone.map(({ address }) => socketAddress(address)) } } })
  }
  return updates
}

function weightedAddress(
  { isOpaque = false }: StubService,
  { address, identity, labels = {} }: StubEndpoint,
): MessageInitShape<typeof WeightedAddrSchema> {
  return {
    addr: socketAddress(address),
    weight: FULL_WEIGHT,
    metricLabels: labels,
    ...(identity === undefined
      ? {}
      : {
          tlsIdentity: {
            strategy: { case: 'dnsLikeIdentity' as const, value: { name: identity } },
            serverName: { name: identity },
          },
          protocolHint: {
            protocol: isOpaque ? { case: 'opaque' as const, value: {} } : { case: 'h2' as const, value: {} },
            opaqueTransport: { inboundPort: Port.inbound },
          },
        }),
  }
}

/** The profile of a service, or of an address that belongs to none: then it is its own single endpoint. */
export function serviceProfile(
  service: StubService | undefined,
  path: string,
  opaquePorts: ReadonlySet<number>,
): MessageInitShape<typeof DestinationProfileSchema> {
  if (service !== undefined) {
    return {
      fullyQualifiedName: service.name.replace(/:\d+$/, ''),
      opaqueProtocol: service.isOpaque ?? false,
      retryBudget: RETRY_BUDGET,
      ...service.profile,
    }
  }
  const address = parseSocketAddress(path)
  if (address === undefined) return {}
  return {
    endpoint: { addr: tcpAddressToMessage(address), weight: FULL_WEIGHT },
    retryBudget: RETRY_BUDGET,
    opaqueProtocol: opaquePorts.has(address.port),
  }
}

/** The policy of a service without route resources: one default route to all of its endpoints. */
export function outboundPolicy(service: StubService): OutboundPolicy {
  const parent = resource(service)
  const backend: MessageInitShape<typeof BackendSchema> = {
    metadata: parent,
    queue: QUEUE,
    kind: {
      case: 'balancer',
      value: {
        discovery: { kind: { case: 'dst', value: { path: service.name } } },
        load: {
          case: 'peakEwma',
          value: { defaultRtt: durationFromMs(30), decay: durationFromMs(10_000) },
        },
      },
    },
  }
  const distribution = { kind: { case: 'firstAvailable' as const, value: { backends: [{ backend }] } } }
  const opaque = {
    routes: [{ metadata: byDefault('opaq'), rules: [{ backends: distribution }] }],
  }
  const http = {
    routes: [
      {
        metadata: byDefault('http'),
        rules: [{ matches: [{ path: { kind: { case: 'prefix' as const, value: '/' } } }], backends: distribution }],
      },
    ],
  }
  return create(OutboundPolicySchema, {
    metadata: parent,
    protocol: service.isOpaque
      ? { kind: { case: 'opaque', value: opaque } }
      : {
          kind: {
            case: 'detect',
            value: { timeout: durationFromMs(10_000), opaque, http1: http, http2: http },
          },
        },
  })
}

/** The policy of a port no Server resource selects, under `all-unauthenticated`. */
export function inboundServer(isOpaque: boolean): Server {
  const name = 'all-unauthenticated'
  return create(ServerSchema, {
    protocol: isOpaque
      ? { kind: { case: 'opaque', value: {} } }
      : { kind: { case: 'detect', value: { timeout: durationFromMs(10_000), httpRoutes: [] } } },
    labels: { group: '', kind: 'default', name },
    authorizations: [
      {
        networks: ['0.0.0.0/0', '::/0'].map((cidr) => ({ net: cidrToMessage(parseCidr(cidr)!) })),
        authentication: { permit: { case: 'unauthenticated', value: {} } },
        labels: { group: '', kind: 'default', name },
        metadata: byDefault(name),
      },
    ],
  })
}

function byDefault(name: string): MessageInitShape<typeof MetadataSchema> {
  return { kind: { case: 'default', value: name } }
}

function resource(service: StubService): MessageInitShape<typeof MetadataSchema> {
  return {
    kind: { case: 'resource', value: { group: 'core', kind: 'Service', ...serviceParts(service) } },
  }
}

function serviceParts({ name }: StubService): { name: string; namespace: string; port: number } {
  const [, service, namespace, port] = /^([^.]+)\.([^.]+)\.svc\.[^:]+:(\d+)$/.exec(name) ?? []
  if (service === undefined || namespace === undefined)
    throw new Error(`"${name}" is not like web.shop.svc.cluster.local:80`)
  return { name: service, namespace, port: Number(port) }
}

function socketAddress(text: string) {
  const address = parseSocketAddress(text)
  if (address === undefined) throw new Error(`"${text}" is not an address such as 10.77.0.3:8080`)
  return tcpAddressToMessage(address)
}
