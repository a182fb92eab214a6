/** What holds where no Server decides: the default policy of a port, and what default policies grant. */
import { hasPort, parsePortSet } from '../../../api/port-set.ts'
import { DefaultPolicy, ProxyConfig } from '../../../api/vocabulary.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { ANY_NETWORKS, type ClusterConfig } from '../../cluster/config.ts'
import { portsNamed, type Workload } from '../../cluster/ports.ts'
import type { Authorization, AuthorizedNetwork, Clients, Identities } from '../model/inbound.ts'

export interface DefaultPolicyResult {
  readonly policy: DefaultPolicy
  readonly problems: readonly string[]
}

/** The annotation of the workload, else that of its namespace, else the cluster's. */
export function defaultPolicyOf(cluster: Cluster, workload: Workload, port: number): DefaultPolicyResult {
  const { namespace, name, annotations } = workload.metadata
  const problems: string[] = []
  const given = [
    [`${workload.kind} ${namespace}/${name}`, annotations],
    [`Namespace ${namespace}`, cluster.get('Namespace', '', namespace)?.metadata.annotations],
  ] as const
  let policy = cluster.config.inboundPolicy
  for (const [object, annotations] of given) {
    const text = annotations?.[ProxyConfig.defaultInboundPolicy]
    if (text === undefined) continue
    const known = parseDefaultPolicy(text)
    // Fail closed: a misspelt "deny" must not open the port.
    if (known === undefined) {
      problems.push(
        `${object}: annotation ${ProxyConfig.defaultInboundPolicy}: "${text.slice(0, 100)}" is not ${KNOWN.join(', ')}; its ports deny everything until it is corrected`,
      )
    }
    policy = known ?? DefaultPolicy.deny
    break
  }
  const { ports, wrong } = parsePortSet(annotations[ProxyConfig.requireIdentityInboundPorts] ?? '', (name) =>
    portsNamed(workload, name),
  )
  if (wrong.length > 0) {
    problems.push(
      `${given[0][0]}: annotation ${ProxyConfig.requireIdentityInboundPorts}: ${wrong.join(', ').slice(0, 100)} is no port`,
    )
  }
  if (hasPort(ports, port)) policy = AUTHENTICATED.get(policy) ?? policy
  return { policy, problems }
}

const KNOWN: readonly DefaultPolicy[] = Object.values(DefaultPolicy)

export function parseDefaultPolicy(text: string): DefaultPolicy | undefined {
  return KNOWN.find((policy) => policy === text)
}

const AUTHENTICATED: ReadonlyMap<DefaultPolicy, DefaultPolicy> = new Map([
  [DefaultPolicy.allUnauthenticated, DefaultPolicy.allAuthenticated],
  [DefaultPolicy.clusterUnauthenticated, DefaultPolicy.clusterAuthenticated],
])

export const ANYONE: Clients = { kind: 'anyone' }
export const EVERY_IDENTITY: Identities = { exact: [], suffixes: [''] }
const MESHED: Clients = { kind: 'identities', identities: EVERY_IDENTITY }
export const EVERYWHERE: readonly AuthorizedNetwork[] = ANY_NETWORKS.map((net) => ({ net, except: [] }))

export function clusterNetworks({ clusterNetworks }: ClusterConfig): readonly AuthorizedNetwork[] {
  return clusterNetworks.map((net) => ({ net, except: [] }))
}

export function defaultAuthorizations(config: ClusterConfig, policy: DefaultPolicy): readonly Authorization[] {
  const origin = { kind: 'default', name: policy } as const
  switch (policy) {
    case 'deny':
      return []
    case 'audit':
    case 'all-unauthenticated':
      return [{ origin, networks: EVERYWHERE, clients: ANYONE }]
    case 'all-authenticated':
      return [{ origin, networks: EVERYWHERE, clients: MESHED }]
    case 'cluster-unauthenticated':
      return [{ origin, networks: clusterNetworks(config), clients: ANYONE }]
    case 'cluster-authenticated':
      return [{ origin, networks: clusterNetworks(config), clients: MESHED }]
  }
}
