/** Objects as text: a table in the manner of kubectl, JSON or YAML. */
import { stringify } from 'yaml'
import type { ConditionStatus } from '../api/resources/condition.ts'
import type { Kind, Resource } from '../api/resources/kinds.ts'
import type { Pod } from '../api/resources/pod.ts'
import { isPodReady, isTerminating } from './cluster/endpoints.ts'
import { isInjected } from './mesh-labels.ts'

const FORMATS = ['table', 'json', 'yaml'] as const
export type OutputFormat = (typeof FORMATS)[number]

export function isOutputFormat(text: string): text is OutputFormat {
  return FORMATS.includes(text as OutputFormat)
}

type Column = readonly [title: string, cell: (object: Resource) => string]

/** @param isSingle one object was asked for by name: it stands alone in JSON and YAML, not in a list */
export function formatObjects(
  kind: Kind,
  objects: readonly Resource[],
  format: OutputFormat,
  nowMs: number,
  isSingle = false,
): string {
  const [only] = objects
  const value = isSingle && only !== undefined ? only : { apiVersion: 'v1', kind: 'List', items: objects }
  if (format === 'json') return `${JSON.stringify(value, undefined, 2)}\n`
  if (format === 'yaml') return isSingle ? stringify(value) : objects.map((object) => stringify(object)).join('---\n')
  if (objects.length === 0) return 'there are none\n'
  const columns = [...COLUMNS[kind], ['AGE', ({ metadata }) => age(metadata.creationTimestamp, nowMs)] as Column]
  return alignColumns([
    columns.map(([title]) => title),
    ...objects.map((object) => columns.map(([, cell]) => cell(object))),
  ])
}

