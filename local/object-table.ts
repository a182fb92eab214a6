/** Objects as text: a table in the manner of kubectl, JSON or YAML. */
import { stringify } from 'yaml'
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
