/**
 * What the outbound metrics of all proxies add up to: per edge (one workload calling one service), per route of it, and
 * per replica that answered.
 *
 * With a service profile the proxy counts requests as the application sees them (`route_response_total`) and attempts
 * (`route_actual_response_total`); without one it counts attempts only (`response_total`, which holds those of profile
 * routes too). So what the application saw is the first, plus what is in the last but not in the middle.
 */
import { Latency } from './latency.ts'
import type { Sample } from './prometheus-text.ts'

export interface Outcomes {
  success: number
  failure: number
}

export interface RouteTotals {
  readonly logical: Outcomes
  retries: number
  readonly latency: Latency
}

export interface EdgeTotals {
  /** Workload that calls. */
  readonly from: string
  /** Service that is called; with its namespace when that is another one. */
  readonly to: string
  readonly attempts: Outcomes
  readonly profileAttempts: Outcomes
  /** Refused by the caller's own proxy before any endpoint was chosen. */
  unsent: number
  readonly routes: Map<string, RouteTotals>
  readonly latency: Latency
  policyRetries: number
  grpc: number
  meshed: number
  plain: number
  /** Requests (or connections) by answering pod. */
  readonly replicas: Map<string, number>
  readonly connections: {
    opened: number
    /** Now, not over a time. */
    open: number
    failed: number
    meshed: number
    plain: number
    readonly replicas: Map<string, number>
  }
}

/** Where a sample was scraped. */
export interface Source {
  readonly workload: string
  readonly namespace: string
}

/** A gauge: its value counts, not its increase. */
export const OPEN_CONNECTIONS = 'tcp_open_connections'

const FAMILIES = new Set([
  'response_total',
  'response_latency_ms_bucket',
  'route_response_total',
  'route_response_latency_ms_bucket',
  'route_actual_response_total',
  'route_retryable_total',
  'outbound_http_route_request_statuses_total',
  'outbound_grpc_route_request_statuses_total',
  'outbound_http_route_retry_requests_total',
  'outbound_grpc_route_retry_requests_total',
  'tcp_open_total',
  'tcp_close_total',
  OPEN_CONNECTIONS,
])

export function isWanted(name: string): boolean {
  return FAMILIES.has(name)
}

/** Errors of the caller's proxy itself, which no endpoint ever saw. */
const UNSENT_ERRORS = new Set(['FAIL_FAST', 'LOAD_SHED'])

/** Services a workload may call before further ones are counted together. */
const MAX_EDGES = 10_000

export class Totals {
  readonly edges = new Map<string, EdgeTotals>()

  /** Adds an increase of one series. */
  add(source: Source, sample: Sample, increase: number): void {
    const { name, labels } = sample
    if (increase === 0 || (labels.has('direction') && labels.get('direction') !== 'outbound')) return
    const to = destinationOf(sample, source.namespace)
    if (to === undefined) return
    const edge = this.#edge(source.workload, to)
    const outcome = labels.get('classification') === 'failure' ? 'failure' : 'success'
    const bound = Number(labels.get('le')?.replace('+Inf', 'Infinity'))
    switch (name) {
      case 'response_total':
        edge.attempts[outcome] += increase
        if ((labels.get('grpc_status') ?? '') !== '') edge.grpc += increase
        if (labels.get('tls') === 'true') edge.meshed += increase
        else edge.plain += increase
        count(edge.replicas, labels.get('dst_pod') ?? labels.get('target_addr') ?? '', increase)
        return
      case 'response_latency_ms_bucket':
        edge.latency.add(bound, increase)
        return
      case 'route_response_total':
        route(edge, labels).logical[outcome] += increase
        return
      case 'route_response_latency_ms_bucket':
        route(edge, labels).latency.add(bound, increase)
        return
      case 'route_actual_response_total':
        edge.profileAttempts[outcome] += increase
        return
      case 'route_retryable_total':
        if (!labels.has('skipped')) route(edge, labels).retries += increase
        return
      case 'outbound_http_route_retry_requests_total':
      case 'outbound_grpc_route_retry_requests_total':
        edge.policyRetries += increase
        return
      case 'outbound_http_route_request_statuses_total':
      case 'outbound_grpc_route_request_statuses_total':
        if (UNSENT_ERRORS.has(labels.get('error') ?? '')) edge.unsent += increase
        return
      case 'tcp_open_total':
        if (labels.get('peer') !== 'dst') return
        edge.connections.opened += increase
        if (labels.get('tls') === 'true') edge.connections.meshed += increase
        else edge.connections.plain += increase
        count(edge.connections.replicas, labels.get('dst_pod') ?? labels.get('target_addr') ?? '', increase)
        return
      case OPEN_CONNECTIONS:
        if (labels.get('peer') !== 'dst') return
        edge.connections.open += increase
        if (labels.get('tls') === 'true') edge.connections.meshed += increase
        else edge.connections.plain += increase
        return
      case 'tcp_close_total':
        if (labels.get('peer') === 'dst' && (labels.get('errno') ?? '') !== '') edge.connections.failed += increase
        return
    }
  }

