/** Which Server decides over a port: of those that select the workload and the port, the oldest. */
import { selects } from '../../../api/resources/meta.ts'
import type { Server } from '../../../api/resources/server.ts'
import type { Cluster, Derived } from '../../cluster/cluster.ts'
import { portsNamed, type Workload } from '../../cluster/ports.ts'
import { olderFirst } from './age.ts'

export interface PortOwner {
  /** Absent: the default policy decides. */
  readonly server?: Server
  readonly problems: readonly string[]
}

export function ownerOf(cluster: Cluster, workload: Workload, port: number): PortOwner {
  const { namespace } = workload.metadata
  const candidates = cluster
    .derived(SERVERS_BY_AGE)
    .get(namespace)
    ?.filter((server) => owns(server, workload, port))
  const [server, ...others] = candidates ?? []
  if (server === undefined) return { problems: [] }
  return {
    server,
    problems: others.map(
      ({ metadata }) =>
        `Server ${namespace}/${metadata.name}: port ${port} of what it selects belongs to the older Server ${namespace}/${server.metadata.name}; let them select different pods or ports`,
    ),
  }
}

const SERVERS_BY_AGE: Derived<ReadonlyMap<string, readonly Server[]>> = {
  kinds: ['Server'],
  compute(cluster) {
    const servers = new Map<string, Server[]>()
    for (const server of [...cluster.list('Server')].sort(olderFirst)) {
      const { namespace } = server.metadata
      const list = servers.get(namespace)
      if (list === undefined) servers.set(namespace, [server])
      else list.push(server)
    }
    return servers
  },
}

function owns({ spec }: Server, workload: Workload, port: number): boolean {
  const selector = workload.kind === 'Pod' ? spec.podSelector : spec.externalWorkloadSelector
  if (selector === undefined || !selects(selector, workload.metadata.labels)) return false
  return typeof spec.port === 'number' ? spec.port === port : (portsNamed(workload, spec.port)?.includes(port) ?? false)
}
