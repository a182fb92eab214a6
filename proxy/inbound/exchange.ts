/**
 * One inbound request on its way: from the client's stream to the application and back. Decided on its head (route,
 * authorization, filters) before it is made; from then on it splices.
 */
import { endWithError, type ProxyError, respondError } from '../http/error-response.ts'
import { dropHopByHop } from '../http/hop-by-hop.ts'
import { CONNECT, hasMethod, isIdempotent } from '../http/method.ts'
import { RequestRecord } from '../http/request-record.ts'
import type { ClientStream, RequestHandler, ResponseHandler, ServerStream } from '../http/stream.ts'
import type { StreamError } from '../http/stream-error.ts'
import type { ConnectError } from '../io/connector.ts'
import { Carriage, type HttpClients, type StreamWaiter } from '../io/http-clients.ts'
import { classify, NO_GRPC_STATUS, parseGrpcStatus } from '../policy/classify.ts'
import type { InboundRouteMetrics } from '../telemetry/inbound-route-metrics.ts'
import type { RequestMetrics } from '../telemetry/request-metrics.ts'
import { ERROR_NAMES, ErrorCode } from '../wire/connection-error.ts'
import { type Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import { errors } from './errors.ts'

const HOST = token('host')
const AUTHORITY = token(':authority')
const GRPC_STATUS = token('grpc-status')
const CONTENT_LENGTH = token('content-length')
const ORIG_PROTO = token('l5d-orig-proto')
const CLIENT_ID = token('l5d-client-id')
const TE = token('te')
const UPGRADE = token('upgrade')

/** Sending again on another kept-alive connection after the first one turned out to be closed. */
const MAX_STALE_RETRIES = 3
/** Connections to the application that may time out before a request fails for it. */
const MAX_CONNECT_RETRIES = 2
/** While no connection is open the client has no credit for more than its window; a hard bound all the same. */
const MAX_WAITING_BYTES = 1_048_576

const GRPC_UNKNOWN = 2
const HTTP_10 = Buffer.from('HTTP/1.0', 'latin1')
const HTTP_11 = Buffer.from('HTTP/1.1', 'latin1')

/** What all requests of one connection that were decided alike have in common. */
export interface InboundExchangeContext {
  readonly clients: HttpClients
  readonly metrics: RequestMetrics
  readonly route: InboundRouteMetrics
  /** `l5d-proxy-error` is for meshed clients only. */
  readonly isInformational: boolean
  readonly nowMs: () => number
  onError(error: ProxyError): void
  /** Exactly once per request. */
  onEnded(): void
}

/** The exchange ended, whatever its outcome; for the access log. `status` is 0 without a response. */
export type OnCounted = (status: number, responseBytes: string | undefined, startedAtMs: number) => void

export class InboundExchange implements RequestHandler, ResponseHandler, StreamWaiter {
  readonly #context: InboundExchangeContext
  readonly #isGrpc: boolean
  readonly #onCounted: OnCounted | undefined
  readonly #downstream: ServerStream
  readonly #startedAtMs: number
  readonly #isConnect: boolean
  readonly #isUpgrade: boolean
  /** The client's proxy carries HTTP/1 over HTTP/2: the version is restored here and marked in the response. */
  readonly #isRestored: boolean
  readonly #carriage: Carriage
  #record: RequestRecord | undefined = undefined
  #upstream: ClientStream | undefined = undefined
  /** Whose response goes to the client: gets credit as the client takes it, also when the response has ended. */
  #source: ClientStream | undefined = undefined
  #isRequestEnded: boolean
  #uncreditedBytes = 0
  #staleRetries = 0
  #connectRetries = 0
  #latencyMs = -1
  #status = 0
  #responseBytes: string | undefined = undefined
  #grpcStatus = NO_GRPC_STATUS
  #hasAnswered = false
  #isResponseDone = false
  #isTunnel = false
  #isOver = false

  constructor(
    context: InboundExchangeContext,
    head: Head,
    endStream: boolean,
    downstream: ServerStream,
    isGrpc: boolean,
    onCounted: OnCounted | undefined,
  ) {
    this.#context = context
    this.#isGrpc = isGrpc
    this.#onCounted = onCounted
    this.#downstream = downstream
    this.#startedAtMs = context.nowMs()
    this.#isRequestEnded = endStream
    // CONNECT is never carried in another version: its DATA is no content that HTTP/1 could frame.
    const isCarried = head.version === Version.http2 && !hasMethod(head, CONNECT)
    const origProto = isCarried ? origProtoOf(head) : undefined
    head.drop(ORIG_PROTO)
    this.#isRestored = origProto !== undefined
    if (origProto !== undefined) restoreVersion(head, origProto, endStream)
    this.#isConnect = head.version !== Version.http2 && hasMethod(head, CONNECT)
    this.#isUpgrade = this.#isConnect || (head.version !== Version.http2 && head.isUpgrade)
    const hasHost = head.find(HOST) !== -1 || head.find(AUTHORITY) !== -1
    this.#carriage =
      head.version === Version.http2
        ? Carriage.http2
        : head.version === Version.http10 || this.#isUpgrade || !hasHost
          ? Carriage.http1Unpooled
          : Carriage.http1
  }

  start(head: Head): void {
    this.#context.metrics.onRequest()
    this.#context.route.onRequest()
    this.#open(head)
  }

  #open(head: Head): void {
    const stream = this.#context.clients.open(this.#carriage, this)
    if (stream === undefined) {
      this.#record ??= new RequestRecord(head, this.#isRequestEnded)
      return
    }
    if (this.#record === undefined && this.#mayBeSentAgain(head)) {
      this.#record = new RequestRecord(head, this.#isRequestEnded)
    }
    this.#upstream = stream
    stream.handler = this
    stream.sendHead(head, this.#isRequestEnded)
  }

  /** A kept-alive connection can turn out to be closed, an application can refuse: but only some requests may be sent twice. */
  #mayBeSentAgain(head: Head): boolean {
    const mayFail = this.#carriage === Carriage.http1 || this.#context.clients.hasRefused
    return mayFail && isIdempotent(head)
  }

  // ── StreamWaiter ──

  onStreamOpen(stream: ClientStream): void {
    if (this.#isOver) return stream.reset(ErrorCode.cancel)
    const record = this.#record!
    this.#upstream = stream
    stream.handler = this
    const { chunks, trailers } = record
    stream.sendHead(record.head, record.isEnded && record.bytes === 0 && trailers === undefined)
    let sent = 0
    for (let at = 0; at < chunks.length && this.#upstream === stream; at++) {
      const isLast = at === chunks.length - 1 && record.isEnded && trailers === undefined
      sent += stream.sendData(chunks[at]!, 0, chunks[at]!.length, isLast)
    }
    if (trailers !== undefined && this.#upstream === stream) stream.sendTrailers(trailers)
    this.#credit(sent)
    // A fresh connection is never stale: nothing will be sent again, unless the application refuses.
    const isBare = record.bytes === 0 && trailers === undefined
    const mayRepeat = isBare && this.#carriage === Carriage.http2 && this.#mayBeSentAgain(record.head)
    if (this.#upstream === stream && !mayRepeat) this.#dropRecord()
  }

  onStreamFailed(error: ConnectError): void {
    if (this.#isOver) return
    // Nothing was sent. On a busy node a connection within the pod may well take longer than it is given.
    if (error.kind === 'timeout' && this.#connectRetries++ < MAX_CONNECT_RETRIES) {
      const stream = this.#context.clients.open(this.#carriage, this)
      if (stream !== undefined) this.onStreamOpen(stream)
      return
    }
    this.#fail(error.kind === 'timeout' ? errors.connectTimeout(error.message) : errors.appIo(error.message))
  }

  // ── RequestHandler: the client ──

  onRequestData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (this.#isOver) return this.#downstream.consumed(end - start)
    this.#uncreditedBytes += end - start
    if (endStream) this.#isRequestEnded = true
    const upstream = this.#upstream
    if (upstream === undefined) {
      this.#record!.push(buf, start, end, endStream, MAX_WAITING_BYTES)
      if (!this.#record!.isComplete)
        this.#fail(
          errors.appIo(
            `more than ${MAX_WAITING_BYTES} bytes of the request arrived before the application was reached`,
          ),
        )
      return
    }
    if (start < end) this.#dropRecord()
    this.#credit(upstream.sendData(buf, start, end, endStream))
    if (endStream && this.#isResponseDone) this.#end()
  }

  onRequestTrailers(trailers: Head): void {
    if (this.#isOver) return
    trailers.drop(CLIENT_ID)
    this.#isRequestEnded = true
    const upstream = this.#upstream
    if (upstream === undefined) return this.#record!.pushTrailers(trailers)
    upstream.sendTrailers(trailers)
    if (this.#isResponseDone) this.#end()
  }

  onRequestReset(error: StreamError): void {
    // What the client has not taken of the response is nobody's any more.
    this.#source?.reset(ErrorCode.cancel)
    if (this.#isOver) return
    const upstream = this.#upstream
    if (!this.#isResponseDone) this.#count(`h2(${ERROR_NAMES[error.code] ?? 'CANCEL'})`)
    this.#end()
    upstream?.reset(ErrorCode.cancel)
  }

  onResponseSent(bytes: number): void {
    this.#source?.consumed(bytes)
  }

  // ── ResponseHandler: the application ──

  onInformational(head: Head): void {
    if (this.#isOver) return
    dropHopByHop(head, false)
    this.#downstream.sendInformational(head)
  }

  onResponseHead(head: Head, endStream: boolean): void {
    if (this.#isOver) return
    this.#dropRecord()
    this.#status = head.status
    if (this.#onCounted !== undefined) this.#responseBytes = head.get(CONTENT_LENGTH)
    if (this.#isGrpc) {
      const grpcStatus = head.get(GRPC_STATUS)
      if (grpcStatus !== undefined) this.#grpcStatus = parseGrpcStatus(grpcStatus)
    }
    if (head.version !== Version.http2) {
      const version = head.version
      dropHopByHop(head, head.status === 101)
      if (this.#isRestored) head.set(ORIG_PROTO, version === Version.http10 ? HTTP_10 : HTTP_11)
    }
    this.#hasAnswered = true
    const upstream = this.#upstream
    this.#source = upstream
    if (endStream) this.#complete()
    this.#downstream.sendHead(head, endStream)
    if (this.#isUpgrade && (head.status === 101 || (this.#isConnect && head.status < 300))) {
      this.#isTunnel = true
      // The request has ended, its direction of the tunnel begins.
      this.#isRequestEnded = false
      upstream?.becomeTunnel()
      this.#downstream.becomeTunnel()
    }
  }

  onResponseData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (this.#isOver) return
    if (this.#latencyMs === -1) this.#latencyMs = this.#context.nowMs() - this.#startedAtMs
    const upstream = this.#upstream
    if (endStream) this.#complete()
    const sent = this.#downstream.sendData(buf, start, end, endStream)
    if (sent > 0) upstream?.consumed(sent)
  }

  onResponseTrailers(trailers: Head): void {
    if (this.#isOver) return
    const grpcStatus = this.#isGrpc ? trailers.get(GRPC_STATUS) : undefined
    if (grpcStatus !== undefined) this.#grpcStatus = parseGrpcStatus(grpcStatus)
    this.#complete()
    this.#downstream.sendTrailers(trailers)
  }

  onResponseReset(error: StreamError): void {
    if (this.#isOver) return
    this.#upstream = undefined
    if (this.#isResponseDone) {
      this.#end()
      return this.#resetClient(error.code)
    }
    if (
      !this.#hasAnswered &&
      this.#record?.isComplete &&
      (error.kind === 'stale' || error.isUnprocessed || isTooMuch(error)) &&
      this.#staleRetries++ < MAX_STALE_RETRIES
    ) {
      const { head } = this.#record
      return this.#reopen(head)
    }
    const reset = error.kind === 'reset' || error.kind === 'refused' || error.kind === 'goaway'
    if (this.#hasAnswered || (reset && this.#downstream.version === Version.http2)) {
      // Said so that the client's side knows it too: it may send the request again.
      const code = error.isUnprocessed ? ErrorCode.refusedStream : reset ? error.code : ErrorCode.internalError
      this.#count(reset ? `h2(${ERROR_NAMES[code] ?? code})` : 'unclassified')
      this.#end()
      if (this.#isGrpc && this.#hasAnswered && !reset)
        return endWithError(this.#downstream, errors.appIo(error.message), true)
      return this.#resetClient(code)
    }
    this.#fail(errors.appIo(error.message))
  }

  /** Gives up the client's stream, and with it what it has not taken of the response. */
  #resetClient(code: number): void {
    this.#downstream.reset(code)
    this.#source?.reset(ErrorCode.cancel)
  }

  onRequestSent(bytes: number): void {
    this.#credit(bytes)
  }

  // ── The end ──

  #reopen(head: Head): void {
    const stream = this.#context.clients.open(this.#carriage, this)
    if (stream === undefined) return
    this.#upstream = stream
    stream.handler = this
    stream.sendHead(head, this.#isRequestEnded)
  }

  #complete(): void {
    if (this.#latencyMs === -1) this.#latencyMs = this.#context.nowMs() - this.#startedAtMs
    this.#count('')
    if (this.#isRequestEnded) return this.#end()
    if (this.#downstream.version !== Version.http2 && !this.#isTunnel) {
      this.#upstream?.reset(ErrorCode.noError)
      return this.#end()
    }
    // An application may answer in full and still read: it gets the rest of the request.
    this.#isResponseDone = true
  }

  #count(error: string): void {
    const isGrpc = this.#isGrpc
    const { metrics } = this.#context
    const classification = error === '' ? classify(this.#status, isGrpc, this.#grpcStatus, []) : 'failure'
    const latencyMs = this.#latencyMs === -1 ? this.#context.nowMs() - this.#startedAtMs : this.#latencyMs
    // A gRPC stream that ended in order without a status is recorded as UNKNOWN, and as a success (facts: classification).
    const grpcStatus = isGrpc && error === '' && this.#grpcStatus === NO_GRPC_STATUS ? GRPC_UNKNOWN : this.#grpcStatus
    metrics.onResponse(this.#status, classification, grpcStatus, error, latencyMs)
    this.#context.route.onResponse(this.#status, grpcStatus, error, this.#context.nowMs() - this.#startedAtMs)
    this.#onCounted?.(this.#status, this.#responseBytes, this.#startedAtMs)
  }

  #fail(error: ProxyError): void {
    this.#context.onError(error)
    this.#status = error.status
    if (this.#isGrpc) this.#grpcStatus = error.grpcCode
    this.#count('')
    this.#end()
    respondError(this.#downstream, error, {
      isGrpc: this.#isGrpc,
      isInformational: this.#context.isInformational,
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

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#context.onEnded()
    this.#upstream = undefined
    this.#dropRecord()
    // What was not sent will not be: its sender must not wait for credit.
    this.#credit(this.#uncreditedBytes)
  }
}

/** Refused for what else the connection carries: another one may bear it (see `http/stream-allowance.ts`). */
function isTooMuch(error: StreamError): boolean {
  return error.kind === 'reset' && error.code === ErrorCode.enhanceYourCalm
}

/** What the client's proxy says of the version; nearly always the same, so that no string has to be made. */
function origProtoOf(head: Head): string | undefined {
  const index = head.find(ORIG_PROTO)
  if (index === -1) return undefined
  return head.isAt(index, HTTP_11) ? 'HTTP/1.1' : head.valueAt(index)
}

/** Makes an HTTP/2 head the HTTP/1 message it was before the client's proxy upgraded it. */
function restoreVersion(head: Head, origProto: string, endStream: boolean): void {
  // Content without a length has no frame in HTTP/1.0, so that was no HTTP/1.0 request.
  const isFramed = endStream || head.contentLength !== -1
  head.version = origProto.startsWith('HTTP/1.0') && isFramed ? Version.http10 : Version.http11
  head.isAbsoluteForm = origProto.endsWith('absolute-form')
  if (head.version === Version.http10) head.drop(TE)
  head.drop(UPGRADE)
}
