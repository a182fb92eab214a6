/**
 * Takes out of a workload what an injection put in, as JSON Patch: containers, volumes, and the metadata under
 * `linkerd.io`. What configures the next injection (`config.linkerd.io/…`, `linkerd.io/inject: disabled`) stays.
 */
import { ContainerName, Inject, MeshLabel, VolumeName } from '../api/vocabulary.ts'
import { type JsonPatchOperation, jsonPointer, type Path } from './json-patch.ts'
import { type KubeObject, templateOf, templatePath } from './manifest.ts'
import type { ObjectMeta } from './pod.ts'

const CONTAINERS: readonly string[] = [ContainerName.proxy, ContainerName.init]
const VOLUMES: readonly string[] = [VolumeName.endEntity, VolumeName.xtablesLock, VolumeName.token]
const METADATA_PREFIX = 'linkerd.io'

/** Kinds without pods that carry the mesh's metadata too. */
const ANNOTATED_KINDS: readonly string[] = ['Namespace', 'Service']

/** @returns the operations from the root of the object; empty where there is nothing to take out */
export function uninject(object: KubeObject): JsonPatchOperation[] {
  const path = templatePath(object)
  const template = templateOf(object)
  if (path === undefined || template === undefined) {
    return ANNOTATED_KINDS.includes(object.kind ?? '') ? withoutMetadata(['metadata'], object.metadata) : []
  }
  return [
    ...(path.length === 0 ? [] : withoutMetadata(['metadata'], object.metadata)),
    ...withoutMetadata([...path, 'metadata'], template.metadata),
    ...withoutNamed([...path, 'spec', 'initContainers'], template.spec?.initContainers, CONTAINERS),
    ...withoutNamed([...path, 'spec', 'containers'], template.spec?.containers, CONTAINERS),
    ...withoutNamed([...path, 'spec', 'volumes'], template.spec?.volumes, VOLUMES),
  ]
}

function withoutMetadata(path: Path, metadata: ObjectMeta | undefined): JsonPatchOperation[] {
  // The control plane's own objects are found by theirs.
  if (metadata?.labels?.[MeshLabel.controlPlaneComponent] !== undefined) return []
  return (['labels', 'annotations'] as const).flatMap((field) =>
    Object.entries(metadata?.[field] ?? {})
      .filter(
        ([key, value]) => key.startsWith(METADATA_PREFIX) && !(key === Inject.annotation && value === Inject.disabled),
      )
      .map(([key]) => ({ op: 'remove', path: jsonPointer([...path, field, key]) }) as const),
  )
}

/** From the last to the first, so that no removal moves what a later one names. */
function withoutNamed(
  path: Path,
  list: readonly { readonly name: string }[] | null | undefined,
  names: readonly string[],
): JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = []
  for (const [at, { name }] of (list ?? []).entries()) {
    if (names.includes(name)) operations.unshift({ op: 'remove', path: jsonPointer([...path, at]) })
  }
  return operations
}
