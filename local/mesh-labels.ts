/** What the injector left on a pod, as tables and reports ask for it. */
import type { Pod } from '../api/resources/pod.ts'
import { MeshLabel } from '../api/vocabulary.ts'

export function isInjected({ metadata }: Pod): boolean {
  return Object.hasOwn(metadata.labels, MeshLabel.controlPlaneNs)
}

/** The workload a pod belongs to: its deployment, or itself. */
export function workloadOf({ metadata }: Pod): string {
  return metadata.ownerReferences[0]?.name ?? metadata.name
}
