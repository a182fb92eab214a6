/** Inbound policies for tests: objects in YAML in, the message that a proxy gets out, in words. */
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { HeaderMatch, PathMatch } from '../../api/gen/http_route_pb.js'
import {
  type Authn,
  type Authz,
  type GrpcRoute,
  type HttpRoute,
  type Server,
  ServerSchema,
} from '../../api/gen/inbound_pb.js'
import { cidrFromMessage, formatCidr } from '../../api/ip.ts'
import type { Resource } from '../../api/resources/kinds.ts'
import { parseWorkload } from '../cluster/caller.ts'
import { Cluster } from '../cluster/cluster.ts'
import { type ClusterConfig, DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { manifest, type PodFixture, pod, storeOf } from '../cluster/fixtures.ts'
import { inboundMessage } from './api/inbound-message.ts'
import { inboundPolicyOf } from './index/inbound.ts'

export interface Lookup {
  readonly pod?: Partial<PodFixture>
  readonly port?: number
  readonly workload?: string
  readonly config?: Partial<ClusterConfig>
  readonly objects?: readonly Resource[]
}

/** What the proxy of Pod shop/web-1 (labels `app: web`, port 8080 named `http`) is told. */
export function lookUp(
  yaml: string,
  { pod: fixture, port = 8080, workload = 'shop:web-1', config, objects = [] }: Lookup = {},
) {
  const web = pod({ name: 'web-1', ip: '10.0.0.1', labels: { app: 'web' }, ...fixture })
  const store = storeOf(web, ...manifest(yaml), ...objects)
  const cluster = new Cluster(store, { ...DEFAULT_CLUSTER_CONFIG, ...config })
  const { policy, problems } = inboundPolicyOf(cluster, parseWorkload(workload)!, port)
  return { ...describeServer(inboundMessage(policy)), problems }
}

export function describeServer(message: Server) {
  // Over the wire and back: what a proxy reads.
  const server = fromBinary(ServerSchema, toBinary(ServerSchema, message))
  const kind = server.protocol!.kind
  const routes =
    kind.case === 'detect'
      ? kind.value.httpRoutes
      : kind.case === 'opaque' || kind.case === 'tls'
        ? []
        : kind.value!.routes
  return {
    server: nameOf(server.labels),
    protocol: kind.case!,
    allows: server.authorizations.map(describeAuthz),
    routes: routes.map(describeRoute),
  }
}

/** `resource: who from where`; the networks of everywhere are left out. */
function describeAuthz({ networks, authentication, labels, metadata }: Authz): string {
  const where = networks.map(({ net, except }) =>
    [net, ...except].map((each) => formatCidr(cidrFromMessage(each)!)).join(' but not '),
  )
  const name = nameOf(labels)
  if (metadata?.kind.case === 'resource') {
    const { group, kind, name: own } = metadata.kind.value
    if (`${group} ${kind} ${own}` !== name) throw new Error(`metadata ${own} and labels ${name} differ`)
  } else if (`default ${metadata?.kind.value}` !== name) throw new Error(`metadata and labels ${name} differ`)
  const from = where.join(', ') === '0.0.0.0/0, ::/0' ? '' : ` from ${where.join(', ')}`
  return `${name}: ${describeAuthn(authentication!)}${from}`
}

function describeAuthn({ permit }: Authn): string {
  if (permit.case === 'unauthenticated') return 'anyone'
  const { clients } = permit.value!
  if (clients.case === 'unauthenticated') return 'TLS'
  const { identities, suffixes } = clients.value!
  return [...identities.map(({ name }) => name), ...suffixes.map(({ parts }) => ['*', ...parts].join('.'))].join(', ')
}

function describeRoute(route: HttpRoute | GrpcRoute) {
  const { metadata, hosts, authorizations } = route
  const name = metadata!.kind.case === 'resource' ? nameOf(metadata!.kind.value) : `default ${metadata!.kind.value}`
  const host = hosts.map(({ match }) =>
    match.case === 'exact' ? match.value : `*.${[...match.value!.reverseLabels].reverse().join('.')}`,
  )
  return {
    route: [name, ...host].join(' '),
    ...(authorizations.length > 0 && { allows: authorizations.map(describeAuthz) }),
    rules: route.rules.map(({ matches, filters }) => {
      const when = matches.map((match) =>
        match.$typeName === 'io.linkerd.proxy.grpc_route.GrpcRouteMatch'
          ? [`/${match.rpc!.service || '*'}/${match.rpc!.method || '*'}`, ...match.headers.map(describeHeader)].join(
              ' ',
            )
          : [
              match.method?.type.case === 'registered' ? METHODS[match.method.type.value] : undefined,
              match.path && describePath(match.path),
              ...match.headers.map(describeHeader),
              ...match.queryParams.map(
                ({ name, value }) => `?${name}${value.case === 'regex' ? '~' : '='}${value.value}`,
              ),
            ]
              .filter((part) => part !== undefined)
              .join(' '),
      )
      const then = filters.map(({ kind }) => {
        switch (kind.case) {
          case 'failureInjector':
            return `${'status' in kind.value ? kind.value.status : `grpc ${kind.value.code}`}: ${kind.value.message}`
          case 'requestHeaderModifier':
            return `set ${kind.value.set?.headers.map(({ name, value }) => `${name}: ${Buffer.from(value)}`).join(', ')}`
          case 'redirect':
            return `redirect to ${kind.value.host} with ${kind.value.status}`
          default:
            throw new Error('a filter without kind')
        }
      })
      return then.length === 0 ? when.join(' or ') : `${when.join(' or ')} → ${then.join(', ')}`
    }),
  }
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'HEAD', 'TRACE']
const PATH_SIGNS = { exact: '=', prefix: '', regex: '~' } as const

function describePath({ kind }: PathMatch): string {
  return `${PATH_SIGNS[kind.case!]}${kind.value}`
}

function describeHeader({ name, value }: HeaderMatch): string {
  return value.case === 'regex' ? `${name}~${value.value}` : `${name}=${Buffer.from(value.value as Uint8Array)}`
}

function nameOf(labels: { readonly [key: string]: unknown }): string {
  const { group, kind, name } = labels
  return group === '' ? `${kind} ${name}` : `${group} ${kind} ${name}`
}

export const EVERYTHING = { route: 'default default', rules: ['/'] }
