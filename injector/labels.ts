/** The labels and annotations that say of a pod: meshed, by whom, and what it belongs to. */
import { createHash } from 'node:crypto'
import { MeshAnnotation, MeshLabel } from '../api/vocabulary.ts'
import type { InjectorConfig, ProxySettings } from './config.ts'
import type { Namespace, Owner } from './pod.ts'

/** Owners that metrics know; a pod of another kind carries no owner label. */
const LABELLED_OWNERS = [
  'Deployment',
  'ReplicaSet',
  'ReplicationController',
  'DaemonSet',
  'StatefulSet',
  'Job',
  'CronJob',
]

const MAX_LABEL_LENGTH = 63

export function meshLabels(
  config: InjectorConfig,
  namespace: Namespace,
  owner: Owner | undefined,
): Map<string, string> {
  const labels = new Map([[MeshLabel.controlPlaneNs as string, config.controlPlaneNamespace]])
  // `weft inject` may not know the namespace: a manifest without one goes where kubectl is told to.
  if (namespace.metadata.name !== '') labels.set(MeshLabel.workloadNs, namespace.metadata.name)
  // A name may be longer than a label's value; a wrong label would have the whole pod refused.
  if (owner !== undefined && LABELLED_OWNERS.includes(owner.kind) && owner.name.length <= MAX_LABEL_LENGTH) {
    labels.set(`${MeshLabel.ownerPrefix}${owner.kind.toLowerCase()}`, owner.name)
  }
  return labels
}

export function meshAnnotations(config: InjectorConfig, settings: ProxySettings): Map<string, string> {
  return new Map([
    [MeshAnnotation.createdBy as string, config.createdBy],
    [MeshAnnotation.proxyVersion, settings.version],
    [MeshAnnotation.trustRootSha256, createHash('sha256').update(config.trustAnchorsPem).digest('hex')],
  ])
}
