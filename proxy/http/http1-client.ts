/**
 * The client half of an HTTP/1 connection (RFC 9112): one request at a time, no pipelining.
 *
 * The pool above (outbound/, inbound/) opens a stream only on an idle connection and takes it back by `onIdle`.
 */
import { ErrorCode } from '../wire/connection-error.ts'
import { Framing, Head, type Version, Version as Versions } from '../wire/head.ts'
import { Http1Error, parseResponseHead } from '../wire/http1-head.ts'
import { writeRequestHead } from '../wire/http1-writer.ts'
import { token } from '../wire/tokens.ts'
import { BodyReader, BodyWriter, type ContentSink } from './http1-body.ts'
import { HTTP1_BOUNDS } from './http1-server.ts'
import type { ClientStream, ResponseHandler } from './stream.ts'
import type { StreamError } from './stream-error.ts'
import type { Transport, TransportHandler } from './transport.ts'

export interface Http1ClientConfig {
  readonly maxHeadBytes: number
}

export interface Http1ClientOwner {
  /** The exchange is complete and the connection may carry another one. */
  onIdle(connection: Http1ClientConnection): void
  onClosed(connection: Http1ClientConnection, error: Error | undefined): void
}

const METHOD = token(':method')
const CONTENT_LENGTH = token('content-length')
const NOTHING = Buffer.alloc(0)

/** See `received` in http2-connection.ts. */
const received = new Head()
const SILENT: ResponseHandler = {
  onInformational() {},
  onResponseHead() {},
  onResponseData() {},
  onResponseTrailers() {},
  onResponseReset() {},
  onRequestSent() {},
}

type Reading = 'idle' | 'head' | 'content' | 'tunnel' | 'closed'

