/**
 * One attempt of a request at one endpoint: what is known of its response, and what the endpoint's load estimate, breaker
 * and counters hear of it. Each of them hears of its end exactly once.
 */
import { isPenalised, penaltyMs } from '../policy/balance/penalty.ts'
import { type Classification, classify, NO_GRPC_STATUS, parseGrpcStatus } from '../policy/classify.ts'
import type { Outcome } from '../policy/failure-accrual.ts'
import type { Head } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import type { Endpoint } from './endpoint.ts'
import type { RoutePlan } from './route-plan.ts'
import type { BackendRecorder, Ended } from './route-recorder.ts'

/** What an attempt needs of its route, and of its backend. */
type AttemptPlan = Pick<RoutePlan, 'recorder' | 'responseClasses'>
type AttemptBackend = { readonly recorder: BackendRecorder | undefined }

const GRPC_STATUS = token('grpc-status')

const GRPC_UNKNOWN = 2
const GRPC_RESOURCE_EXHAUSTED = 8
const GRPC_UNAVAILABLE = 14

export class Attempt {
  readonly #plan: AttemptPlan
  readonly #isGrpc: boolean
  readonly #requestedAtMs: number
  #backend: AttemptBackend | undefined = undefined
  #endpoint: Endpoint | undefined = undefined
  /** Where the attempt before this one ended. */
  failedAt: Endpoint | undefined = undefined
  /** It probes an endpoint behind its tripped breaker. */
  #isProbe = false
  /** The endpoint's load still counts this attempt as waiting for an answer. */
  #isLoadOpen = false
  #sentAtMs: number
  #latencyMs = -1
  /** When the endpoint asked to be tried again; 0 when it did not. */
  #retryAfterMs = 0
  /** 0 before the response head. */
  status = 0
  grpcStatus = NO_GRPC_STATUS

  /** @param requestedAtMs when the application sent the request */
  constructor(plan: AttemptPlan, isGrpc: boolean, requestedAtMs: number) {
    this.#plan = plan
    this.#isGrpc = isGrpc
    this.#requestedAtMs = requestedAtMs
    this.#sentAtMs = requestedAtMs
  }

  /** Something happened that counts: it was sent, or a head came. */
  get hasBegun(): boolean {
    return this.#isLoadOpen || this.status !== 0
  }

  /** Where it is; `undefined` when it has ended. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint
  }

  get hasFirstByte(): boolean {
    return this.#latencyMs !== -1
  }

  /** Forgets the last attempt's response; the same object serves all attempts of a request. */
  reset(): void {
    this.#latencyMs = -1
    this.#retryAfterMs = 0
    this.status = 0
    this.grpcStatus = NO_GRPC_STATUS
  }

  /** The request goes to `endpoint`. */
  begin(endpoint: Endpoint, backend: AttemptBackend | undefined, nowMs: number): void {
    this.#endpoint = endpoint
    this.#backend = backend
    this.#sentAtMs = nowMs
    this.#isLoadOpen = true
    this.#isProbe = endpoint.begin(nowMs)
    endpoint.metrics.onRequest()
    this.#plan.recorder.onAttempt()
    backend?.recorder?.onRequest()
  }

  /** The head of the response. */
  onHead(head: Head): void {
    this.status = head.status
    if (this.#isGrpc) this.onTrailers(head)
    else this.#onFields(head)
  }

  /** The trailers of the response, or a head that is everything there is. */
  onTrailers(trailers: Head): void {
    const grpcStatus = trailers.get(GRPC_STATUS)
    if (grpcStatus !== undefined) this.grpcStatus = parseGrpcStatus(grpcStatus)
    this.#onFields(trailers)
  }

  /** When the next request is welcome. */
  #onFields(fields: Head): void {
    if (this.#endpoint?.heedsRetryAfter && this.#isTurnedAway) this.#retryAfterMs = this.#endpoint.retryAfterMs(fields)
  }

  /** The first content of the response, or its end when it has none: the latency that counts. */
  onFirstByte(nowMs: number): void {
    this.#latencyMs = nowMs - this.#sentAtMs
    if (!this.#isLoadOpen) return
    this.#isLoadOpen = false
    const { load, penalty } = this.#endpoint!
    if (penalty === undefined || !isPenalised(this.status, this.grpcStatus)) load.firstByte(this.#latencyMs, nowMs)
    else load.failed(penaltyMs(penalty, this.#retryAfterMs), nowMs)
  }

  /** Classification of what has come so far. */
  classify(): Classification {
    return classify(this.status, this.#isGrpc, this.grpcStatus, this.#plan.responseClasses)
  }

  /**
   * Counts the attempt at its endpoint; nothing where it never got one.
   *
   * @param error '' when the response ended in order; see `Ended`
   * @param isGivenUp the client gave the request up, which says nothing about the endpoint
   */
  end(error: string, isGivenUp: boolean, nowMs: number, ended = this.ended(error, nowMs)): void {
    const endpoint = this.#endpoint
    if (endpoint === undefined) return
    this.#endpoint = undefined
    this.failedAt = endpoint
    if (this.#isLoadOpen) {
      this.#isLoadOpen = false
      endpoint.load.failed(nowMs - this.#sentAtMs, nowMs)
    }
    const { penalty } = endpoint
    // The verdict may stand in trailers, behind content that came fast; a response that breaks off is no better.
    if (penalty !== undefined && !isGivenUp && (error !== '' || isPenalised(this.status, this.grpcStatus)))
      endpoint.load.penalise(penaltyMs(penalty, this.#retryAfterMs), nowMs)
    endpoint.metrics.onResponse(ended.status, ended.classification, ended.grpcStatus, ended.error, ended.latencyMs)
    this.#plan.recorder.onAttemptResponse(ended)
    this.#backend?.recorder?.onResponse(ended)
    endpoint.ended(this.#isProbe, isGivenUp ? undefined : this.#outcome(ended), nowMs, this.#retryAfterMs)
  }

  #outcome({ classification }: Ended): Outcome {
    if (classification === 'failure') return 'failure'
    return this.status === 429 || this.grpcStatus === GRPC_RESOURCE_EXHAUSTED ? 'limited' : 'success'
  }

  /** The endpoint has no room for this request now: the answers in which it may say when it will. */
  get #isTurnedAway(): boolean {
    if (this.grpcStatus !== NO_GRPC_STATUS)
      return this.grpcStatus === GRPC_RESOURCE_EXHAUSTED || this.grpcStatus === GRPC_UNAVAILABLE
    return this.status === 429 || this.status === 503
  }

  /** What is counted of it, at its endpoint and for the request. */
  ended(error: string, nowMs: number): Ended {
    return {
      status: this.status,
      classification: error === '' ? this.classify() : 'failure',
      // A gRPC stream that ended in order without a status is recorded as UNKNOWN, and as a success (facts: classification).
      grpcStatus: this.#isGrpc && error === '' && this.grpcStatus === NO_GRPC_STATUS ? GRPC_UNKNOWN : this.grpcStatus,
      error,
      latencyMs: this.#latencyMs === -1 ? nowMs - this.#sentAtMs : this.#latencyMs,
      durationMs: nowMs - this.#requestedAtMs,
      isGrpc: this.#isGrpc,
    }
  }
}
