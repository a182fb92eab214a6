/** The outbound direction put together: targets, the backends they share, the listeners. */
import { DISCOVERY_DEADLINE_MS } from '../explain/common.ts'
import type { ExplainedDirections } from '../explain/explainer.ts'
import { explainOutbound } from '../explain/outbound.ts'
import { EarlyDials } from '../io/early-dial.ts'
import { destinationOf } from '../io/kernel-socket.ts'
import { listen } from '../io/listen.ts'
import { REAL_TIMERS } from '../io/timers.ts'
import { BackendCache } from '../outbound/backend-cache.ts'
import { OutboundListener } from '../outbound/listener.ts'
import type { OpaqueError } from '../outbound/opaque.ts'
import { PeekedBackends } from '../outbound/peeked-backends.ts'
import { Target } from '../outbound/target.ts'
import { TargetCache } from '../outbound/target-cache.ts'
import { OutboundMetrics } from '../outbound/telemetry.ts'
import { ipOf, isInNetworks } from '../policy/network.ts'
import { backendFactories } from './backend.ts'
import type { Control } from './control.ts'
import type { Direction, Surroundings } from './direction.ts'

/** A direction that says what it would do with a request. */
export type OutboundDirection = Direction & ExplainedDirections['outbound']

export function assembleOutbound(surroundings: Surroundings, control: Control): OutboundDirection {
  const { registry, families, log, nowMs } = surroundings
  const { outbound: config } = surroundings.config
  const { profileNetworks } = surroundings.config.control
  const { discovery } = control
  const telemetry = new OutboundMetrics(families, log.child('outbound'), nowMs)
  const factories = backendFactories(surroundings, control, telemetry)
  const backends = new BackendCache(config.discoveryIdleMs, factories.connected)
  registry.onCollect(() => telemetry.collectBackends(backends.backends))

  const routing = { cache: backends, recorders: telemetry, random: Math.random, nowMs }
  const targets = new TargetCache(config.discoveryIdleMs, (ip, port) => {
    const target = new Target(ip, port, routing)
    const address = ipOf(ip)
    const isProfiled = address !== undefined && isInNetworks(profileNetworks, address)
    target.start(discovery, ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`, isProfiled)
    return target
  })

  const earlyDials = new EarlyDials<OpaqueError>(config.earlyDials, REAL_TIMERS, (outcome) =>
    telemetry.earlyDial(outcome),
  )
  const newListener = () =>
    new OutboundListener(
      {
        detectTimeoutMs: config.detectTimeoutMs,
        failFastTimeoutMs: config.httpQueue.failFastMs,
        isInformational: config.isInformational,
        maxInFlight: config.maxInFlight,
        maxConnections: config.maxConnections,
        rebalance: config.rebalance,
        http: {
          http2: { ...config.http2Server, isInformational: config.isInformational },
          maxHeadBytes: config.http2Server.maxHeaderListBytes,
          timeBounds: config.timeBounds,
          isInformational: config.isInformational,
        },
      },
      {
        originalDestination: destinationOf,
        targets,
        earlyDials,
        telemetry,
        log: log.child('outbound'),
        nowMs,
        random: Math.random,
      },
    )
  const listeners = config.listen.map((address) => ({ address, listener: newListener() }))

  return {
    async listen() {
      for (const { address, listener } of listeners)
        await listen(listener.server, address, surroundings.config.cores > 1)
    },
    get connectionCount() {
      return listeners.reduce((sum, { listener }) => sum + listener.connectionCount, 0)
    },
    explain: (question) =>
      explainOutbound(question, {
        targets,
        peek: () => new PeekedBackends(backends, factories.idle),
        failFastTimeoutMs: config.httpQueue.failFastMs,
        deadlineMs: DISCOVERY_DEADLINE_MS,
        nowMs,
      }),
    tick(at) {
      for (const { listener } of listeners) listener.tick(at)
      backends.tick(at)
    },
    shutdown() {
      for (const { listener } of listeners) listener.shutdown()
    },
    destroy() {
      for (const { listener } of listeners) listener.destroy()
    },
    close() {
      targets.closeAll()
      backends.closeAll()
    },
  }
}
