/** The control plane as one object: identity, destination and policy over one store. */
import type { Logger } from 'pino'
import { Destination } from '../api/gen/destination_pb.js'
import { Identity } from '../api/gen/identity_pb.js'
import { InboundServerPolicies } from '../api/gen/inbound_pb.js'
import { OutboundPolicies } from '../api/gen/outbound_pb.js'
import { formatSocketAddress, type SocketAddress } from '../api/ip.ts'
import type { Kind } from '../api/resources/kinds.ts'
import { Port } from '../api/vocabulary.ts'
import { Cluster } from './cluster/cluster.ts'
import { type ClusterConfig, DEFAULT_CLUSTER_CONFIG } from './cluster/config.ts'
import { DestinationService } from './destination/api/server.ts'
import { type GrpcListener, listen, parseListenAddress } from './grpc/server.ts'
import { addService, type Methods } from './grpc/service.ts'
import { identityHandlers } from './identity/api/server.ts'
import type { Issuer } from './identity/model/issuer.ts'
import type { LeafOptions } from './identity/model/leaf.ts'
import type { TokenReviewer } from './identity/token-reviewer.ts'
import { PolicyService } from './policy/api/server.ts'
import { Holders } from './policy/holders.ts'
import { StatusWriter, type WriteStatus } from './policy/status-writer.ts'
import type { ResourceStore } from './resources/store.ts'
import { trimMemory } from './trim-memory.ts'
import { Refresher } from './watch/refresher.ts'
import { WatchStreams } from './watch/watch-stream.ts'

export interface ControlPlaneOptions {
  readonly store: ResourceStore
  readonly log: Logger
  readonly tokens: TokenReviewer
  /** Asked for every certificate; `undefined` while there is none. */
  readonly issuer: () => Issuer | undefined
  /** What differs from the defaults. */
  readonly config?: Partial<ClusterConfig>
  readonly leaf?: Partial<LeafOptions>
  /** `address:port` of each API; port 0 takes a free one. */
  readonly listen?: { readonly destination?: string; readonly policy?: string; readonly identity?: string }
  /** Takes the status of policy objects; without it none is written. Only one replica may have it. */
  readonly writeStatus?: WriteStatus
  /** How long after the start `weft.dev/Programmed` is not yet True, since proxies may still be on their way back. */
  readonly settleMs?: number
  readonly nowMs?: () => number
  /** How long calls may take to finish when the control plane closes. */
  readonly graceMs?: number
}

export interface ControlPlane {
  readonly addresses: {
    readonly destination: SocketAddress
    readonly policy: SocketAddress
    readonly identity: SocketAddress
  }
  /** Ends all watches with OK, so that proxies keep what they know, and then the listeners. */
  close(): Promise<void>
}

const DEFAULT_LEAF: LeafOptions = { lifetimeMs: 86_400_000, clockSkewMs: 20_000 }
const DEFAULT_GRACE_MS = 2_000
/** The longest that a proxy waits between two attempts to connect. */
const DEFAULT_SETTLE_MS = 60_000
/** Changes and counts of so long become one round of status. */
const STATUS_DELAY_MS = 250
const STATUS_INTERVAL_MS = 10_000

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { store, log, tokens, issuer, nowMs = Date.now, graceMs = DEFAULT_GRACE_MS } = options
  const config = { ...DEFAULT_CLUSTER_CONFIG, ...options.config }
  const onError = (role: string) => (error: unknown) => log.error({ role, err: error }, 'a call failed')

  const cluster = new Cluster(store, config)
  const streams = new WatchStreams()
  const destination = new DestinationService(cluster, streams, onError('destination'))
  // Without a writer nothing is counted, and no timer runs for it.
  const statusChanged = () => statusRefresher?.changed()
  const holders = new Holders(statusChanged)
  const policy = new PolicyService(cluster, streams, holders, {
    onError: onError('policy'),
    onProblem: (problem) => log.warn({ role: 'policy' }, problem),
  })
  const { writeStatus: write, settleMs = DEFAULT_SETTLE_MS } = options
  const status = write && new StatusWriter({ cluster, holders, write, nowMs, settleMs })
  const statusRefresher =
    status &&
    new Refresher(
      () => status.refresh(),
      (run) => setTimeout(run, STATUS_DELAY_MS).unref(),
    )
  const reconciliation = status && setInterval(statusChanged, STATUS_INTERVAL_MS).unref()
  let wanted = new Set<Kind>()
  const refresher = new Refresher(() => {
    const kinds = wanted
    wanted = new Set()
    destination.refresh(kinds)
    policy.refresh(kinds)
    statusChanged()
  })
  const unsubscribe = cluster.subscribe((_, kinds) => {
    for (const kind of kinds) wanted.add(kind)
    if (kinds.size > 0) refresher.changed()
    // Somebody's status, perhaps not what was written.
    else statusChanged()
  })

  const endTrimming = trimMemory()
  const listeners: GrpcListener[] = []
  const close = async () => {
    refresher.close()
    statusRefresher?.close()
    clearInterval(reconciliation)
    endTrimming()
    unsubscribe()
    cluster.close()
    streams.endAll()
    await Promise.all(listeners.map((listener) => listener.close(graceMs)))
  }
  const start = async (
    role: keyof ControlPlane['addresses'],
    port: number,
    addServices: (methods: Methods) => void,
  ) => {
    const option = `--${role}-addr`
    const address = parseListenAddress(options.listen?.[role] ?? `127.0.0.1:${port}`, option)
    const listener = await listen(address, option, addServices)
    listeners.push(listener)
    log.info({ role, address: formatSocketAddress(listener.address) }, 'listening')
    return listener.address
  }
  try {
    statusChanged()
    const addresses = {
      destination: await start('destination', Port.destination, (methods) =>
        addService(methods, Destination, destination.handlers()),
      ),
      policy: await start('policy', Port.policy, (methods) => {
        addService(methods, InboundServerPolicies, policy.inboundHandlers())
        addService(methods, OutboundPolicies, policy.outboundHandlers())
      }),
      identity: await start('identity', Port.identity, (methods) =>
        addService(
          methods,
          Identity,
          identityHandlers({
            controlPlaneNs: config.controlPlaneNs,
            trustDomain: config.trustDomain,
            leaf: { ...DEFAULT_LEAF, ...options.leaf },
            tokens,
            issuer,
            nowMs,
            onError: onError('identity'),
          }),
        ),
      ),
    }
    return { addresses, close }
  } catch (error) {
    await close()
    throw error
  }
}
