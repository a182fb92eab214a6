/** From a destination to the policy of its clients. A pure function of the cluster. */

import { cidrContains, type SocketAddress } from '../../../api/ip.ts'
import type { EgressNetwork } from '../../../api/resources/egress-network.ts'
import { nameOf } from '../../../api/resources/kinds.ts'
import { POLICY_GROUP } from '../../../api/resources/reference.ts'
import type { Service } from '../../../api/resources/service.ts'
import type { Authority } from '../../cluster/authority.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { servicePort, serviceProtocol } from '../../cluster/ports.ts'
import { GrpcError } from '../../grpc/error.ts'
import { status } from '../../grpc/status.ts'
import type {
  Backend,
  GrpcRoute,
  HttpRoute,
  OutboundPolicy,
  OutboundProtocol,
  RouteSettings,
  StreamRoute,
} from '../model/outbound.ts'
import { trafficSettings } from './annotations.ts'
import { defaultHttpRoute, defaultStreamRoute, egressDefaults, forbiddenRoute } from './default-routes.ts'
import { egressNetworkFor } from './egress.ts'
import { defaultOrigin, resourceName, resourceOrigin } from './origin.ts'
import { grpcRoute, httpRoute, type RouteContext } from './request-route.ts'
import { type AnyRoute, type ParentName, routesOf } from './route-attachment.ts'
import { streamRoute } from './stream-route.ts'

export interface OutboundResult {
  readonly policy: OutboundPolicy
  /** What was not understood and so is not enforced as it was written, for log and metric. */
  readonly problems: readonly string[]
}

/**
 * @param clientNamespace where the client runs: its consumer routes and EgressNetworks count
 * @throws GrpcError NOT_FOUND for an address of the cluster that is no service
 */
export function outboundPolicyAt(cluster: Cluster, clientNamespace: string, address: SocketAddress): OutboundResult {
  const { ip, port } = address
  const [service] = cluster.servicesAt(ip)
  if (service !== undefined) {
    if (servicePort(service, port) !== undefined) return servicePolicy(cluster, clientNamespace, service, port)
    const protocol: OutboundProtocol = { kind: 'opaque', route: forbiddenRoute('undefined-port') }
    return { policy: { parent: resourceOrigin(service, port), protocol, traffic: {} }, problems: [] }
  }
  if (cluster.config.clusterNetworks.some((network) => cidrContains(network, ip))) {
    throw new GrpcError(status.NOT_FOUND, `${ip} belongs to no Service`)
  }
  const network = egressNetworkFor(cluster, clientNamespace, ip)
  if (network !== undefined) return egressPolicy(cluster, clientNamespace, network, address)
  return { policy: egressFallback(address), problems: [] }
}

/**
 * By name, as ingresses ask: `<service>.<namespace>.svc` and anything behind it. The service need not exist yet;
 * whether it has endpoints is the destination API's matter.
 */
export function outboundPolicyOf(
  cluster: Cluster,
  clientNamespace: string,
  { host, isIp, port }: Authority,
): OutboundResult {
  const [name, namespace, svc] = isIp ? [] : host.split('.')
  if (name === undefined || namespace === undefined || svc !== 'svc') {
    throw new GrpcError(status.NOT_FOUND, `"${host}" is not the name of a service`)
  }
  const service = cluster.get('Service', namespace, name)
  if (service !== undefined) return servicePolicy(cluster, clientNamespace, service, port)
  const absent = { group: 'core', kind: 'Service', namespace, name, generation: 0 }
  const protocol = protocolOf('detect', [], serviceDefaults({ kind: 'service', service: absent, port }, {}))
  return { policy: { parent: { kind: 'resource', resource: absent, port }, protocol, traffic: {} }, problems: [] }
}

function servicePolicy(cluster: Cluster, clientNamespace: string, service: Service, port: number): OutboundResult {
  const { settings: traffic, problems } = settingsOf(service)
  const { namespace, name } = service.metadata
  const parent: ParentName = { group: '', kind: 'Service', namespace, name }
  const routes = routesOf(cluster, parent, port, clientNamespace)
  const declared = servicePort(service, port)
  const parentBackend: Backend = { kind: 'service', service: resourceName(service), port }
  const protocol = protocolOf(
    declared === undefined ? 'detect' : serviceProtocol(cluster, service, declared),
    routes,
    serviceDefaults(parentBackend, traffic),
    { cluster, parent, parentBackend, settings: traffic, onProblem: (problem) => problems.push(problem) },
  )
  return { policy: { parent: resourceOrigin(service, port), protocol, traffic }, problems }
}

