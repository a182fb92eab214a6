/**
 * The injector's patch: from a pod and its namespace to the pod with a proxy in it, as JSON Patch.
 *
 * A pure function with three doors: the admission webhook, `weft inject --manual` and the local cluster. It changes
 * nothing that is there; it adds labels, annotations, volumes and containers, always in the same order.
 */
import { Inject, ProxyConfig } from '../api/vocabulary.ts'
import { additionalEnv } from './additional-env.ts'
import { effectiveAnnotations } from './annotations.ts'
import type { InjectorConfig } from './config.ts'
import { debugContainer, proxyContainer } from './containers.ts'
import { proxyEnv } from './env.ts'
import { initContainer } from './init-containers.ts'
import { type JsonPatchOperation, PatchedDocument } from './json-patch.ts'
import { meshAnnotations, meshLabels } from './labels.ts'
import type { Container, Namespace, ObjectMeta, Owner, Pod, Service } from './pod.ts'
import { inboundPorts, missingPodOpaquePorts, missingServiceOpaquePorts, parseOpaquePorts } from './ports.ts'
import { refusals } from './refusal.ts'
import { readSettings } from './settings.ts'
import { type SkipReason, skipReasons } from './skip.ts'
import { meshVolumes } from './volumes.ts'

export interface PodToInject {
  readonly pod: Pod
  readonly namespace: Namespace
  /** The top of the pod's chain of owners; absent for a pod of its own. */
  readonly owner?: Owner | undefined
  readonly config: InjectorConfig
}

export type Injection =
  | {
      readonly kind: 'injected'
      readonly patch: readonly JsonPatchOperation[]
      /** The pod as the patch makes it. */
      readonly pod: Pod
      /** One sentence per annotation that could not be read. */
      readonly warnings: readonly string[]
    }
  | {
      readonly kind: 'skipped'
      readonly reasons: readonly SkipReason[]
      /** At most the opaque-ports annotation: clients in the mesh read it from unmeshed pods too. */
      readonly patch: readonly JsonPatchOperation[]
      readonly pod: Pod
    }
  | {
      /** An annotation that must not be ignored cannot be honoured: the pod may not be created like this. */
      readonly kind: 'refused'
      readonly reasons: readonly string[]
      readonly patch: readonly []
    }

export function injectPod({ pod, namespace, owner, config }: PodToInject): Injection {
  const reasons = skipReasons(pod, namespace, config)
  if (reasons.length > 0) {
    const { patch, value } = withAnnotation(pod, ProxyConfig.opaquePorts, opaquePortsToWrite(pod, namespace, config))
    return { kind: 'skipped', reasons, patch, pod: value }
  }
  const annotations = effectiveAnnotations(pod.metadata, namespace)
  const refused = refusals(annotations.values, config)
  if (refused.length > 0) return { kind: 'refused', reasons: refused, patch: [] }

  const { settings, warnings } = readSettings(config.proxy, annotations.values)
  const opaqueText = annotations.values.get(ProxyConfig.opaquePorts)
  const opaque =
    opaqueText === undefined ? { ports: settings.opaquePorts, warnings: [] } : parseOpaquePorts(opaqueText, pod.spec)
  const additional = additionalEnv(settings.additionalEnv, namespace, pod.metadata)
  const env = proxyEnv({
    pod,
    config,
    settings,
    isIngress: annotations.values.get(Inject.annotation) === Inject.ingress,
    inboundPorts: inboundPorts(pod.spec),
    opaquePorts: opaque.ports,
    additional: additional.env,
  })

  const patched = new PatchedDocument(pod)
  addMembers(patched, 'labels', meshLabels(config, namespace, owner))
  const opaqueToWrite = opaquePortsToWrite(pod, namespace, config)
  addMembers(
    patched,
    'annotations',
    new Map([
      ...annotations.inherited,
      ...(opaqueToWrite === undefined ? [] : [[ProxyConfig.opaquePorts, opaqueToWrite] as const]),
      ...meshAnnotations(config, settings),
    ]),
  )
  addVolumes(patched, config)
  const spec = pod.spec ?? {}
  const proxy = proxyContainer(spec, config, settings, env)
  const init = initContainer(pod, config, settings)
  // In this order the redirect is there before the proxy, and a native proxy before everything of the app.
  addFirst(patched, 'initContainers', settings.isNativeSidecar ? [init, proxy] : [init])
  if (!settings.isNativeSidecar) {
    // First means started first, and the kubelet waits for its postStart; without waiting the place is of no use.
    if (settings.isAwaited) addFirst(patched, 'containers', [proxy])
    else patched.add(['spec', 'containers', '-'], proxy)
  }
  if (settings.isDebugEnabled) patched.add(['spec', 'containers', '-'], debugContainer(settings))
  return {
    kind: 'injected',
    patch: patched.patch,
    pod: patched.value,
    warnings: [...warnings, ...opaque.warnings, ...additional.warnings],
  }
}

/** The patch of a Service: the opaque-ports annotation that it lacks, or nothing. */
export function injectService<S extends Service>(input: {
  readonly service: S
  readonly namespace: Namespace
  readonly config: InjectorConfig
}): { readonly patch: readonly JsonPatchOperation[]; readonly service: S } {
  const { service, namespace, config } = input
  const missing = missingServiceOpaquePorts(service, namespace, config.proxy.opaquePorts)
  const { patch, value } = withAnnotation(service, ProxyConfig.opaquePorts, missing)
  return { patch, service: value }
}

type WithMetadata = { readonly metadata?: ObjectMeta | undefined }

function opaquePortsToWrite(
  { metadata, spec }: Pod,
  namespace: Namespace,
  { proxy }: InjectorConfig,
): string | undefined {
  return missingPodOpaquePorts(metadata, spec, namespace, proxy.opaquePorts)
}

function withAnnotation<Doc extends WithMetadata>(
  document: Doc,
  key: string,
  value: string | undefined,
): PatchedDocument<Doc> {
  const patched = new PatchedDocument(document)
  if (value !== undefined) addMembers(patched, 'annotations', new Map([[key, value]]))
  return patched
}

function addMembers(
  patched: PatchedDocument<WithMetadata>,
  field: 'labels' | 'annotations',
  members: ReadonlyMap<string, string>,
): void {
  patched.ensure(['metadata'], {})
  patched.ensure(['metadata', field], {})
  for (const [key, value] of members) {
    // What is right already needs no operation.
    const present = patched.value.metadata?.[field]
    if (present === undefined || !Object.hasOwn(present, key) || present[key] !== value) {
      patched.add(['metadata', field, key], value)
    }
  }
}

/** A volume of the same name is what an earlier injection left behind; two would make the pod invalid. */
function addVolumes(patched: PatchedDocument<Pod>, config: InjectorConfig): void {
  const present = new Set((patched.value.spec?.volumes ?? []).map(({ name }) => name))
  patched.ensure(['spec', 'volumes'], [])
  for (const volume of meshVolumes(config)) {
    if (!present.has(volume.name)) patched.add(['spec', 'volumes', '-'], volume)
  }
}

function addFirst(
  patched: PatchedDocument<Pod>,
  field: 'initContainers' | 'containers',
  containers: readonly Container[],
): void {
  patched.ensure(['spec', field], [])
  containers.forEach((container, at) => {
    patched.add(['spec', field, at], container)
  })
}
