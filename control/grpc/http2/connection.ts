/**
 * The server's half of an HTTP/2 connection (RFC 9113) for gRPC: many streams that are open for days and mostly silent.
 *
 * A proxy costs the control plane two connections and a stream for everything it knows. In node:http2 a session holds 27 kB
 * outside of JavaScript and a stream 5 kB in all, most of it for what never happens here; this engine has a plain object
 * for each. Frames are sent once per turn of the event loop and connection.
 */
import type { Socket } from 'node:net'
import { type Field, HpackDecoder } from './hpack.ts'
import {
  ConnectionError,
  DEFAULT_WINDOW_BYTES,
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  frame,
  MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
  PREFACE,
  Setting,
  settingsPayload,
  u32,
} from './protocol.ts'
import { Http2Stream, type StreamOutput } from './stream.ts'

export interface ConnectionOptions {
  /** A stream with its request's fields, checked as RFC 9113 §8.1.1 wants; sets `stream.receiver`. */
  readonly onRequest: (stream: Http2Stream, fields: readonly Field[]) => void
  readonly onClosed: (connection: Http2Connection) => void
  readonly nowMs: () => number
  /** Streams at once; one more is refused with REFUSED_STREAM, which clients repeat elsewhere. */
  readonly maxStreams: number
  /** Of one request's content: that much may come without waiting for us, on one stream. */
  readonly streamWindowBytes: number
  readonly keepAliveMs: { readonly time: number; readonly timeout: number }
}

/** Of content of requests that have not come to their end, on one connection: the client waits at this bound. */
const CONNECTION_WINDOW_BYTES = 1_048_576
/** Of one field block, coded and decoded: the connection ends at this bound. */
const MAX_FIELDS_BYTES = 32_768
/** Frames that cost us and bring nothing (resets, pings, settings, empty ones), between two calls of `tick`. */
const MAX_CONTROL_FRAMES = 20_000
/** Of answers to such frames that the peer does not read: the connection ends at this bound. */
const MAX_UNREAD_BYTES = 4_194_304
/** From the connection to its preface, and from a request's head to its end. */
const PATIENCE_MS = 20_000

export class Http2Connection implements StreamOutput {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #decoder = new HpackDecoder()
  readonly #streams = new Map<number, Http2Stream>()
  /** Streams whose request has not come to its end, with the time of its head. */
  readonly #incomplete = new Map<Http2Stream, number>()
  /** Streams with something to send, in the order in which they get their turn. */
  readonly #waiting = new Set<Http2Stream>()
  #rest: Buffer | undefined = undefined
  #hasPreface = false
  #hasSettings = false
  #tableLimits: number[] = [0]
  #block: { readonly streamId: number; readonly isEnd: boolean; bytes: Buffer } | undefined = undefined
  #lastStreamId = 0
  #initialWindowBytes = DEFAULT_WINDOW_BYTES
  #sendWindowBytes = DEFAULT_WINDOW_BYTES
  #maxFrameBytes = MAX_FRAME_BYTES
  #receiveWindowBytes = CONNECTION_WINDOW_BYTES
  #creditBytes = 0
  #controlFrames = 0
  #heardAtMs = 0
  #isPinged = false
  #isDraining = false
  #isClosed = false
  #isScheduled = false
  #out: Buffer[] = []

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#heardAtMs = options.nowMs()
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#onBytes(bytes))
    socket.on('drain', () => this.#flush())
    socket.on('error', () => {})
    socket.on('close', () => this.#onSocketClosed())
    this.#send(
      frame(
        FrameType.SETTINGS,
        0,
        0,
        settingsPayload([
          [Setting.HEADER_TABLE_SIZE, 0],
          [Setting.MAX_CONCURRENT_STREAMS, options.maxStreams],
          [Setting.INITIAL_WINDOW_SIZE, options.streamWindowBytes],
          [Setting.MAX_HEADER_LIST_SIZE, MAX_FIELDS_BYTES],
        ]),
      ),
    )
    this.#send(frame(FrameType.WINDOW_UPDATE, 0, 0, u32(CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES)))
  }

