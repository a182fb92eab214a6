/** What an injected pod carries for traces: attributes from its annotations and labels, and its labels as a file. */
import { KubernetesLabel, TRACE_ATTRIBUTE_PREFIX, VolumeName } from '../api/vocabulary.ts'
import type { Pod, Volume } from './pod.ts'

export const PODINFO_DIRECTORY = '/var/run/linkerd/podinfo'

/** One `key=value` per line. The proxy's own facts come first, then the service's name, then what annotations say. */
export function traceAttributes({ metadata }: Pod): string {
  const attributes = new Map([
    ['k8s.pod.ip', '$(_pod_ip)'],
    ['k8s.pod.uid', '$(_pod_uid)'],
    ['k8s.container.name', '$(_pod_containerName)'],
  ])
  const serviceName = metadata?.labels?.[KubernetesLabel.appInstance] ?? metadata?.labels?.[KubernetesLabel.appName]
  if (serviceName !== undefined) attributes.set('service.name', serviceName)
  for (const [key, value] of Object.entries(metadata?.annotations ?? {})) {
    if (key.startsWith(TRACE_ATTRIBUTE_PREFIX)) attributes.set(key.slice(TRACE_ATTRIBUTE_PREFIX.length), value)
  }
  return [...attributes].map(([key, value]) => `${key}=${value}\n`).join('')
}

export function podinfoVolume(): Volume & { readonly downwardAPI: unknown } {
  return {
    name: VolumeName.podinfo,
    downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] },
  }
}
