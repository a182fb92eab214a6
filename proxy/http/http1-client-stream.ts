/** One request on an HTTP/1 connection to an endpoint: how it is framed (RFC 9112 §6), its response, and tunnels. */
import { Framing, type Head, type Version, Version as Versions } from '../wire/head.ts'
import { type Http1HeadOptions, writeRequestHead } from '../wire/http1-writer.ts'
import { token } from '../wire/tokens.ts'
import { BodyReader, BodyWriter, type ContentSink, type SendFraming } from './http1-body.ts'
import type { Http1ClientConnection } from './http1-client.ts'
import { CONNECT, HEAD, hasMethod } from './method.ts'
import type { ClientStream, ResponseHandler } from './stream.ts'
import type { StreamError } from './stream-error.ts'

const CONTENT_LENGTH = token('content-length')
const TE = token('te')
const NOTHING = Buffer.alloc(0)

const SILENT: ResponseHandler = {
  onInformational() {},
  onResponseHead() {},
  onResponseData() {},
  onResponseTrailers() {},
  onResponseReset() {},
  onRequestSent() {},
}

export class Http1ClientStream implements ClientStream, ContentSink {
  version: Version = Versions.http11
  handler: ResponseHandler = SILENT
  /** `undefined` until the response head is here. */
  reader: BodyReader | undefined = undefined
  /** The connection may carry another request after this one. */
  keepsAlive = true
  isUpgrade = false
  /** The response turned the connection into a tunnel: 101, or 2xx to CONNECT. */
  isTunnelAnswer = false
  /** Received content that was not consumed yet. */
  outstandingBytes = 0
  readonly #connection: Http1ClientConnection
  readonly #writer: BodyWriter
  #isHead = false
  #isConnect = false
  #isTunnel = false
  #hasTunnelEnded = false
  #isSilenced = false

  constructor(connection: Http1ClientConnection) {
    this.#connection = connection
    this.#writer = new BodyWriter(connection.transport)
  }

  get isRequestDone(): boolean {
    return this.#writer.isDone
  }

  get isResponseDone(): boolean {
    return this.isTunnelAnswer ? this.#hasTunnelEnded : this.reader?.isDone === true
  }

  // ── ClientStream ──

  /** `head` keeps HTTP/1.0 when that is what came; connection-specific fields were dropped by the caller. */
  sendHead(head: Head, endStream: boolean): void {
    this.#isHead = hasMethod(head, HEAD)
    this.#isConnect = hasMethod(head, CONNECT)
    this.isUpgrade = head.isUpgrade
    this.version = head.version === Versions.http10 ? Versions.http10 : Versions.http11
    const framing = this.#framing(head, endStream)
    const connection = this.#connectionOption(head)
    const { transport } = this.#connection
    writeRequestHead(transport, head, { version: this.version, connection, isChunked: framing === 'chunked' })
    transport.flushSoon()
    this.#writer.begin(framing)
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

  /** HTTP/1 cannot take back a request except by closing the connection. */
  reset(_code: number): void {
    if (this.#isSilenced) return
    this.silence()
    this.#connection.destroy()
  }

  consumed(bytes: number): void {
    this.outstandingBytes -= bytes
    if (!this.#isSilenced) this.#connection.onConsumed()
  }

  becomeTunnel(): void {
    this.#isTunnel = true
    this.#writer.begin('raw')
    this.#connection.becomeTunnel()
  }

  // ── For the connection ──

  /** The final response head: what follows it, and what that means for the connection. */
  beginResponse(head: Head): void {
    const { status } = head
    this.isTunnelAnswer = status === 101 || (this.#isConnect && status < 300)
    const hasNoContent = this.#isHead || status === 204 || status === 304 || this.isTunnelAnswer
    if (this.isTunnelAnswer) head.drop(CONTENT_LENGTH)
    this.reader = new BodyReader(hasNoContent ? Framing.none : head.framing, head.contentLength, this)
    // For a HEAD, `isKeepAlive` may be false only because its GET would end with the connection: safe, and rare.
    this.keepsAlive = head.isKeepAlive && !this.isTunnelAnswer
  }

  /** The endpoint's half of a tunnel ended. */
  endTunnel(): void {
    if (this.#hasTunnelEnded) return
    this.#hasTunnelEnded = true
    this.handler.onResponseData(NOTHING, 0, 0, true)
    this.#connection.onProgress()
  }

  drain(): void {
    const { handler } = this
    const sent = this.#writer.drain()
    this.#onRequestProgress()
    if (sent > 0) handler.onRequestSent(sent)
  }

  fail(error: StreamError): void {
    const { handler } = this
    this.silence()
    handler.onResponseReset(error)
  }

  silence(): void {
    this.#isSilenced = true
    this.handler = SILENT
    this.#writer.clear()
  }

  // ── ContentSink ──

  onContent(buf: Buffer, start: number, end: number, endStream: boolean): void {
    this.outstandingBytes += end - start
    this.handler.onResponseData(buf, start, end, endStream)
  }

  onContentTrailers(trailers: Head): void {
    this.handler.onResponseTrailers(trailers)
  }

  #connectionOption(head: Head): Http1HeadOptions['connection'] {
    if (this.isUpgrade) {
      head.drop(TE)
      return 'upgrade'
    }
    if (this.version === Versions.http10) return head.isKeepAlive ? 'keep-alive' : undefined
    // RFC 9110 §10.1.4: who sends TE says so in Connection.
    return head.has(TE) ? 'te' : undefined
  }

  #framing(head: Head, endStream: boolean): SendFraming {
    if (endStream) return 'none'
    if (head.has(CONTENT_LENGTH)) return 'length'
    // HTTP/1.0 knows no chunks, and what follows a CONNECT is no content.
    return this.version === Versions.http10 || this.#isConnect ? 'raw' : 'chunked'
  }

  #onRequestProgress(): void {
    if (!this.#writer.isDone || this.#isSilenced) return
    // A tunnel's sending half ended: pass the half-close on.
    if (this.#isTunnel) this.#connection.transport.end()
    this.#connection.onProgress()
  }
}