function egressPolicy(
  cluster: Cluster,
  clientNamespace: string,
  network: EgressNetwork,
  address: SocketAddress,
): OutboundResult {
  const { settings: traffic, problems } = settingsOf(network)
  const { namespace, name } = network.metadata
  const parent: ParentName = { group: POLICY_GROUP, kind: 'EgressNetwork', namespace, name }
  const routes = routesOf(cluster, parent, address.port, clientNamespace)
  const isAllowed = network.spec.trafficPolicy === 'Allow'
  const origin = resourceOrigin(network, address.port)
  const parentBackend: Backend = { kind: 'forward', origin, address }
  const protocol = protocolOf('detect', routes, egressDefaultsOf(isAllowed, parentBackend, traffic), {
    cluster,
    parent,
    address,
    parentBackend,
    settings: traffic,
    onProblem: (problem) => problems.push(problem),
  })
  return { policy: { parent: origin, protocol, traffic }, problems }
}

function egressFallback(address: SocketAddress): OutboundPolicy {
  const origin = defaultOrigin('egress-fallback')
  const backend: Backend = { kind: 'forward', origin, address }
  const http = [defaultHttpRoute('egress-fallback', backend)]
  const opaque = defaultStreamRoute('egress-fallback', backend)
  return { parent: origin, protocol: { kind: 'detect', http, opaque }, traffic: {} }
}

function settingsOf(parent: Service | EgressNetwork) {
  const { settings, problems } = trafficSettings(parent.metadata.annotations)
  return { settings, problems: problems.map((problem) => `${nameOf(parent)}: ${problem}`) }
}

/** What serves traffic that no route of a kind matches, behind the routes or in their place. */
interface Defaults {
  readonly http: (routes: readonly HttpRoute[]) => readonly HttpRoute[]
  readonly grpc: (routes: readonly GrpcRoute[]) => readonly GrpcRoute[]
  readonly tls: (routes: readonly StreamRoute[]) => readonly StreamRoute[]
  readonly tcp: StreamRoute
}

/** A Service has default routes only while it has no others: what these do not match is answered 404. */
function serviceDefaults(backend: Backend, settings: RouteSettings): Defaults {
  return {
    http: (routes) => (routes.length === 0 ? [defaultHttpRoute('http', backend, settings)] : routes),
    grpc: (routes) => routes,
    tls: (routes) => routes,
    tcp: defaultStreamRoute('opaq', backend),
  }
}

/** An EgressNetwork's `trafficPolicy` goes behind its routes. */
function egressDefaultsOf(isAllowed: boolean, backend: Backend, settings: RouteSettings): Defaults {
  const { http, grpc, tls, tcp } = egressDefaults(isAllowed, backend, settings)
  return {
    http: (routes) => [...routes, http],
    grpc: (routes) => [...routes, grpc],
    tls: (routes) => [...routes, tls],
    tcp,
  }
}

/** What the port says decides over the kinds of routes; where it says nothing, the highest kind of route does. */
function protocolOf(
  declared: ReturnType<typeof serviceProtocol>,
  routes: readonly AnyRoute[],
  defaults: Defaults,
  context?: RouteContext,
): OutboundProtocol {
  const of = <K extends AnyRoute['kind'], T>(
    kind: K,
    convert: (route: Extract<AnyRoute, { kind: K }>, context: RouteContext) => T,
  ): T[] =>
    context === undefined
      ? []
      : routes.flatMap((route) =>
          route.kind === kind ? [convert(route as Extract<AnyRoute, { kind: K }>, context)] : [],
        )
  switch (declared) {
    case 'http1':
      return { kind: 'http1', http: defaults.http(of('HTTPRoute', httpRoute)) }
    case 'http2': {
      const grpc = of('GRPCRoute', grpcRoute)
      if (grpc.length > 0) return { kind: 'grpc', routes: defaults.grpc(grpc) }
      return { kind: 'http2', http: defaults.http(of('HTTPRoute', httpRoute)) }
    }
    case 'opaque':
      return { kind: 'opaque', route: of('TCPRoute', streamRoute)[0] ?? defaults.tcp }
    case 'detect': {
      const grpc = of('GRPCRoute', grpcRoute)
      if (grpc.length > 0) return { kind: 'grpc', routes: defaults.grpc(grpc) }
      const http = of('HTTPRoute', httpRoute)
      if (http.length > 0) return { kind: 'detect', http: defaults.http(http), opaque: defaults.tcp }
      const tls = of('TLSRoute', streamRoute)
      if (tls.length > 0) return { kind: 'tls', routes: defaults.tls(tls) }
      const [tcp] = of('TCPRoute', streamRoute)
      if (tcp !== undefined) return { kind: 'opaque', route: tcp }
      return { kind: 'detect', http: defaults.http([]), opaque: defaults.tcp }
    }
  }
}
