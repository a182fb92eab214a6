/** The inbound direction put together: policies of the pod's ports, clients of the application, mesh TLS, the listener. */
import { hasPort } from '../../api/port-set.ts'
import type { InboundConfig } from '../config/inbound.ts'
import { DISCOVERY_DEADLINE_MS } from '../explain/common.ts'
import type { ExplainedDirections } from '../explain/explainer.ts'
import { explainInbound } from '../explain/inbound.ts'
import { AccessLog } from '../inbound/access-log.ts'
import { AppClients } from '../inbound/app-clients.ts'
import { AppConnector } from '../inbound/app-connector.ts'
import { InboundListener } from '../inbound/listener.ts'
import { PortPolicies } from '../inbound/port-policies.ts'
import { InboundMetrics } from '../inbound/telemetry.ts'
import type { ConnectError } from '../io/connector.ts'
import { EarlyDials } from '../io/early-dial.ts'
import { GatedTlsServer, HANDSHAKE_BOUNDS, HandshakeGate } from '../io/handshake-gate.ts'
import { HttpClients } from '../io/http-clients.ts'
import { destinationOf } from '../io/kernel-socket.ts'
import { listen } from '../io/listen.ts'
import { REAL_TIMERS } from '../io/timers.ts'
import { MeshTlsServer } from '../io/tls.ts'
import { defaultServer, type InboundServer } from '../policy/inbound-policy.ts'
import type { OnRefused } from '../wire/refusal.ts'
import type { Control } from './control.ts'
import type { Direction, Surroundings } from './direction.ts'

/** A direction that says what it would do with a request. */
export type InboundDirection = Direction & ExplainedDirections['inbound']

export function assembleInbound(
  { config: { inbound: config, cores }, log, families, nowMs }: Surroundings,
  { certifier, discovery }: Control,
): InboundDirection {
  const telemetry = new InboundMetrics(families, log.child('inbound'), nowMs)
  const tls = new MeshTlsServer({ localName: certifier.localName, withAlpn: false, timers: REAL_TIMERS })
  const directTls = new MeshTlsServer({ localName: certifier.localName, withAlpn: true, timers: REAL_TIMERS })
  certifier.onContext((context, withTickets) => {
    // HTTP comes in pools that rarely connect: tickets would cost each handshake more than they save.
    tls.setContext(context)
    // Whoever sends a transport header connects for opaque bytes, anew for each connection of its application.
    directTls.setContext(withTickets)
  })
  const handshakes = new HandshakeGate(nowMs, { ...HANDSHAKE_BOUNDS, maxRunning: config.maxHandshakes })
  const policies = new PortPolicies(discovery, config.discoveryIdleMs, cores, (port) => serverByDefault(config, port))
  const appConnector = (ip: string, port: number) => new AppConnector(ip, port, config.connectTimeoutMs, telemetry.app)
  const apps = new AppClients((ip, port) =>
    newAppClients(config, appConnector(ip, port), telemetry.appRefused(ip, port), nowMs),
  )
  const earlyDials = new EarlyDials<ConnectError>(config.earlyDials, REAL_TIMERS, (outcome) =>
    telemetry.earlyDial(outcome),
  )
  const listener = new InboundListener(
    {
      port: config.listen.port,
      localName: certifier.localName,
      detectTimeoutMs: config.detectTimeoutMs,
      silenceMs: config.earlyDials.silenceMs,
      keepAliveMs: config.accept.keepAliveMs,
      maxInFlight: config.maxInFlight,
      maxConnections: config.maxConnections,
      inboundIps: config.ips,
      http: {
        http2: config.http2Server,
        maxHeadBytes: config.http2Server.maxHeaderListBytes,
        timeBounds: config.timeBounds,
      },
    },
    {
      originalDestination: destinationOf,
      policies,
      earlyDials,
      tls: new GatedTlsServer(tls, handshakes),
      directTls: new GatedTlsServer(directTls, handshakes),
      appConnector,
      appClients: (ip, port) => apps.get(ip, port),
      telemetry,
      log: log.child('inbound'),
      accessLog:
        config.accessLog && new AccessLog(config.accessLog, (line) => void process.stderr.write(line), nowMs, Date.now),
      nowMs,
      random: Math.random,
    },
  )

  return {
    async listen() {
      for (const port of config.ports) policies.watchAlways(port)
      await listen(listener.server, config.listen, cores > 1)
    },
    get connectionCount() {
      return listener.connectionCount
    },
    explain: (question) => explainInbound(question, { policies, deadlineMs: DISCOVERY_DEADLINE_MS, nowMs }),
    tick(at) {
      listener.tick(at)
      handshakes.tick()
      apps.tick(at)
    },
    shutdown: () => listener.shutdown(),
    destroy: () => listener.destroy(),
    close() {
      policies.closeAll()
      apps.close()
    },
  }
}

/** The policy of a port of which the control plane has not said anything yet. */
function serverByDefault(config: InboundConfig, port: number): InboundServer {
  const isOpaque = hasPort(config.opaquePorts, port)
  return defaultServer(config.defaultPolicy, isOpaque, config.clusterNetworks, config.detectTimeoutMs)
}

function newAppClients(
  config: InboundConfig,
  connector: AppConnector,
  onRefused: OnRefused,
  nowMs: () => number,
): HttpClients {
  const http = {
    http1: {
      maxHeadBytes: config.http2Client.maxHeaderListBytes,
      maxIdle: config.maxIdlePerEndpoint,
      idleTimeoutMs: config.http1PoolIdleMs,
    },
    http2: config.http2Client,
    backoff: config.connectBackoff,
    onRefused,
  }
  return new HttpClients(connector, http, nowMs, Math.random, () => {})
}
