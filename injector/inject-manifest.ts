/**
 * Injection of a whole manifest, for `weft inject`: every workload is annotated, so that the webhook injects its
 * pods, or with `manual` gets the containers at once. What was injected before is taken out first.
 */
import { Inject, MeshLabel, ProxyConfig } from '../api/vocabulary.ts'
import { annotationOf } from './annotations.ts'
import type { InjectorConfig } from './config.ts'
import { applyPatch, type JsonPatchOperation, jsonPointer, PatchedDocument, type Path } from './json-patch.ts'
import { type KubeObject, type ManifestObject, nameOf, patchDocument, templateOf, templatePath } from './manifest.ts'
import { injectPod } from './patch.ts'
import { containersOf, type Namespace, type Owner, type Pod } from './pod.ts'
import { hasSidecar, type SkipReason } from './skip.ts'
import { uninject } from './uninject.ts'

export interface ManifestInjection {
  /** The value of `linkerd.io/inject`, and the configuration that the pods shall carry. */
  readonly annotations: ReadonlyMap<string, string>
  /** Given: the containers are written into the manifest as the webhook would. */
  readonly manual?: InjectorConfig
}

export interface ObjectReport {
  readonly object: KubeObject
  readonly result: 'injected' | 'annotated' | 'skipped'
  /** Why it was skipped, where that is not plain from its kind. */
  readonly reason?: SkipReason
  readonly warnings: readonly string[]
  /** Why the whole manifest cannot be injected. */
  readonly error?: string
}

/** Why a pod cannot be in the mesh, in words. */
const SENTENCES: { readonly [reason in SkipReason]?: string } = {
  host_network_enabled: 'hostNetwork is enabled',
  sidecar_already_exists: 'a known sidecar is injected already',
  unsupported_resource: 'it has no containers',
  disabled_automount_service_account_token_account:
    'automountServiceAccountToken is false, and token projection is off',
}

/** Changes the documents in place and says for each object what was done. */
export function injectManifest(objects: readonly ManifestObject[], injection: ManifestInjection): ObjectReport[] {
  return objects.map((each) => {
    const { document, path, object } = each
    const removal = uninject(object)
    const clean = applyPatch(object, removal)
    const { patch, ...report } = injectObject(clean, injection, objects)
    patchDocument(document, path, [...removal, ...patch])
    return { object, ...report }
  })
}

export function uninjectManifest(objects: readonly ManifestObject[]): { object: KubeObject; isChanged: boolean }[] {
  return objects.map(({ document, path, object }) => {
    const patch = uninject(object)
    patchDocument(document, path, patch)
    return { object, isChanged: patch.length > 0 }
  })
}

type Outcome = Omit<ObjectReport, 'object'> & { readonly patch: readonly JsonPatchOperation[] }

const SKIPPED: Outcome = { result: 'skipped', warnings: [], patch: [] }

function injectObject(object: KubeObject, injection: ManifestInjection, all: readonly ManifestObject[]): Outcome {
  const path = templatePath(object)
  const template = templateOf(object)
  if (path === undefined || template === undefined) return annotateObject(object, injection)
  if (template.metadata?.labels?.[MeshLabel.controlPlaneComponent] !== undefined && injection.manual === undefined) {
    return SKIPPED
  }
  if (annotationOf(template.metadata, Inject.annotation) === Inject.disabled) {
    return {
      ...SKIPPED,
      reason: 'injection_disable_annotation_present',
      warnings: [`"${Inject.annotation}: disabled" annotation set on ${nameOf(object)}`],
    }
  }
  const problem = hardProblem(template)
  if (problem !== undefined) return { ...SKIPPED, error: SENTENCES[problem]! }

  const warnings = usesUdp(template) ? [`${nameOf(object)} uses "protocol: UDP"`] : []
  const annotated = annotate(template, injection.annotations)
  if (injection.manual === undefined) {
    return { result: 'injected', warnings, patch: under(path, annotated.patch) }
  }
  const result = injectPod({
    pod: annotated.value,
    namespace: namespaceOf(object, all),
    owner: ownerOf(object),
    config: injection.manual,
  })
  switch (result.kind) {
    case 'injected':
      return {
        result: 'injected',
        warnings: [...warnings, ...result.warnings.map((warning) => `${nameOf(object)}: ${warning}`)],
        patch: under(path, [...annotated.patch, ...result.patch]),
      }
    case 'skipped':
      return { ...SKIPPED, error: result.reasons.map((reason) => SENTENCES[reason] ?? reason).join(', ') }
    case 'refused':
      return { ...SKIPPED, error: result.reasons.join('; ') }
  }
}

/** Namespaces hand the annotations down to their pods; Services carry opaque ports only. */
function annotateObject(object: KubeObject, { annotations }: ManifestInjection): Outcome {
  const chosen =
    object.kind === 'Namespace' ? annotations : object.kind === 'Service' ? opaquePortsOf(annotations) : new Map()
  if (chosen.size === 0) return SKIPPED
  return { result: 'annotated', warnings: [], patch: annotate(object, chosen).patch }
}

function opaquePortsOf(annotations: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const ports = annotations.get(ProxyConfig.opaquePorts)
  return ports === undefined ? new Map() : new Map([[ProxyConfig.opaquePorts, ports]])
}

function annotate<Doc extends Pod | KubeObject>(
  object: Doc,
  annotations: ReadonlyMap<string, string>,
): PatchedDocument<Doc> {
  const patched = new PatchedDocument(object)
  patched.ensure(['metadata'], {})
  patched.ensure(['metadata', 'annotations'], {})
  for (const [key, value] of annotations) {
    // What is there already keeps its place and its comment.
    if (annotationOf(object.metadata, key) !== value) patched.add(['metadata', 'annotations', key], value)
  }
  return patched
}

function hardProblem({ spec }: Pod): SkipReason | undefined {
  if (spec?.hostNetwork === true) return 'host_network_enabled'
  if (hasSidecar(spec)) return 'sidecar_already_exists'
  return (spec?.containers ?? []).length === 0 ? 'unsupported_resource' : undefined
}

function usesUdp({ spec }: Pod): boolean {
  return containersOf(spec).some(({ ports }) => (ports ?? []).some(({ protocol }) => protocol === 'UDP'))
}

/** As the manifest itself has it, so that its annotations are inherited; else its name alone. */
function namespaceOf({ metadata }: KubeObject, all: readonly ManifestObject[]): Namespace {
  const name = metadata?.namespace ?? ''
  const given = all.find(({ object }) => object.kind === 'Namespace' && object.metadata?.name === name)
  return { metadata: { ...given?.object.metadata, name } }
}

function ownerOf({ kind, metadata }: KubeObject): Owner | undefined {
  return kind === undefined || kind === 'Pod' || metadata?.name === undefined
    ? undefined
    : { kind, name: metadata.name }
}

function under(base: Path, patch: readonly JsonPatchOperation[]): JsonPatchOperation[] {
  return patch.map((operation) => ({ ...operation, path: `${jsonPointer(base)}${operation.path}` }))
}
