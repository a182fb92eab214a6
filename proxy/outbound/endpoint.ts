/**
 * One endpoint of a backend: its connections, its load and its counters.
 *
 * Meshed endpoints are spoken to in HTTP/2 over one mTLS connection, HTTP/1 requests included (`l5d-orig-proto`), and are
 * ready only while connected. Others connect on demand.
 */
import type { ClientStream } from '../http/stream.ts'
import type { Transport } from '../http/transport.ts'
import type { ConnectError, Connector } from '../io/connector.ts'
import { type Carriage, HttpClients, type HttpClientsConfig, type StreamWaiter } from '../io/http-clients.ts'
import { EndpointLoad } from '../policy/balance/endpoint-load.ts'
import type { PenaltyParams } from '../policy/balance/penalty.ts'
import type { StickyEndpoint } from '../policy/balance/sticky-balancer.ts'
import { type EndpointMeta, endpointKey } from '../policy/endpoint.ts'
import { FailureAccrual, type Outcome } from '../policy/failure-accrual.ts'
import type { FailureAccrualParams } from '../policy/outbound-policy.ts'
import { pushbackMs, retryAfterMs } from '../policy/retry-after.ts'
import type { RequestMetrics } from '../telemetry/request-metrics.ts'
import type { Head } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'

const RETRY_AFTER = token('retry-after')
const PUSHBACK = token('grpc-retry-pushback-ms')

export interface EndpointParams {
  readonly connector: Connector
  readonly http: HttpClientsConfig
  readonly nowMs: () => number
  /** The time of day, for dates in Retry-After. */
  readonly epochMs: () => number
  readonly random: () => number
  readonly metrics: RequestMetrics
  /** Peak EWMA parameters of the backend. */
  readonly seedRttMs: number
  readonly decayMs: number
  /** HTTP/1 requests travel as HTTP/2 to this endpoint. */
  readonly isUpgradeable: boolean
  /** What failures cost in the balancer's eyes; `undefined` looks at latencies alone. */
  readonly penalty: PenaltyParams | undefined
  /** The circuit breaker of the policy; `undefined` never trips. */
  readonly failureAccrual: FailureAccrualParams | undefined
}

/** What an endpoint asks and tells the backend it belongs to. */
export interface EndpointPool {
  /** An endpoint may take a request that could not before. */
  onReady(): void
  /** The breaker of `endpoint` is about to open: whether it may. */
  mayEject(endpoint: Endpoint): boolean
}

/** `ejected` by its breaker; then one request decides: `probe due`, and `probing` while it is on its way. */
export type EndpointHealth =
  | { readonly state: 'ready' | 'connecting' | 'probe due' | 'probing' }
  | { readonly state: 'ejected'; readonly forMs: number }

export class Endpoint implements StickyEndpoint {
  readonly meta: EndpointMeta
  /** Its address. */
  readonly name: string
  readonly load: EndpointLoad
  readonly metrics: RequestMetrics
  readonly isUpgradeable: boolean
  readonly penalty: PenaltyParams | undefined
  readonly #connector: Connector
  readonly #clients: HttpClients
  readonly #breaker: FailureAccrual | undefined
  readonly #params: EndpointParams
  readonly #pool: EndpointPool
  /** Something here wants to know when the endpoint asks to be tried again. */
  readonly heedsRetryAfter: boolean = false
  #opaqueError: ConnectError | undefined = undefined
  #probeTimer: NodeJS.Timeout | undefined = undefined

  constructor(meta: EndpointMeta, params: EndpointParams, pool: EndpointPool) {
    const { failureAccrual } = params
    this.meta = meta
    this.name = endpointKey(meta)
    this.isUpgradeable = params.isUpgradeable
    this.metrics = params.metrics
    this.load = new EndpointLoad(params.nowMs(), params.seedRttMs, params.decayMs)
    this.#connector = params.connector
    this.#params = params
    this.#pool = pool
    this.#breaker = failureAccrual && new FailureAccrual(failureAccrual, params.random, () => pool.mayEject(this))
    this.penalty = params.penalty
    this.heedsRetryAfter = params.penalty !== undefined || failureAccrual?.honorsRetryAfter === true
    this.#clients = new HttpClients(params.connector, params.http, params.nowMs, params.random, () => pool.onReady())
    if (this.isUpgradeable) this.#clients.start()
  }

