/** Objects for tests, from the few words that a case is about. They pass the same checks as a user's. */
import type { Resource, ResourceOf } from '../../api/resources/kinds.ts'
import { formatProblem, parseManifests } from '../../api/resources/manifests.ts'
import { meta } from '../../api/resources/meta.ts'
import type { Pod, PodStatus } from '../../api/resources/pod.ts'

/** The objects of a manifest that must be right. */
export function manifest(text: string): readonly Resource[] {
  const { objects, problems } = parseManifests(text, 'test.yaml')
  if (problems.length > 0) throw new Error(problems.map(formatProblem).join('\n'))
  return objects
}

export function service(name: string, spec: string, namespace = 'shop'): ResourceOf<'Service'> {
  return manifest(
    `{ apiVersion: v1, kind: Service, metadata: { name: ${name}, namespace: ${namespace} }, spec: ${spec} }`,
  )[0] as ResourceOf<'Service'>
}

export function deployment(
  name: string,
  replicas: number,
  container = 'name: main, command: [sleep]',
): ResourceOf<'Deployment'> {
  const [object] = manifest(`
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop, uid: uid-of-${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ ${container} }] }
`)
  return object as ResourceOf<'Deployment'>
}

export interface PodOptions {
  readonly ip?: string
  readonly isReady?: boolean
  readonly isTerminating?: boolean
  readonly labels?: Readonly<Record<string, string>>
  readonly spec?: string
}

export function pod(name: string, options: PodOptions = {}): Pod {
  const {
    ip = '',
    isReady = true,
    isTerminating = false,
    labels = {},
    spec = 'containers: [{ name: main, command: [sleep] }]',
  } = options
  const [object] = manifest(
    `{ apiVersion: v1, kind: Pod, metadata: { name: ${name}, namespace: shop }, spec: { ${spec} } }`,
  )
  const { spec: podSpec } = object as Pod
  const status: PodStatus = {
    phase: 'Running',
    podIP: ip,
    podIPs: ip === '' ? [] : [{ ip }],
    hostIP: '',
    conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    initContainerStatuses: [],
    containerStatuses: [],
  }
  const metadata = meta({
    name,
    namespace: 'shop',
    labels,
    uid: `uid-of-${name}`,
    ...(isTerminating ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  })
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: podSpec, status }
}
