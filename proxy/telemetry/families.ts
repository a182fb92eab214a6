/**
 * Every family of the proxy under its exact name (facts: metrics.md). Those without series are not printed, so declaring
 * one costs nothing until something is counted.
 */
import type { Family } from './family.ts'
import type { Counter, Gauge, Histogram } from './metrics.ts'
import type { Registry } from './registry.ts'
import { LATENCY_BOUNDS_MS, type RequestFamilies } from './request-metrics.ts'
import type { TcpFamilies, TcpMetrics } from './tcp-metrics.ts'

/** `outbound_http_route_*` or `outbound_grpc_route_*`. */
export interface RouteFamilies {
  readonly requestDuration: Family<Histogram>
  readonly requestStatuses: Family<Counter>
  readonly retryRequests: Family<Counter>
  readonly retrySuccesses: Family<Counter>
  readonly retryLimitExceeded: Family<Counter>
  readonly retryOverflow: Family<Counter>
  readonly backendRequests: Family<Counter>
  readonly backendResponseDuration: Family<Histogram>
  readonly backendResponseStatuses: Family<Counter>
}

/** `inbound_http_*` or `inbound_grpc_*`, labelled by Server and route. */
export interface InboundRouteFamilies {
  readonly requests: Family<Counter>
  readonly statuses: Family<Counter>
  readonly requestDuration: Family<Histogram>
  readonly responseDuration: Family<Histogram>
}

export interface BalancerFamilies {
  readonly endpoints: Family<Gauge>
  readonly p2cEndpoints: Family<Gauge>
  readonly p2cUpdates: Family<Counter>
  readonly queueLength: Family<Gauge>
  readonly queueRequests: Family<Counter>
  readonly queueLatency: Family<Histogram>
  readonly gateOpen: Family<Counter>
  readonly gateShut: Family<Counter>
  readonly gateOpenTime: Family<Gauge>
  readonly gateShutTime: Family<Gauge>
  readonly gateTimeout: Family<Gauge>
}

export interface DetectFamilies {
  readonly duration: Family<Histogram>
  readonly results: Family<Counter>
}

export interface Families {
  readonly http: RequestFamilies
  readonly control: RequestFamilies
  /** Logical requests of service-profile routes. */
  readonly profileRoute: RequestFamilies
  /** Attempts, retries included; outbound only. */
  readonly profileRouteActual: RequestFamilies
  readonly profileRouteRetryable: Family<Counter>
  readonly tcp: TcpFamilies
  readonly inboundAuthz: {
    readonly httpAllow: Family<Counter>
    readonly httpDeny: Family<Counter>
    readonly routeNotFound: Family<Counter>
    readonly rateLimit: Family<Counter>
    readonly tcpAllow: Family<Counter>
    readonly tcpDeny: Family<Counter>
    readonly tcpTerminate: Family<Counter>
  }
  readonly inboundErrors: { readonly http: Family<Counter>; readonly tcp: Family<Counter> }
  readonly outboundErrors: { readonly http: Family<Counter>; readonly tcp: Family<Counter> }
  /** By direction, peer and reason (wire/refusal.ts). */
  readonly refused: Family<Counter>
  readonly inboundTransportHeader: Family<Counter>
  readonly inboundRoute: { readonly http: InboundRouteFamilies; readonly grpc: InboundRouteFamilies }
  readonly outboundRoute: { readonly http: RouteFamilies; readonly grpc: RouteFamilies }
  readonly outboundTcpRoute: { readonly open: Family<Counter>; readonly close: Family<Counter> }
  readonly outboundTlsRoute: { readonly open: Family<Counter>; readonly close: Family<Counter> }
  readonly outboundProtocol: Family<Counter>
  readonly outboundTransferCost: Family<Counter>
  readonly balancer: { readonly http: BalancerFamilies; readonly tcp: BalancerFamilies; readonly tls: BalancerFamilies }
  /** What circuit breakers did, by outcome. */
  readonly mirrored: Family<Counter>
  readonly ignoredOverrides: Family<Counter>
  readonly ejections: Family<Counter>
  readonly ejectedEndpoints: Family<Gauge>
  /** Requests of sessions, by where they went. */
  readonly sessionRequests: Family<Counter>
  /** By direction and outcome (io/early-dial.ts). */
  readonly earlyDials: Family<Counter>
  readonly detect: { readonly inbound: DetectFamilies; readonly outbound: DetectFamilies }
  readonly identity: {
    readonly expiration: Family<Gauge>
    readonly refresh: Family<Gauge>
    readonly refreshes: Family<Counter>
  }
  readonly dnsResolutions: Family<Counter>
  readonly buildInfo: Family<Gauge>
}

const FAST_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 10]
const COARSE_SECONDS = [0.05, 0.5, 1, 10]
const QUEUE_SECONDS = [0.0005, 0.005, 0.05, 0.5, 1, 3]
const DETECT_SECONDS = [0.001, 0.1]

