/**
 * Connects to one of the replicas behind a control-plane target: in plain text on this host, with mesh TLS elsewhere.
 *
 * Every attempt resolves anew, so a control plane that moved is found when the connection to the old one is lost.
 */
import type { SecureContext } from 'node:tls'
import type { SocketAddress } from '../../api/ip.ts'
import type { Transport } from '../http/transport.ts'
import { type Connecting, connectTcp } from '../io/connect.ts'
import type { ConnectError, Connector, Session } from '../io/connector.ts'
import { type Lookup, needsLookup, type OnResolution, resolveTarget, systemLookup, type Target } from '../io/resolve.ts'
import { SocketTransport } from '../io/socket-transport.ts'
import { connectMeshTls, type PeerIdentity } from '../io/tls.ts'

export interface ControlTls {
  /** Sent as SNI. */
  readonly serverName: string
  readonly identity: PeerIdentity
  /** Asked at each attempt: with our certificate once there is one, with the trust anchors alone before. */
  readonly context: () => SecureContext
}

export interface ControlConnectorOptions {
  readonly target: Target
  /** Mandatory unless the target is loopback. */
  readonly tls: ControlTls | undefined
  readonly connectTimeoutMs: number
  readonly keepAliveMs?: number | undefined
  readonly random: () => number
  readonly lookup?: Lookup | undefined
  readonly onResolution?: OnResolution | undefined
}

/** Replicas tried in one attempt; each has the connect timeout for itself. */
const MAX_TRIED = 3

export class ControlConnector implements Connector {
  readonly #options: ControlConnectorOptions
  #lookup: Lookup | undefined

  constructor(options: ControlConnectorOptions) {
    this.#options = options
    this.#lookup = options.lookup
    if (options.tls === undefined && !options.target.isLoopback) {
      throw new Error(
        `${options.target.authority} is not on this host, so the name in its certificate has to be configured (LINKERD2_PROXY_…_SVC_NAME)`,
      )
    }
  }

  connect(
    _session: Session,
    onConnected: (transport: Transport) => void,
    onFailed: (error: ConnectError) => void,
  ): Connecting {
    const attempt = new Attempt(this.#options, onConnected, onFailed)
    void this.#addresses().then(
      (addresses) => attempt.start(shuffle(addresses, this.#options.random).slice(0, MAX_TRIED)),
      (error: Error) => attempt.fail({ kind: 'io', message: error.message }),
    )
    return attempt
  }

  async #addresses(): Promise<readonly SocketAddress[]> {
    const { target, onResolution } = this.#options
    this.#lookup ??= needsLookup(target) ? systemLookup() : NO_LOOKUP
    return resolveTarget(target, this.#lookup, onResolution)
  }
}

/** Tries address after address until one connects. */
class Attempt implements Connecting {
  readonly #options: ControlConnectorOptions
  readonly #onConnected: (transport: Transport) => void
  readonly #onFailed: (error: ConnectError) => void
  #connecting: Connecting | undefined = undefined
  #isCancelled = false

  constructor(
    options: ControlConnectorOptions,
    onConnected: (transport: Transport) => void,
    onFailed: (error: ConnectError) => void,
  ) {
    this.#options = options
    this.#onConnected = onConnected
    this.#onFailed = onFailed
  }

  start(addresses: readonly SocketAddress[]): void {
    if (!this.#isCancelled) this.#try(addresses, 0)
  }

  fail(error: ConnectError): void {
    if (!this.#isCancelled) this.#onFailed(error)
  }

  cancel(): void {
    this.#isCancelled = true
    this.#connecting?.cancel()
  }

  #try(addresses: readonly SocketAddress[], index: number): void {
    const { target, tls, connectTimeoutMs, keepAliveMs } = this.#options
    const options = {
      ...addresses[index]!,
      timeoutMs: connectTimeoutMs,
      keepAliveMs,
      allowLoopback: target.isLoopback,
      onFailed: (error: ConnectError) => {
        if (index + 1 < addresses.length) this.#try(addresses, index + 1)
        else this.fail({ kind: error.kind, message: `${target.authority}: ${error.message}` })
      },
    }
    if (target.isLoopback || tls === undefined) {
      this.#connecting = connectTcp({
        ...options,
        onConnected: (socket) => this.#onConnected(new SocketTransport(socket)),
      })
      return
    }
    const { serverName, identity, context } = tls
    this.#connecting = connectMeshTls({
      ...options,
      serverName,
      identity,
      context: context(),
      alpn: false,
      onConnected: (socket) => this.#onConnected(new SocketTransport(socket)),
    })
  }
}

const NOTHING = () => Promise.resolve([])
const NO_LOOKUP: Lookup = { srv: NOTHING, a: NOTHING, aaaa: NOTHING, system: NOTHING }

function shuffle<T>(list: readonly T[], random: () => number): T[] {
  const shuffled = [...list]
  for (let at = shuffled.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[shuffled[at], shuffled[other]] = [shuffled[other]!, shuffled[at]!]
  }
  return shuffled
}
