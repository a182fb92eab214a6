/**
 * Health checks of kubelet, which has no mesh identity: they are let through at a port whose policy would refuse them,
 * unless a route of the Server says something else about what they ask for.
 */
import { compilePattern, matchesWhole } from '../../../api/regex.ts'
import type { Container, Probe } from '../../../api/resources/pod.ts'
import { allContainers } from '../../cluster/cluster.ts'
import type { ClusterConfig } from '../../cluster/config.ts'
import type { Workload } from '../../cluster/ports.ts'
import type { Authorization, GrpcInboundRoute, HttpInboundRoute } from '../model/inbound.ts'
import type { GrpcMatch, HttpMatch, PathMatch } from '../model/route.ts'
import { ANYONE } from './default-policy.ts'

/** What kubelet asks for at one port. */
export interface Probes {
  /** Exact and without query, sorted. */
  readonly paths: readonly string[]
  readonly hasGrpc: boolean
}

export function probesOf(workload: Workload, port: number): Probes {
  if (workload.kind !== 'Pod') return { paths: [], hasGrpc: false }
  const paths = new Set<string>()
  let hasGrpc = false
  for (const container of allContainers(workload)) {
    for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
      if (probe?.httpGet !== undefined && probePort(container, probe.httpGet.port) === port)
        paths.add(probePath(probe.httpGet))
      if (probe?.grpc?.port === port) hasGrpc = true
    }
  }
  return { paths: [...paths].sort(), hasGrpc }
}

/** The route of the probes that `routes` leave unanswered; `undefined` when there are none. */
export function httpProbeRoute(
  config: ClusterConfig,
  probes: Probes,
  routes: readonly HttpInboundRoute[],
): HttpInboundRoute | undefined {
  const requests = [
    ...probes.paths.map((path) => ({ method: 'GET', path })),
    ...(probes.hasGrpc ? [{ method: 'POST', path: `/${HEALTH_SERVICE}/${HEALTH_METHOD}` }] : []),
  ].filter(({ method, path }) => !isMatched(routes, method, path))
  if (requests.length === 0) return undefined
  const matches = requests.map(
    ({ method, path }): HttpMatch => ({ path: { kind: 'exact', value: path }, headers: [], query: [], method }),
  )
  return { ...probeRoute(config), rules: [{ matches, filters: [] }] }
}

export function grpcProbeRoute(
  config: ClusterConfig,
  { hasGrpc }: Probes,
  routes: readonly GrpcInboundRoute[],
): GrpcInboundRoute | undefined {
  const isMatched = routes.some(({ rules }) =>
    rules.some(
      ({ matches }) =>
        matches.length === 0 ||
        matches.some(
          ({ service, method }) =>
            (service === '' || service === HEALTH_SERVICE) && (method === '' || method === HEALTH_METHOD),
        ),
    ),
  )
  if (!hasGrpc || isMatched) return undefined
  const match: GrpcMatch = { service: HEALTH_SERVICE, method: HEALTH_METHOD, headers: [] }
  return { ...probeRoute(config), rules: [{ matches: [match], filters: [] }] }
}

/** What kubelet calls (grpc/health/v1/health.proto). */
const HEALTH_SERVICE = 'grpc.health.v1.Health'
const HEALTH_METHOD = 'Check'

function probeRoute({ probeNetworks }: ClusterConfig) {
  const origin = { kind: 'default', name: 'probe' } as const
  const networks = probeNetworks.map((net) => ({ net, except: [] }))
  const authorization: Authorization = { origin, networks, clients: ANYONE }
  return { origin, hosts: [], authorizations: [authorization] }
}

/**
 * Whether a rule is about this request, whatever else it asks for: hosts, headers and query are not looked at, since
 * a rule that is about a path means to decide who may ask for it.
 */
function isMatched(routes: readonly HttpInboundRoute[], method: string, path: string): boolean {
  return routes.some(({ rules }) =>
    rules.some(
      ({ matches }) =>
        matches.length === 0 ||
        matches.some(
          (match) =>
            (match.method === undefined || match.method === method) &&
            (match.path === undefined || matchesPath(match.path, path)),
        ),
    ),
  )
}

/** As proxies match: a prefix ends where a segment ends, a regular expression spans the whole path. */
function matchesPath({ kind, value }: PathMatch, path: string): boolean {
  switch (kind) {
    case 'exact':
      return path === value
    case 'prefix': {
      const prefix = value.replace(/\/+$/, '')
      return path === prefix || path.startsWith(`${prefix}/`)
    }
    case 'regex': {
      const pattern = compilePattern(value)
      return 'problem' in pattern || matchesWhole(pattern, path)
    }
  }
}

/** A port name means a port of the same container. */
function probePort({ ports }: Container, port: number | string): number | undefined {
  if (typeof port === 'number') return port
  return ports.find(({ name }) => name === port)?.containerPort
}

function probePath({ path }: NonNullable<Probe['httpGet']>): string {
  const [withoutQuery = ''] = path.split('?')
  return withoutQuery.startsWith('/') ? withoutQuery : `/${withoutQuery}`
}
