/** Which Server decides over a port: of those that select the workload and the port, the oldest. */
import { selects } from '../../../api/resources/meta.ts'
import type { Server } from '../../../api/resources/server.ts'
import { type Cluster, grouped } from '../../cluster/cluster.ts'
import { portsNamed, type Workload } from '../../cluster/ports.ts'
import { olderFirst } from './age.ts'

export interface PortOwner {
  /** Absent: the default policy decides. */
  readonly server?: Server
  readonly problems: readonly string[]
}

export function ownerOf(cluster: Cluster, workload: Workload, port: number): PortOwner {
  const { namespace } = workload.metadata
  const [server, ...others] = candidates(cluster, workload)
    .filter((server) => owns(server, workload, port))
    .sort(olderFirst)
  if (server === undefined) return { problems: [] }
  return {
    server,
    problems: others.map(
      ({ metadata }) =>
        `Server ${namespace}/${metadata.name}: port ${port} of what it selects belongs to the older Server ${namespace}/${server.metadata.name}; let them select different pods or ports`,
    ),
  }
}

/**
 * By one label that they ask for, since a namespace may have a Server for each of its many workloads. Those that ask
 * for none have the key of the namespace alone.
 */
const SERVERS_BY_LABEL = grouped('Server', ({ metadata, spec }) => {
  const [label] = Object.entries((spec.podSelector ?? spec.externalWorkloadSelector)?.matchLabels ?? {})
  return [labelKey(metadata.namespace, label)]
})

function candidates(cluster: Cluster, { metadata }: Workload): readonly Server[] {
  const { namespace, labels } = metadata
  return [undefined, ...Object.entries(labels)].flatMap((label) =>
    cluster.group(SERVERS_BY_LABEL, labelKey(namespace, label)),
  )
}

function labelKey(namespace: string, label: readonly [key: string, value: string] | undefined): string {
  return label === undefined ? namespace : `${namespace} ${label[0]}=${label[1]}`
}

function owns({ spec }: Server, workload: Workload, port: number): boolean {
  const selector = workload.kind === 'Pod' ? spec.podSelector : spec.externalWorkloadSelector
  if (selector === undefined || !selects(selector, workload.metadata.labels)) return false
  return typeof spec.port === 'number' ? spec.port === port : (portsNamed(workload, spec.port)?.includes(port) ?? false)
}
