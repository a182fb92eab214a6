/**
 * The client half of an HTTP/1 connection (RFC 9112): one request at a time, no pipelining.
 *
 * The pool above (`io/http1-pool.ts`) opens a stream only on an idle connection and takes it back by `onIdle`. Whatever
 * the endpoint says unasked ends the connection: it must never answer the next request.
 */
import { ErrorCode } from '../wire/connection-error.ts'
import { Head } from '../wire/head.ts'
import { Http1Error, parseResponseHead } from '../wire/http1-head.ts'
import type { Refusal } from '../wire/refusal.ts'
import { HTTP1_BOUNDS } from './http1-bounds.ts'
import { Http1ClientStream } from './http1-client-stream.ts'
import type { StreamError } from './stream-error.ts'
import type { Transport, TransportHandler } from './transport.ts'

export { Http1ClientStream } from './http1-client-stream.ts'

export interface Http1ClientConfig {
  readonly maxHeadBytes: number
}

export interface Http1ClientOwner {
  /** The exchange is complete and the connection may carry another one. */
  onIdle(connection: Http1ClientConnection): void
  onClosed(connection: Http1ClientConnection, error: Error | undefined): void
  /** What the endpoint said is no response to anything; the connection is closing. */
  onRefused?(reason: Refusal, message: string): void
}

/** See `received` in http2-heads.ts. */
const received = new Head()

type Reading =
  | 'idle'
  | 'head'
  | 'content'
  /** The response is complete, the request is still being sent: the application may answer first and read on. */
  | 'sending'
  | 'tunnel'
  | 'closed'

export class Http1ClientConnection implements TransportHandler {
  readonly transport: Transport
  readonly #config: Http1ClientConfig
  readonly #owner: Http1ClientOwner
  #reading: Reading = 'idle'
  #stream: Http1ClientStream | undefined = undefined
  /** The beginning of a head. */
  #unread: Buffer | undefined = undefined
  /** A byte of the response to the current request has arrived. */
  #hasHeard = false
  /** Reads that the incomplete head came in, and 1xx responses to the current request. */
  #headReads = 0
  #informationalCount = 0
  #isPaused = false
  #isClosed = false
  /** Requests sent so far: the first on a fresh connection is not a reuse. */
  requestCount = 0
  /** When the connection became idle, for the pool's timeout. */
  idleSinceMs = 0

  constructor(transport: Transport, config: Http1ClientConfig, owner: Http1ClientOwner) {
    this.transport = transport
    this.#config = config
    this.#owner = owner
    transport.handler = this
  }

  get isUsable(): boolean {
    return this.#reading === 'idle' && !this.#isClosed
  }

  openStream(): Http1ClientStream {
    const stream = new Http1ClientStream(this)
    this.#stream = stream
    this.#reading = 'head'
    this.#hasHeard = false
    this.#headReads = 0
    this.#informationalCount = 0
    this.requestCount++
    return stream
  }

  close(): void {
    this.#reading = 'closed'
    this.transport.close()
  }

  // ── TransportHandler ──

  onBytes(buf: Buffer, start: number, end: number): void {
    this.#hasHeard = true
    const unread = this.#unread
    if (unread === undefined) this.#read(buf, start, end, 0)
    else {
      this.#unread = undefined
      const joined = Buffer.concat([unread, buf.subarray(start, end)])
      this.#read(joined, 0, joined.length, unread.length)
    }
    this.#updatePause()
  }

