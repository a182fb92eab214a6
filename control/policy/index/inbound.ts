/** From a port of a workload to the policy of its server side. A pure function of the cluster. */

import { type DefaultPolicy, MeshLabel } from '../../../api/vocabulary.ts'
import type { WorkloadRef } from '../../cluster/caller.ts'
import type { Cluster, Derived } from '../../cluster/cluster.ts'
import type { ClusterConfig } from '../../cluster/config.ts'
import { isOpaqueOn, type Workload } from '../../cluster/ports.ts'
import { GrpcError } from '../../grpc/error.ts'
import { status } from '../../grpc/status.ts'
import type { GrpcInboundRoute, HttpInboundRoute, InboundPolicy, InboundProtocol } from '../model/inbound.ts'
import { defaultAuthorizations, defaultPolicyOf } from './default-policy.ts'
import { failing, SERVER_POLICY_KINDS, type ServerPolicy, serverPolicyOf } from './inbound-server.ts'
import { grpcProbeRoute, httpProbeRoute, type Probes, probesOf } from './probes.ts'
import { ownerOf } from './servers.ts'

export interface InboundResult {
  readonly policy: InboundPolicy
  readonly problems: readonly string[]
}

/** @throws GrpcError NOT_FOUND for a workload that is not in the mesh of this cluster */
export function inboundPolicyOf(cluster: Cluster, ref: WorkloadRef, port: number): InboundResult {
  const workload = meshed(cluster, ref)
  const known = cluster.derived(RESULTS)
  let ports = known.get(workload)
  if (ports === undefined) {
    ports = new Map()
    known.set(workload, ports)
  }
  const result = ports.get(port) ?? compute(cluster, workload, port)
  if (ports.size < MAX_REMEMBERED_PORTS) ports.set(port, result)
  return result
}

/** So many ports of one workload are remembered, whichever ports its proxy asks for; others are computed each time. */
const MAX_REMEMBERED_PORTS = 32

/** By workload as it was when they were computed: a change elsewhere costs nothing. */
const RESULTS: Derived<WeakMap<Workload, Map<number, InboundResult>>> = {
  kinds: [...SERVER_POLICY_KINDS, 'Namespace'],
  compute: () => new WeakMap(),
}

function meshed(cluster: Cluster, { namespace, kind, name }: WorkloadRef): Workload {
  if (kind === 'externalWorkload') {
    const workload = cluster.get('ExternalWorkload', namespace, name)
    if (workload !== undefined) return workload
    throw new GrpcError(status.NOT_FOUND, `there is no ExternalWorkload ${namespace}/${name}`)
  }
  const pod = cluster.get('Pod', namespace, name)
  if (pod?.metadata.labels[MeshLabel.controlPlaneNs] !== undefined) return pod
  throw new GrpcError(status.NOT_FOUND, `there is no meshed Pod ${namespace}/${name}`)
}

function compute(cluster: Cluster, workload: Workload, port: number): InboundResult {
  const { server, problems } = ownerOf(cluster, workload, port)
  const probes = probesOf(workload, port)
  if (server === undefined) return defaultResult(cluster, workload, port, probes)
  const own = serverPolicyOf(cluster, server)
  const policy = shared(cluster.derived(BY_SERVER), own, probesKey(probes), () => ({
    server: own.server,
    protocol: serverProtocol(cluster.config, own, probes),
    authorizations: own.authorizations,
  }))
  return { policy, problems: [...problems, ...own.problems] }
}

function defaultResult(cluster: Cluster, workload: Workload, port: number, probes: Probes): InboundResult {
  const { policy: name, problems } = defaultPolicyOf(cluster, workload, port)
  const isOpaque = isOpaqueOn(cluster, workload, port)
  const policy = shared(cluster.derived(BY_DEFAULT), name, `${isOpaque} ${probesKey(probes)}`, () => ({
    server: { kind: 'default', name },
    protocol: isOpaque
      ? { kind: 'opaque' }
      : { kind: 'detect', routes: withProbes(EVERYTHING, httpProbeRoute(cluster.config, probes, [])) },
    authorizations: defaultAuthorizations(cluster.config, name),
  }))
  return { policy, problems }
}

/** Replicas have one policy: it is made, compared and kept once. */
type Shared<K> = Map<K, Map<string, InboundPolicy>>
const BY_SERVER: Derived<Shared<ServerPolicy>> = { kinds: SERVER_POLICY_KINDS, compute: () => new Map() }
const BY_DEFAULT: Derived<Shared<DefaultPolicy>> = { kinds: [], compute: () => new Map() }

/** So many sets of health checks are told apart before all are forgotten. */
const MAX_SHARED = 1_000

function shared<K>(known: Shared<K>, key: K, probes: string, make: () => InboundPolicy): InboundPolicy {
  let policies = known.get(key)
  if (policies === undefined || policies.size >= MAX_SHARED) {
    policies = new Map()
    known.set(key, policies)
  }
  let policy = policies.get(probes)
  if (policy === undefined) {
    policy = make()
    policies.set(probes, policy)
  }
  return policy
}

function probesKey({ paths, hasGrpc }: Probes): string {
  return JSON.stringify([hasGrpc, paths])
}

function serverProtocol(config: ClusterConfig, policy: ServerPolicy, probes: Probes): InboundProtocol {
  const { protocol, rateLimit, failure } = policy
  switch (protocol) {
    case 'opaque':
    case 'tls':
      return { kind: protocol }
    case 'grpc': {
      const routes = failing(policy.grpc.length === 0 ? EVERY_CALL : policy.grpc, failure)
      return { kind: protocol, routes: withProbes(routes, grpcProbeRoute(config, probes, policy.grpc)) }
    }
    case 'detect':
    case 'http1':
    case 'http2': {
      const routes = failing(policy.http.length === 0 ? EVERYTHING : policy.http, failure)
      return {
        kind: protocol,
        routes: withProbes(routes, httpProbeRoute(config, probes, policy.http)),
        ...(rateLimit && { rateLimit }),
      }
    }
  }
}

function withProbes<Route>(routes: readonly Route[], probes: Route | undefined): readonly Route[] {
  return probes === undefined ? routes : [...routes, probes]
}

const DEFAULT_ROUTE = { origin: { kind: 'default', name: 'default' }, hosts: [], authorizations: [] } as const

/** Grants nothing by itself: the authorizations of the server apply to it. */
const EVERYTHING: readonly HttpInboundRoute[] = [
  {
    ...DEFAULT_ROUTE,
    rules: [{ matches: [{ path: { kind: 'prefix', value: '/' }, headers: [], query: [] }], filters: [] }],
  },
]
const EVERY_CALL: readonly GrpcInboundRoute[] = [
  { ...DEFAULT_ROUTE, rules: [{ matches: [{ service: '', method: '', headers: [] }], filters: [] }] },
]
