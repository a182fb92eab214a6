/**
 * Serves the admin routes over the proxy's own HTTP/1 engine: `node:http` would cost every sidecar its private memory
 * for a page per scrape.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { canonicalIp, isLoopback, type SocketAddress } from '../../api/ip.ts'
import { Http1ServerConnection } from '../http/http1-server.ts'
import type { RequestHandler, ServerStream } from '../http/stream.ts'
import { listen } from '../io/listen.ts'
import { SocketTransport } from '../io/socket-transport.ts'
import { Head } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import { type AdminContext, type AdminRequest, type AdminResponse, answerAdmin } from './routes.ts'

/** Probes and a few scrapers; a further connection replaces nobody and is closed. */
export const MAX_CONNECTIONS = 256
/** A request has to be complete this long after its connection was accepted or answered. */
const REQUEST_DEADLINE_MS = 60_000
const MAX_HEAD_BYTES = 16_384
/** Log filters, and heads of requests to explain. */
const MAX_BODY_BYTES = 16_384
/** Shorter pages are not worth compressing. */
const MIN_GZIP_BYTES = 1_024

const METHOD = token(':method')
const PATH = token(':path')
const ACCEPT = token('accept')
const ACCEPT_ENCODING = token('accept-encoding')

export class AdminServer {
  readonly #context: AdminContext
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(context: AdminContext) {
    this.#context = context
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.serve(socket))
  }

  async listen(address: SocketAddress): Promise<void> {
    await listen(this.#server, address, false).catch((cause: Error) => {
      throw new Error(`the admin port cannot be opened: ${cause.message}`, { cause })
    })
  }

  /** The port that was opened: useful where 0 was asked for. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Serves a connection that was accepted elsewhere too, such as one that came through mesh TLS. */
  serve(socket: Socket): void {
    if (this.#sockets.size >= MAX_CONNECTIONS) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    const deadline = setTimeout(() => socket.destroy(), REQUEST_DEADLINE_MS)
    deadline.unref()
    const owner = {
      onRefused() {},
      onClosed: () => {
        clearTimeout(deadline)
        this.#sockets.delete(socket)
      },
    }
    const isLocal = isLoopback(canonicalIp(socket.remoteAddress ?? '') ?? '')
    new Http1ServerConnection(
      new SocketTransport(socket),
      { maxHeadBytes: MAX_HEAD_BYTES },
      owner,
      (head, end, stream) => {
        const exchange = new AdminExchange(head, stream, isLocal, this.#context, () => deadline.refresh())
        if (end) exchange.finish()
        return exchange
      },
    )
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** One request: gathers its content, then answers. */
class AdminExchange implements RequestHandler {
  readonly #stream: ServerStream
  readonly #context: AdminContext
  readonly #onAnswered: () => void
  readonly #request: Omit<AdminRequest, 'body'>
  readonly #takesGzip: boolean
  #body: Buffer[] = []
  #bodyBytes = 0
  #isOver = false

  constructor(head: Head, stream: ServerStream, isLocal: boolean, context: AdminContext, onAnswered: () => void) {
    const target = head.get(PATH) ?? '/'
    const mark = target.indexOf('?')
    this.#stream = stream
    this.#context = context
    this.#onAnswered = onAnswered
    this.#takesGzip = acceptsGzip(head.get(ACCEPT_ENCODING))
    this.#request = {
      method: head.get(METHOD) ?? '',
      path: mark === -1 ? target : target.slice(0, mark),
      query: mark === -1 ? '' : target.slice(mark + 1),
      accept: head.get(ACCEPT),
      isLoopback: isLocal,
    }
  }

  onRequestData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    this.#stream.consumed(end - start)
    if (this.#isOver) return
    this.#bodyBytes += end - start
    if (this.#bodyBytes > MAX_BODY_BYTES) {
      this.#send({ status: 413, contentType: undefined, body: '', isCompressible: false, allow: undefined })
      return
    }
    if (end > start) this.#body.push(Buffer.from(buf.subarray(start, end)))
    if (endStream) this.finish()
  }

  onRequestTrailers(): void {
    if (!this.#isOver) this.finish()
  }

  onRequestReset(): void {
    this.#isOver = true
  }

  onResponseSent(): void {}

  /** The request is complete. */
  finish(): void {
    const body = Buffer.concat(this.#body).toString('utf8')
    const response = answerAdmin({ ...this.#request, body }, this.#context)
    this.#isOver = true
    if (response instanceof Promise)
      response.then(
        (later) => this.#send(later),
        // Whatever went wrong with a page must not end the proxy.
        (error: Error) => {
          this.#context.log.error(`admin ${this.#request.path}: ${error.stack ?? error.message}`)
          this.#send({ status: 500, contentType: undefined, body: '', isCompressible: false, allow: undefined })
        },
      )
    else this.#send(response)
  }

  #send(response: AdminResponse): void {
    this.#isOver = true
    const body = Buffer.from(response.body, 'utf8')
    if (!response.isCompressible || !this.#takesGzip || body.length < MIN_GZIP_BYTES) {
      this.#write(response, body, false)
      return
    }
    // Off the event loop: compressing a large page would delay every request of the proxy. Loaded when somebody scrapes: a
    // start does not wait for it.
    process.getBuiltinModule('node:zlib').gzip(body, { level: 1 }, (error, compressed) => {
      if (error === null) this.#write(response, compressed, true)
      else this.#write(response, body, false)
    })
  }

  #write({ status, contentType, allow, isCompressible }: AdminResponse, body: Buffer, isGzip: boolean): void {
    const head = new Head()
    head.setStatus(status)
    if (contentType !== undefined) head.add('content-type', contentType)
    if (isGzip) head.add('content-encoding', 'gzip')
    if (isCompressible) head.add('vary', 'accept-encoding')
    if (allow !== undefined) head.add('allow', allow)
    if (status !== 204) head.add('content-length', `${body.length}`)
    const isHeadOnly = status === 204 || body.length === 0 || this.#request.method === 'HEAD'
    this.#stream.sendHead(head, isHeadOnly)
    if (!isHeadOnly) this.#stream.sendData(body, 0, body.length, true)
    this.#onAnswered()
  }
}

/** RFC 9110 §12.5.3, as far as gzip goes. */
function acceptsGzip(acceptEncoding: string | undefined): boolean {
  const [, weight] = /(?:^|,)\s*gzip\s*(?:;\s*q=([\d.]+)\s*)?(?:,|$)/i.exec(acceptEncoding ?? '') ?? ['', '0']
  return weight === undefined || Number(weight) > 0
}
