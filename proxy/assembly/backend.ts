/**
 * How a backend and its endpoints are made: what the environment says of every connection, what the policy says of this
 * backend, and what discovery says of this endpoint.
 */
import { type Http2Config, meshHop } from '../http/http2-config.ts'
import type { Connector } from '../io/connector.ts'
import { setUserTimeout } from '../io/kernel-socket.ts'
import { Resumption } from '../io/resumption.ts'
import { Backend } from '../outbound/backend.ts'
import type { BalancedTarget, NewBackend } from '../outbound/backend-cache.ts'
import { Endpoint, type EndpointPool } from '../outbound/endpoint.ts'
import { EndpointConnector } from '../outbound/endpoint-connector.ts'
import type { OutboundMetrics } from '../outbound/telemetry.ts'
import { DECAY_MS, SEED_RTT_MS } from '../policy/balance/peak-ewma.ts'
import type { EndpointMeta, Http2ClientParams } from '../policy/endpoint.ts'
import { RequestMetrics } from '../telemetry/request-metrics.ts'
import type { OnRefused } from '../wire/refusal.ts'
import type { Control } from './control.ts'
import type { Surroundings } from './direction.ts'

/** What an endpoint connects with and is counted by. */
type NewMeans = (
  meta: EndpointMeta,
  isLocal: boolean,
  authority: string | undefined,
) => {
  readonly connector: Connector
  readonly metrics: RequestMetrics
  readonly onRefused: OnRefused | undefined
}

const NEVER: Connector = { connect: () => ({ cancel() {} }) }

export interface BackendFactories {
  readonly connected: NewBackend
  /** For explanations: discovered as the others, never connected and never counted. */
  readonly idle: NewBackend
}

export function backendFactories(
  { config, nowMs, families }: Surroundings,
  { certifier, discovery }: Control,
  telemetry: OutboundMetrics,
): BackendFactories {
  const { outbound, inbound } = config
  const resumption = new Resumption(Date.now)
  certifier.onContext(() => resumption.clear())
  const tls = { context: () => certifier.context, resumption }

  const meansOf: NewMeans = (meta, isLocal, authority) => {
    const metrics = telemetry.endpoint(meta, isLocal, authority)
    const { connectTimeoutMs, connect } = outbound
    const timeouts = { connectTimeoutMs, keepAliveMs: connect.keepAliveMs, userTimeoutMs: connect.userTimeoutMs }
    const connector = new EndpointConnector(meta, isLocal, timeouts, tls, metrics.tcp, setUserTimeout)
    return { connector, metrics: metrics.requests, onRefused: telemetry.endpointRefused(meta) }
  }
  // Counters join their families with the first request, which never comes.
  const idleMeans: NewMeans = () => ({
    connector: NEVER,
    metrics: new RequestMetrics(families.http, ''),
    onRefused: undefined,
  })

  const newEndpoint = (
    newMeans: NewMeans,
    target: BalancedTarget,
    meta: EndpointMeta,
    pool: EndpointPool,
  ): Endpoint => {
    const isBalanced = target.kind === 'balancer'
    const isLocal = inbound.ips.has(meta.ip)
    const isMeshed = meta.identity !== undefined && !isLocal
    const http2 = clientHttp2(outbound.http2Client, meta.http2)
    const { connector, metrics, onRefused } = newMeans(meta, isLocal, isBalanced ? target.path : undefined)
    const params = {
      connector,
      http: {
        http1: {
          maxHeadBytes: outbound.http2Client.maxHeaderListBytes,
          maxIdle: outbound.maxIdlePerEndpoint,
          idleTimeoutMs: outbound.http1PoolIdleMs,
        },
        http2: isMeshed ? meshHop(http2) : http2,
        backoff: outbound.connectBackoff,
        onRefused,
      },
      nowMs,
      epochMs: Date.now,
      random: Math.random,
      metrics,
      seedRttMs: isBalanced ? target.seedRttMs : SEED_RTT_MS,
      decayMs: isBalanced ? target.decayMs : DECAY_MS,
      isUpgradeable: isMeshed && meta.protocolHint === 'h2',
      penalty: isBalanced ? target.penalty : undefined,
      failureAccrual: target.failureAccrual,
    }
    return new Endpoint(meta, params, pool)
  }

  const queue = { capacity: outbound.httpQueue.capacity, failFastTimeoutMs: outbound.httpQueue.failFastMs }
  const factory =
    (newMeans: NewMeans): NewBackend =>
    (target) => {
      const name = target.kind === 'balancer' ? target.path : target.endpoint.ip
      const backend = new Backend(name, {
        queue,
        random: Math.random,
        minReadyEndpoints: target.failureAccrual?.minReadyEndpoints ?? 0,
        affinity: target.kind === 'balancer' ? target.affinity : undefined,
        slowStartMs: target.kind === 'balancer' ? target.slowStartMs : undefined,
        nowMs,
        newEndpoint: (meta, pool) => newEndpoint(newMeans, target, meta, pool),
      })
      if (target.kind === 'forward') {
        backend.update({ kind: 'reset', endpoints: [target.endpoint] })
        return { backend, watch: undefined }
      }
      const watch = discovery.watchEndpoints(
        target.path,
        (update) => backend.update(update),
        (reason) => {
          backend.failure = `the control plane refuses ${target.path}: ${reason}`
        },
      )
      return { backend, watch }
    }
  return { connected: factory(meansOf), idle: factory(idleMeans) }
}

/** The proxy's own client parameters, field by field overridden by what discovery says of the endpoint. */
function clientHttp2(own: Http2Config, params: Http2ClientParams | undefined): Http2Config {
  if (params === undefined) return own
  return {
    ...own,
    initialStreamWindowBytes: params.streamWindowBytes ?? own.initialStreamWindowBytes,
    initialConnectionWindowBytes: params.connectionWindowBytes ?? own.initialConnectionWindowBytes,
    keepAliveIntervalMs: params.keepAlive?.intervalMs ?? own.keepAliveIntervalMs,
    keepAliveTimeoutMs: params.keepAlive?.timeoutMs ?? own.keepAliveTimeoutMs,
  }
}
