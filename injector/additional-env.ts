/**
 * `config.linkerd.io/proxy-additional-env`: more environment for the proxy, as a JSON list of Kubernetes EnvVars.
 *
 * Installation, namespace and pod merge by name, the nearest to the pod wins.
 */
import { ProxyConfig } from '../api/vocabulary.ts'
import { annotationOf } from './annotations.ts'
import type { EnvVar, Namespace, ObjectMeta } from './pod.ts'

export function additionalEnv(
  installed: readonly EnvVar[],
  namespace: Namespace,
  metadata: ObjectMeta | undefined,
): { readonly env: readonly EnvVar[]; readonly warnings: readonly string[] } {
  const merged = new Map(installed.map((variable) => [variable.name, variable]))
  const warnings: string[] = []
  for (const [place, meta] of [
    ['namespace', namespace.metadata],
    ['pod', metadata],
  ] as const) {
    const given = annotationOf(meta, ProxyConfig.proxyAdditionalEnv)
    if (given === undefined) continue
    const variables = parseEnv(given)
    if (variables === undefined) {
      warnings.push(
        `${ProxyConfig.proxyAdditionalEnv}: "${given}" of the ${place} is not a JSON list such as [{"name":"A","value":"b"}]; it is left out`,
      )
    } else for (const variable of variables) merged.set(variable.name, variable)
  }
  return { env: [...merged.values()], warnings }
}

function parseEnv(text: string): EnvVar[] | undefined {
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) && list.every(isEnvVar) ? list : undefined
  } catch {
    return undefined
  }
}

function isEnvVar(value: unknown): value is EnvVar {
  if (typeof value !== 'object' || value === null) return false
  const { name, value: content, valueFrom } = value as Record<string, unknown>
  if (typeof name !== 'string' || name === '' || name.includes('=')) return false
  if (valueFrom !== undefined) return content === undefined && typeof valueFrom === 'object' && valueFrom !== null
  return content === undefined || typeof content === 'string'
}
