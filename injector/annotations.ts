/**
 * The annotations that hold for a pod: its own, and of the inheritable ones those of its namespace that it lacks.
 *
 * Nothing else inherits; annotations of the Deployment itself, outside its template, mean nothing.
 */
import { Inject, ProxyConfig } from '../api/vocabulary.ts'
import type { Namespace, ObjectMeta } from './pod.ts'
import { INHERITED_SETTING_KEYS } from './settings.ts'

export interface EffectiveAnnotations {
  readonly values: ReadonlyMap<string, string>
  /** Those that come from the namespace, in the order of the table: the patch writes them onto the pod. */
  readonly inherited: ReadonlyMap<string, string>
}

/** The additional environment merges instead of overriding, so it is read from both. */
const INHERITED_KEYS = [
  Inject.annotation,
  ...INHERITED_SETTING_KEYS,
  ProxyConfig.opaquePorts,
  ProxyConfig.proxyAdditionalEnv,
]

export function effectiveAnnotations(metadata: ObjectMeta | undefined, namespace: Namespace): EffectiveAnnotations {
  const values = new Map(Object.entries(metadata?.annotations ?? {}))
  const inherited = new Map<string, string>()
  for (const key of INHERITED_KEYS) {
    const value = annotationOf(namespace.metadata, key)
    if (value === undefined || values.has(key)) continue
    values.set(key, value)
    inherited.set(key, value)
  }
  return { values, inherited }
}

export function annotationOf(metadata: ObjectMeta | undefined, key: string): string | undefined {
  const annotations = metadata?.annotations ?? {}
  return Object.hasOwn(annotations, key) ? annotations[key] : undefined
}
