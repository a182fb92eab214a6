/**
 * The server half of an HTTP/1 connection (RFC 9112): requests in, one at a time, responses out in the same order.
 *
 * A pipelined request waits unread until the response before it is complete, so order needs no queue of responses.
 */
import { ErrorCode } from '../wire/connection-error.ts'
import { Encoding, Head, type Version, Version as Versions } from '../wire/head.ts'
import { Http1Error, parseRequestHead } from '../wire/http1-head.ts'
import { writeResponseHead } from '../wire/http1-writer.ts'
import { token } from '../wire/tokens.ts'
import { BodyReader, BodyWriter, type ContentSink, type SendFraming } from './http1-body.ts'
import type { RequestHandler, RequestListener, ServerStream } from './stream.ts'
import type { StreamError } from './stream-error.ts'
import type { Transport, TransportHandler } from './transport.ts'

/** Received content that was not consumed yet: beyond the first the connection is not read, below the second it is again. */
export const HTTP1_BOUNDS = { pauseAboveBytes: 65_536, resumeBelowBytes: 32_768, maxPipelinedBytes: 65_536 } as const

export interface Http1ServerConfig {
  readonly maxHeadBytes: number
}

export interface Http1ServerOwner {
  /** A head that cannot be a request: `status` was answered and the connection is closing. */
  onBadRequest(error: Http1Error): void
  onClosed(error: Error | undefined): void
}

const METHOD = token(':method')
const CONNECTION = token('connection')
const UPGRADE = token('upgrade')
const CONTENT_LENGTH = token('content-length')
const TRANSFER_ENCODING = token('transfer-encoding')
const KEEP_ALIVE = token('keep-alive')
const PROXY_CONNECTION = token('proxy-connection')

/** See `received` in http2-connection.ts. */
const received = new Head()
const SILENT: RequestHandler = { onRequestData() {}, onRequestTrailers() {}, onRequestReset() {}, onResponseSent() {} }

type Reading = 'head' | 'content' | 'waiting' | 'tunnel' | 'closed'

export class Http1ServerConnection implements TransportHandler {
  readonly transport: Transport
  readonly #config: Http1ServerConfig
  readonly #owner: Http1ServerOwner
  readonly #onRequest: RequestListener
  #reading: Reading = 'head'
  #stream: Http1ServerStream | undefined = undefined
  /** Bytes not looked at yet: an incomplete head, or the next request. */
  #unread: Buffer | undefined = undefined
  #hasPeerEnded = false
  #isPaused = false
  #isDraining = false
  #isClosed = false

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
    if (this.#stream === undefined) this.transport.close()
  }

  // ── TransportHandler ──