  addAll(other: Totals): void {
    for (const each of other.edges.values()) {
      const edge = this.#edge(each.from, each.to)
      addOutcomes(edge.attempts, each.attempts)
      addOutcomes(edge.profileAttempts, each.profileAttempts)
      edge.unsent += each.unsent
      edge.policyRetries += each.policyRetries
      edge.grpc += each.grpc
      edge.meshed += each.meshed
      edge.plain += each.plain
      edge.latency.addAll(each.latency)
      for (const [pod, requests] of each.replicas) count(edge.replicas, pod, requests)
      edge.connections.opened += each.connections.opened
      edge.connections.failed += each.connections.failed
      edge.connections.open += each.connections.open
      edge.connections.meshed += each.connections.meshed
      edge.connections.plain += each.connections.plain
      for (const [pod, opened] of each.connections.replicas) count(edge.connections.replicas, pod, opened)
      for (const [name, totals] of each.routes) {
        const own = routeNamed(edge, name)
        addOutcomes(own.logical, totals.logical)
        own.retries += totals.retries
        own.latency.addAll(totals.latency)
      }
    }
  }

  #edge(from: string, to: string): EdgeTotals {
    const key = `${from} ${to}`
    let edge = this.edges.get(key)
    if (edge === undefined) {
      edge = emptyEdge(from, this.edges.size < MAX_EDGES ? to : '(others)')
      this.edges.set(key, edge)
    }
    return edge
  }
}

function emptyEdge(from: string, to: string): EdgeTotals {
  return {
    from,
    to,
    attempts: { success: 0, failure: 0 },
    profileAttempts: { success: 0, failure: 0 },
    unsent: 0,
    routes: new Map(),
    latency: new Latency(),
    policyRetries: 0,
    grpc: 0,
    meshed: 0,
    plain: 0,
    replicas: new Map(),
    connections: { opened: 0, open: 0, failed: 0, meshed: 0, plain: 0, replicas: new Map() },
  }
}

function route(edge: EdgeTotals, labels: ReadonlyMap<string, string>): RouteTotals {
  return routeNamed(edge, labels.get('rt_route') ?? '')
}

function routeNamed(edge: EdgeTotals, name: string): RouteTotals {
  let totals = edge.routes.get(name)
  if (totals === undefined) {
    totals = { logical: { success: 0, failure: 0 }, retries: 0, latency: new Latency() }
    edge.routes.set(name, totals)
  }
  return totals
}

/** The service a series is about: its name, with the namespace when the caller lives in another one. */
function destinationOf({ labels }: Sample, ownNamespace: string): string | undefined {
  const service = labels.get('dst_service')
  if (service !== undefined) return inNamespace(service, labels.get('dst_namespace') ?? ownNamespace, ownNamespace)
  const parent = labels.get('parent_kind') === 'Service' ? labels.get('parent_name') : undefined
  if (parent !== undefined) return inNamespace(parent, labels.get('parent_namespace') ?? ownNamespace, ownNamespace)
  const authority = labels.get('dst') ?? labels.get('authority')
  const [, name, namespace] = /^([^.:]+)\.([^.:]+)\.svc\./.exec(authority ?? '') ?? []
  if (name !== undefined && namespace !== undefined) return inNamespace(name, namespace, ownNamespace)
  return authority ?? labels.get('dst_deployment') ?? labels.get('target_addr')
}

function inNamespace(name: string, namespace: string, own: string): string {
  return namespace === own ? name : `${name}.${namespace}`
}

function count(map: Map<string, number>, key: string, increase: number): void {
  map.set(key, (map.get(key) ?? 0) + increase)
}

function addOutcomes(to: Outcomes, from: Outcomes): void {
  to.success += from.success
  to.failure += from.failure
}