export function declareFamilies(registry: Registry): Families {
  const legacy = (name: string, help: string) => registry.counter(name, help, 'legacy')
  return {
    http: requests(registry, '', 'HTTP'),
    control: requests(registry, 'control_', 'control-plane'),
    profileRoute: requests(registry, 'route_', 'service-profile route'),
    profileRouteActual: {
      requests: legacy('route_actual_request', 'Attempts of requests on a service-profile route'),
      responses: legacy('route_actual_response', 'Responses to attempts on a service-profile route'),
      latency: undefined,
    },
    profileRouteRetryable: legacy('route_retryable', 'Retries of requests on a service-profile route'),
    tcp: tcp(registry),
    inboundAuthz: {
      httpAllow: legacy('inbound_http_authz_allow', 'HTTP requests that were allowed'),
      httpDeny: legacy('inbound_http_authz_deny', 'HTTP requests that were denied'),
      routeNotFound: legacy('inbound_http_route_not_found', 'HTTP requests that no route matched'),
      rateLimit: legacy('inbound_http_local_ratelimit', 'HTTP requests that exceeded a local rate limit'),
      tcpAllow: legacy('inbound_tcp_authz_allow', 'Connections that were allowed'),
      tcpDeny: legacy('inbound_tcp_authz_deny', 'Connections that were denied'),
      tcpTerminate: legacy('inbound_tcp_authz_terminate', 'Open connections that a policy change closed'),
    },
    inboundErrors: {
      http: legacy('inbound_http_errors', 'Errors the proxy answered inbound requests with'),
      tcp: legacy('inbound_tcp_errors', 'Inbound connections that failed'),
    },
    outboundErrors: {
      http: legacy('outbound_http_errors', 'Errors the proxy answered outbound requests with'),
      tcp: legacy('outbound_tcp_errors', 'Outbound connections that failed'),
    },
    refused: registry.counter('weft_refused', 'Connections, streams and messages of peers that were refused'),
    inboundTransportHeader: legacy(
      'inbound_tcp_transport_header_connections',
      'Connections that began with a transport header',
    ),
    inboundRoute: { http: inboundRoute(registry, 'http'), grpc: inboundRoute(registry, 'grpc') },
    outboundRoute: { http: outboundRoute(registry, 'http'), grpc: outboundRoute(registry, 'grpc') },
    outboundTcpRoute: connectionRoute(registry, 'outbound_tcp_route'),
    outboundTlsRoute: connectionRoute(registry, 'outbound_tls_route'),
    outboundProtocol: registry.counter('outbound_tcp_protocol_connections', 'Outbound connections by protocol'),
    outboundTransferCost: registry.counter('outbound_tcp_transfer_cost_bytes', 'Bytes moved within and across zones'),
    balancer: {
      http: balancer(registry, 'outbound_http_balancer'),
      tcp: balancer(registry, 'outbound_tcp_balancer'),
      tls: balancer(registry, 'outbound_tls_balancer'),
    },
    ignoredOverrides: registry.counter(
      'weft_ignored_overrides',
      'Requests with l5d- fields for timeouts or retries that could not be read',
      'owned',
    ),
    mirrored: registry.counter('weft_mirrored_requests', 'Copies of requests to other backends', 'owned'),
    ejections: registry.counter('weft_balancer_ejections', 'Endpoints that a circuit breaker took out or had to leave'),
    sessionRequests: registry.counter(
      'weft_balancer_session_requests',
      'Requests of sessions that went to the endpoint of their session, or elsewhere because of its load or state',
    ),
    ejectedEndpoints: registry.gauge('weft_balancer_ejected_endpoints', 'Endpoints that a circuit breaker keeps out'),
    earlyDials: registry.counter('weft_early_dials', 'Servers that were to be dialled before their clients spoke'),
    detect: { inbound: detect(registry, 'inbound'), outbound: detect(registry, 'outbound') },
    identity: {
      expiration: registry.gauge(
        'control_identity_cert_expiration_timestamp_seconds',
        'When the proxy certificate expires',
      ),
      refresh: registry.gauge(
        'control_identity_cert_refresh_timestamp_seconds',
        'When the proxy certificate was obtained',
      ),
      refreshes: registry.counter('control_identity_cert_refreshes', 'Attempts to obtain a proxy certificate'),
    },
    dnsResolutions: registry.counter('control_dns_resolutions', 'Name resolutions of control-plane addresses'),
    buildInfo: registry.gauge('proxy_build_info', 'What this proxy was built from'),
  }
}

function requests(registry: Registry, prefix: string, what: string): RequestFamilies {
  return {
    requests: registry.counter(`${prefix}request`, `Count of ${what} requests`, 'legacy'),
    responses: registry.counter(`${prefix}response`, `Count of ${what} responses`, 'legacy'),
    latency: registry.histogram(
      `${prefix}response_latency_ms`,
      `Milliseconds from a ${what} request to the first content of its response`,
      LATENCY_BOUNDS_MS,
      'legacy',
    ),
  }
}

