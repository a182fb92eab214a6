/**
 * One end of an HTTP/2 connection, for load generators and origins: frames in, calls on a sink out. Bodies are zeros
 * under real flow control; header blocks are handed on undecoded.
 *
 * It trusts its peer, which is the proxy under test: whatever is not plain HTTP/2 ends the connection with an error.
 */
import type { Socket } from 'node:net'
import { SocketOutput } from './output.ts'

export const H2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

const FRAME_HEADER_BYTES = 9
const DATA = 0
const HEADERS = 1
const RST_STREAM = 3
const SETTINGS = 4
const PING = 6
const GOAWAY = 7
const WINDOW_UPDATE = 8
const CONTINUATION = 9
const END_STREAM = 0x1
const END_HEADERS = 0x4
const PADDED = 0x8
const PRIORITY = 0x20
const ACK = 0x1

const HEADER_TABLE_SIZE = 1
const INITIAL_WINDOW_SIZE = 4
const DEFAULT_WINDOW_BYTES = 65_535
/** Every stream may send a whole body at once; the connection's window is kept open by the megabyte. */
const STREAM_WINDOW_BYTES = 2 ** 21
const CONNECTION_WINDOW_BYTES = 2 ** 24
const DATA_BYTES = 16_384
const ZEROS = Buffer.alloc(DATA_BYTES)
/** A body waits when the kernel has this much to send. */
const MAX_WAITING_BYTES = 2 ** 20

export interface H2Sink {
  /** A whole header block: a head, or trailers. After `endStream` nothing follows. */
  onHeaders(streamId: number, buf: Buffer, start: number, end: number, endStream: boolean): void
  onData(streamId: number, bytes: number, endStream: boolean): void
  onReset(streamId: number, code: number): void
}

interface Body {
  leftBytes: number
  windowBytes: number
}

export class H2Endpoint {
  readonly output: SocketOutput
  readonly #socket: Socket
  readonly #sink: H2Sink
  #rest: Buffer = Buffer.alloc(0)
  #prefaceLeft: number
  #peerWindowBytes = DEFAULT_WINDOW_BYTES
  #sendWindowBytes = DEFAULT_WINDOW_BYTES
  #receivedBytes = 0
  readonly #bodies = new Map<number, Body>()

