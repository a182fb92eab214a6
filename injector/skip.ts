/**
 * When a pod is left as it is, and why. The codes are those of Linkerd's events and metrics; all that apply are
 * given, in the order of this list.
 */
import { ContainerName, Inject } from '../api/vocabulary.ts'
import { annotationOf } from './annotations.ts'
import type { InjectorConfig } from './config.ts'
import { containersOf, type Namespace, type Pod, type PodSpec } from './pod.ts'

export const SKIP_REASONS = [
  'host_network_enabled',
  'sidecar_already_exists',
  'unsupported_resource',
  'injection_enable_annotation_absent',
  'injection_disable_annotation_present',
  'invalid_inject_annotation_at_ns',
  'invalid_inject_annotation_at_workload',
  'disabled_automount_service_account_token_account',
] as const
export type SkipReason = (typeof SKIP_REASONS)[number]

/** Where the API server mounts a pod's token. */
export const SERVICE_ACCOUNT_MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Sidecars that would fight over the pod's connections, by name and by image. */
const PROXIES = {
  names: [ContainerName.proxy, 'istio-proxy'],
  images: ['cr.l5d.io/linkerd/proxy:', 'gcr.io/istio-release/proxyv2:'],
}
const INITS = {
  names: [ContainerName.init, 'istio-init'],
  images: ['cr.l5d.io/linkerd/proxy-init:', 'gcr.io/istio-release/proxy_init:'],
}

/** Empty: the pod is injected. */
export function skipReasons(pod: Pod, namespace: Namespace, config: InjectorConfig): SkipReason[] {
  const { spec } = pod
  const reasons: (SkipReason | undefined)[] = [
    spec?.hostNetwork === true ? 'host_network_enabled' : undefined,
    hasSidecar(spec) ? 'sidecar_already_exists' : undefined,
    isPod(pod) ? undefined : 'unsupported_resource',
    switchedOff(pod, namespace),
    !config.tokenProjection && !hasToken(spec) ? 'disabled_automount_service_account_token_account' : undefined,
  ]
  return reasons.filter((reason) => reason !== undefined)
}

/** Whether the namespace keeps all webhooks away, by its label. The webhook's selector says the same to the API server. */
export function isWebhookDisabled(namespace: Namespace): boolean {
  return namespace.metadata.labels?.[Inject.webhooksLabel] === Inject.disabled
}

function switchedOff(pod: Pod, namespace: Namespace): SkipReason | undefined {
  const ofNamespace = annotationOf(namespace.metadata, Inject.annotation)
  const ofPod = annotationOf(pod.metadata, Inject.annotation)
  if (!isSwitch(ofNamespace)) return 'invalid_inject_annotation_at_ns'
  if (!isSwitch(ofPod)) return 'invalid_inject_annotation_at_workload'
  if (isOn(ofPod)) return undefined
  if (!isOn(ofNamespace)) return 'injection_enable_annotation_absent'
  return ofPod === Inject.disabled ? 'injection_disable_annotation_present' : undefined
}

function isSwitch(value: string | undefined): boolean {
  return value === undefined || value === '' || value === Inject.disabled || isOn(value)
}

function isOn(value: string | undefined): boolean {
  return value === Inject.enabled || value === Inject.ingress
}

function isPod({ kind, spec }: Pod): boolean {
  return (kind === undefined || kind === 'Pod') && (spec?.containers?.length ?? 0) > 0
}

export function hasSidecar(spec: PodSpec | undefined): boolean {
  return (
    containersOf(spec).some((container) => matches(container, PROXIES)) ||
    (spec?.initContainers ?? []).some((container) => matches(container, INITS))
  )
}

function matches(
  { name, image }: { name: string; image?: string | undefined },
  known: typeof PROXIES | typeof INITS,
): boolean {
  return known.names.includes(name) || known.images.some((prefix) => image?.startsWith(prefix))
}

function hasToken(spec: PodSpec | undefined): boolean {
  if (spec?.automountServiceAccountToken === false) return false
  return (spec?.containers?.[0]?.volumeMounts ?? []).some(({ mountPath }) => mountPath === SERVICE_ACCOUNT_MOUNT)
}
