/**
 * How a backend and its endpoints are made: what the environment says of every connection, what the policy says of this
 * backend, and what discovery says of this endpoint.
 */
import { type Http2Config, meshHop } from '../http/http2-config.ts'
import { setUserTimeout } from '../io/kernel-socket.ts'
import { Resumption } from '../io/resumption.ts'
import { Backend } from '../outbound/backend.ts'
import type { BalancedTarget, NewBackend } from '../outbound/backend-cache.ts'
import { Endpoint, type EndpointPool } from '../outbound/endpoint.ts'
import { EndpointConnector } from '../outbound/endpoint-connector.ts'
import type { OutboundMetrics } from '../outbound/telemetry.ts'
import { DECAY_MS, SEED_RTT_MS } from '../policy/balance/peak-ewma.ts'
import type { EndpointMeta, Http2ClientParams } from '../policy/endpoint.ts'
import type { Control } from './control.ts'
import type { Surroundings } from './direction.ts'

export function backendFactory(
  { config, nowMs }: Surroundings,
  { certifier, discovery }: Control,
  telemetry: OutboundMetrics,
): NewBackend {
  const { outbound, inbound } = config
  const resumption = new Resumption(Date.now)
  certifier.onContext(() => resumption.clear())
  const tls = { context: () => certifier.context, resumption }

  const newEndpoint = (target: BalancedTarget, meta: EndpointMeta, pool: EndpointPool): Endpoint => {
    const isBalanced = target.kind === 'balancer'
    const isLocal = inbound.ips.has(meta.ip)
    const isMeshed = meta.identity !== undefined && !isLocal
    const http2 = clientHttp2(outbound.http2Client, meta.http2)
    const metrics = telemetry.endpoint(meta, isLocal, isBalanced ? target.path : undefined)
    const connector = new EndpointConnector(
      meta,
      isLocal,
      {
        connectTimeoutMs: outbound.connectTimeoutMs,
        keepAliveMs: outbound.connect.keepAliveMs,
        userTimeoutMs: outbound.connect.userTimeoutMs,
      },
      tls,
      metrics.tcp,
      setUserTimeout,
    )
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
        onRefused: telemetry.endpointRefused(meta),
      },
      nowMs,
      epochMs: Date.now,
      random: Math.random,
      metrics: metrics.requests,
      seedRttMs: isBalanced ? target.seedRttMs : SEED_RTT_MS,
      decayMs: isBalanced ? target.decayMs : DECAY_MS,
      isUpgradeable: isMeshed && meta.protocolHint === 'h2',
      penalty: isBalanced ? target.penalty : undefined,
      failureAccrual: target.failureAccrual,
    }
    return new Endpoint(meta, params, pool)
  }

  const queue = { capacity: outbound.httpQueue.capacity, failFastTimeoutMs: outbound.httpQueue.failFastMs }
  return (target) => {
    const name = target.kind === 'balancer' ? target.path : target.endpoint.ip
    const backend = new Backend(name, {
      queue,
      random: Math.random,
      minReadyEndpoints: target.failureAccrual?.minReadyEndpoints ?? 0,
      affinity: target.kind === 'balancer' ? target.affinity : undefined,
      slowStartMs: target.kind === 'balancer' ? target.slowStartMs : undefined,
      nowMs,
      newEndpoint: (meta, pool) => newEndpoint(target, meta, pool),
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