export class Http1ClientConnection implements TransportHandler {
  readonly transport: Transport
  readonly #config: Http1ClientConfig
  readonly #owner: Http1ClientOwner
  #reading: Reading = 'idle'
  #stream: Http1ClientStream | undefined = undefined
  #unread: Buffer | undefined = undefined
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
    this.requestCount++
    return stream
  }

  close(): void {
    this.#reading = 'closed'
    this.transport.close()
  }

  // ── TransportHandler ──

  onBytes(buf: Buffer, start: number, end: number): void {
    if (this.#reading === 'idle') {
      // Nobody asked: an unsolicited response (or 408 before closing) must never answer the next request.
      return this.destroy()
    }
    if (this.#reading === 'closed') return
    if (this.#unread !== undefined) {
      const joined = Buffer.concat([this.#unread, buf.subarray(start, end)])
      this.#unread = undefined
      this.#read(joined, 0, joined.length)
    } else this.#read(buf, start, end)
  }

  onEnd(): void {
    const stream = this.#stream
    if (this.#reading === 'tunnel') return stream?.endTunnel()
    if (stream !== undefined && this.#reading === 'content' && stream.reader!.finish()) {
      stream.keepsAlive = false
      return this.onProgress()
    }
    this.#fail(
      new Error(
        this.#reading === 'content'
          ? 'the endpoint closed the connection in the middle of a response'
          : 'the endpoint closed the connection before it answered',
      ),
    )
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

  onConsumed(outstandingBytes: number): void {
    if (this.#isPaused && outstandingBytes < HTTP1_BOUNDS.resumeBelowBytes) this.#setPaused(false)
  }

  onProgress(): void {
    const stream = this.#stream
    if (stream === undefined || !stream.isResponseDone) return
    this.#stream = undefined
    const isReusable =
      stream.isRequestDone && stream.keepsAlive && this.#unread === undefined && this.#reading !== 'closed'
    stream.silence()
    this.#setPaused(false)
    if (isReusable) {
      this.#reading = 'idle'
      return this.#owner.onIdle(this)
    }
    this.#reading = 'closed'
    this.transport.destroy()
  }

  destroy(): void {
    this.#reading = 'closed'
    this.#stream = undefined
    this.transport.destroy()
  }

  // ── Reading ──

  #read(buf: Buffer, start: number, end: number): void {
    let at = start
    try {
      while (at < end) {
        const stream = this.#stream
        switch (this.#reading) {
          case 'head': {
            const next = parseResponseHead(received, buf, at, end, this.#config.maxHeadBytes)
            if (next === -1) {
              this.#unread = Buffer.from(buf.subarray(at, end))
              return
            }
            at = next
            this.#onHead(stream!, at < end)
            break
          }
          case 'content':
            at = stream!.reader!.read(buf, at, end)
            if (stream!.reader!.isDone) {
              // Bytes behind a complete response would be taken for the answer to a request not sent yet.
              if (at < end) stream!.keepsAlive = false
              this.onProgress()
            } else if (stream!.outstandingBytes > HTTP1_BOUNDS.pauseAboveBytes) this.#setPaused(true)
            break
          case 'tunnel':
            stream!.onContent(buf, at, end, false)
            if (stream!.outstandingBytes > HTTP1_BOUNDS.pauseAboveBytes) this.#setPaused(true)
            return
          default:
            // Bytes behind a complete response belong to nothing.
            return this.destroy()
        }
      }
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error
      this.#fail(new Error(`the endpoint's response is not HTTP/1.1: ${error.message}`))
    }
  }

  #onHead(stream: Http1ClientStream, hasMore: boolean): void {
    const status = received.status
    if (status < 200 && status !== 101) return stream.handler.onInformational(received)
    const isTunnel = status === 101 || (stream.isConnect && status < 300)
    const hasNoContent = stream.isHead || status === 204 || status === 304 || isTunnel
    if (stream.isConnect && isTunnel) received.drop(CONTENT_LENGTH)
    stream.keepsAlive = received.isKeepAlive && !isTunnel
    stream.reader = new BodyReader(hasNoContent ? Framing.none : received.framing, received.contentLength, stream)
    if (received.framing === Framing.untilClose && !hasNoContent) stream.keepsAlive = false
    if (isTunnel) {
      this.#reading = 'tunnel'
      return stream.handler.onResponseHead(received, false)
    }
    this.#reading = 'content'
    const endStream = stream.reader.isDone
    if (endStream && hasMore) stream.keepsAlive = false
    stream.handler.onResponseHead(received, endStream)
    if (endStream) this.onProgress()
  }

  #setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return
    this.#isPaused = isPaused
    if (isPaused) this.transport.pause()
    else this.transport.resume()
  }

  #fail(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#reading = 'closed'
    const stream = this.#stream
    this.#stream = undefined
    // A kept-alive connection that dies without a byte of answer was most likely closed before it saw the request.
    const isStale =
      stream !== undefined && this.requestCount > 1 && stream.reader === undefined && this.#unread === undefined
    stream?.fail({
      code: ErrorCode.internalError,
      kind: isStale ? 'stale' : 'connection',
      isUnprocessed: false,
      message: error?.message ?? 'the endpoint closed the connection',
    })
    this.#owner.onClosed(this, error)
    this.transport.destroy()
  }
}

/** One request on an HTTP/1 connection to an endpoint. */
export class Http1ClientStream implements ClientStream, ContentSink {
  version: Version = Versions.http11
  handler: ResponseHandler = SILENT
  reader: BodyReader | undefined = undefined
  keepsAlive = true
  isHead = false
  isConnect = false
  isTunnel = false
  hasTunnelEnded = false
  outstandingBytes = 0
  readonly #connection: Http1ClientConnection
  readonly #writer: BodyWriter
  #isSilenced = false

  constructor(connection: Http1ClientConnection) {
    this.#connection = connection
    this.#writer = new BodyWriter(connection.transport)
  }

  get isRequestDone(): boolean {
    return this.#writer.isDone
  }

  get isResponseDone(): boolean {
    return this.isTunnel ? this.hasTunnelEnded : this.reader?.isDone === true
  }

  /** `head` keeps HTTP/1.0 when that is what came; connection-specific fields were dropped by the caller. */
  sendHead(head: Head, endStream: boolean): void {
    const method = head.valueAt(head.find(METHOD))
    this.isHead = method === 'HEAD'
    this.isConnect = method === 'CONNECT'
    this.version = head.version === Versions.http10 ? Versions.http10 : Versions.http11
    const hasLength = head.has(CONTENT_LENGTH)
    const isChunked = !endStream && !hasLength && !head.isUpgrade && !this.isConnect && this.version === Versions.http11
    const connection = head.isUpgrade
      ? 'upgrade'
      : this.version === Versions.http10 && head.isKeepAlive
        ? 'keep-alive'
        : undefined
    writeRequestHead(this.#connection.transport, head, { version: this.version, connection, isChunked })
    this.#connection.transport.flushSoon()
    this.#writer.begin(endStream ? 'none' : isChunked ? 'chunked' : hasLength ? 'length' : 'raw')
    if (endStream) this.#writer.send(NOTHING, 0, 0, true)
  }

  sendData(buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (this.#isSilenced) return end - start
    const sent = this.#writer.send(buf, start, end, endStream)
    this.#onRequestProgress()
    return sent
  }

  sendTrailers(trailers: Head): void {
    if (this.#isSilenced) return
    this.#writer.sendTrailers(trailers)
    this.#onRequestProgress()
  }

  reset(_code: number): void {
    if (this.#isSilenced) return
    this.silence()
    this.#connection.destroy()
  }

  consumed(bytes: number): void {
    this.outstandingBytes -= bytes
    if (!this.#isSilenced) this.#connection.onConsumed(this.outstandingBytes)
  }

  becomeTunnel(): void {
    this.isTunnel = true
    this.#writer.begin('raw')
    this.#connection.becomeTunnel()
  }

  endTunnel(): void {
    if (this.hasTunnelEnded) return
    this.hasTunnelEnded = true
    this.handler.onResponseData(NOTHING, 0, 0, true)
    this.#connection.onProgress()
  }

  drain(): void {
    const sent = this.#writer.drain()
    const handler = this.handler
    this.#onRequestProgress()
    if (sent > 0) handler.onRequestSent(sent)
  }

  onContent(buf: Buffer, start: number, end: number, endStream: boolean): void {
    this.outstandingBytes += end - start
    this.handler.onResponseData(buf, start, end, endStream)
  }

  onContentTrailers(trailers: Head): void {
    this.handler.onResponseTrailers(trailers)
  }

  fail(error: StreamError): void {
    const handler = this.handler
    this.silence()
    handler.onResponseReset(error)
  }

  silence(): void {
    this.#isSilenced = true
    this.handler = SILENT
    this.#writer.clear()
  }

  #onRequestProgress(): void {
    if (!this.#writer.isDone) return
    // A tunnel's sending half ended: pass the half-close on.
    if (this.#writer.wasRaw) this.#connection.transport.end()
    this.#connection.onProgress()
  }
}
