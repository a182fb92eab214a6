/**
 * A copy of a request on its way to another backend, whose answer nobody gets (the policy's request mirror).
 *
 * It follows the original and never holds it up: the client's credit is given by what the original does, and a copy that
 * cannot follow is dropped. It is sent once, to an endpoint that is ready now or not at all.
 */
import { RequestRecord } from '../http/request-record.ts'
import type { ClientStream, ResponseHandler } from '../http/stream.ts'
import type { StreamError } from '../http/stream-error.ts'
import type { Carriage, StreamWaiter } from '../io/http-clients.ts'
import { ErrorCode } from '../wire/connection-error.ts'
import { Head } from '../wire/head.ts'
import { Attempt } from './attempt.ts'
import type { Backend } from './backend.ts'
import { carriageTo } from './carriage.ts'
import type { Endpoint } from './endpoint.ts'
import { NOTHING_COUNTED } from './route-recorder.ts'

/** Copies in flight through one listener. */
export const MAX_MIRRORS = 1_024
/** Content of one copy that its backend has not taken yet; beyond, the copy ends. */
export const MAX_MIRROR_BYTES = 262_144
/** The same of all copies together. */
export const MAX_MIRRORS_BYTES = 16_777_216
/** From the end of the request to the end of the answer. */
export const MIRROR_TIMEOUT_MS = 10_000

/** How a copy ended. `no_endpoint`, `too_many`: it was never sent. `too_much`: more content waited than the bounds allow. */
export type MirrorResult = 'answered' | 'failed' | 'slow' | 'too_much' | 'too_many' | 'no_endpoint' | 'given_up'

export interface MirrorPlan {
  readonly backend: Backend
  /** The share of requests that are copied. */
  readonly ratio: number
  readonly onEnd: (result: MirrorResult) => void
}

/** What all copies of one listener hold. */
export class MirrorLoad {
  count = 0
  bytes = 0
}

/** The request that is copied. */
export interface MirroredRequest {
  readonly isGrpc: boolean
  readonly carriage: Carriage
  /** All of it that came so far. */
  readonly record: RequestRecord
}

const PLAN = { recorder: NOTHING_COUNTED, responseClasses: [] }

/** A head for another endpoint than the original's; spent at once. */
const scratch = new Head()

/** Sends a copy of `request` with the fields of `head`, which stays as it is; `undefined` when it cannot be sent now. */
export function startMirror(
  plan: MirrorPlan,
  head: Head,
  request: MirroredRequest,
  load: MirrorLoad,
  nowMs: () => number,
): Mirror | undefined {
  if (load.count >= MAX_MIRRORS) {
    plan.onEnd('too_many')
    return undefined
  }
  const endpoint = plan.backend.pick(nowMs())
  if (endpoint === undefined) {
    plan.onEnd('no_endpoint')
    return undefined
  }
  scratch.copyFrom(head)
  const mirror = new Mirror(plan, request.isGrpc, load, nowMs)
  mirror.start(endpoint, scratch, request)
  return mirror
}

export class Mirror implements ResponseHandler, StreamWaiter {
  readonly #plan: MirrorPlan
  readonly #load: MirrorLoad
  readonly #nowMs: () => number
  readonly #attempt: Attempt
  /** Until there is a stream. */
  #record: RequestRecord | undefined = undefined
  #stream: ClientStream | undefined = undefined
  #heldBytes = 0
  #timer: NodeJS.Timeout | undefined = undefined
  #isEnded = false

  constructor(plan: MirrorPlan, isGrpc: boolean, load: MirrorLoad, nowMs: () => number) {
    this.#plan = plan
    this.#load = load
    this.#nowMs = nowMs
    this.#attempt = new Attempt(PLAN, isGrpc, nowMs())
    load.count++
  }

  /** `head` is spent. */
  start(endpoint: Endpoint, head: Head, { carriage, record }: MirroredRequest): void {
    this.#attempt.begin(endpoint, undefined, this.#nowMs())
    const stream = endpoint.open(carriageTo(endpoint, carriage, false, head), this)
    const isBare = record.isEnded && record.bytes === 0 && record.trailers === undefined
    if (stream === undefined) this.#record = new RequestRecord(head, isBare)
    else {
      this.#stream = stream
      stream.handler = this
      stream.sendHead(head, isBare)
    }
    if (isBare) return this.#onRequestEnded()
    const { chunks, trailers } = record
    for (let at = 0; at < chunks.length; at++) {
      const isLast = at === chunks.length - 1 && record.isEnded && trailers === undefined
      this.onData(chunks[at]!, 0, chunks[at]!.length, isLast)
    }
    if (trailers !== undefined) this.onTrailers(trailers)
  }