  /** Once a second or so: keep-alive, and the end of what takes too long. */
  tick(): void {
    const nowMs = this.#options.nowMs()
    const { time, timeout } = this.#options.keepAliveMs
    this.#controlFrames = 0
    for (const [stream, sinceMs] of this.#incomplete) {
      if (nowMs - sinceMs < PATIENCE_MS) break
      this.reset(stream, ErrorCode.CANCEL)
    }
    const silentMs = nowMs - this.#heardAtMs
    if (!this.#hasPreface && silentMs >= PATIENCE_MS) this.destroy()
    else if (silentMs >= time + timeout) this.destroy()
    else if (silentMs >= time && !this.#isPinged) {
      this.#isPinged = true
      this.#send(frame(FrameType.PING, 0, 0, new Uint8Array(8)))
    }
  }

  /** Takes no more requests, and ends when those under way are answered. */
  drain(): void {
    if (this.#isDraining || this.#isClosed) return
    this.#isDraining = true
    this.#send(frame(FrameType.GOAWAY, 0, 0, u32(this.#lastStreamId, ErrorCode.NO_ERROR)))
  }

  destroy(): void {
    this.#socket.destroy()
    this.#onSocketClosed()
  }

  schedule(stream: Http2Stream): void {
    if (stream.isClosed) return
    this.#waiting.add(stream)
    this.#scheduleFlush()
  }

  reset(stream: Http2Stream, code: number): void {
    if (stream.isClosed) return
    this.#send(frame(FrameType.RST_STREAM, 0, stream.id, u32(code)))
    this.#close(stream, true)
  }

  release(bytes: number): void {
    this.#receiveWindowBytes += bytes
    this.#creditBytes += bytes
    // Half a window at once: smaller updates are frames for nothing.
    if (this.#creditBytes < CONNECTION_WINDOW_BYTES / 2) return
    this.#send(frame(FrameType.WINDOW_UPDATE, 0, 0, u32(this.#creditBytes)))
    this.#creditBytes = 0
  }

  #onBytes(bytes: Buffer): void {
    this.#heardAtMs = this.#options.nowMs()
    this.#isPinged = false
    try {
      this.#read(this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes]))
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#fail(error)
    }
  }

  #read(bytes: Buffer): void {
    this.#rest = undefined
    let at = 0
    if (!this.#hasPreface) {
      const length = Math.min(bytes.length, PREFACE.length)
      if (!bytes.subarray(0, length).equals(PREFACE.subarray(0, length))) return this.destroy()
      if (length < PREFACE.length) {
        this.#rest = Buffer.from(bytes)
        return
      }
      this.#hasPreface = true
      at = PREFACE.length
    }
    while (!this.#isClosed && bytes.length - at >= FRAME_HEADER_BYTES) {
      const length = bytes.readUIntBE(at, 3)
      if (length > MAX_FRAME_BYTES) {
        throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} bytes, above ${MAX_FRAME_BYTES}`)
      }
      const end = at + FRAME_HEADER_BYTES + length
      if (end > bytes.length) break
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
      this.#onFrame(bytes[at + 3]!, bytes[at + 4]!, streamId, bytes.subarray(at + FRAME_HEADER_BYTES, end))
      at = end
    }
    // A copy: otherwise a few bytes would hold the whole of what was read.
    if (!this.#isClosed && at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at))
  }

  #onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (!this.#hasSettings && type !== FrameType.SETTINGS) throw protocolError('the first frame is not SETTINGS')
    if (this.#block !== undefined && (type !== FrameType.CONTINUATION || streamId !== this.#block.streamId)) {
      throw protocolError('another frame inside a field block')
    }
    switch (type) {
      case FrameType.DATA:
        return this.#onData(flags, streamId, payload)
      case FrameType.HEADERS:
        return this.#onHeaders(flags, streamId, payload)
      case FrameType.CONTINUATION:
        return this.#onContinuation(flags, payload)
      case FrameType.RST_STREAM:
        return this.#onReset(streamId, payload)
      case FrameType.SETTINGS:
        return this.#onSettings(flags, streamId, payload)
      case FrameType.PING:
        return this.#onPing(flags, streamId, payload)
      case FrameType.WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, payload)
      case FrameType.GOAWAY:
        if (streamId !== 0) throw protocolError('GOAWAY on a stream')
        return
      case FrameType.PRIORITY:
        this.#countControlFrame()
        if (streamId === 0) throw protocolError('PRIORITY on the connection')
        if (payload.length !== 5) return this.#refuse(streamId, ErrorCode.FRAME_SIZE_ERROR)
        if ((payload.readUInt32BE(0) & 0x7fff_ffff) === streamId) this.#refuse(streamId, ErrorCode.PROTOCOL_ERROR)
        return
      case FrameType.PUSH_PROMISE:
        throw protocolError('PUSH_PROMISE of a client')
      default:
        // RFC 9113 §4.1: unknown types are ignored.
        return this.#countControlFrame()
    }
  }

  #onHeaders(flags: number, streamId: number, payload: Buffer): void {
    if (streamId % 2 === 0) throw protocolError(`HEADERS on stream ${streamId}`)
    let block = unpadded(flags, payload)
    if ((flags & Flag.PRIORITY) !== 0) {
      if (block.length < 5) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS without its priority')
      if ((block.readUInt32BE(0) & 0x7fff_ffff) === streamId) throw protocolError('a stream depends on itself')
      block = block.subarray(5)
    }
    const isEnd = (flags & Flag.END_STREAM) !== 0
    if ((flags & Flag.END_HEADERS) !== 0) this.#onFields(streamId, isEnd, block)
    else this.#block = { streamId, isEnd, bytes: Buffer.from(block) }
  }

  #onContinuation(flags: number, payload: Buffer): void {
    const block = this.#block
    if (block === undefined) throw protocolError('CONTINUATION outside of a field block')
    if (payload.length === 0) this.#countControlFrame()
    if (block.bytes.length + payload.length > MAX_FIELDS_BYTES) throw tooManyFields()
    block.bytes = Buffer.concat([block.bytes, payload])
    if ((flags & Flag.END_HEADERS) === 0) return
    this.#block = undefined
    this.#onFields(block.streamId, block.isEnd, block.bytes)
  }

  #onFields(streamId: number, isEnd: boolean, block: Uint8Array): void {
    // Also of streams that are refused: the decoder has to stay in step.
    const fields = this.#decoder.decode(block)
    if (fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0) > MAX_FIELDS_BYTES) {
      throw tooManyFields()
    }
    const open = this.#streams.get(streamId)
    if (open !== undefined) return this.#onTrailers(open, isEnd, fields)
    if (streamId <= this.#lastStreamId) {
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `HEADERS on stream ${streamId}, which is closed`)
    }
    // Told by GOAWAY: the client asks another server.
    if (this.#isDraining) return
    this.#lastStreamId = streamId
    if (this.#streams.size >= this.#options.maxStreams) return this.#refuse(streamId, ErrorCode.REFUSED_STREAM)
    if (!isRequest(fields)) return this.#refuse(streamId, ErrorCode.PROTOCOL_ERROR)
    const stream = new Http2Stream(streamId, this, this.#initialWindowBytes)
    this.#streams.set(streamId, stream)
    this.#incomplete.set(stream, this.#heardAtMs)
    this.#options.onRequest(stream, fields)
    if (isEnd) this.#onStreamEnd(stream)
  }

  #onTrailers(stream: Http2Stream, isEnd: boolean, fields: readonly Field[]): void {
    if (stream.isHalfClosedRemote) return this.reset(stream, ErrorCode.STREAM_CLOSED)
    const isWellFormed = isEnd && fields.every(([name]) => isFieldName(name))
    if (!isWellFormed) return this.reset(stream, ErrorCode.PROTOCOL_ERROR)
    this.#onStreamEnd(stream)
  }

  #onData(flags: number, streamId: number, payload: Buffer): void {
    if (streamId === 0 || streamId > this.#lastStreamId) {
      if (streamId === 0 || !this.#isDraining) throw protocolError(`DATA on stream ${streamId}, which is idle`)
    }
    this.#receiveWindowBytes -= payload.length
    if (this.#receiveWindowBytes < 0) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'DATA beyond the window of the connection')
    }
    const bytes = unpadded(flags, payload)
    const isEnd = (flags & Flag.END_STREAM) !== 0
    if (bytes.length === 0 && !isEnd) this.#countControlFrame()
    const stream = this.#streams.get(streamId)
    if (stream === undefined || stream.isHalfClosedRemote) {
      this.release(payload.length)
      this.#countControlFrame()
      if (stream !== undefined) this.reset(stream, ErrorCode.STREAM_CLOSED)
      else if (!this.#isDraining) this.#refuse(streamId, ErrorCode.STREAM_CLOSED)
      return
    }
    stream.heldBytes += payload.length
    if (stream.heldBytes > this.#options.streamWindowBytes) return this.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
    if (bytes.length > 0) stream.receiver?.onData(bytes)
    if (isEnd && !stream.isClosed) this.#onStreamEnd(stream)
  }

  #onStreamEnd(stream: Http2Stream): void {
    stream.isHalfClosedRemote = true
    this.#incomplete.delete(stream)
    stream.receiver?.onEnd()
    stream.release()
  }

  #onReset(streamId: number, payload: Buffer): void {
    this.#countControlFrame()
    if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM is not 4 bytes')
    this.#requireNotIdle(streamId, 'RST_STREAM')
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) this.#close(stream, true)
  }

  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    this.#countControlFrame()
    if (streamId !== 0) throw protocolError('SETTINGS on a stream')
    const isAck = (flags & Flag.ACK) !== 0
    if (payload.length % 6 !== 0 || (isAck && payload.length > 0)) {
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `SETTINGS of ${payload.length} bytes`)
    }
    if (isAck) {
      const bytes = this.#tableLimits.shift()
      if (bytes !== undefined) this.#decoder.limitTable(bytes)
      return
    }
    this.#hasSettings = true
    for (let at = 0; at < payload.length; at += 6)
      this.#onSetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    this.#send(frame(FrameType.SETTINGS, Flag.ACK, 0, new Uint8Array(0)))
  }

  #onSetting(id: number, value: number): void {
    switch (id) {
      case Setting.ENABLE_PUSH:
        if (value > 1) throw protocolError(`ENABLE_PUSH is ${value}`)
        return
      case Setting.MAX_FRAME_SIZE:
        if (value < MAX_FRAME_BYTES || value > 0xff_ffff) throw protocolError(`MAX_FRAME_SIZE is ${value}`)
        // Larger frames would only make others wait.
        this.#maxFrameBytes = MAX_FRAME_BYTES
        return
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW_BYTES) throw windowTooLarge()
        for (const stream of this.#streams.values()) {
          // RFC 9113 §6.9.2: below zero too; the peer has to pay that debt first.
          stream.sendWindowBytes += value - this.#initialWindowBytes
          if (stream.sendWindowBytes > MAX_WINDOW_BYTES) throw windowTooLarge()
        }
        this.#initialWindowBytes = value
        return this.#scheduleFlush()
    }
  }

  #onPing(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw protocolError('PING on a stream')
    if (payload.length !== 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'PING is not 8 bytes')
    this.#countControlFrame()
    if ((flags & Flag.ACK) === 0) this.#send(frame(FrameType.PING, Flag.ACK, 0, payload))
  }

  #onWindowUpdate(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE is not 4 bytes')
    const bytes = payload.readUInt32BE(0) & 0x7fff_ffff
    if (streamId === 0) {
      if (bytes === 0) throw protocolError('WINDOW_UPDATE by 0')
      this.#sendWindowBytes += bytes
      if (this.#sendWindowBytes > MAX_WINDOW_BYTES) throw windowTooLarge()
    } else {
      this.#requireNotIdle(streamId, 'WINDOW_UPDATE')
      const stream = this.#streams.get(streamId)
      if (stream === undefined) return this.#countControlFrame()
      if (bytes === 0) return this.reset(stream, ErrorCode.PROTOCOL_ERROR)
      stream.sendWindowBytes += bytes
      if (stream.sendWindowBytes > MAX_WINDOW_BYTES) return this.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
    }
    this.#scheduleFlush()
  }

  #requireNotIdle(streamId: number, what: string): void {
    if (streamId === 0) throw protocolError(`${what} on the connection`)
    if (streamId > this.#lastStreamId && !this.#isDraining)
      throw protocolError(`${what} on stream ${streamId}, which is idle`)
  }

  /** For a stream that there is not, or not any more. */
  #refuse(streamId: number, code: ErrorCode): void {
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) this.reset(stream, code)
    else this.#send(frame(FrameType.RST_STREAM, 0, streamId, u32(code)))
  }

  #countControlFrame(): void {
    this.#controlFrames++
    if (this.#controlFrames > MAX_CONTROL_FRAMES) {
      throw new ConnectionError(
        ErrorCode.ENHANCE_YOUR_CALM,
        `more than ${MAX_CONTROL_FRAMES} frames without use at once`,
      )
    }
  }

  #send(bytes: Buffer): void {
    if (this.#isClosed) return
    this.#out.push(bytes)
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    process.nextTick(flushed, this)
  }

  /** Once per turn: what became ready meanwhile leaves in one write. */
  static flush(connection: Http2Connection): void {
    connection.#isScheduled = false
    connection.#flush()
  }

  #flush(): void {
    if (this.#isClosed) return
    const sent: (() => void)[] = []
    // A peer that does not read keeps at most what is on its way: the rest stays with the streams, which coalesce.
    if (!this.#socket.writableNeedDrain) {
      for (const stream of [...this.#waiting]) {
        this.#waiting.delete(stream)
        if (!this.#sendOf(stream, sent)) this.#waiting.add(stream)
      }
    }
    if (this.#out.length > 0) {
      const bytes = this.#out.length === 1 ? this.#out[0]! : Buffer.concat(this.#out)
      this.#out = []
      this.#socket.write(bytes)
      if (this.#socket.writableLength > MAX_UNREAD_BYTES) return this.destroy()
    }
    for (const onSent of sent) onSent()
    if (this.#isDraining && this.#streams.size === 0) this.#socket.end()
  }

  /** @returns whether nothing is left to send */
  #sendOf(stream: Http2Stream, sent: (() => void)[]): boolean {
    if (stream.head !== undefined) {
      const isAll = stream.isEnding && stream.queue.length === 0 && stream.trailers === undefined
      this.#out.push(frame(FrameType.HEADERS, Flag.END_HEADERS | (isAll ? Flag.END_STREAM : 0), stream.id, stream.head))
      stream.head = undefined
      if (isAll) return this.#finish(stream)
    }
    while (stream.queue.length > 0) {
      const { bytes, onSent } = stream.queue[0]!
      const size = Math.min(
        bytes.length - stream.sentBytes,
        this.#maxFrameBytes,
        this.#sendWindowBytes,
        stream.sendWindowBytes,
      )
      if (size <= 0 && bytes.length > stream.sentBytes) return false
      this.#out.push(frame(FrameType.DATA, 0, stream.id, bytes.subarray(stream.sentBytes, stream.sentBytes + size)))
      this.#sendWindowBytes -= size
      stream.sendWindowBytes -= size
      stream.sentBytes += size
      if (stream.sentBytes < bytes.length) continue
      stream.queue.shift()
      stream.sentBytes = 0
      sent.push(onSent)
    }
    stream.sentAll()
    if (!stream.isEnding) return true
    const last = stream.trailers
    this.#out.push(
      last === undefined
        ? frame(FrameType.DATA, Flag.END_STREAM, stream.id, new Uint8Array(0))
        : frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream.id, last),
    )
    return this.#finish(stream)
  }

  #finish(stream: Http2Stream): true {
    // RFC 9113 §8.1: answered before the request has come to its end, whose rest nobody reads.
    if (!stream.isHalfClosedRemote) this.#out.push(frame(FrameType.RST_STREAM, 0, stream.id, u32(ErrorCode.NO_ERROR)))
    this.#close(stream, false)
    return true
  }

  #close(stream: Http2Stream, isReset: boolean): void {
    stream.isClosed = true
    this.#streams.delete(stream.id)
    this.#incomplete.delete(stream)
    this.#waiting.delete(stream)
    stream.release()
    stream.sentAll()
    if (isReset) stream.receiver?.onReset()
    stream.receiver = undefined
    if (this.#isDraining) this.#scheduleFlush()
  }

  #fail({ code, message }: ConnectionError): void {
    const debug = Buffer.from(message, 'latin1')
    this.#out.push(frame(FrameType.GOAWAY, 0, 0, Buffer.concat([u32(this.#lastStreamId, code), debug])))
    this.#socket.end(Buffer.concat(this.#out))
    this.#out = []
    this.#onSocketClosed()
    // Who does not read it either is cut off.
    setTimeout(() => this.#socket.destroy(), FAREWELL_MS).unref()
  }

  #onSocketClosed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const stream of [...this.#streams.values()]) this.#close(stream, true)
    this.#out = []
    this.#rest = undefined
    this.#options.onClosed(this)
  }
}

const FAREWELL_MS = 1_000
const flushed = Http2Connection.flush

function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & Flag.PADDED) === 0) return payload
  const padding = payload[0]
  if (padding === undefined) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'padding without its length')
  if (padding >= payload.length) throw protocolError('padding longer than its frame')
  return payload.subarray(1, payload.length - padding)
}

const PSEUDO = new Set([':method', ':scheme', ':path', ':authority'])
const OF_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** RFC 9113 §8.2, §8.3.1. */
function isRequest(fields: readonly Field[]): boolean {
  const pseudo = new Map<string, string>()
  let hasRegular = false
  for (const [name, value] of fields) {
    if (name.startsWith(':')) {
      if (hasRegular || !PSEUDO.has(name) || pseudo.has(name)) return false
      pseudo.set(name, value)
      continue
    }
    hasRegular = true
    if (!isFieldName(name) || OF_CONNECTION.has(name) || (name === 'te' && value !== 'trailers')) return false
  }
  return pseudo.has(':method') && pseudo.has(':scheme') && (pseudo.get(':path') ?? '').startsWith('/')
}

function isFieldName(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)
}

function protocolError(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, what)
}

function windowTooLarge(): ConnectionError {
  return new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `a window above ${MAX_WINDOW_BYTES} bytes`)
}

function tooManyFields(): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, `fields of more than ${MAX_FIELDS_BYTES} bytes`)
}
