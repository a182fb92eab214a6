/** The outbound direction put together: targets, the backends they share, the listeners. */
import { EarlyDials } from '../io/early-dial.ts'
import { destinationOf } from '../io/kernel-socket.ts'
import { listen } from '../io/listen.ts'
import { REAL_TIMERS } from '../io/timers.ts'
import { BackendCache } from '../outbound/backend-cache.ts'
import { OutboundListener } from '../outbound/listener.ts'
import type { OpaqueError } from '../outbound/opaque.ts'
import { Target } from '../outbound/target.ts'
import { TargetCache } from '../outbound/target-cache.ts'
import { OutboundMetrics } from '../outbound/telemetry.ts'
import { ipOf, isInNetworks } from '../policy/network.ts'
import { backendFactory } from './backend.ts'
import type { Control } from './control.ts'
import type { Direction, Surroundings } from './direction.ts'

export function assembleOutbound(surroundings: Surroundings, control: Control): Direction {
  const { registry, families, log, nowMs } = surroundings
  const { outbound: config } = surroundings.config
  const { profileNetworks } = surroundings.config.control
  const { discovery } = control
  const telemetry = new OutboundMetrics(families, log.child('outbound'), nowMs)
  const backends = new BackendCache(config.discoveryIdleMs, backendFactory(surroundings, control, telemetry))
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