  // ── The original ──

  onData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (this.#isEnded) return
    this.#hold(end - start)
    const stream = this.#stream
    if (stream === undefined) this.#record!.push(buf, start, end, endStream, MAX_MIRROR_BYTES)
    else this.#let(stream.sendData(buf, start, end, endStream))
    if (this.#heldBytes > MAX_MIRROR_BYTES || this.#load.bytes > MAX_MIRRORS_BYTES) return this.#drop('too_much')
    if (endStream) this.#onRequestEnded()
  }

  onTrailers(trailers: Head): void {
    if (this.#isEnded) return
    if (this.#stream === undefined) this.#record!.pushTrailers(trailers)
    else this.#stream.sendTrailers(trailers)
    this.#onRequestEnded()
  }

  /** The original ended without the rest of the request. */
  giveUp(): void {
    if (!this.#isEnded && this.#timer === undefined) this.#drop('given_up')
  }

  #onRequestEnded(): void {
    if (this.#isEnded) return
    this.#timer = setTimeout(() => this.#drop('slow'), MIRROR_TIMEOUT_MS)
    // A copy keeps nobody waiting, not the end of the process either.
    this.#timer.unref()
  }

  // ── StreamWaiter ──

  onStreamOpen(stream: ClientStream): void {
    if (this.#isEnded) return stream.reset(ErrorCode.cancel)
    const record = this.#record!
    this.#record = undefined
    this.#stream = stream
    stream.handler = this
    const { chunks, trailers, isEnded } = record
    stream.sendHead(record.head, isEnded && chunks.length === 0 && trailers === undefined)
    for (let at = 0; at < chunks.length && this.#stream === stream; at++) {
      const isLast = at === chunks.length - 1 && isEnded && trailers === undefined
      this.#let(stream.sendData(chunks[at]!, 0, chunks[at]!.length, isLast))
    }
    if (trailers !== undefined && this.#stream === stream) stream.sendTrailers(trailers)
    record.release()
  }

  onStreamFailed(_error: unknown): void {
    this.#end('failed', 'unclassified')
  }

  // ── ResponseHandler ──

  onInformational(): void {}

  onResponseHead(head: Head, endStream: boolean): void {
    if (this.#isEnded) return
    this.#attempt.onHead(head)
    if (endStream) this.#answered()
  }

  onResponseData(_buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (this.#isEnded) return
    if (!this.#attempt.hasFirstByte) this.#attempt.onFirstByte(this.#nowMs())
    const stream = this.#stream
    if (endStream) this.#answered()
    stream?.consumed(end - start)
  }

  onResponseTrailers(trailers: Head): void {
    if (this.#isEnded) return
    this.#attempt.onTrailers(trailers)
    this.#answered()
  }

  onResponseReset(error: StreamError): void {
    if (this.#isEnded) return
    this.#stream = undefined
    this.#end('failed', error.kind === 'reset' ? 'h2(CANCEL)' : 'unclassified')
  }

  onRequestSent(bytes: number): void {
    if (!this.#isEnded) this.#let(bytes)
  }

  // ── The end ──

  #answered(): void {
    if (!this.#attempt.hasFirstByte) this.#attempt.onFirstByte(this.#nowMs())
    const stream = this.#stream
    // An answer ahead of the rest of the request: the rest is for nobody.
    const isWhole = this.#timer !== undefined
    this.#stream = undefined
    this.#end('answered', '')
    if (!isWhole) stream?.reset(ErrorCode.noError)
  }

  #drop(result: MirrorResult): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#end(result, 'h2(CANCEL)')
    stream?.reset(ErrorCode.cancel)
  }

  #end(result: MirrorResult, error: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#load.count--
    this.#let(this.#heldBytes)
    this.#record?.release()
    this.#record = undefined
    // Whoever gave it up says nothing about the endpoint.
    this.#attempt.end(error, result !== 'answered' && result !== 'failed', this.#nowMs())
    this.#plan.onEnd(result)
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes
    this.#load.bytes += bytes
  }

  #let(bytes: number): void {
    const left = Math.min(bytes, this.#heldBytes)
    this.#heldBytes -= left
    this.#load.bytes -= left
  }
}
