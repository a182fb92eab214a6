/**
 * An outbound and an inbound proxy in this process, joined by mesh TLS on loopback: the assembly without redirect rules and
 * without a control plane. For tests of what a request goes through; the mesh suite has the real thing.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Discovery } from '../../proxy/discovery/discovery.ts'
import { DEFAULT_HTTP2, type Http2Config, meshHop } from '../../proxy/http/http2-config.ts'
import { DEFAULT_TIME_BOUNDS, type TimeBounds } from '../../proxy/http/patience.ts'
import { AccessLog } from '../../proxy/inbound/access-log.ts'
import { AppConnector } from '../../proxy/inbound/app-connector.ts'
import { InboundListener, type InboundTelemetry } from '../../proxy/inbound/listener.ts'
import { PortPolicies } from '../../proxy/inbound/port-policies.ts'
import type { ConnectError } from '../../proxy/io/connector.ts'
import { type EarlyDialConfig, type EarlyDialOutcome, EarlyDials } from '../../proxy/io/early-dial.ts'
import { HttpClients } from '../../proxy/io/http-clients.ts'
import { Resumption } from '../../proxy/io/resumption.ts'
import { TestAuthority } from '../../proxy/io/test-authority.ts'
import { REAL_TIMERS } from '../../proxy/io/timers.ts'
import { MeshTlsServer, makeSecureContext } from '../../proxy/io/tls.ts'
import { Backend } from '../../proxy/outbound/backend.ts'
import { BackendCache } from '../../proxy/outbound/backend-cache.ts'
import { Endpoint } from '../../proxy/outbound/endpoint.ts'
import { EndpointConnector } from '../../proxy/outbound/endpoint-connector.ts'
import { OutboundListener, type OutboundTelemetry } from '../../proxy/outbound/listener.ts'
import type { MirrorResult } from '../../proxy/outbound/mirror.ts'
import type { OpaqueError } from '../../proxy/outbound/opaque.ts'
import type { RebalanceConfig } from '../../proxy/outbound/rebalance.ts'
import type { RouteRecorder } from '../../proxy/outbound/route-recorder.ts'
import { Target } from '../../proxy/outbound/target.ts'
import { TargetCache } from '../../proxy/outbound/target-cache.ts'
import { type EndpointMeta, plainEndpoint } from '../../proxy/policy/endpoint.ts'
import { defaultServer, type InboundServer } from '../../proxy/policy/inbound-policy.ts'
import type { OutboundPolicy } from '../../proxy/policy/outbound-policy.ts'
import type { Profile } from '../../proxy/policy/profile.ts'
import type { Refusal } from '../../proxy/wire/refusal.ts'

export const IDENTITY = 'web.shop.serviceaccount.identity.linkerd.cluster.local'

const nowMs = () => performance.now()
const noMetrics = { onRequest() {}, onResponse() {} } as never
const noTcp = { opened() {} } as never
const silent = { info() {}, warn() {}, error() {}, debug() {} } as never

/** Counts what a test asks about. */
export class Counts {
  retries = 0
  noBudget = 0
  ignoredOverrides = 0
  attempts = 0
  /** Why connections of clients were closed, in order. */
  readonly outboundErrors: string[] = []
  /** How copies of requests ended. */
  readonly mirrors: MirrorResult[] = []
  /** Reasons of refused clients, in order. */
  readonly inboundRefusals: Refusal[] = []
  readonly outboundRefusals: Refusal[] = []
  /** What became of early dials, in order. */
  readonly inboundDials: EarlyDialOutcome[] = []
  readonly outboundDials: EarlyDialOutcome[] = []
}

