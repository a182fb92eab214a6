/** One HTTP/2 connection under test, the peer played by a test: frames in, frames and handler calls out, as text. */
import { errorName } from '../wire/connection-error.ts'
import type { Head } from '../wire/head.ts'
import { DEFAULT_HTTP2, type Http2Config } from './http2-config.ts'
import { Http2Connection } from './http2-connection.ts'
import type { Http2Stream } from './http2-stream.ts'
import { MemoryTransport } from './memory-transport.ts'
import type { RequestHandler, ResponseHandler } from './stream.ts'
import { clientStart, FrameText, settings, settingsAck } from './test-frames.ts'

export class TestPeer {
  readonly transport = new MemoryTransport()
  readonly connection: Http2Connection
  /** Streams the connection has, by id: of requests it received, or that were opened by `open`. */
  readonly streams = new Map<number, Http2Stream>()
  /** What handlers and the owner heard. */
  heard: string[] = []
  /** Reasons of what was refused; the first on the connection is marked. */
  readonly refusals: string[] = []
  /** Content is consumed as soon as it arrives. */
  isConsuming = true
  /** Called with each request, to answer it. */
  onRequest: ((stream: Http2Stream) => void) | undefined = undefined
  readonly #text: FrameText
  readonly #pieceBytes: number

  /**
   * @param role of the connection under test
   * @param isOpened both sides have exchanged their SETTINGS
   */
  constructor(
    role: 'server' | 'client',
    config: Partial<Http2Config> = {},
    pieceBytes = Number.POSITIVE_INFINITY,
    isOpened = true,
  ) {
    this.#pieceBytes = pieceBytes
    this.#text = new FrameText(role === 'server' ? 'response' : 'request')
    const owner = {
      onDraining: () => void this.heard.push('draining'),
      onCapacity() {},
      onReady() {},
      onRefused: (reason: string, _message: string, isFirst: boolean) =>
        void this.refusals.push(`${reason}${isFirst ? ' first' : ''}`),
      onClosed: (error: Error | undefined) => void this.heard.push(error === undefined ? 'closed' : 'failed'),
    }
    const all = { ...DEFAULT_HTTP2, ...config }
    this.connection =
      role === 'client'
        ? new Http2Connection(this.transport, all, owner)
        : new Http2Connection(this.transport, all, owner, (_head, endStream, stream) => {
            const http2 = stream as Http2Stream
            this.streams.set(http2.id, http2)
            this.heard.push(`request ${http2.id}${endStream ? ' end' : ''}`)
            stream.handler = this.handlerOf(http2)
            this.onRequest?.(http2)
            return stream.handler
          })
    if (!isOpened) return
    this.send(role === 'server' ? clientStart : settings(), settingsAck)
    this.frames()
    this.heard = []
  }

  /** What the peer sends. */
  send(...frames: Buffer[]): this {
    const bytes = Buffer.concat(frames)
    for (let at = 0; at < bytes.length; at += this.#pieceBytes) {
      // A copy, spoiled afterwards: nobody may keep what it was only shown.
      const piece = Buffer.from(bytes.subarray(at, Math.min(bytes.length, at + this.#pieceBytes)))
      this.transport.handler.onBytes(piece, 0, piece.length)
      piece.fill(0xee)
    }
    return this
  }

  /** What the peer got since it last looked. */
  frames(): string[] {
    return this.#text.read(this.transport.take())
  }

  /** A client's new stream, listened to. */
  open(): Http2Stream {
    const stream = this.connection.openStream()
    stream.handler = this.handlerOf(stream)
    return stream
  }

  handlerOf(stream: Http2Stream): RequestHandler & ResponseHandler {
    const say = (what: string, endStream = false): void => {
      if (stream.id !== 0) this.streams.set(stream.id, stream)
      this.heard.push(`${what} ${stream.id}${endStream ? ' end' : ''}`)
    }
    const onData = (bytes: number, endStream: boolean): void => {
      say(`${bytes} bytes`, endStream)
      if (this.isConsuming) stream.consumed(bytes)
    }
    const onReset = (error: { kind: string; code: number }): void => say(`${error.kind} ${errorName(error.code)}`)
    return {
      onRequestData: (_buf, start, end, endStream) => onData(end - start, endStream),
      onResponseData: (_buf, start, end, endStream) => onData(end - start, endStream),
      onRequestTrailers: () => say('trailers'),
      onResponseTrailers: () => say('trailers'),
      onRequestReset: onReset,
      onResponseReset: onReset,
      onInformational: (head: Head) => say(`informational ${head.status}`),
      onResponseHead: (head: Head, endStream) => say(`response ${head.status}`, endStream),
      onResponseSent: (bytes) => say(`sent ${bytes}`),
      onRequestSent: (bytes) => say(`sent ${bytes}`),
    }
  }
}
