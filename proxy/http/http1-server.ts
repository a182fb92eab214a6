/**
 * The server half of an HTTP/1 connection (RFC 9112): requests in, one at a time, responses out in the same order.
 *
 * A pipelined request waits unread until the response before it is complete, so order needs no queue of responses.
 */
import { ErrorCode } from '../wire/connection-error.ts'
import { Head, Version } from '../wire/head.ts'
import { Http1Error, parseRequestHead } from '../wire/http1-head.ts'
import { writeResponseHead } from '../wire/http1-writer.ts'
import { type OnRefused, type Refusal, refusalOfStatus } from '../wire/refusal.ts'
import { held } from './chunk-pool.ts'
import { refusal } from './error-response.ts'
import { refuseH2c } from './hop-by-hop.ts'
import { HTTP1_BOUNDS } from './http1-bounds.ts'
import { Http1ServerStream } from './http1-server-stream.ts'
import { isMemoryCrowded } from './memory-pressure.ts'
import { CROWDED_MS, Patience, type TimeBounds } from './patience.ts'
import type { RequestListener } from './stream.ts'
import type { StreamError } from './stream-error.ts'
import type { Transport, TransportHandler } from './transport.ts'

export interface Http1ServerConfig {
  readonly maxHeadBytes: number
  /** Whether clients may read in `l5d-proxy-error` why they are refused. */
  readonly isInformational?: boolean
}

export interface Http1ServerOwner {
  /** What came is no request, too large or too late: its status was answered if it could be, and the connection is closing. */
  readonly onRefused: OnRefused
  onClosed(error: Error | undefined): void
}

const COUNT_MASK = 0x3fff_ffff

/** See `received` in http2-heads.ts. */
const received = new Head()

type Reading =
  /** Between two requests, or inside a head. */
  | 'head'
  | 'content'
  /** The request is complete, its response is not (or not taken by the client): what arrives is kept for later. */
  | 'waiting'
  | 'tunnel'
  | 'closed'

export class Http1ServerConnection implements TransportHandler {
  readonly transport: Transport
  readonly #config: Http1ServerConfig
  readonly #owner: Http1ServerOwner
  readonly #onRequest: RequestListener
  #reading: Reading = 'head'
  #stream: Http1ServerStream | undefined = undefined
  /** Bytes not understood yet: an incomplete head, or what follows the request in progress. */
  #unread: Buffer | undefined = undefined
  /** Bytes of an incomplete head that were searched for its end already. */
  #seenBytes = 0
  /** Reads that the incomplete head came in. */
  #headReads = 0
  /** Requests begun, modulo 2^30: changes as long as the client gets on. */
  #requestCount = 0
  /** The client has sent a request before it had the response to the last one. */
  #isPipelining = false
  #isPaused = false
  #isDraining = false
  #isClosed = false
  readonly #head = new Patience()
  readonly #content = new Patience()
  readonly #reader = new Patience()
  readonly #idle = new Patience()

  constructor(transport: Transport, config: Http1ServerConfig, owner: Http1ServerOwner, onRequest: RequestListener) {
    this.transport = transport
    this.#config = config
    this.#owner = owner
    this.#onRequest = onRequest
    transport.handler = this
  }

