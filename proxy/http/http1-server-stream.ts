/** One request on an HTTP/1 connection, and its response: how the response is framed (RFC 9112 §6), and tunnels. */
import { type Head, type Version, Version as Versions } from '../wire/head.ts'
import { type Http1HeadOptions, writeResponseHead } from '../wire/http1-writer.ts'
import { token } from '../wire/tokens.ts'
import { held } from './chunk-pool.ts'
import { dropHopByHop, saysClose } from './hop-by-hop.ts'
import { BodyReader, BodyWriter, type ContentSink, type SendFraming } from './http1-body.ts'
import type { Http1ServerConnection } from './http1-server.ts'
import { PRESSURE_BOUNDS } from './memory-pressure.ts'
import { CONNECT, HEAD, hasMethod } from './method.ts'
import type { RequestHandler, ServerStream } from './stream.ts'
import type { StreamError } from './stream-error.ts'

const CONTENT_LENGTH = token('content-length')
const NOTHING = Buffer.alloc(0)
const SILENT: RequestHandler = { onRequestData() {}, onRequestTrailers() {}, onRequestReset() {}, onResponseSent() {} }

export class Http1ServerStream implements ServerStream, ContentSink {
  readonly version: Version
  handler: RequestHandler = SILENT
  readonly reader: BodyReader
  /** The connection goes on after this exchange. */
  keepsAlive: boolean
  hasResponse = false
  isResponseDone = false
  isSilenced = false
  /** Received content that was not consumed yet. */
  outstandingBytes = 0
  /** All content received, modulo 2^30: changes as long as the client gets on. */
  receivedBytes = 0
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
    this.#isHead = hasMethod(request, HEAD)
    this.#isConnect = hasMethod(request, CONNECT)
    this.keepsAlive = request.isKeepAlive && !isDraining
    this.reader = new BodyReader(request.framing, request.contentLength, this)
  }

  get isRequestDone(): boolean {
    return this.#isTunnel ? this.#hasTunnelEnded : this.reader.isDone
  }

  // ── ServerStream ──

  sendInformational(head: Head): void {
    // RFC 9110 §15.2: an HTTP/1.0 client does not know 1xx.
    if (this.hasResponse || this.isSilenced || this.version === Versions.http10) return
    dropHopByHop(head, false)
    this.#writeHead(head, { version: Versions.http11, connection: undefined, isChunked: false })
  }

  sendHead(head: Head, endStream: boolean): void {
    if (this.hasResponse || this.isSilenced) return
    this.hasResponse = true
    const { status } = head
    const isUpgrade = status === 101
    const isTunnel = isUpgrade || (this.#isConnect && status < 300)
    if (saysClose(head) || this.#connection.isDraining) this.keepsAlive = false
    dropHopByHop(head, isUpgrade)
    const framing = this.#framing(head, endStream, isTunnel)
    if (framing === 'raw') this.keepsAlive = false
    const connection = isUpgrade ? 'upgrade' : this.#connectionOption()
    this.#writeHead(head, { version: this.version, connection, isChunked: framing === 'chunked' })
    this.#writer.begin(framing)
    if (!endStream || isTunnel) return
    this.#writer.send(NOTHING, 0, 0, true)
    this.#finishResponse()
  }

  sendData(buf: Uint8Array, start: number, end: number, endStream: boolean): number {
    if (this.isSilenced) return end - start
    const sent = this.#writer.send(buf, start, end, endStream)
    if (sent < end - start && held.bytes >= PRESSURE_BOUNDS.fullBytes) {
      this.#connection.refuseUnread('content waits for the client, and the proxy holds too much for others already')
      return end - start
    }
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
    if (!this.isSilenced) this.#connection.onConsumed()
  }

  becomeTunnel(): void {
    this.#isTunnel = true
    this.keepsAlive = false
    this.#writer.begin('raw')
    this.#connection.becomeTunnel()
  }

  // ── For the connection ──

  /** The client's half of a tunnel ended. */
  endTunnel(): void {
    if (this.#hasTunnelEnded) return
    this.#hasTunnelEnded = true
    this.handler.onRequestData(NOTHING, 0, 0, true)
    this.#connection.onProgress()
  }

  drain(): void {
    const { handler } = this
    const sent = this.#writer.drain()
    if (this.#writer.isDone) this.#finishResponse()
    if (sent > 0) handler.onResponseSent(sent)
  }

  fail(error: StreamError): void {
    const { handler } = this
    this.silence()
    handler.onRequestReset(error)
  }

  silence(): void {
    this.isSilenced = true
    this.handler = SILENT
    this.#writer.clear()
  }

  // ── ContentSink ──

  onContent(buf: Buffer, start: number, end: number, endStream: boolean): void {
    this.outstandingBytes += end - start
    this.receivedBytes = (this.receivedBytes + end - start) & 0x3fff_ffff
    this.handler.onRequestData(buf, start, end, endStream)
  }

  onContentTrailers(trailers: Head): void {
    this.handler.onRequestTrailers(trailers)
  }

  // ── The response ──

  /** How the response's content is delimited (RFC 9112 §6.3); may add or drop its content-length. */
  #framing(head: Head, endStream: boolean, isTunnel: boolean): SendFraming {
    const { status } = head
    if (this.#isHead || status === 204 || status === 304 || isTunnel) {
      // RFC 9110 §8.6: none in 204 or in a 2xx to CONNECT; HEAD and 304 may tell the length they would have.
      if (status === 204 || isTunnel) head.drop(CONTENT_LENGTH)
      return 'none'
    }
    if (head.has(CONTENT_LENGTH)) return 'length'
    if (endStream) {
      head.add('content-length', '0')
      return 'length'
    }
    // HTTP/1.0 knows no chunks: the content ends with the connection.
    return this.version === Versions.http10 ? 'raw' : 'chunked'
  }

  #connectionOption(): 'close' | 'keep-alive' | undefined {
    if (!this.keepsAlive) return 'close'
    return this.version === Versions.http10 ? 'keep-alive' : undefined
  }

  #writeHead(head: Head, options: Http1HeadOptions): void {
    writeResponseHead(this.#connection.transport, head, options)
    this.#connection.transport.flushSoon()
  }

  #finishResponse(): void {
    if (this.isResponseDone) return
    this.isResponseDone = true
    // Half-close: the other direction of the tunnel may still flow.
    if (this.#isTunnel && !this.#hasTunnelEnded) return this.#connection.transport.end()
    this.#connection.onProgress()
  }
}