export interface Pair {
  /** Where the application dials. */
  readonly port: number
  readonly counts: Counts
  /** For who wants to be a peer: the inbound port, and certificates of the mesh. */
  readonly inboundPort: number
  readonly context: SecureContext
  /** What the outbound proxy remembers of the inbound one. */
  readonly resumption: Resumption
  setProfile(profile: Profile | undefined): void
  setPolicy(policy: OutboundPolicy | undefined): void
  setServer(server: InboundServer): void
  setEndpoints(ports: readonly number[]): void
  /** A port behind which the inbound proxy takes connections, meshed or not, as meant for `appPort` of its pod. */
  openInbound(appPort: number): Promise<number>
  /** HTTP/2 streams between the two proxies and to the application, and connections from clients. */
  open(): { upstream: number; app: number; outboundConnections: number; inboundConnections: number }
  /** What the proxy does every second, at a time of `performance.now()`. */
  tick(nowMs: number): void
  close(): void
}

export interface PairOptions {
  /** Ports of the application's replicas. */
  readonly appPorts: readonly number[]
  readonly isMeshed?: boolean
  /** The name in the certificate of both proxies. */
  readonly identity?: string
  readonly profile?: Profile
  /** For every destination; see policies.ts. */
  readonly policy?: OutboundPolicy
  /** Ports of the replicas of backends that a policy names, by path; others are those of `appPorts`. */
  readonly backendPorts?: Readonly<Record<string, readonly number[]>>
  readonly detectTimeoutMs?: number
  /** Of both proxies; without it no server is dialled before its client has spoken. */
  readonly earlyDials?: EarlyDialConfig
  readonly failFastTimeoutMs?: number
  /** The application's protocol is not detected but forwarded as raw bytes. */
  readonly isOpaque?: boolean
  readonly http2?: Partial<Http2Config>
  readonly timeBounds?: Partial<TimeBounds>
  readonly maxConnections?: number
  /** The clock of the inbound proxy's decisions and limits. */
  readonly inboundNowMs?: () => number
  /** The inbound proxy's access log, as JSON. */
  readonly onAccess?: (line: string) => void
  /** As in the configuration of the outbound side. */
  readonly rebalance?: RebalanceConfig
}

