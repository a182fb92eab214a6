/** Totals of some time as the rows of the table and of `--json`. Pure. */
import type { EdgeTotals, Outcomes, RouteTotals, Totals } from './totals.ts'

export interface PodRow {
  readonly name: string
  readonly namespace: string
  readonly injected: boolean
  readonly ready: boolean
}

/** `null` is written where a number makes no sense: the latency of an opaque connection, a rate of nothing. */
export interface EdgeRow {
  readonly from: string
  readonly to: string
  readonly protocol: 'http' | 'grpc' | 'tcp'
  readonly mtls: boolean
  /** Requests as the application sees them; connections where the protocol is opaque. */
  readonly requests: number
  readonly successRate: number | null
  readonly retries: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
}

export interface RouteRow extends EdgeRow {
  /** Name in the service profile; empty for what no route names. */
  readonly route: string
}

export interface ReplicaRow {
  readonly service: string
  readonly pod: string
  readonly requests: number
  /** Of the service's requests, 0 to 1. */
  readonly share: number
}

export interface Report {
  /** Length of the time that the numbers are about. */
  readonly periodMs: number
  readonly pods: readonly PodRow[]
  readonly edges: readonly EdgeRow[]
  readonly routes: readonly RouteRow[]
  readonly replicas: readonly ReplicaRow[]
}

export function report(totals: Totals, pods: readonly PodRow[], periodMs: number): Report {
  const edges = [...totals.edges.values()].filter(isActive).sort(byName)
  return { periodMs, pods, edges: edges.map(edgeRow), routes: edges.flatMap(routeRows), replicas: replicaRows(edges) }
}

/** Success rate over several edges together; `undefined` without requests. */
export function successRateOf(rows: readonly EdgeRow[]): number | undefined {
  const requests = rows.reduce((sum, row) => sum + row.requests, 0)
  if (requests === 0) return undefined
  return rows.reduce((sum, row) => sum + row.requests * (row.successRate ?? 0), 0) / requests
}

function isActive(edge: EdgeTotals): boolean {
  return isHttp(edge) || edge.connections.opened > 0 || edge.connections.open > 0
}

function isHttp(edge: EdgeTotals): boolean {
  return edge.attempts.success + edge.attempts.failure + edge.unsent > 0 || edge.routes.size > 0
}

function edgeRow(edge: EdgeTotals): EdgeRow {
  if (!isHttp(edge)) return tcpRow(edge)
  const routes = [...edge.routes.values()]
  const logical = plainRoute(edge).logical
  for (const each of routes) {
    logical.success += each.logical.success
    logical.failure += each.logical.failure
  }
  const retries = edge.policyRetries + routes.reduce((sum, each) => sum + each.retries, 0)
  return { ...identity(edge), ...numbers({ logical, retries, latency: edge.latency }) }
}

function tcpRow(edge: EdgeTotals): EdgeRow {
  const { opened, failed, meshed, plain } = edge.connections
  return {
    from: edge.from,
    to: edge.to,
    protocol: 'tcp',
    mtls: meshed > 0 && plain === 0,
    requests: opened,
    successRate: opened === 0 ? null : Math.max(0, 1 - failed / opened),
    retries: 0,
    p50Ms: null,
    p95Ms: null,
    p99Ms: null,
  }
}

function routeRows(edge: EdgeTotals): RouteRow[] {
  if (!isHttp(edge)) return [{ ...tcpRow(edge), route: '' }]
  const named = [...edge.routes].sort(([a], [b]) => (a < b ? -1 : 1))
  const rest = plainRoute(edge)
  const rows = named.map(([route, totals]) => ({ ...identity(edge), ...numbers(totals), route }))
  if (named.length === 0 || rest.logical.success + rest.logical.failure > 0) {
    const unnamed = rows.find(({ route }) => route === '')
    if (unnamed === undefined) rows.unshift({ ...identity(edge), ...numbers(rest), route: '' })
  }
  return rows.filter(({ requests }) => requests > 0)
}

/** What the application saw outside of profile routes. */
function plainRoute(edge: EdgeTotals): RouteTotals {
  const outside = (outcome: keyof Outcomes) => Math.max(0, edge.attempts[outcome] - edge.profileAttempts[outcome])
  return {
    logical: { success: outside('success'), failure: outside('failure') + edge.unsent },
    retries: edge.policyRetries,
    latency: edge.latency,
  }
}

function identity(edge: EdgeTotals): Pick<EdgeRow, 'from' | 'to' | 'protocol' | 'mtls'> {
  return {
    from: edge.from,
    to: edge.to,
    protocol: edge.grpc > 0 ? 'grpc' : 'http',
    mtls: edge.meshed > 0 && edge.plain === 0,
  }
}

function numbers({ logical, retries, latency }: RouteTotals): Omit<EdgeRow, 'from' | 'to' | 'protocol' | 'mtls'> {
  const requests = logical.success + logical.failure
  const percentile = (share: number) => latency.percentileMs(share) ?? null
  return {
    requests,
    successRate: requests === 0 ? null : logical.success / requests,
    retries,
    p50Ms: percentile(0.5),
    p95Ms: percentile(0.95),
    p99Ms: percentile(0.99),
  }
}

function replicaRows(edges: readonly EdgeTotals[]): ReplicaRow[] {
  const services = new Map<string, Map<string, number>>()
  for (const edge of edges) {
    const pods = services.get(edge.to) ?? new Map<string, number>()
    for (const [pod, requests] of isHttp(edge) ? edge.replicas : edge.connections.replicas) {
      pods.set(pod, (pods.get(pod) ?? 0) + requests)
    }
    services.set(edge.to, pods)
  }
  return [...services].flatMap(([service, pods]) => {
    const total = [...pods.values()].reduce((sum, requests) => sum + requests, 0)
    return [...pods]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([pod, requests]) => ({ service, pod, requests, share: total === 0 ? 0 : requests / total }))
  })
}

function byName(a: EdgeTotals, b: EdgeTotals): number {
  return `${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1
}
