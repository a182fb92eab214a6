/**
 * The environment of a container: a small base, then `env` in order, with `valueFrom` and `$(VAR)` as in Kubernetes.
 */
import { availableParallelism, totalmem } from 'node:os'
import type { StringMap } from '../../api/resources/check.ts'
import type { Container, EnvVar, Pod } from '../../api/resources/pod.ts'

/** What `valueFrom` may refer to besides the pod itself. */
export interface EnvironmentSources {
  readonly nodeName: string
  /** Data of a ConfigMap or (decoded) Secret of the pod's namespace. */
  configMap(name: string): StringMap | undefined
  secret(name: string): StringMap | undefined
}

/** A container that cannot start as it is written; the message says what to change. */
export class ContainerConfigError extends Error {
  override readonly name = 'ContainerConfigError'
}

export type Environment = Map<string, string>

/** @throws ContainerConfigError when a reference leads nowhere */
export function containerEnvironment(
  container: Container,
  pod: Pod,
  sources: EnvironmentSources,
  base: Iterable<readonly [string, string]>,
): Environment {
  const environment: Environment = new Map(base)
  for (const variable of container.env) {
    const value = variableValue(variable, container, pod, sources, environment)
    if (value !== undefined) environment.set(variable.name, value)
  }
  return environment
}

/** `$(NAME)` becomes its value, `$$(NAME)` the text `$(NAME)`; an unknown name stays as it is written. */
export function expandVariables(text: string, environment: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (whole, name: string | undefined) => {
    if (whole === '$$') return '$'
    return environment.get(name ?? '') ?? whole
  })
}

/** The field of a pod that the downward API names, such as `metadata.name` or `metadata.labels['app']`. */
export function podField(pod: Pod, path: string, nodeName: string): string | undefined {
  const { metadata, spec, status } = pod
  const [, map, key] = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path) ?? []
  if (map !== undefined && key !== undefined) {
    const values = map === 'labels' ? metadata.labels : metadata.annotations
    return Object.hasOwn(values, key) ? values[key] : ''
  }
  switch (path) {
    case 'metadata.name':
      return metadata.name
    case 'metadata.namespace':
      return metadata.namespace
    case 'metadata.uid':
      return metadata.uid
    case 'metadata.labels':
      return formatMap(metadata.labels)
    case 'metadata.annotations':
      return formatMap(metadata.annotations)
    case 'spec.nodeName':
      return nodeName
    case 'spec.serviceAccountName':
      return spec.serviceAccountName
    case 'status.podIP':
      return status.podIP
    case 'status.podIPs':
      return status.podIPs.map(({ ip }) => ip).join(',')
    case 'status.hostIP':
    case 'status.hostIPs':
      return status.hostIP
    default:
      return undefined
  }
}

/** As the downward API writes labels into a file: one `key="value"` per line, sorted. */
function formatMap(values: StringMap): string {
  return Object.entries(values)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')
}

function variableValue(
  { name, value, valueFrom }: EnvVar,
  container: Container,
  pod: Pod,
  sources: EnvironmentSources,
  environment: Environment,
): string | undefined {
  if (valueFrom === undefined) return expandVariables(value ?? '', environment)
  const { fieldRef, configMapKeyRef, secretKeyRef, resourceFieldRef } = valueFrom
  const where = `container ${container.name}: env ${name}`
  if (fieldRef !== undefined) {
    const field = podField(pod, fieldRef.fieldPath, sources.nodeName)
    if (field === undefined) throw new ContainerConfigError(`${where}: a pod has no field ${fieldRef.fieldPath}`)
    return field
  }
  if (resourceFieldRef !== undefined) return resourceValue(resourceFieldRef)
  const reference = configMapKeyRef ?? secretKeyRef
  if (reference === undefined) throw new ContainerConfigError(`${where}: valueFrom is empty; name a source`)
  const kind = configMapKeyRef === undefined ? 'Secret' : 'ConfigMap'
  const data = kind === 'Secret' ? sources.secret(reference.name) : sources.configMap(reference.name)
  const found = data !== undefined && Object.hasOwn(data, reference.key) ? data[reference.key] : undefined
  if (found === undefined && reference.optional !== true) {
    const { namespace } = pod.metadata
    throw new ContainerConfigError(
      `${where}: there is no key ${reference.key} in ${kind} ${namespace}/${reference.name}; add it`,
    )
  }
  return found
}

/** There are no limits on one machine, so a container is told what the machine has. */
function resourceValue(reference: unknown): string {
  const resource = String((reference as { resource?: unknown }).resource ?? '')
  return String(resource.endsWith('cpu') ? availableParallelism() : totalmem())
}
