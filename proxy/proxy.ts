/**
 * The proxy put together: identity, discovery, the two directions and the admin server, in the order in which they start
 * and stop. Nothing is accepted before the first certificate is there; on SIGTERM requests in flight finish.
 */
import { existsSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { SocketAddress } from '../api/ip.ts'
import { hasPort } from '../api/port-set.ts'
import { AdminServer } from './admin/server.ts'
import type { Config } from './config/config.ts'
import type { ServiceConfig } from './config/control.ts'
import { ControlPlane } from './discovery/control-plane.ts'
import { type ControlMetrics, GrpcChannel } from './discovery/grpc-client.ts'
import type { Http2Config } from './http/http2-config.ts'
import { Certifier } from './identity/certifier.ts'
import { certifyOver } from './identity/certify-call.ts'
import { AccessLog } from './inbound/access-log.ts'
import { AppConnector } from './inbound/app-connector.ts'
import { InboundListener } from './inbound/listener.ts'
import { PortPolicies } from './inbound/port-policies.ts'
import { InboundMetrics } from './inbound/telemetry.ts'
import { HttpClients } from './io/http-clients.ts'
import { originalDestination, setTcpUserTimeout } from './io/original-destination.ts'
import type { SocketTransport } from './io/socket-transport.ts'
import { REAL_TIMERS } from './io/timers.ts'
import { MeshTlsServer, makeSecureContext, type PeerIdentity } from './io/tls.ts'
import { Backend } from './outbound/backend.ts'
import { BackendCache, type BalancedTarget } from './outbound/backend-cache.ts'
import { Endpoint } from './outbound/endpoint.ts'
import { EndpointConnector } from './outbound/endpoint-connector.ts'
import { OutboundListener } from './outbound/listener.ts'
import { Target } from './outbound/target.ts'
import { TargetCache } from './outbound/target-cache.ts'
import { OutboundMetrics } from './outbound/telemetry.ts'
import { DECAY_MS, SEED_RTT_MS } from './policy/balance/peak-ewma.ts'
import type { EndpointMeta, Http2ClientParams } from './policy/endpoint.ts'
import { defaultServer } from './policy/inbound-policy.ts'
import { ipOf, isInNetworks } from './policy/network.ts'
import { controlLabels } from './telemetry/endpoint-labels.ts'
import { declareFamilies, type Families } from './telemetry/families.ts'
import type { Logger } from './telemetry/log.ts'
import { registerProcessMetrics } from './telemetry/process-metrics.ts'
import { Registry } from './telemetry/registry.ts'
import { RequestMetrics } from './telemetry/request-metrics.ts'

/** Reported as `proxy_build_info`. */
const VERSION = '0.1.0'
/** Keep-alive PINGs, pool sweeps and the like need no finer clock. */
const TICK_MS = 1_000
/** How long a shutdown waits between looks at what is still in flight. */
const DRAIN_POLL_MS = 50

const nowMs = (): number => performance.now()

export interface RunningProxy {
  readonly isReady: boolean
  /** Stops accepting, lets requests in flight finish within the grace period, then closes. */
  shutdown(): Promise<void>
}

export async function startProxy(
  config: Config,
  env: NodeJS.ProcessEnv,
  log: Logger,
  onShutdownRequest: () => void,
): Promise<RunningProxy> {
  const { control } = config
  const registry = new Registry({ nowMs, retainIdleMs: config.metrics.retainIdleMs })
  const families = declareFamilies(registry)
  registerProcessMetrics(registry, { unixMs: Date.now, startedUnixMs: Date.now() - performance.now() })
  families.buildInfo.child([
    ['version', VERSION],
    ['vendor', 'weft'],
  ]).value = 1

  // ── Identity and the control plane ──
  const anchorsOnly = makeSecureContext({ trustAnchorsPem: control.identity.trustAnchorsPem })
  const controlTls = (name: string | undefined, context: () => SecureContext | undefined) =>
    name === undefined ? undefined : { serverName: name, identity: dns(name), context: () => context() ?? anchorsOnly }
  const channel = ({ addr, serverName }: ServiceConfig, context: () => SecureContext | undefined): GrpcChannel =>
    new GrpcChannel({
      target: addr,
      tls: controlTls(serverName, context),
      timers: REAL_TIMERS,
      random: Math.random,
      metrics: controlMetrics(families, addr, serverName),
      log: (level, message) => log.child('control').log(level, message),
    })
  const certifier = new Certifier({
    localName: control.identity.localName,
    trustAnchorsPem: control.identity.trustAnchorsPem,
    tokenFile: control.identity.tokenFile,
    minRefreshMs: control.identity.minRefreshMs,
    maxRefreshMs: control.identity.maxRefreshMs,
    certify: certifyOver(() => channel(control.identity, () => certifier.context)),
    timers: REAL_TIMERS,
    random: Math.random,
    log: (level, message) => log.child('identity').log(level, message),
  })
  const destination = channel(control.destination, () => certifier.context)
  const policy = channel(control.policy, () => certifier.context)
  const discovery = new ControlPlane({
    destination,
    policy,
    limits: control.streamLimits,
    contextToken: control.destinationContext,
    workload: control.policyWorkload,
    detectTimeoutMs: config.inbound.detectTimeoutMs,
    timers: REAL_TIMERS,
    random: Math.random,
    log: (level, message) => log.child('control').log(level, message),
  })

  // ── Inbound ──
  const inboundMetrics = new InboundMetrics(families)
  const tls = new MeshTlsServer({ localName: certifier.localName, withAlpn: false })
  const directTls = new MeshTlsServer({ localName: certifier.localName, withAlpn: true })
  certifier.onContext((context) => {
    tls.setContext(context)
    directTls.setContext(context)
  })
  const policies = new PortPolicies(discovery, config.inbound.discoveryIdleMs, (port) =>
    defaultServer(
      config.inbound.defaultPolicy,
      hasPort(config.inbound.opaquePorts, port),
      config.inbound.clusterNetworks,
      config.inbound.detectTimeoutMs,
    ),
  )
  const appConnector = (ip: string, port: number) =>
    new AppConnector(ip, port, config.inbound.connectTimeoutMs, inboundMetrics.app)
  const apps = new AppClients(
    (ip, port) =>
      new HttpClients(
        appConnector(ip, port),
        {
          http1: {
            maxHeadBytes: config.inbound.http2Client.maxHeaderListBytes,
            maxIdle: config.inbound.maxIdlePerEndpoint,
            idleTimeoutMs: config.inbound.http1PoolIdleMs,
          },
          http2: config.inbound.http2Client,
          backoff: config.inbound.connectBackoff,
        },
        nowMs,
        Math.random,
        () => {},
      ),
  )
  const inbound = new InboundListener(
    {
      port: config.inbound.listen.port,
      localName: certifier.localName,
      detectTimeoutMs: config.inbound.detectTimeoutMs,
      keepAliveMs: config.inbound.accept.keepAliveMs,
      maxInFlight: config.inbound.maxInFlight,
      inboundIps: config.inbound.ips,
      http: { http2: config.inbound.http2Server, maxHeadBytes: config.inbound.http2Server.maxHeaderListBytes },
    },
    {
      originalDestination: destinationOf,
      policies,
      tls,
      directTls,
      appConnector,
      appClients: (ip, port) => apps.get(ip, port),
      telemetry: inboundMetrics,
      log: log.child('inbound'),
      accessLog:
        config.inbound.accessLog &&
        new AccessLog(config.inbound.accessLog, (line) => void process.stderr.write(line), nowMs, Date.now),
      nowMs,
      random: Math.random,
    },
  )

  // ── Outbound ──
  const outboundMetrics = new OutboundMetrics(families)
  const cache = new BackendCache(config.outbound.discoveryIdleMs, (target) => newBackend(target))
  registry.onCollect(() => outboundMetrics.collectBackends(cache.backends))
  const newBackend = (target: BalancedTarget) => {
    const isBalanced = target.kind === 'balancer'
    const name = isBalanced ? target.path : target.endpoint.ip
    const newEndpoint = (meta: EndpointMeta, onReady: () => void): Endpoint => {
      const isLocal = config.inbound.ips.has(meta.ip)
      const metrics = outboundMetrics.endpoint(meta, isLocal, isBalanced ? target.path : undefined)
      const connector = new EndpointConnector(
        meta,
        isLocal,
        {
          connectTimeoutMs: config.outbound.connectTimeoutMs,
          keepAliveMs: config.outbound.connect.keepAliveMs,
          userTimeoutMs: config.outbound.connect.userTimeoutMs,
        },
        () => certifier.context,
        metrics.tcp,
        setUserTimeout,
      )
      const params = {
        connector,
        http: {
          http1: {
            maxHeadBytes: config.outbound.http2Client.maxHeaderListBytes,
            maxIdle: config.outbound.maxIdlePerEndpoint,
            idleTimeoutMs: config.outbound.http1PoolIdleMs,
          },
          http2: clientHttp2(config.outbound.http2Client, meta.http2),
          backoff: config.outbound.connectBackoff,
        },
        nowMs,
        random: Math.random,
        metrics: metrics.requests,
        seedRttMs: isBalanced ? target.seedRttMs : SEED_RTT_MS,
        decayMs: isBalanced ? target.decayMs : DECAY_MS,
        isUpgradeable: meta.identity !== undefined && meta.protocolHint === 'h2' && !isLocal,
        failureAccrual: target.failureAccrual,
      }
      return new Endpoint(meta, params, onReady)
    }
    const queue = {
      capacity: config.outbound.httpQueue.capacity,
      failFastTimeoutMs: config.outbound.httpQueue.failFastMs,
    }
    const backend = new Backend(name, queue, Math.random, newEndpoint)
    if (!isBalanced) {
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
  const routing = { cache, recorders: outboundMetrics, random: Math.random, nowMs }
  const targets = new TargetCache(config.outbound.discoveryIdleMs, (ip, port) => {
    const target = new Target(ip, port, routing)
    const address = ipOf(ip)
    const isProfiled = address !== undefined && isInNetworks(control.profileNetworks, address)
    target.start(discovery, ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`, isProfiled)
    return target
  })
  const outbound = config.outbound.listen.map(
    () =>
      new OutboundListener(
        {
          detectTimeoutMs: config.outbound.detectTimeoutMs,
          failFastTimeoutMs: config.outbound.httpQueue.failFastMs,
          isInformational: config.outbound.isInformational,
          maxInFlight: config.outbound.maxInFlight,
          http: { http2: config.outbound.http2Server, maxHeadBytes: config.outbound.http2Server.maxHeaderListBytes },
        },
        {
          originalDestination: destinationOf,
          targets,
          telemetry: outboundMetrics,
          log: log.child('outbound'),
          nowMs,
          random: Math.random,
        },
      ),
  )

  // ── Admin ──
  let isReady = false
  const admin = new AdminServer({
    isReady: () => isReady,
    renderMetrics: () => {
      collectIdentity(families, certifier)
      return registry.render()
    },
    env,
    log,
    isShutdownEnabled: config.admin.isShutdownEnabled,
    onShutdown: onShutdownRequest,
  })
  await admin.listen(config.admin.listen)

  // ── Start ──
  const ticker = setInterval(() => {
    const at = nowMs()
    inbound.tick(at)
    for (const listener of outbound) listener.tick(at)
    cache.tick(at)
    apps.tick(at)
    destination.tick(at)
    policy.tick(at)
  }, TICK_MS)
  ticker.unref()

  await new Promise<void>((resolve) => {
    certifier.onContext(() => resolve())
    void certifier.start()
  })
  for (const port of config.inbound.ports) policies.watchAlways(port)
  await listen(inbound.server, config.inbound.listen)
  for (const [at, listener] of outbound.entries()) await listen(listener.server, config.outbound.listen[at]!)
  isReady = true
  log.info(
    `ready as ${certifier.localName}: inbound ${config.inbound.listen.port}, outbound ${config.outbound.listen.map(({ port }) => port).join()}, admin ${config.admin.listen.port}`,
  )

  return {
    get isReady() {
      return isReady
    },
    async shutdown() {
      inbound.shutdown()
      for (const listener of outbound) listener.shutdown()
      const deadlineMs = nowMs() + config.shutdownGraceMs
      const connections = (): number =>
        outbound.reduce((sum, listener) => sum + listener.connectionCount, inbound.connectionCount)
      while (connections() > 0 && nowMs() < deadlineMs)
        await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
      if (connections() > 0)
        log.warn(`${connections()} connections were still open after ${config.shutdownGraceMs} ms; they are cut`)
      clearInterval(ticker)
      inbound.destroy()
      for (const listener of outbound) listener.destroy()
      targets.closeAll()
      cache.closeAll()
      policies.closeAll()
      apps.close()
      certifier.close()
      destination.close()
      policy.close()
      admin.close()
    },
  }
}

/** HTTP clients of the application, by address and port: an application listens on a handful. */
class AppClients {
  readonly #clients = new Map<string, HttpClients>()
  readonly #make: (ip: string, port: number) => HttpClients

  constructor(make: (ip: string, port: number) => HttpClients) {
    this.#make = make
  }

  get(ip: string, port: number): HttpClients {
    const key = `${ip} ${port}`
    let clients = this.#clients.get(key)
    if (clients === undefined) {
      clients = this.#make(ip, port)
      this.#clients.set(key, clients)
    }
    return clients
  }

  tick(at: number): void {
    for (const clients of this.#clients.values()) clients.tick(at)
  }

  close(): void {
    for (const clients of this.#clients.values()) clients.close()
  }
}

function dns(name: string): PeerIdentity {
  return { kind: 'dns', name }
}

/** Where a redirected connection was going, in canonical text. */
function destinationOf(socket: Socket): { readonly ip: string; readonly port: number } | undefined {
  const fd = fileDescriptor(socket)
  return fd === undefined ? undefined : originalDestination(fd)
}

function setUserTimeout(transport: SocketTransport, ms: number): void {
  const fd = fileDescriptor(transport.socket)
  if (fd !== undefined) setTcpUserTimeout(fd, ms)
}

/** Node gives no public way to the descriptor of a socket; `_handle.fd` is as old as libuv streams. */
function fileDescriptor(socket: Socket): number | undefined {
  const handle = (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
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

function controlMetrics(families: Families, target: string, name: string | undefined): ControlMetrics {
  const metrics = new RequestMetrics(families.control, controlLabels(target, name))
  return {
    onRequest: () => metrics.onRequest(),
    onResponse: (grpcStatus, latencyMs) =>
      metrics.onResponse(
        latencyMs === undefined ? 0 : 200,
        grpcStatus === 0 ? 'success' : 'failure',
        grpcStatus,
        '',
        latencyMs ?? 0,
      ),
  }
}

function collectIdentity(families: Families, { metrics }: Certifier): void {
  const { expiration, refresh, refreshes } = families.identity
  if (metrics.expiresAtMs === 0) return
  expiration.child().value = metrics.expiresAtMs / 1_000
  refresh.child().value = metrics.refreshedAtMs / 1_000
  refreshes.child([['result', 'ok']]).value = metrics.okCount
  refreshes.child([['result', 'error']]).value = metrics.errorCount
}

async function listen(server: Server, { ip, port }: SocketAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`${ip}:${port} is in use by another program`)
          : new Error(`cannot listen on ${ip}:${port}: ${error.message}`),
      )
    })
    server.listen({ host: ip, port }, resolve)
  })
}

/** The token is a file that Kubernetes projects; without it identity can never be had. */
export function tokenProblem(config: Config): string | undefined {
  return existsSync(config.control.identity.tokenFile)
    ? undefined
    : `identity: the token file ${config.control.identity.tokenFile} does not exist; is the projected volume mounted?`
}