/** Rows of cells as lines of columns, two spaces between. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, index) => Math.max(most[index] ?? 0, cell.length)),
    [],
  )
  return rows
    .map(
      (row) =>
        `${row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0))).join('  ')}\n`,
    )
    .join('')
}

const namespace: Column = ['NAMESPACE', ({ metadata }) => metadata.namespace]
const name: Column = ['NAME', ({ metadata }) => metadata.name]

function column<K extends Kind>(
  kind: K,
  title: string,
  cell: (object: Extract<Resource, { kind: K }>) => string,
): Column {
  return [title, (object) => (object.kind === kind ? cell(object as Extract<Resource, { kind: K }>) : '')]
}

type AnyRoute = Extract<Resource, { spec: { parentRefs: unknown } }>

function routeColumn(title: string, cell: (route: AnyRoute) => string): Column {
  return [title, (object) => ('spec' in object && 'parentRefs' in object.spec ? cell(object as AnyRoute) : '')]
}

const ROUTE: readonly Column[] = [
  namespace,
  name,
  routeColumn('HOSTNAMES', ({ spec }) => spec.hostnames.join(',') || '*'),
  routeColumn('PARENTS', ({ spec }) => spec.parentRefs.map((ref) => `${ref.kind}/${ref.name}`).join(',') || '-'),
  routeColumn('ACCEPTED', ({ status }) => status?.parents.map(accepted).join(',') || '-'),
]

const COLUMNS: { readonly [K in Kind]: readonly Column[] } = {
  Namespace: [name, column('Namespace', 'INJECT', ({ metadata }) => metadata.annotations['linkerd.io/inject'] ?? '-')],
  ServiceAccount: [namespace, name],
  ConfigMap: [namespace, name, column('ConfigMap', 'DATA', ({ data }) => String(Object.keys(data).length))],
  Secret: [namespace, name, column('Secret', 'TYPE', ({ type }) => type)],
  Service: [
    namespace,
    name,
    column('Service', 'CLUSTER-IP', ({ spec }) => spec.clusterIP || '-'),
    column(
      'Service',
      'PORTS',
      ({ spec }) => spec.ports.map(({ port, protocol }) => `${port}/${protocol}`).join(',') || '-',
    ),
  ],
  EndpointSlice: [
    namespace,
    name,
    column('EndpointSlice', 'PORTS', ({ ports }) => ports.map(({ port }) => port).join(',') || '-'),
    column(
      'EndpointSlice',
      'READY',
      ({ endpoints }) =>
        endpoints
          .filter(({ conditions }) => conditions.ready)
          .flatMap(({ addresses }) => addresses)
          .join(',') || '-',
    ),
    column(
      'EndpointSlice',
      'NOT-READY',
      ({ endpoints }) =>
        endpoints
          .filter(({ conditions }) => !conditions.ready)
          .flatMap(({ addresses }) => addresses)
          .join(',') || '-',
    ),
  ],
  Deployment: [
    namespace,
    name,
    column('Deployment', 'READY', ({ spec, status }) => `${status.readyReplicas}/${spec.replicas}`),
  ],
  Pod: [
    namespace,
    name,
    column('Pod', 'READY', readyContainers),
    column('Pod', 'STATUS', podStatus),
    column('Pod', 'RESTARTS', ({ status }) =>
      String(
        [...status.initContainerStatuses, ...status.containerStatuses].reduce(
          (sum, { restartCount }) => sum + restartCount,
          0,
        ),
      ),
    ),
    column('Pod', 'MESHED', (pod) => (isInjected(pod) ? 'yes' : 'no')),
    column('Pod', 'IP', ({ status }) => status.podIP || '-'),
  ],
  ServiceProfile: [namespace, name, column('ServiceProfile', 'ROUTES', ({ spec }) => String(spec.routes.length))],
  Server: [
    namespace,
    name,
    column('Server', 'PORT', ({ spec }) => String(spec.port)),
    column('Server', 'PROTOCOL', ({ spec }) => spec.proxyProtocol),
    column('Server', 'ACCESS POLICY', ({ spec }) => spec.accessPolicy),
  ],
  ServerAuthorization: [
    namespace,
    name,
    column('ServerAuthorization', 'SERVER', ({ spec }) => spec.server.name ?? '(by label)'),
  ],
  AuthorizationPolicy: [
    namespace,
    name,
    column('AuthorizationPolicy', 'TARGET', ({ spec }) => `${spec.targetRef.kind}/${spec.targetRef.name}`),
    column(
      'AuthorizationPolicy',
      'REQUIRES',
      ({ spec }) => spec.requiredAuthenticationRefs.map((ref) => `${ref.kind}/${ref.name}`).join(',') || '-',
    ),
  ],
  MeshTLSAuthentication: [namespace, name],
  NetworkAuthentication: [
    namespace,
    name,
    column('NetworkAuthentication', 'NETWORKS', ({ spec }) => spec.networks.map(({ cidr }) => cidr).join(',')),
  ],
  HTTPLocalRateLimitPolicy: [
    namespace,
    name,
    column('HTTPLocalRateLimitPolicy', 'TARGET', ({ spec }) => `${spec.targetRef.kind}/${spec.targetRef.name}`),
    column('HTTPLocalRateLimitPolicy', 'TOTAL RPS', ({ spec }) => String(spec.total?.requestsPerSecond ?? '-')),
    column('HTTPLocalRateLimitPolicy', 'IDENTITY RPS', ({ spec }) => String(spec.identity?.requestsPerSecond ?? '-')),
    column('HTTPLocalRateLimitPolicy', 'ACCEPTED', ({ status }) => accepted(status)),
  ],
  EgressNetwork: [
    namespace,
    name,
    column('EgressNetwork', 'TRAFFIC POLICY', ({ spec }) => spec.trafficPolicy),
    column('EgressNetwork', 'ACCEPTED', ({ status }) => accepted(status)),
  ],
  HTTPRoute: ROUTE,
  'HTTPRoute.policy.linkerd.io': ROUTE,
  GRPCRoute: ROUTE,
  TLSRoute: ROUTE,
  TCPRoute: ROUTE,
  ReferenceGrant: [namespace, name],
  ExternalWorkload: [
    namespace,
    name,
    column('ExternalWorkload', 'IDENTITY', ({ spec }) => spec.meshTLS.identity),
    column('ExternalWorkload', 'IP', ({ spec }) => spec.workloadIPs.map(({ ip }) => ip).join(',') || '-'),
  ],
}

function accepted(status: ConditionStatus | undefined): string {
  const condition = status?.conditions.find(({ type }) => type === 'Accepted')
  if (condition === undefined) return '-'
  return condition.status === 'True' ? 'yes' : `no: ${condition.reason}`
}

function readyContainers({ spec, status }: Pod): string {
  const sidecars = spec.initContainers
    .filter(({ restartPolicy }) => restartPolicy === 'Always')
    .map((each) => each.name)
  const lasting = [
    ...status.containerStatuses,
    ...status.initContainerStatuses.filter((each) => sidecars.includes(each.name)),
  ]
  return `${lasting.filter(({ ready }) => ready).length}/${lasting.length}`
}

function podStatus(pod: Pod): string {
  if (isTerminating(pod)) return 'Terminating'
  if (!isPodReady(pod) && pod.status.reason !== undefined) return pod.status.reason
  return pod.status.phase
}

function age(timestamp: string, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(timestamp)) / 1_000))
  if (!Number.isFinite(seconds)) return '-'
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`
}