  get weight(): number {
    return this.meta.weight
  }

  isReady(): boolean {
    if (this.#breaker !== undefined && !this.#breaker.isReady(this.#params.nowMs())) return false
    return this.isUpgradeable ? this.#clients.isHttp2Ready : true
  }

  /** The breaker keeps requests away. */
  get isTripped(): boolean {
    return this.#breaker?.isOpen === true
  }

  /** Whether it takes requests, and if not, why: for whoever asks the proxy to explain itself. */
  health(nowMs: number): EndpointHealth {
    const breaker = this.#breaker
    if (breaker?.isOpen && !breaker.isReady(nowMs))
      return breaker.isProbing ? { state: 'probing' } : { state: 'ejected', forMs: breaker.openUntilMs - nowMs }
    if (this.isUpgradeable && !this.#clients.isHttp2Ready) return { state: 'connecting' }
    return { state: breaker?.isOpen ? 'probe due' : 'ready' }
  }

  /** A request is being sent. Returns whether it is the probe behind a tripped breaker; hand that to `ended`. */
  begin(nowMs: number): boolean {
    this.load.start(nowMs)
    return this.#breaker?.start() === true
  }

  /** When the fields of a response ask for the next request; 0 when they do not. */
  retryAfterMs(fields: Head): number {
    const hint = fields.get(RETRY_AFTER)
    const pushback = fields.get(PUSHBACK)
    return Math.max(
      hint === undefined ? 0 : retryAfterMs(hint, this.#params.epochMs()),
      pushback === undefined ? 0 : pushbackMs(pushback),
    )
  }

  /** The request ended; `undefined` when its client gave it up. `hintMs` is what the response said of `retryAfterMs`. */
  ended(isProbe: boolean, outcome: Outcome | undefined, nowMs: number, hintMs: number): void {
    const breaker = this.#breaker
    if (breaker === undefined) return
    if (outcome === undefined) return breaker.abandoned(isProbe)
    const wasOpen = breaker.isOpen
    breaker.done(isProbe, outcome, nowMs, hintMs)
    if (breaker.isOpen && (!wasOpen || isProbe)) {
      // Requests that wait for the probe are woken when it is due.
      clearTimeout(this.#probeTimer)
      this.#probeTimer = setTimeout(() => this.#pool.onReady(), Math.max(0, breaker.openUntilMs - nowMs))
      this.#probeTimer.unref()
    } else if (wasOpen && !breaker.isOpen) this.#pool.onReady()
  }

  /** Why the last attempt to connect failed. */
  get lastError(): ConnectError | undefined {
    return this.#clients.lastError ?? this.#opaqueError
  }

  /** It takes extended CONNECT (RFC 8441), as far as it is known. */
  get takesConnect(): boolean {
    return this.#clients.takesConnect
  }

  /** HTTP/2 streams in flight. */
  get streamCount(): number {
    return this.#clients.streamCount
  }

  open(carriage: Carriage, waiter: StreamWaiter): ClientStream | undefined {
    return this.#clients.open(carriage, waiter)
  }

  /** A connection for opaque bytes. */
  connectOpaque(
    onConnected: (transport: Transport) => void,
    onFailed: (error: ConnectError) => void,
  ): { cancel(): void } {
    return this.#connector.connect('opaque', onConnected, (error) => {
      this.#opaqueError = error
      onFailed(error)
    })
  }

  /** The endpoint is gone: requests in flight finish, then its connections close. */
  close(): void {
    clearTimeout(this.#probeTimer)
    this.#clients.close()
  }

  tick(nowMs: number): void {
    this.#clients.tick(nowMs)
  }
}