  onEnd(): void {
    const stream = this.#stream
    if (this.#reading === 'tunnel') return stream!.endTunnel()
    if (this.#reading === 'content' && stream!.reader!.finish()) {
      stream!.keepsAlive = false
      return this.onProgress()
    }
    this.#fail(new Error(`the endpoint closed the connection ${this.#reading === 'content' ? IN_RESPONSE : BEFORE}`))
  }

  onDrain(): void {
    this.#stream?.drain()
  }

  onClose(error: Error | undefined): void {
    this.#fail(error)
  }

  // ── For Http1ClientStream ──

  becomeTunnel(): void {
    this.#reading = 'tunnel'
  }

  onConsumed(): void {
    this.#updatePause()
  }

  /** Both halves of the exchange may be complete now. */
  onProgress(): void {
    const stream = this.#stream
    if (stream === undefined || !stream.isResponseDone) return
    if (!stream.isRequestDone) {
      // Who answers before the request ended may not read its rest, or take it for the next one.
      stream.keepsAlive = false
      if (this.#reading === 'content') this.#reading = 'sending'
      return
    }
    this.#stream = undefined
    stream.silence()
    this.#updatePause()
    if (stream.keepsAlive && this.#reading !== 'closed' && !this.#isClosed) {
      this.#reading = 'idle'
      return this.#owner.onIdle(this)
    }
    this.#reading = 'closed'
    this.transport.destroy()
  }

  /** The stream is given up: the connection cannot be used for another one. */
  destroy(): void {
    this.#reading = 'closed'
    this.#stream = undefined
    this.transport.destroy()
  }

  // ── Reading ──

  #read(buf: Buffer, start: number, end: number, seenBytes: number): void {
    let at = start
    try {
      while (at < end) {
        switch (this.#reading) {
          case 'head': {
            const next = parseResponseHead(received, buf, at, end, this.#config.maxHeadBytes, seenBytes)
            seenBytes = 0
            if (next === -1) {
              if (++this.#headReads > HTTP1_BOUNDS.maxHeadReads)
                throw new Http1Error(502, `the head came in more than ${HTTP1_BOUNDS.maxHeadReads} pieces`)
              this.#unread = Buffer.from(buf.subarray(at, end))
              return
            }
            at = next
            this.#onHead(this.#stream!, at < end)
            break
          }
          case 'content': {
            const stream = this.#stream!
            at = stream.reader!.read(buf, at, end)
            if (!stream.reader!.isDone) break
            if (at < end) stream.keepsAlive = false
            this.onProgress()
            break
          }
          case 'tunnel':
            return this.#stream!.onContent(buf, at, end, false)
          case 'idle':
          case 'sending':
            // Unsolicited, or behind a complete response: it would be taken for the answer to a request not sent yet.
            return this.#refuse('unsolicited', 'the endpoint sent bytes that belong to no response')
          case 'closed':
            return
        }
      }
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error
      this.#refuse('malformed', `the endpoint's response is not HTTP/1.1: ${error.message}`)
    }
  }

  #onHead(stream: Http1ClientStream, hasMore: boolean): void {
    if (received.status < 200 && received.status !== 101) {
      if (++this.#informationalCount <= HTTP1_BOUNDS.maxInformational) return stream.handler.onInformational(received)
      const message = `the endpoint sent more than ${HTTP1_BOUNDS.maxInformational} informational responses`
      return this.#refuse('informational', message)
    }
    if (received.status === 101 && !stream.isUpgrade) throw new Http1Error(502, 'a 101 response that nobody asked for')
    stream.beginResponse(received)
    if (stream.isTunnelAnswer) {
      this.#reading = 'tunnel'
      return stream.handler.onResponseHead(received, false)
    }
    this.#reading = 'content'
    const endStream = stream.reader!.isDone
    if (endStream && hasMore) stream.keepsAlive = false
    stream.handler.onResponseHead(received, endStream)
    if (endStream && this.#stream === stream) this.onProgress()
  }

  #updatePause(): void {
    const limit = this.#isPaused ? HTTP1_BOUNDS.resumeBelowBytes : HTTP1_BOUNDS.pauseAboveBytes
    const isFull = (this.#stream?.outstandingBytes ?? 0) > limit
    if (isFull === this.#isPaused || this.#isClosed) return
    this.#isPaused = isFull
    if (isFull) this.transport.pause()
    else this.transport.resume()
  }

  #refuse(reason: Refusal, message: string): void {
    this.#owner.onRefused?.(reason, message)
    this.#fail(new Error(message))
  }

  #fail(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const stream = this.#stream
    this.#stream = undefined
    stream?.fail(this.#reasonFor(error))
    this.#reading = 'closed'
    this.#owner.onClosed(this, error)
    this.transport.destroy()
  }

  #reasonFor(error: Error | undefined): StreamError {
    // A complete response was received: only the rest of the request has nobody to go to any more.
    if (this.#reading === 'sending')
      return { code: ErrorCode.noError, kind: 'reset', isUnprocessed: false, message: 'the endpoint read no further' }
    // A kept-alive connection that dies without a byte of answer was most likely closed before it saw the request.
    const isStale = this.requestCount > 1 && !this.#hasHeard
    const message = error?.message ?? 'the endpoint closed the connection'
    return { code: ErrorCode.internalError, kind: isStale ? 'stale' : 'connection', isUnprocessed: false, message }
  }
}

const IN_RESPONSE = 'in the middle of a response'
const BEFORE = 'before it answered'
