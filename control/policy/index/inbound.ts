/** From a port of a pod to the policy of its server side. A pure function of the cluster. */
import { status } from '@grpc/grpc-js'
import { hasPort, parsePortSet } from '../../../api/port-set.ts'
import type { Container, Pod, Probe } from '../../../api/resources/pod.ts'
import { DefaultPolicy, MeshLabel, ProxyConfig } from '../../../api/vocabulary.ts'
import type { WorkloadRef } from '../../cluster/caller.ts'
import { allContainers, type Cluster } from '../../cluster/cluster.ts'
import { ANY_NETWORKS } from '../../cluster/config.ts'
import { isOpaqueOnPod, portsNamed } from '../../cluster/ports.ts'
import { GrpcError } from '../../grpc/error.ts'
import type { Authorization, InboundPolicy } from '../model/inbound.ts'

export interface InboundResult {
  readonly policy: InboundPolicy
  readonly problems: readonly string[]
}

/** @throws GrpcError NOT_FOUND for a workload that is not in the mesh of this cluster */
export function inboundPolicyOf(cluster: Cluster, workload: WorkloadRef, port: number): InboundResult {
  const { namespace, name } = workload
  const pod = workload.kind === 'pod' ? cluster.get('Pod', namespace, name) : undefined
  if (pod?.metadata.labels[MeshLabel.controlPlaneNs] === undefined) {
    throw new GrpcError(
      status.NOT_FOUND,
      `there is no meshed ${workload.kind === 'pod' ? 'Pod' : 'ExternalWorkload'} ${namespace}/${name}`,
    )
  }
  const { defaultPolicy, problems } = defaultPolicyOf(cluster, pod, port)
  return {
    policy: {
      defaultPolicy,
      isOpaque: isOpaqueOnPod(cluster, pod, port),
      authorizations: defaultAuthorizations(cluster, defaultPolicy),
      probePaths: probePaths(pod, port),
      probeNetworks: cluster.config.probeNetworks,
    },
    problems: problems.map((problem) => `Pod ${namespace}/${name}: ${problem}`),
  }
}

const AUTHENTICATED: ReadonlyMap<DefaultPolicy, DefaultPolicy> = new Map([
  [DefaultPolicy.allUnauthenticated, DefaultPolicy.allAuthenticated],
  [DefaultPolicy.clusterUnauthenticated, DefaultPolicy.clusterAuthenticated],
])

function defaultPolicyOf(cluster: Cluster, pod: Pod, port: number) {
  const { annotations } = pod.metadata
  const problems: string[] = []
  let defaultPolicy = cluster.config.inboundPolicy
  const given = annotations[ProxyConfig.defaultInboundPolicy]
  if (given !== undefined) {
    const known = Object.values(DefaultPolicy).find((policy) => policy === given)
    // Fail closed: a misspelt "deny" must not open the port.
    if (known === undefined) {
      problems.push(
        `annotation ${ProxyConfig.defaultInboundPolicy}: "${given.slice(0, 100)}" is not ${Object.values(DefaultPolicy).join(', ')}; its ports deny everything until it is corrected`,
      )
    }
    defaultPolicy = known ?? DefaultPolicy.deny
  }
  const { ports, wrong } = parsePortSet(annotations[ProxyConfig.requireIdentityInboundPorts] ?? '', (name) =>
    portsNamed(pod, name),
  )
  if (wrong.length > 0) {
    problems.push(`annotation ${ProxyConfig.requireIdentityInboundPorts}: ${wrong.join(', ').slice(0, 100)} is no port`)
  }
  if (hasPort(ports, port)) defaultPolicy = AUTHENTICATED.get(defaultPolicy) ?? defaultPolicy
  return { defaultPolicy, problems }
}

function defaultAuthorizations({ config }: Cluster, policy: DefaultPolicy): readonly Authorization[] {
  const { clusterNetworks } = config
  switch (policy) {
    case 'deny':
      return []
    case 'audit':
    case 'all-unauthenticated':
      return [{ name: policy, networks: ANY_NETWORKS, clients: 'anyone' }]
    case 'all-authenticated':
      return [{ name: policy, networks: ANY_NETWORKS, clients: 'meshTls' }]
    case 'cluster-unauthenticated':
      return [{ name: policy, networks: clusterNetworks, clients: 'anyone' }]
    case 'cluster-authenticated':
      return [{ name: policy, networks: clusterNetworks, clients: 'meshTls' }]
  }
}

/** Paths of the pod's HTTP probes on this port, so that a strict policy does not take the pod out of service. */
function probePaths(pod: Pod, port: number): readonly string[] {
  const paths = allContainers(pod).flatMap((container) =>
    [container.livenessProbe, container.readinessProbe, container.startupProbe].flatMap((probe) => {
      if (probe?.httpGet === undefined || probePort(container, probe.httpGet.port) !== port) return []
      return [probePath(probe.httpGet)]
    }),
  )
  return [...new Set(paths)].sort()
}

function probePort({ ports }: Container, port: number | string): number | undefined {
  if (typeof port === 'number') return port
  return ports.find(({ name }) => name === port)?.containerPort
}

function probePath({ path }: NonNullable<Probe['httpGet']>): string {
  const [withoutQuery = ''] = path.split('?')
  return withoutQuery.startsWith('/') ? withoutQuery : `/${withoutQuery}`
}