function refusalsTo(reasons: Refusal[]): InboundTelemetry['refused'] {
  return (reason) => void reasons.push(reason)
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export async function startPair(options: PairOptions): Promise<Pair> {
  const authority = await TestAuthority.root()
  const identity = options.identity ?? IDENTITY
  const issued = await authority.issue(identity)
  const parts = { key: issued.keyPem, chainPem: issued.chainPem, trustAnchorsPem: authority.pem }
  const context = makeSecureContext(parts)
  const resumption = new Resumption(Date.now)
  const counts = new Counts()
  const isMeshed = options.isMeshed ?? true
  const http2 = { ...DEFAULT_HTTP2, ...options.http2 }
  const http = {
    http2,
    maxHeadBytes: http2.maxHeaderListBytes,
    timeBounds: { ...DEFAULT_TIME_BOUNDS, ...options.timeBounds },
  }
  const refusals = { inbound: refusalsTo(counts.inboundRefusals), outbound: refusalsTo(counts.outboundRefusals) }
  const clients = {
    http1: { maxHeadBytes: http2.maxHeaderListBytes, maxIdle: 100, idleTimeoutMs: 3_000 },
    http2,
    backoff: { minMs: 20, maxMs: 1_000, jitter: 0.1 },
  }

  const earlyDials = options.earlyDials ?? { silenceMs: 0, maxAtOnce: 1 }

  // ── inbound ──
  let server = defaultServer('all-unauthenticated', options.isOpaque ?? false, [], options.detectTimeoutMs ?? 10_000)
  const watchers: ((server: InboundServer) => void)[] = []
  let onProfile: ((profile: Profile | undefined) => void) | undefined
  let onPolicy: ((policy: OutboundPolicy | undefined) => void) | undefined
  const discovery: Discovery = {
    watchProfile: (_address, onUpdate) => {
      onProfile = onUpdate
      setImmediate(onUpdate, options.profile)
      return { close() {} }
    },
    watchOutboundPolicy: (_address, onUpdate) => {
      onPolicy = onUpdate
      setImmediate(onUpdate, options.policy)
      return { close() {} }
    },
    watchEndpoints: () => ({ close() {} }),
    watchPort: (_port, onUpdate) => {
      watchers.push(onUpdate)
      return { close() {} }
    },
  }
  const tls = new MeshTlsServer({ localName: identity, withAlpn: false, timers: REAL_TIMERS })
  const directTls = new MeshTlsServer({ localName: identity, withAlpn: true, timers: REAL_TIMERS })
  tls.setContext(context)
  directTls.setContext(makeSecureContext({ ...parts, givesTickets: true }))
  const telemetry: InboundTelemetry = {
    recorders: () => ({
      requests: () => noMetrics,
      route: () => noMetrics,
      allowed() {},
      denied() {},
      notFound() {},
      rateLimited() {},
      failed() {},
    }),
    accepted() {},
    tcpAllowed() {},
    tcpDenied() {},
    tcpTerminated() {},
    tcpError() {},
    refused: refusals.inbound,
    transportHeader() {},
    detected() {},
  }
  const appConnector = (ip: string, port: number) => new AppConnector(ip, port, 300, noTcp)
  const appClients = new Map<number, HttpClients>()
  let inboundPort = 0
  const doors = new Map<number, number>()
  const doorServers: Server[] = []
  const policies = new PortPolicies(discovery, 1_000, 1, () => server)
  const inbound = new InboundListener(
    {
      get port() {
        return inboundPort
      },
      localName: identity,
      detectTimeoutMs: options.detectTimeoutMs ?? 10_000,
      silenceMs: earlyDials.silenceMs,
      keepAliveMs: undefined,
      maxInFlight: 100_000,
      maxConnections: options.maxConnections ?? 10_000,
      inboundIps: new Set(),
      http,
    },
    {
      originalDestination: (socket) => ({ ip: '127.0.0.1', port: doors.get(socket.localPort ?? 0) ?? inboundPort }),
      policies,
      earlyDials: new EarlyDials<ConnectError>(earlyDials, REAL_TIMERS, (outcome) => counts.inboundDials.push(outcome)),
      tls,
      directTls,
      appConnector,
      appClients: (ip, port) => {
        let known = appClients.get(port)
        if (known === undefined) {
          known = new HttpClients(appConnector(ip, port), clients, nowMs, Math.random, () => {})
          appClients.set(port, known)
        }
        return known
      },
      telemetry,
      log: silent,
      accessLog: options.onAccess && new AccessLog('json', options.onAccess, nowMs, Date.now),
      nowMs: options.inboundNowMs ?? nowMs,
      random: Math.random,
    },
  )
  inboundPort = await listen(inbound.server)

  // ── outbound ──
  const meta = (port: number): EndpointMeta =>
    isMeshed
      ? {
          ...plainEndpoint('127.0.0.1', port),
          identity: { name: identity, serverName: identity },
          protocolHint: options.isOpaque ? 'opaque' : 'h2',
          opaqueTransportPort: inboundPort,
        }
      : plainEndpoint('127.0.0.1', port)
  const backends: Backend[] = []
  let ports = options.appPorts
  const cache = new BackendCache(1_000, (target) => {
    const { failureAccrual } = target
    const own = target.kind === 'balancer' ? options.backendPorts?.[target.path] : undefined
    const backend = new Backend(target.kind === 'balancer' ? target.path : 'web.shop', {
      queue: { capacity: 100, failFastTimeoutMs: options.failFastTimeoutMs ?? 3_000 },
      random: Math.random,
      minReadyEndpoints: failureAccrual?.minReadyEndpoints ?? 0,
      affinity: target.kind === 'balancer' ? target.affinity : undefined,
      slowStartMs: target.kind === 'balancer' ? target.slowStartMs : undefined,
      nowMs,
      newEndpoint: (endpoint, pool) =>
        new Endpoint(
          endpoint,
          {
            connector: new EndpointConnector(
              endpoint,
              false,
              { connectTimeoutMs: 1_000, keepAliveMs: undefined, userTimeoutMs: undefined, allowLoopback: true },
              { context: () => context, resumption },
              noTcp,
              () => {},
            ),
            http: { ...clients, http2: isMeshed ? meshHop(http2) : http2 },
            nowMs,
            epochMs: Date.now,
            random: Math.random,
            metrics: noMetrics,
            seedRttMs: 30,
            decayMs: 10_000,
            isUpgradeable: isMeshed && !options.isOpaque,
            penalty: target.kind === 'balancer' ? target.penalty : undefined,
            failureAccrual,
          },
          pool,
        ),
    })
    // Without a policy everything goes to the replicas of `appPorts`, meshed or not.
    if (target.kind === 'forward' && options.policy !== undefined) {
      backend.update({ kind: 'reset', endpoints: [target.endpoint] })
      return { backend, watch: undefined }
    }
    if (own === undefined) backends.push(backend)
    backend.update({ kind: 'reset', endpoints: (own ?? ports).map(meta) })
    return { backend, watch: undefined }
  })
  const recorder: RouteRecorder = {
    onRequest() {},
    onResponse() {},
    onAttempt: () => void counts.attempts++,
    onAttemptResponse() {},
    onRetry: () => void counts.retries++,
    onRetrySuccess() {},
    onRetryLimit() {},
    onRetryOverflow() {},
    onIgnoredOverride: () => void counts.ignoredOverrides++,
    onNoBudget: () => void counts.noBudget++,
  }
  const deps = {
    cache,
    recorders: {
      profileRoute: () => recorder,
      policyRoute: () => ({ ...recorder, backends: [] }),
      mirror: () => (result: MirrorResult) => void counts.mirrors.push(result),
    },
    random: Math.random,
    nowMs,
  }
  const targets = new TargetCache(1_000, (ip, port) => {
    const target = new Target(ip, port, deps)
    target.start(discovery, `${ip}:${port}`, true)
    return target
  })
  const outboundTelemetry: OutboundTelemetry = {
    accepted() {},
    protocol() {},
    detected() {},
    httpError() {},
    tcpError: (_target, error) => void counts.outboundErrors.push(error),
    refused: refusals.outbound,
  }
  const outbound = new OutboundListener(
    {
      detectTimeoutMs: options.detectTimeoutMs ?? 10_000,
      failFastTimeoutMs: options.failFastTimeoutMs ?? 3_000,
      isInformational: true,
      maxInFlight: 100_000,
      maxConnections: options.maxConnections ?? 10_000,
      rebalance: options.rebalance,
      http: { ...http, http2: { ...http2, isInformational: true }, isInformational: true },
    },
    {
      originalDestination: () => ({ ip: '127.0.0.1', port: options.appPorts[0] ?? 9 }),
      targets,
      earlyDials: new EarlyDials<OpaqueError>(earlyDials, REAL_TIMERS, (outcome) => counts.outboundDials.push(outcome)),
      telemetry: outboundTelemetry,
      log: silent,
      nowMs,
      random: Math.random,
    },
  )
  const port = await listen(outbound.server)

  return {
    port,
    counts,
    inboundPort,
    context,
    resumption,
    setProfile: (profile) => onProfile?.(profile),
    setPolicy: (policy) => onPolicy?.(policy),
    setServer(updated) {
      server = updated
      for (const watcher of watchers) watcher(updated)
    },
    setEndpoints(updated) {
      ports = updated
      for (const backend of backends) backend.update({ kind: 'reset', endpoints: ports.map(meta) })
    },
    async openInbound(appPort) {
      const door = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        inbound.server.emit('connection', socket),
      )
      doorServers.push(door)
      const doorPort = await listen(door)
      doors.set(doorPort, appPort)
      return doorPort
    },
    open() {
      let upstream = 0
      for (const backend of backends) for (const endpoint of backend.endpoints) upstream += endpoint.streamCount
      let app = 0
      for (const known of appClients.values()) app += known.streamCount
      return {
        upstream,
        app,
        outboundConnections: outbound.connectionCount,
        inboundConnections: inbound.connectionCount,
      }
    },
    tick(at) {
      outbound.tick(at)
      inbound.tick(at)
    },
    close() {
      for (const door of doorServers) door.close()
      outbound.shutdown()
      outbound.destroy()
      inbound.shutdown()
      inbound.destroy()
      targets.closeAll()
      cache.closeAll()
      policies.closeAll()
      for (const known of appClients.values()) known.close()
    },
  }
}