  /** No request is in progress. */
  get isIdle(): boolean {
    return this.#stream === undefined
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Graceful end: the response in progress says `connection: close`; an idle connection closes at once. */
  shutdown(): void {
    this.#isDraining = true
    if (this.#stream === undefined) this.#close()
  }

  /** Bounds by time: call it every second or so. `isCrowded` asks to make room for others. */
  tick(nowMs: number, { headMs, contentMs, unreadMs, idleMs }: TimeBounds, isCrowded: boolean): void {
    if (this.#isClosed || this.#reading === 'closed') return
    const stream = this.#stream
    const isInHead = this.#reading === 'head' && this.#unread !== undefined
    if (this.#head.isOver(isInHead ? this.#requestCount : -1, nowMs, headMs))
      return this.#refuse(new Http1Error(408, `the head did not end within ${headMs} ms`), 'slow_head')
    const isInContent = this.#reading === 'content' && !this.#isPaused
    if (this.#content.isOver(isInContent ? stream!.receivedBytes : -1, nowMs, contentMs))
      return this.#refuse(new Http1Error(408, `no content within ${contentMs} ms`), 'slow_content')
    const readMs = isCrowded || isMemoryCrowded(held.bytes) ? Math.min(unreadMs, CROWDED_MS) : unreadMs
    const { isWritable, pendingBytes } = this.transport
    if (this.#reader.isOver(isWritable ? -1 : pendingBytes, nowMs, readMs))
      return this.refuseUnread(`the client took none of ${pendingBytes} bytes within ${readMs} ms`)
    const isIdle = this.#reading === 'head' && this.#unread === undefined
    const quietMs = this.#requestCount === 0 ? headMs : isCrowded ? Math.min(idleMs, CROWDED_MS) : idleMs
    if (!this.#idle.isOver(isIdle ? this.#requestCount : -1, nowMs, quietMs)) return
    this.#owner.onRefused(this.#requestCount === 0 ? 'silent' : 'idle', `no request within ${quietMs} ms`, true)
    this.#close()
  }

  /** The client does not take its response, and nothing can be said to it. */
  refuseUnread(message: string): void {
    this.#owner.onRefused('unread_content', message, true)
    this.#fail(ErrorCode.cancel, 'connection', message)
    this.transport.cut()
  }

  // ── TransportHandler ──

  onBytes(buf: Buffer, start: number, end: number): void {
    const unread = this.#unread
    if (unread === undefined) this.#read(buf, start, end, false)
    else {
      this.#unread = undefined
      const joined = Buffer.concat([unread, buf.subarray(start, end)])
      this.#read(joined, 0, joined.length, true)
    }
    this.#updatePause()
  }

  onEnd(): void {
    if (this.#reading === 'tunnel') return this.#stream!.endTunnel()
    // A client that gives up cannot be told from one that only half-closes, and the former is what happens: its request
    // must not go on for nobody. Linkerd decides the same way.
    if (this.#stream !== undefined) return this.#abort('the client closed the connection before it had its response')
    this.#close()
  }

  onDrain(): void {
    if (this.#stream !== undefined) this.#stream.drain()
    else if (this.#reading === 'waiting') this.#next()
  }

  onClose(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#fail(ErrorCode.cancel, 'connection', error?.message ?? 'the client closed the connection')
    this.#owner.onClosed(error)
  }

  // ── For Http1ServerStream ──

  becomeTunnel(): void {
    this.#reading = 'tunnel'
    const unread = this.#unread
    this.#unread = undefined
    if (unread !== undefined) this.#read(unread, 0, unread.length, true)
    this.#updatePause()
  }

  /** Received content was passed on, or what a tunnel holds became less. */
  onConsumed(): void {
    this.#updatePause()
  }

  /** Both halves of the exchange may be complete now. */
  onProgress(): void {
    const stream = this.#stream
    if (stream === undefined || !stream.isResponseDone) return
    if (!stream.isRequestDone) {
      // The answer came before the request ended. What still arrives has no reader: say goodbye and close.
      this.#fail(ErrorCode.noError, 'connection', 'the response ended before the request')
      return this.#close()
    }
    this.#stream = undefined
    stream.silence()
    if (!stream.keepsAlive || this.#isDraining) return this.#close()
    this.#next()
  }

  destroy(): void {
    this.#reading = 'closed'
    this.transport.destroy()
  }

  // ── Reading ──

  /** Goes on with the next request; not while the client leaves the responses before it unread. */
  #next(): void {
    if (!this.transport.isWritable) {
      this.#reading = 'waiting'
      return
    }
    this.#reading = 'head'
    const unread = this.#unread
    this.#unread = undefined
    if (unread !== undefined) this.#read(unread, 0, unread.length, true)
    this.#updatePause()
  }

  /** `isOurs`: the bytes may be kept without copying them, so that a long pipeline is not copied again for each request. */
  #read(buf: Buffer, start: number, end: number, isOurs: boolean): void {
    let at = start
    try {
      while (at < end) {
        switch (this.#reading) {
          case 'head': {
            const next = parseRequestHead(received, buf, at, end, this.#config.maxHeadBytes, this.#seenBytes)
            if (next === -1) {
              if (++this.#headReads > HTTP1_BOUNDS.maxHeadReads)
                throw new Http1Error(408, `the head came in more than ${HTTP1_BOUNDS.maxHeadReads} pieces`)
              this.#seenBytes = end - at
              return this.#keep(buf, at, end, isOurs)
            }
            this.#seenBytes = 0
            this.#headReads = 0
            this.#requestCount = (this.#requestCount + 1) & COUNT_MASK
            at = next
            this.#begin()
            break
          }
          case 'content': {
            const stream = this.#stream!
            at = stream.reader.read(buf, at, end)
            if (stream.reader.isDone) this.#onRequestDone(stream)
            break
          }
          case 'waiting':
            this.#onPipelined()
            return this.#keep(buf, at, end, isOurs)
          case 'tunnel':
            return this.#stream!.onContent(buf, at, end, false)
          case 'closed':
            return
        }
      }
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error
      this.#refuse(error)
    }
  }

  #begin(): void {
    refuseH2c(received)
    const stream = new Http1ServerStream(this, received, this.#isDraining)
    const endStream = stream.reader.isDone
    this.#stream = stream
    this.#reading = endStream ? 'waiting' : 'content'
    const handler = this.#onRequest(received, endStream, stream)
    if (!stream.isSilenced) stream.handler = handler
    this.onProgress()
  }

  #onRequestDone(stream: Http1ServerStream): void {
    if (this.#stream !== stream) return
    if (this.#reading === 'content') this.#reading = 'waiting'
    this.onProgress()
  }

  #onPipelined(): void {
    if (this.#isPipelining) return
    this.#isPipelining = true
    this.transport.boundUnsent(HTTP1_BOUNDS.maxUnsentBytes)
  }

  #keep(buf: Buffer, start: number, end: number, isOurs: boolean): void {
    const rest = buf.subarray(start, end)
    this.#unread = isOurs ? rest : Buffer.from(rest)
  }

  /** Stops reading while too much waits here, and starts again when there is room. */
  #updatePause(): void {
    if (this.#reading === 'closed') return
    const limit = this.#isPaused ? HTTP1_BOUNDS.resumeBelowBytes : HTTP1_BOUNDS.pauseAboveBytes
    const outstandingBytes = this.#stream?.outstandingBytes ?? 0
    const isFull =
      outstandingBytes > limit ||
      (this.#reading === 'waiting' && (this.#unread?.length ?? 0) > HTTP1_BOUNDS.maxPipelinedBytes)
    if (isFull === this.#isPaused) return
    this.#isPaused = isFull
    if (isFull) this.transport.pause()
    else this.transport.resume()
  }

  // ── The end ──

  #refuse(error: Http1Error, reason: Refusal = refusalOfStatus(error.status)): void {
    if (this.#stream === undefined || !this.#stream.hasResponse) {
      const answer = refusal(error.status, error.message, this.#config.isInformational === true)
      writeResponseHead(this.transport, answer, { version: Version.http11, connection: 'close', isChunked: false })
      this.transport.flushSoon()
    }
    this.#fail(ErrorCode.protocolError, 'protocol', error.message)
    this.#owner.onRefused(reason, error.message, true)
    this.#close()
  }

  #abort(message: string): void {
    this.#fail(ErrorCode.cancel, 'connection', message)
    this.transport.destroy()
  }

  /** The request in progress will not be completed. */
  #fail(code: number, kind: StreamError['kind'], message: string): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#reading = 'closed'
    this.#unread = undefined
    stream?.fail({ code, kind, isUnprocessed: false, message })
  }

  /** Sends what was written and a FIN; whatever still arrives is read, so that it cannot reset the connection, and dropped. */
  #close(): void {
    this.#reading = 'closed'
    this.#unread = undefined
    this.transport.close()
    if (!this.#isPaused) return
    this.#isPaused = false
    this.transport.resume()
  }
}
