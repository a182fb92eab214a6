/**
 * One outbound request on its way: from the application's stream to an endpoint's stream and back.
 *
 * After the head it only splices. It comes back to a decision in three places: when no endpoint was ready, when an
 * attempt failed in a way that may be repeated, and when a timer fires. All of them go through `#attempt`.
 */

import { randomBytes } from 'node:crypto'
import { endWithError, type ProxyError, respondError } from '../http/error-response.ts'
import { dropHopByHop } from '../http/hop-by-hop.ts'
import { CONNECT, hasMethod } from '../http/method.ts'
import { RequestRecord, releaseHead, takeHead } from '../http/request-record.ts'
import type { ClientStream, RequestHandler, ResponseHandler, ServerStream } from '../http/stream.ts'
import type { StreamError } from '../http/stream-error.ts'
import type { ConnectError } from '../io/connector.ts'
import type { Carriage, StreamWaiter } from '../io/http-clients.ts'
import { addSessionCookie, type Session, sessionOf } from '../policy/balance/session-affinity.ts'
import { isGrpcContentType, NO_GRPC_STATUS } from '../policy/classify.ts'
import { applyResponseFilters } from '../policy/filters.ts'
import { ERROR_NAMES, ErrorCode } from '../wire/connection-error.ts'
import { Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import { Attempt } from './attempt.ts'
import type { Backend, BackendWaiter } from './backend.ts'
import { carriageOf, carriageTo, isUpgrade } from './carriage.ts'
import type { OutboundContext } from './context.ts'
import { type Copier, decideAttempt, isAnswer } from './decision.ts'
import type { Endpoint } from './endpoint.ts'
import { errors } from './errors.ts'
import { ExchangeTimers, shortestTimeoutMs, type TimerOwner } from './exchange-timers.ts'
import { HeldResponse } from './held-response.ts'
import { type Mirror, type MirrorPlan, startMirror } from './mirror.ts'
import type { MovableStream } from './rebalance.ts'
import {
  asksForRetry,
  isLastAttempt,
  isSafeToRepeat,
  MAX_SAFE_RETRIES,
  retainedBytes,
  retryDelayMs,
  takeRetry,
  withdraw,
} from './retry.ts'
import type { BackendPlan, PlannedRoute, RoutePlan } from './route-plan.ts'

const CONTENT_TYPE = token('content-type')
const ORIG_PROTO = token('l5d-orig-proto')
const PROXY_ERROR = token('l5d-proxy-error')
const PROXY_CONNECTION = token('l5d-proxy-connection')

/** While nothing was sent the client has no credit for more than its window; a hard bound all the same. */
const MAX_WAITING_BYTES = 1_048_576

export class Exchange
  implements Copier, RequestHandler, ResponseHandler, BackendWaiter, StreamWaiter, MovableStream, TimerOwner
{
  readonly #context: OutboundContext
  readonly #downstream: ServerStream
  readonly #plan: RoutePlan
  readonly #route: PlannedRoute
  readonly startedAtMs: number
  readonly #isGrpc: boolean
  readonly #carriage: Carriage
  readonly #isUpgrade: boolean
  readonly #isConnect: boolean
  readonly #requiredId: string | undefined
  /** Kept until the response head arrives or the request grows too large. */
  #record: RequestRecord | undefined = undefined
  /** The head of the current attempt, filters applied, while its connection is being made. */
  #pendingHead: Head | undefined = undefined
  #upstream: ClientStream | undefined = undefined
  /** Whose response goes to the client: gets credit as the client takes it, also when the response has ended. */
  #source: ClientStream | undefined = undefined
  #backend: BackendPlan | undefined = undefined
  #session: Session | undefined = undefined
  /** The current attempt, and how many there were. */
  readonly #current: Attempt
  #attempts = 0
  #safeRetries = 0
  /** Content received from the client that was not credited back yet. */
  #uncreditedBytes = 0
  #isRequestEnded: boolean
  #hasAnswered = false
  /** The response is complete and counted; the rest of the request still flows. */
  #isResponseDone = false
  #isTunnel = false
  #held: HeldResponse | undefined = undefined
  #timers: ExchangeTimers | undefined = undefined
  #isMirrored = false
  #copies: Mirror[] | undefined = undefined
  isAbandoned = false

  constructor(
    context: OutboundContext,
    route: PlannedRoute,
    head: Head,
    endStream: boolean,
    downstream: ServerStream,
    requiredId: string | undefined,
  ) {
    this.#context = context
    this.#route = route
    this.#plan = route.plan
    this.#downstream = downstream
    this.#isRequestEnded = endStream
    this.startedAtMs = context.nowMs()
    const isHttp2 = head.version === Version.http2
    this.#isGrpc = isHttp2 && isGrpcContentType(head.get(CONTENT_TYPE))
    this.#isConnect = !isHttp2 && hasMethod(head, CONNECT)
    this.#isUpgrade = isUpgrade(head)
    this.#requiredId = requiredId
    this.#current = new Attempt(route.plan, this.#isGrpc, this.startedAtMs)
    this.#carriage = carriageOf(head)
    if (!isHttp2) dropHopByHop(head, this.#isUpgrade)
  }

  /** Sends the request on its way; `head` is the one the constructor got. */
  start(head: Head, endStream: boolean): void {
    const { affinity, budget, recorder } = this.#plan
    if (this.#plan.deadlines !== undefined || shortestTimeoutMs(this.#plan) !== undefined) {
      this.#timers = new ExchangeTimers(this.#plan, this, this.#context.nowMs)
      this.#timers.start(this.startedAtMs)
    }
    this.#context.streams?.add(this)
    recorder.onRequest()
    budget?.deposit(this.startedAtMs)
    this.#record = new RequestRecord(head, endStream)
    // Before any filter: the session is the client's.
    if (affinity !== undefined) this.#session = sessionOf(affinity, head, newSessionId)
    this.#attempt(head, this.startedAtMs)
  }

  // ── The way out ──

  /** One attempt: choose a backend and an endpoint, then send. `head` is spent. */
  #attempt(head: Head, nowMs: number): void {
    const session = this.#session
    const drawn = this.#plan.choose(session === undefined ? this.#context.random : () => session.point)
    const copier = this.#isMirrored ? undefined : this
    this.#isMirrored = true
    const decision = decideAttempt(this.#route, drawn, head, this.#context.random, copier)
    if (isAnswer(decision))
      return decision.isMeant ? this.#answer(decision.error, decision.fields) : this.#fail(decision.error)
    this.#backend = decision
    const endpoint = decision.backend.pick(nowMs, session, this.#current.failedAt)
    if (endpoint === undefined) return this.#wait(decision.backend)
    this.#sendTo(endpoint, head, nowMs)
  }

  #wait(backend: Backend): void {
    if (!backend.wait(this)) this.#fail(errors.loadShed(this.#context.parentName, this.#plan.name, backend.reason()))
  }

  #sendTo(endpoint: Endpoint, head: Head, nowMs: number): void {
    if (this.#requiredId !== undefined && this.#requiredId !== endpoint.meta.identity?.name) {
      return this.#fail(errors.requiredIdentity(this.#requiredId, endpoint.meta.identity?.name))
    }
    this.#attempts++
    this.#current.begin(endpoint, this.#backend, nowMs)
    const carriage = carriageTo(endpoint, this.#carriage, this.#isUpgrade, head)
    const stream = endpoint.open(carriage, this)
    if (stream === undefined) {
      // The connection is being made: the head must outlive this call. The record keeps the head as it came, for an
      // attempt elsewhere applies the filters anew.
      this.#pendingHead ??= takeHead()
      this.#pendingHead.copyFrom(head)
      return
    }
    this.#connected(stream, head)
  }

  #connected(stream: ClientStream, head: Head): void {
    this.#upstream = stream
    stream.handler = this
    const record = this.#record
    if (record !== undefined && (record.bytes > 0 || record.trailers !== undefined))
      this.#sendRecord(stream, head, record)
    else stream.sendHead(head, this.#isRequestEnded)
    this.#armAttempt(false)
  }

  #isBare(record: RequestRecord): boolean {
    return record.isEnded && record.bytes === 0 && record.trailers === undefined
  }

  /** Sends a request of which more than the head has arrived already. */
  #sendRecord(stream: ClientStream, head: Head, record: RequestRecord): void {
    stream.sendHead(head, this.#isBare(record))
    const { chunks, trailers } = record
    let sent = 0
    for (let at = 0; at < chunks.length && this.#upstream === stream; at++) {
      const isLast = at === chunks.length - 1 && record.isEnded && trailers === undefined
      sent += stream.sendData(chunks[at]!, 0, chunks[at]!.length, isLast)
    }
    if (trailers !== undefined && this.#upstream === stream) stream.sendTrailers(trailers)
    this.#credit(sent)
    record.limit(retainedBytes(this.#plan))
  }

  #armAttempt(hasHead: boolean): void {
    if (this.#timers === undefined || !(this.#isRequestEnded || hasHead)) return
    this.#timers.armAttempt(hasHead, isLastAttempt(this.#plan, this.#attempts))
  }

  // ── Copier ──

  onMirrors(mirrors: readonly MirrorPlan[], head: Head): void {
    // Nobody but the client's own peer can be the end of its tunnel.
    if (this.#isUpgrade || head.isExtendedConnect) return
    const { random, mirrors: load, nowMs } = this.#context
    const request = { isGrpc: this.#isGrpc, carriage: this.#carriage, record: this.#record! }
    for (const plan of mirrors) {
      if (plan.ratio < 1 && random() >= plan.ratio) continue
      const copy = startMirror(plan, head, request, load, nowMs)
      if (copy === undefined) continue
      this.#copies ??= []
      this.#copies.push(copy)
    }
  }

  // ── BackendWaiter, StreamWaiter ──

  onEndpointReady(): void {
    if (this.isAbandoned) return
    this.#attemptAgain()
  }

  onFailFast(): void {
    if (this.isAbandoned) return
    // Nothing was sent, and meanwhile another backend of the route may have become ready.
    if (this.#canRepeat() && this.#plan.backends.some(isDrawable)) return this.#repeat()
    const reason = this.#backend?.backend?.reason() ?? ''
    this.#fail(errors.failFast(this.#context.parentName, this.#plan.name, reason, this.#context.failFastTimeoutMs))
  }

  onStreamOpen(stream: ClientStream): void {
    if (this.isAbandoned || this.#upstream !== undefined) return stream.reset(ErrorCode.cancel)
    stream.handler = this
    this.#upstream = stream
    this.#sendRecord(stream, this.#pendingHead!, this.#record!)
    this.#dropPendingHead()
    this.#armAttempt(false)
  }

  onStreamFailed(error: ConnectError): void {
    if (this.isAbandoned) return
    this.#dropPendingHead()
    // Nothing was sent: another endpoint may well work.
    this.#current.end('unclassified', false, this.#context.nowMs())
    if (this.#canRepeat() && withdraw(this.#plan, this.#context.nowMs())) return this.#repeat()
    const { kind, message } = error
    this.#failAttempt(kind === 'timeout' ? errors.connectTimeout(message) : errors.endpointIo(message), 'unclassified')
  }

  // ── RequestHandler: the client ──

  onRequestData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (this.isAbandoned) return this.#downstream.consumed(end - start)
    this.#uncreditedBytes += end - start
    if (endStream) this.#isRequestEnded = true
    this.#timers?.onFrame()
    if (this.#copies !== undefined) for (const copy of this.#copies) copy.onData(buf, start, end, endStream)
    const upstream = this.#upstream
    if (this.#record !== undefined) {
      this.#record.push(
        buf,
        start,
        end,
        endStream,
        upstream === undefined ? MAX_WAITING_BYTES : retainedBytes(this.#plan),
      )
    }
    if (upstream === undefined) {
      if (this.#record === undefined || !this.#record.isComplete) this.#fail(errors.tooMuchWaiting(MAX_WAITING_BYTES))
      return
    }
    this.#credit(upstream.sendData(buf, start, end, endStream))
    if (endStream && this.#upstream === upstream) this.#onRequestEnded()
  }

  onRequestTrailers(trailers: Head): void {
    if (this.isAbandoned) return
    this.#isRequestEnded = true
    if (this.#copies !== undefined) for (const copy of this.#copies) copy.onTrailers(trailers)
    this.#record?.pushTrailers(trailers)
    const upstream = this.#upstream
    if (upstream === undefined) return
    upstream.sendTrailers(trailers)
    if (this.#upstream === upstream) this.#onRequestEnded()
  }

  #onRequestEnded(): void {
    if (this.#isResponseDone) this.#release()
    else this.#armAttempt(false)
  }

  onRequestReset(error: StreamError): void {
    // What the client has not taken of the response is nobody's any more.
    this.#source?.reset(ErrorCode.cancel)
    if (this.isAbandoned) return
    const upstream = this.#upstream
    this.#upstream = undefined
    const nowMs = this.#context.nowMs()
    if (!this.#isResponseDone && this.#current.hasBegun)
      this.#finish(`h2(${ERROR_NAMES[error.code] ?? 'CANCEL'})`, nowMs, true)
    this.#release()
    upstream?.reset(ErrorCode.cancel)
  }

  onResponseSent(bytes: number): void {
    this.#source?.consumed(bytes)
  }

  // ── ResponseHandler: the endpoint ──

  onInformational(head: Head): void {
    if (this.isAbandoned) return
    dropHopByHop(head, false)
    this.#downstream.sendInformational(head)
  }

  onResponseHead(head: Head, endStream: boolean): void {
    if (this.isAbandoned) return
    this.#timers?.onFrame()
    this.#armAttempt(true)
    this.#current.onHead(head)
    if (this.#mayRetry()) {
      if (this.#asksForRetry(endStream)) {
        if (this.#retry('')) return
      } else if (this.#isGrpc && !endStream && this.#canReplay()) {
        // The verdict may stand in trailers right behind one message: hold back what came so far.
        this.#held = new HeldResponse(head)
        return
      }
    }
    this.#forwardHead(head, endStream)
  }

  #forwardHead(head: Head, endStream: boolean): void {
    this.#timers?.onForwarded()
    this.#dropRecord()
    dropHopByHop(head, head.status === 101)
    head.drop(ORIG_PROTO)
    head.drop(PROXY_ERROR)
    head.drop(PROXY_CONNECTION)
    if (this.#plan.filters.length > 0) applyResponseFilters(this.#plan.filters, head)
    if (this.#backend !== undefined && this.#backend.filters.length > 0)
      applyResponseFilters(this.#backend.filters, head)
    if (this.#session?.setCookie !== undefined) addSessionCookie(head, this.#session.setCookie)
    this.#hasAnswered = true
    const upstream = this.#upstream
    this.#source = upstream
    if (endStream) this.#complete()
    this.#downstream.sendHead(head, endStream)
    if (head.status === 101 || (this.#isConnect && head.status < 300)) {
      this.#isTunnel = true
      // The request has ended, its direction of the tunnel begins.
      this.#isRequestEnded = false
      upstream?.becomeTunnel()
      this.#downstream.becomeTunnel()
    }
  }

  onResponseData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (this.isAbandoned) return
    this.#timers?.onFrame()
    const upstream = this.#upstream
    if (!this.#current.hasFirstByte) this.#current.onFirstByte(this.#context.nowMs())
    if (this.#held !== undefined) {
      if (!endStream && this.#held.push(buf, start, end)) return
      this.#forwardHeld()
    }
    if (endStream) this.#complete()
    const sent = this.#downstream.sendData(buf, start, end, endStream)
    if (sent > 0) upstream?.consumed(sent)
  }

  onResponseTrailers(trailers: Head): void {
    if (this.isAbandoned) return
    this.#current.onTrailers(trailers)
    if (!this.#current.hasFirstByte) this.#current.onFirstByte(this.#context.nowMs())
    if (this.#held !== undefined) {
      if (this.#asksForRetry(true) && this.#retry('')) return
      this.#forwardHeld()
    }
    this.#complete()
    this.#downstream.sendTrailers(trailers)
  }

  onResponseReset(error: StreamError): void {
    if (this.isAbandoned) return
    this.#upstream = undefined
    if (this.#isResponseDone) {
      this.#release()
      return this.#resetClient(error.code)
    }
    const isLost = error.kind === 'connection' || error.kind === 'stale'
    const reason = isLost ? 'unclassified' : `h2(${ERROR_NAMES[error.code] ?? error.code})`
    this.#current.end(reason, false, this.#context.nowMs())
    if (!this.#hasAnswered && isSafeToRepeat(error, this.#record?.head) && this.#canRepeat()) return this.#repeat()
    if (this.#hasAnswered) return this.#breakResponse(error)
    if (this.#downstream.version === Version.http2 && error.kind === 'reset') {
      this.#release()
      return this.#resetClient(error.code)
    }
    this.#failAttempt(errors.endpointIo(error.message), reason)
  }

  onRequestSent(bytes: number): void {
    this.#credit(bytes)
  }

  // ── Retries ──

  #mayRetry(): boolean {
    return this.#plan.retry !== undefined && !this.#hasAnswered
  }

  #canReplay(): boolean {
    return this.#record?.isComplete === true && this.#isRequestEnded
  }

  #asksForRetry(isEnd: boolean): boolean {
    return asksForRetry(this.#plan.retry!, this.#current, this.#isGrpc, isEnd)
  }

  /** Gives up the current attempt for another one; false when that is not allowed. `error` as in `Attempt.end`. */
  #retry(error: string): boolean {
    if (!this.#canReplay()) return false
    const nowMs = this.#context.nowMs()
    if (!takeRetry(this.#plan, this.#attempts, nowMs)) return false
    const upstream = this.#upstream
    this.#upstream = undefined
    this.#current.end(error, false, nowMs)
    upstream?.reset(ErrorCode.cancel)
    this.#dropHeld()
    this.#timers?.endAttempt()
    const delayMs = retryDelayMs(this.#plan.retry!, this.#attempts, this.#context.random)
    if (delayMs === 0) this.#attemptAgain()
    else {
      this.#timers ??= new ExchangeTimers(this.#plan, this, this.#context.nowMs)
      this.#timers.backOff(delayMs)
    }
    return true
  }

  onRetryDue(): void {
    if (!this.isAbandoned) this.#attemptAgain()
  }

  /** The attempt failed with what is an answer of our own: repeated where the policy lists it, else given. */
  #failAttempt(error: ProxyError, how: string): void {
    this.#current.status = error.status
    this.#current.grpcStatus = this.#isGrpc ? error.grpcCode : NO_GRPC_STATUS
    if (this.#mayRetry() && this.#asksForRetry(true) && this.#retry(how)) return
    this.#current.end(how, false, this.#context.nowMs())
    this.#fail(error)
  }

  /** Whether another attempt may be made for a request that no application has seen. */
  #canRepeat(): boolean {
    return this.#safeRetries < MAX_SAFE_RETRIES && this.#record?.isComplete === true
  }

  #repeat(): void {
    this.#safeRetries++
    this.#attemptAgain()
  }

  #attemptAgain(): void {
    this.#timers?.endAttempt()
    const head = scratch
    head.copyFrom(this.#record!.head)
    this.#current.reset()
    this.#attempt(head, this.#context.nowMs())
  }

  #forwardHeld(): void {
    const held = this.#held!
    this.#held = undefined
    const upstream = this.#upstream
    this.#forwardHead(held.head, false)
    for (const chunk of held.chunks) {
      const sent = this.#downstream.sendData(chunk, 0, chunk.length, false)
      if (sent > 0) upstream?.consumed(sent)
    }
    held.release()
  }

  // ── Timers ──

  onTimeout(error: ProxyError): void {
    if (this.isAbandoned) return
    const upstream = this.#upstream
    this.#upstream = undefined
    if (this.#current.hasBegun) this.#current.end('timeout', false, this.#context.nowMs())
    upstream?.reset(ErrorCode.cancel)
    if (this.#hasAnswered) {
      this.#release()
      return this.#resetClient(ErrorCode.cancel)
    }
    this.#fail(error)
  }

  onAttemptTimeout(error: ProxyError, isRetried: boolean): void {
    if (this.isAbandoned) return
    if (this.#hasAnswered) return this.onTimeout(error)
    if (isRetried) return this.#retry('timeout') ? undefined : this.onTimeout(error)
    const upstream = this.#upstream
    this.#upstream = undefined
    upstream?.reset(ErrorCode.cancel)
    this.#failAttempt(error, 'timeout')
  }

  // ── MovableStream ──

  get backend(): Backend | undefined {
    return this.#backend?.backend
  }

  get endpoint(): Endpoint | undefined {
    return this.#current.endpoint
  }

  move(): void {
    if (this.isAbandoned) return
    const upstream = this.#upstream
    this.#upstream = undefined
    // It says nothing about the endpoint, and to the client it is an answer.
    if (!this.#isResponseDone) this.#finish('', this.#context.nowMs(), true)
    upstream?.reset(ErrorCode.cancel)
    if (!this.#hasAnswered) return this.#answer(errors.moved)
    this.#release()
    if (this.#isGrpc && !this.#isResponseDone) return endWithError(this.#downstream, errors.moved, true)
    this.#resetClient(ErrorCode.cancel)
  }

  // ── The end ──

  /** The response ended in order. */
  #complete(): void {
    const nowMs = this.#context.nowMs()
    if (!this.#current.hasFirstByte) this.#current.onFirstByte(nowMs)
    if (this.#attempts > 1 && this.#plan.retry !== undefined && !this.#asksForRetry(true))
      this.#plan.recorder.onRetrySuccess()
    this.#finish('', nowMs)
    if (this.#isRequestEnded || (this.#downstream.version !== Version.http2 && !this.#isTunnel)) {
      const upstream = this.#upstream
      this.#upstream = undefined
      if (!this.#isRequestEnded) upstream?.reset(ErrorCode.noError)
      return this.#release()
    }
    // An application may answer in full and still read: it gets the rest of the request.
    this.#isResponseDone = true
    this.#dropRecord()
    this.#timers?.endAttempt()
  }

  /** The response broke off behind its head. */
  #breakResponse(error: StreamError): void {
    this.#plan.recorder.onResponse(this.#current.ended('unclassified', this.#context.nowMs()))
    this.#release()
    if (this.#isGrpc && error.kind !== 'reset')
      return endWithError(this.#downstream, errors.endpointIo(error.message), true)
    this.#resetClient(error.kind === 'reset' ? error.code : ErrorCode.internalError)
  }

  /** Gives up the client's stream, and with it what it has not taken of the response. */
  #resetClient(code: number): void {
    this.#downstream.reset(code)
    this.#source?.reset(ErrorCode.cancel)
  }

  /** Counts the attempt and the request. */
  #finish(error: string, nowMs: number, isGivenUp = false): void {
    const ended = this.#current.ended(error, nowMs)
    this.#current.end(error, isGivenUp, nowMs, ended)
    this.#plan.recorder.onResponse(ended)
  }

  /** Answers with an error of the proxy and counts it. */
  #fail(error: ProxyError): void {
    this.#context.onError(error)
    this.#current.status = error.status
    this.#current.grpcStatus = this.#isGrpc ? error.grpcCode : NO_GRPC_STATUS
    this.#plan.recorder.onResponse(this.#current.ended('', this.#context.nowMs()))
    this.#answer(error)
  }

  #answer(error: ProxyError, fields?: readonly (readonly [string, string])[]): void {
    this.#release()
    respondError(this.#downstream, error, {
      isGrpc: this.#isGrpc,
      isInformational: this.#context.isInformational,
      ...(fields && { fields }),
    })
  }

  #credit(bytes: number): void {
    const credited = Math.min(bytes, this.#uncreditedBytes)
    if (credited === 0) return
    this.#uncreditedBytes -= credited
    this.#downstream.consumed(credited)
  }

  #dropRecord(): void {
    this.#record?.release()
    this.#record = undefined
  }

  #dropHeld(): void {
    this.#held?.release()
    this.#held = undefined
  }

  #dropPendingHead(): void {
    if (this.#pendingHead !== undefined) releaseHead(this.#pendingHead)
    this.#pendingHead = undefined
  }

  #release(): void {
    if (this.isAbandoned) return
    this.isAbandoned = true
    this.#timers?.stop()
    if (this.#copies !== undefined) for (const copy of this.#copies) copy.giveUp()
    this.#dropRecord()
    this.#dropPendingHead()
    this.#dropHeld()
    // What was not sent will not be: its sender must not wait for credit.
    this.#credit(this.#uncreditedBytes)
    this.#context.streams?.delete(this)
    this.#context.onEnded()
  }
}

/** A request would go there now. */
function isDrawable({ backend, weight }: BackendPlan): boolean {
  return weight > 0 && backend?.hasReady() === true
}

/** A head that is spent by one attempt; see `received` in http2-connection.ts. */
const scratch = new Head()

/** Says nothing of anybody, and is not to be guessed: who knows it could send requests to the same endpoint. */
function newSessionId(): string {
  return randomBytes(16).toString('base64url')
}