function tcp(registry: Registry): TcpFamilies {
  const active = new Set<TcpMetrics>()
  registry.onCollect(() => {
    for (const metrics of active) metrics.collect()
  })
  return {
    opens: registry.counter('tcp_open', 'Count of opened connections', 'legacy'),
    open: registry.gauge('tcp_open_connections', 'Number of open connections', 'legacy'),
    readBytes: registry.counter('tcp_read_bytes', 'Count of bytes read from peers', 'legacy'),
    writtenBytes: registry.counter('tcp_write_bytes', 'Count of bytes written to peers', 'legacy'),
    closes: registry.counter('tcp_close', 'Count of closed connections', 'legacy'),
    active,
  }
}

function inboundRoute(registry: Registry, kind: 'http' | 'grpc'): InboundRouteFamilies {
  const prefix = `inbound_${kind}`
  return {
    requests: registry.counter(`${prefix}_requests`, 'Requests by server and route', 'owned'),
    statuses: registry.counter(`${prefix}_statuses`, 'Completed exchanges by server and route', 'owned'),
    requestDuration: registry.histogram(
      `${prefix}_request_duration_seconds`,
      'Seconds from the head of a request to its end',
      FAST_SECONDS,
      'owned',
    ),
    responseDuration: registry.histogram(
      `${prefix}_response_duration_seconds`,
      'Seconds from the head of a request to the end of its response',
      COARSE_SECONDS,
      'owned',
    ),
  }
}

function outboundRoute(registry: Registry, kind: 'http' | 'grpc'): RouteFamilies {
  const prefix = `outbound_${kind}_route`
  const counter = (name: string, help: string) => registry.counter(`${prefix}_${name}`, help, 'owned')
  return {
    requestDuration: registry.histogram(
      `${prefix}_request_duration_seconds`,
      'Seconds from the head of a request to the end of its response, retries included',
      COARSE_SECONDS,
      'owned',
    ),
    requestStatuses: counter('request_statuses', 'Completed exchanges'),
    retryRequests: counter('retry_requests', 'Attempts beyond the first'),
    retrySuccesses: counter('retry_successes', 'Retries that ended well'),
    retryLimitExceeded: counter('retry_limit_exceeded', 'Requests still to be retried after their last attempt'),
    retryOverflow: counter('retry_overflow', 'Retries not made because no backend was ready or the budget was spent'),
    backendRequests: counter('backend_requests', 'Attempts sent to a backend'),
    backendResponseDuration: registry.histogram(
      `${prefix}_backend_response_duration_seconds`,
      'Seconds from an attempt to the end of its response',
      FAST_SECONDS,
      'owned',
    ),
    backendResponseStatuses: counter('backend_response_statuses', 'Completed attempts'),
  }
}

function connectionRoute(registry: Registry, prefix: string): { open: Family<Counter>; close: Family<Counter> } {
  return {
    open: registry.counter(`${prefix}_open`, 'Connections opened on the route', 'owned'),
    close: registry.counter(`${prefix}_close`, 'Connections closed on the route', 'owned'),
  }
}

function balancer(registry: Registry, prefix: string): BalancerFamilies {
  const counter = (name: string, help: string) => registry.counter(`${prefix}_${name}`, help, 'owned')
  const gauge = (name: string, help: string) => registry.gauge(`${prefix}_${name}`, help, 'owned')
  return {
    endpoints: gauge('endpoints', 'Endpoints by state'),
    p2cEndpoints: gauge('p2c_endpoints', 'Endpoints of the balancer'),
    p2cUpdates: counter('p2c_updates', 'Changes of the endpoint set'),
    queueLength: gauge('queue_length', 'Requests that wait for an endpoint'),
    queueRequests: counter('queue_requests', 'Requests that entered the queue'),
    queueLatency: registry.histogram(
      `${prefix}_queue_latency_seconds`,
      'Seconds a request waited for an endpoint',
      QUEUE_SECONDS,
      'owned',
    ),
    gateOpen: counter('queue_gate_open', 'Times the queue began to accept requests'),
    gateShut: counter('queue_gate_shut', 'Times the queue entered fail-fast'),
    gateOpenTime: gauge('queue_gate_open_time_seconds', 'When the queue last began to accept requests'),
    gateShutTime: gauge('queue_gate_shut_time_seconds', 'When the queue last entered fail-fast'),
    gateTimeout: gauge('queue_gate_timeout_seconds', 'Seconds without a ready endpoint until fail-fast'),
  }
}

function detect(registry: Registry, direction: 'inbound' | 'outbound'): DetectFamilies {
  const prefix = `${direction}_tcp_detect_http`
  return {
    duration: registry.histogram(`${prefix}_duration_seconds`, 'Seconds until the protocol was known', DETECT_SECONDS),
    results: registry.counter(`${prefix}_results`, 'Results of protocol detection'),
  }
}