  onBytes(buf: Buffer, start: number, end: number): void {
    if (this.#reading === 'closed') return
    if (this.#unread !== undefined) {
      const joined = Buffer.concat([this.#unread, buf.subarray(start, end)])
      this.#unread = undefined
      this.#read(joined, 0, joined.length)
    } else this.#read(buf, start, end)
  }

  onEnd(): void {
    this.#hasPeerEnded = true
    if (this.#reading === 'tunnel') return this.#stream!.endTunnel()
    // A client that half-closes after its request still gets its answer; in the middle of one it has given up.
    if (this.#reading === 'content') return this.#abort('the client closed the connection in the middle of a request')
    if (this.#stream === undefined) this.transport.close()
  }

  onDrain(): void {
    this.#stream?.drain()
  }

  onClose(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#reading = 'closed'
    this.#stream?.fail({
      code: ErrorCode.cancel,
      kind: 'connection',
      isUnprocessed: false,
      message: error?.message ?? 'the client closed the connection',
    })
    this.#stream = undefined
    this.#owner.onClosed(error)
  }

  // ── For Http1ServerStream ──

  becomeTunnel(): void {
    this.#reading = 'tunnel'
    const unread = this.#unread
    this.#unread = undefined
    if (unread !== undefined) this.#read(unread, 0, unread.length)
    else this.#setPaused(false)
    if (this.#hasPeerEnded) this.#stream?.endTunnel()
  }

  onConsumed(outstandingBytes: number): void {
    if (this.#isPaused && outstandingBytes < HTTP1_BOUNDS.resumeBelowBytes && this.#reading !== 'waiting')
      this.#setPaused(false)
  }

  /** Both halves of the exchange may be complete now. */
  onProgress(): void {
    const stream = this.#stream
    if (stream === undefined || !stream.isResponseDone) return
    if (!stream.isRequestDone) {
      // The answer came before the request ended. What still arrives has no reader: say goodbye and close.
      this.#reading = 'closed'
      this.#stream = undefined
      stream.fail({
        code: ErrorCode.noError,
        kind: 'connection',
        isUnprocessed: false,
        message: 'the response ended before the request',
      })
      this.transport.close()
      return this.transport.resume()
    }
    this.#stream = undefined
    stream.silence()
    if (!stream.keepsAlive || this.#isDraining || this.#hasPeerEnded) {
      this.#reading = 'closed'
      return this.transport.close()
    }
    this.#reading = 'head'
    const unread = this.#unread
    this.#unread = undefined
    this.#setPaused(false)
    if (unread !== undefined) this.#read(unread, 0, unread.length)
  }

  destroy(): void {
    this.#reading = 'closed'
    this.transport.destroy()
  }

  // ── Reading ──

  #read(buf: Buffer, start: number, end: number): void {
    let at = start
    try {
      while (at < end) {
        switch (this.#reading) {
          case 'head': {
            const next = parseRequestHead(received, buf, at, end, this.#config.maxHeadBytes)
            if (next === -1) return this.#keep(buf, at, end)
            at = next
            this.#begin()
            break
          }
          case 'content': {
            const stream = this.#stream!
            at = stream.reader.read(buf, at, end)
            if (stream.reader.isDone) this.#onRequestDone(stream)
            else if (stream.outstandingBytes > HTTP1_BOUNDS.pauseAboveBytes) this.#setPaused(true)
            break
          }
          case 'waiting':
            return this.#keep(buf, at, end)
          case 'tunnel': {
            const stream = this.#stream!
            stream.onContent(buf, at, end, false)
            if (stream.outstandingBytes > HTTP1_BOUNDS.pauseAboveBytes) this.#setPaused(true)
            return
          }
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
    const stream = new Http1ServerStream(this, received, this.#isDraining)
    this.#stream = stream
    this.#reading = stream.reader.isDone ? 'waiting' : 'content'
    if (received.isUpgrade) this.#reading = 'waiting'
    const endStream = stream.reader.isDone
    const handler = this.#onRequest(received, endStream, stream)
    if (!stream.isSilenced) stream.handler = handler
    this.onProgress()
  }

  #onRequestDone(stream: Http1ServerStream): void {
    if (this.#stream === stream && this.#reading === 'content') this.#reading = 'waiting'
    this.onProgress()
  }

  #keep(buf: Buffer, start: number, end: number): void {
    this.#unread = Buffer.from(buf.subarray(start, end))
    if (this.#reading === 'waiting' && end - start > HTTP1_BOUNDS.maxPipelinedBytes) this.#setPaused(true)
  }

  #setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return
    this.#isPaused = isPaused
    if (isPaused) this.transport.pause()
    else this.transport.resume()
  }

  #refuse(error: Http1Error): void {
    const stream = this.#stream
    this.#reading = 'closed'
    if (stream === undefined || !stream.hasResponse) {
      const head = new Head()
      head.setStatus(error.status)
      head.add('content-length', '0')
      writeResponseHead(this.transport, head, { version: Versions.http11, connection: 'close', isChunked: false })
      this.transport.flushSoon()
    }
    this.#stream = undefined
    stream?.fail({ code: ErrorCode.protocolError, kind: 'protocol', isUnprocessed: false, message: error.message })
    this.#owner.onBadRequest(error)
    this.transport.close()
    this.transport.resume()
  }

  #abort(message: string): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#reading = 'closed'
    stream?.fail({ code: ErrorCode.cancel, kind: 'connection', isUnprocessed: false, message })
    this.transport.destroy()
  }
}

/** One request on an HTTP/1 connection, and its response. */
export class Http1ServerStream implements ServerStream, ContentSink {
  readonly version: Version
  handler: RequestHandler = SILENT
  readonly reader: BodyReader
  /** The client allows more requests after this one. */
  keepsAlive: boolean
  hasResponse = false
  isResponseDone = false
  isSilenced = false
  outstandingBytes = 0
  readonly #connection: Http1ServerConnection
  readonly #writer: BodyWriter
  readonly #isHead: boolean
  readonly #isConnect: boolean
  #isTunnel = false
  #hasTunnelEnded = false

  constructor(connection: Http1ServerConnection, request: Head, isDraining: boolean) {
    this.#connection = connection
    this.version = request.version
    this.#writer = new BodyWriter(connection.transport)
    const method = request.valueAt(request.find(METHOD))
    this.#isHead = method === 'HEAD'
    this.#isConnect = method === 'CONNECT'
    this.keepsAlive = request.isKeepAlive && !isDraining
    this.reader = new BodyReader(request.framing, request.contentLength, this)
  }

  get isRequestDone(): boolean {
    return this.#isTunnel ? this.#hasTunnelEnded : this.reader.isDone
  }

  sendInformational(head: Head): void {
    if (this.hasResponse || this.isSilenced || this.version === Versions.http10) return
    writeResponseHead(this.#connection.transport, head, {
      version: Versions.http11,
      connection: undefined,
      isChunked: false,
    })
    this.#connection.transport.flushSoon()
  }

  sendHead(head: Head, endStream: boolean): void {
    if (this.hasResponse || this.isSilenced) return
    this.hasResponse = true
    const status = head.status
    const isUpgrade = status === 101
    const connectOption = head.get(CONNECTION)
    if (connectOption !== undefined && /\bclose\b/i.test(connectOption)) this.keepsAlive = false
    dropHopByHop(head, isUpgrade)
    if (this.#connection.isDraining) this.keepsAlive = false
    const hasNoContent =
      this.#isHead || status === 204 || status === 304 || isUpgrade || (this.#isConnect && status < 300)
    let framing: SendFraming = 'none'
    let isChunked = false
    if (hasNoContent) {
      // RFC 9110 §8.6: no content-length in 204 or in a 2xx to CONNECT; HEAD and 304 may tell the length they would have.
      if (status === 204 || this.#isConnect) head.drop(CONTENT_LENGTH)
    } else if (head.has(CONTENT_LENGTH)) framing = 'length'
    else if (endStream) head.add('content-length', '0')
    else if (this.version === Versions.http11) {
      framing = 'chunked'
      isChunked = true
    } else {
      framing = 'raw'
      this.keepsAlive = false
    }
    const connection = isUpgrade
      ? 'upgrade'
      : !this.keepsAlive
        ? 'close'
        : this.version === Versions.http10
          ? 'keep-alive'
          : undefined
    writeResponseHead(this.#connection.transport, head, { version: this.version, connection, isChunked })
    this.#connection.transport.flushSoon()
    this.#writer.begin(framing)
    if (endStream && !isUpgrade && !(this.#isConnect && status < 300)) {
      this.#writer.send(NOTHING, 0, 0, true)
      this.#finishResponse()
    }
  }

  sendData(buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (this.isSilenced) return end - start
    const sent = this.#writer.send(buf, start, end, endStream)
    if (this.#writer.isDone) this.#finishResponse()
    return sent
  }

  sendTrailers(trailers: Head): void {
    if (this.isSilenced) return
    this.#writer.sendTrailers(trailers)
    if (this.#writer.isDone) this.#finishResponse()
  }

  /** HTTP/1 cannot say that a response is incomplete except by closing the connection. */
  reset(_code: number): void {
    if (this.isSilenced || (this.isResponseDone && this.isRequestDone)) return
    this.silence()
    this.#connection.destroy()
  }

  consumed(bytes: number): void {
    this.outstandingBytes -= bytes
    if (!this.isSilenced) this.#connection.onConsumed(this.outstandingBytes)
  }

  becomeTunnel(): void {
    this.#isTunnel = true
    this.#writer.begin('raw')
    this.#connection.becomeTunnel()
  }

  endTunnel(): void {
    if (this.#hasTunnelEnded) return
    this.#hasTunnelEnded = true
    this.handler.onRequestData(NOTHING, 0, 0, true)
    this.#connection.onProgress()
  }

  drain(): void {
    const sent = this.#writer.drain()
    const handler = this.handler
    if (this.#writer.isDone) this.#finishResponse()
    if (sent > 0) handler.onResponseSent(sent)
  }

  onContent(buf: Buffer, start: number, end: number, endStream: boolean): void {
    this.outstandingBytes += end - start
    this.handler.onRequestData(buf, start, end, endStream)
  }

  onContentTrailers(trailers: Head): void {
    this.handler.onRequestTrailers(trailers)
  }

  fail(error: StreamError): void {
    const handler = this.handler
    this.silence()
    handler.onRequestReset(error)
  }

  silence(): void {
    this.isSilenced = true
    this.handler = SILENT
    this.#writer.clear()
  }

  #finishResponse(): void {
    if (this.isResponseDone) return
    this.isResponseDone = true
    if (this.#isTunnel) {
      // Half-close: the other direction of the tunnel may still flow.
      this.keepsAlive = false
      if (!this.#hasTunnelEnded) return this.#connection.transport.end()
    }
    this.#connection.onProgress()
  }
}

const NOTHING = Buffer.alloc(0)

/** Fields that concern one connection only (RFC 9110 §7.6.1), and every field that Connection names. */
export function dropHopByHop(head: Head, keepsUpgrade: boolean): void {
  if (head.encoding !== Encoding.http1) return
  const named = head.find(CONNECTION) === -1 ? undefined : head.valuesOf('connection')
  if (named !== undefined) {
    for (const value of named) {
      for (const option of value.split(',')) {
        const name = option.trim().toLowerCase()
        if (name === '' || name === 'close' || name === 'keep-alive' || (keepsUpgrade && name === 'upgrade')) continue
        // Framing is ours to decide; a Connection field that names content-length is an attack, not a wish.
        if (name !== 'content-length' && name !== 'host' && name !== 'transfer-encoding') head.dropName(name)
      }
    }
    head.drop(CONNECTION)
  }
  head.drop(KEEP_ALIVE)
  head.drop(PROXY_CONNECTION)
  head.drop(TRANSFER_ENCODING)
  if (!keepsUpgrade) head.drop(UPGRADE)
}