  constructor(socket: Socket, side: 'client' | 'server', sink: H2Sink) {
    this.#socket = socket
    this.#sink = sink
    this.output = new SocketOutput(socket)
    this.#prefaceLeft = side === 'server' ? H2_PREFACE.length : 0
    if (side === 'client') this.output.append(H2_PREFACE)
    this.#frame(12, SETTINGS, 0, 0)
    this.#setting(HEADER_TABLE_SIZE, 0)
    this.#setting(INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES)
    this.#windowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => {
      this.#pump()
      this.output.flush()
    })
  }

  /** Copies `block` behind a frame header and returns where it begins in `output.buf`. */
  sendHeaders(streamId: number, block: Uint8Array, endStream: boolean): number {
    this.#frame(block.length, HEADERS, END_HEADERS | (endStream ? END_STREAM : 0), streamId)
    return this.output.append(block)
  }

  /** Sends `bytes` of content and ends the stream; what the windows do not allow yet follows when they do. */
  sendBody(streamId: number, bytes: number): void {
    const body = { leftBytes: bytes, windowBytes: this.#peerWindowBytes }
    this.#send(streamId, body)
    if (body.leftBytes > 0) this.#bodies.set(streamId, body)
  }

  /**
   * Sends one small piece of a stream's content. All pieces of a stream together fit into the smallest initial window,
   * and those under way on a connection into its window, so nothing has to wait; a peer that gives no more fails the load.
   */
  sendPiece(streamId: number, piece: Uint8Array, endStream: boolean): void {
    this.#sendWindowBytes -= piece.length
    if (this.#sendWindowBytes < 0) return this.#fail('the peer keeps the window of the connection closed')
    this.#frame(piece.length, DATA, endStream ? END_STREAM : 0, streamId)
    this.output.append(piece)
  }

  #receive(chunk: Buffer): void {
    const buf = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = Math.min(this.#prefaceLeft, buf.length)
    this.#prefaceLeft -= at
    while (buf.length - at >= FRAME_HEADER_BYTES) {
      const length = (buf[at]! << 16) | (buf[at + 1]! << 8) | buf[at + 2]!
      const end = at + FRAME_HEADER_BYTES + length
      if (end > buf.length) break
      this.#onFrame(
        buf[at + 3]!,
        buf[at + 4]!,
        buf.readUInt32BE(at + 5) & 0x7fff_ffff,
        buf,
        at + FRAME_HEADER_BYTES,
        end,
      )
      at = end
    }
    this.#rest = at === buf.length ? Buffer.alloc(0) : buf.subarray(at)
    this.#pump()
    this.output.flush()
  }

  #onFrame(type: number, flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    switch (type) {
      case DATA:
        this.#onData(flags, streamId, buf, start, end)
        return
      case HEADERS: {
        if ((flags & END_HEADERS) === 0) {
          this.#fail('a header block in several frames')
          return
        }
        const padding = (flags & PADDED) !== 0 ? buf[start]! : 0
        const from = start + ((flags & PADDED) !== 0 ? 1 : 0) + ((flags & PRIORITY) !== 0 ? 5 : 0)
        this.#sink.onHeaders(streamId, buf, from, end - padding, (flags & END_STREAM) !== 0)
        return
      }
      case RST_STREAM:
        this.#bodies.delete(streamId)
        this.#sink.onReset(streamId, buf.readUInt32BE(start))
        return
      case SETTINGS:
        this.#onSettings(flags, buf, start, end)
        return
      case PING:
        if ((flags & ACK) !== 0) return
        this.#frame(end - start, PING, ACK, 0)
        this.output.append(buf.subarray(start, end))
        return
      case GOAWAY:
        this.#fail(`GOAWAY with code ${buf.readUInt32BE(start + 4)}`)
        return
      case WINDOW_UPDATE: {
        const increment = buf.readUInt32BE(start) & 0x7fff_ffff
        if (streamId === 0) this.#sendWindowBytes += increment
        const body = this.#bodies.get(streamId)
        if (body !== undefined) body.windowBytes += increment
        return
      }
      case CONTINUATION:
        this.#fail('a header block in several frames')
        return
      default:
    }
  }

  #onData(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    this.#receivedBytes += end - start
    if (this.#receivedBytes > CONNECTION_WINDOW_BYTES / 2) {
      this.#windowUpdate(0, this.#receivedBytes)
      this.#receivedBytes = 0
    }
    const padding = (flags & PADDED) !== 0 ? buf[start]! + 1 : 0
    this.#sink.onData(streamId, end - start - padding, (flags & END_STREAM) !== 0)
  }

  #onSettings(flags: number, buf: Buffer, start: number, end: number): void {
    if ((flags & ACK) !== 0) return
    for (let at = start; at < end; at += 6) {
      if (buf.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue
      const windowBytes = buf.readUInt32BE(at + 2)
      for (const body of this.#bodies.values()) body.windowBytes += windowBytes - this.#peerWindowBytes
      this.#peerWindowBytes = windowBytes
    }
    this.#frame(0, SETTINGS, ACK, 0)
  }

  #pump(): void {
    for (const [streamId, body] of this.#bodies) {
      if (this.#sendWindowBytes === 0 || this.output.waitingBytes > MAX_WAITING_BYTES) return
      this.#send(streamId, body)
      if (body.leftBytes === 0) this.#bodies.delete(streamId)
    }
  }

  #send(streamId: number, body: Body): void {
    while (body.leftBytes > 0) {
      if (this.output.waitingBytes + this.output.at > MAX_WAITING_BYTES) {
        this.output.flush()
        if (this.output.waitingBytes > MAX_WAITING_BYTES) return
      }
      const bytes = Math.min(body.leftBytes, DATA_BYTES, body.windowBytes, this.#sendWindowBytes)
      if (bytes <= 0) return
      body.leftBytes -= bytes
      body.windowBytes -= bytes
      this.#sendWindowBytes -= bytes
      this.#frame(bytes, DATA, body.leftBytes === 0 ? END_STREAM : 0, streamId)
      this.output.append(ZEROS.subarray(0, bytes))
    }
  }

  #frame(length: number, type: number, flags: number, streamId: number): void {
    this.output.ensure(FRAME_HEADER_BYTES + length)
    const { buf, at } = this.output
    buf[at] = length >>> 16
    buf[at + 1] = length >>> 8
    buf[at + 2] = length
    buf[at + 3] = type
    buf[at + 4] = flags
    buf.writeUInt32BE(streamId, at + 5)
    this.output.at += FRAME_HEADER_BYTES
  }

  #setting(identifier: number, value: number): void {
    this.output.at = this.output.buf.writeUInt16BE(identifier, this.output.at)
    this.output.at = this.output.buf.writeUInt32BE(value, this.output.at)
  }

  #windowUpdate(streamId: number, increment: number): void {
    this.#frame(4, WINDOW_UPDATE, 0, streamId)
    this.output.at = this.output.buf.writeUInt32BE(increment, this.output.at)
  }

  #fail(what: string): void {
    this.#socket.destroy(new Error(what))
  }
}
