/**
 * The ports of a pod or Service as the mesh sees them: which the pod serves, and which of them are opaque.
 */
import { formatPortSet, hasPort, type PortSet, parsePortSet } from '../api/port-set.ts'
import { ProxyConfig } from '../api/vocabulary.ts'
import { annotationOf } from './annotations.ts'
import { containersOf, type Namespace, type ObjectMeta, type PodSpec, type Probe, type Service } from './pod.ts'

/** Every port the pod says it serves, as the proxy gets them: sorted as text, as Linkerd has it. */
export function inboundPorts(spec: PodSpec | undefined): string {
  const ports = new Set<number>()
  for (const container of containersOf(spec)) {
    for (const { containerPort } of container.ports ?? []) ports.add(containerPort)
    for (const probe of [container.livenessProbe, container.readinessProbe]) {
      const port = numericHttpPort(probe)
      if (port !== undefined) ports.add(port)
    }
  }
  return [...ports].map(String).sort().join(',')
}

/** An annotation's opaque ports with names resolved, and a warning for each element that is none. */
export function parseOpaquePorts(
  text: string,
  spec: PodSpec | undefined,
): { readonly ports: PortSet; readonly warnings: readonly string[] } {
  const { ports, wrong } = parsePortSet(text, (name) => portsNamed(spec, name))
  const warnings = wrong.map(
    (element) =>
      `${ProxyConfig.opaquePorts}: "${element}" is no port, no range and no name of a container port; it is left out`,
  )
  return { ports, warnings }
}

/**
 * The opaque-ports annotation that a pod lacks: the namespace's, else those of the default ports that it exposes.
 * `undefined` when it has one, or when there is nothing to write.
 */
export function missingPodOpaquePorts(
  metadata: ObjectMeta | undefined,
  spec: PodSpec | undefined,
  namespace: Namespace,
  defaults: PortSet,
): string | undefined {
  const exposed = containersOf(spec).flatMap(({ ports }) => (ports ?? []).map(({ containerPort }) => containerPort))
  return missingOpaquePorts(metadata, namespace, exposed, defaults)
}

/** The same for a Service: the ports where its pods are reached, as far as they are numbers. */
export function missingServiceOpaquePorts(
  service: Service,
  namespace: Namespace,
  defaults: PortSet,
): string | undefined {
  const exposed = (service.spec?.ports ?? []).flatMap(({ port, targetPort }) => {
    // 0 is how an unset targetPort looks after some serializers.
    if (targetPort === undefined || targetPort === 0 || targetPort === '') return [port]
    return typeof targetPort === 'number' ? [targetPort] : []
  })
  return missingOpaquePorts(service.metadata, namespace, exposed, defaults)
}

function missingOpaquePorts(
  metadata: ObjectMeta | undefined,
  namespace: Namespace,
  exposed: readonly number[],
  defaults: PortSet,
): string | undefined {
  if (annotationOf(metadata, ProxyConfig.opaquePorts) !== undefined) return undefined
  const ofNamespace = annotationOf(namespace.metadata, ProxyConfig.opaquePorts)
  if (ofNamespace !== undefined) return ofNamespace
  const opaque = [...new Set(exposed)].filter((port) => hasPort(defaults, port))
  return opaque.length === 0 ? undefined : formatPortSet(opaque.map((port) => ({ first: port, last: port })))
}

function numericHttpPort(probe: Probe | undefined): number | undefined {
  const port = probe?.httpGet?.port
  return typeof port === 'number' ? port : undefined
}

function portsNamed(spec: PodSpec | undefined, wanted: string): readonly number[] | undefined {
  const found = containersOf(spec).flatMap(({ ports }) =>
    (ports ?? []).filter(({ name }) => name === wanted).map(({ containerPort }) => containerPort),
  )
  return found.length === 0 ? undefined : found
}
