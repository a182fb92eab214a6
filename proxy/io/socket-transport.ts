/**
 * A `Transport` over a Node socket (TCP or TLS).
 *
 * Writes of one turn of the event loop are gathered in one buffer and leave in one `write`; the buffers come from a pool
 * shared by all connections, so a connection that writes nothing owns none.
 */
import type { Socket } from 'node:net'
import { KEPT_SMALL, LARGE_CHUNK_BYTES, releaseChunk, takeChunk } from '../http/chunk-pool.ts'
import { Lingering } from '../http/lingering.ts'
import type { ByteCounters, Transport, TransportHandler } from '../http/transport.ts'
import { boundUnsent } from './kernel-socket.ts'
import { readInto } from './shared-read.ts'
import { takeEndedBytes } from './sniff.ts'
import { lastWriteError, type StreamHandle, streamHandleOf, type WriteRequest, writeError } from './stream-handle.ts'

/** After our FIN the peer has this long to send its own. */
const LINGER_MS = 5_000
/** While the last bytes still have to leave, the peer has so many of these periods to take some of them. */
const MAX_STALLED_LINGERS = 6
/** From so many bytes on that the kernel has not taken, writers are asked to wait. */
const HIGH_WATER_BYTES = 65_536
const EMPTY = Buffer.alloc(0)

/** Every connection reads into this: what arrives is handled before the next connection is read. */
const shared = Buffer.allocUnsafeSlow(LARGE_CHUNK_BYTES)

/** What all connections of the process did, for `IdleMemory`. */
export const activity = { reads: 0 }

let dirty: SocketTransport[] = []
let spare: SocketTransport[] = []

function flushAll(): void {
  const transports = dirty
  dirty = spare
  for (let at = 0; at < transports.length; at++) transports[at]!.flush()
  transports.length = 0
  spare = transports
}

const IGNORE: TransportHandler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} }

export class SocketTransport implements Transport, ByteCounters {
  buf: Buffer = EMPTY
  at = 0
  handler: TransportHandler = IGNORE
  isWritable = true
  readBytes = 0
  writtenBytes = 0
  readonly socket: Socket
  /** Where writes go without the stream of the socket; `undefined` writes to the socket. */
  readonly #handle: StreamHandle | undefined
  /** One write at a time is under way, as TLS wants it; what is written meanwhile waits behind it. */
  #inFlight: Buffer | undefined = undefined
  #waiting: { readonly chunk: Buffer; readonly length: number }[] | undefined = undefined
  #highWaterBytes = HIGH_WATER_BYTES
  /** Bytes in flight and waiting. */
  #unsentBytes = 0
  #isDirty = false
  #isPaused = false
  /** More than one chunk was needed in this turn. */
  #isBulk = false
  #isEnding = false
  /** Our FIN was given to the socket: nothing can be written behind it. */
  #isShut = false
  #isClosed = false
  /** Destroyed as soon as everything written has left. */
  #isDoomed = false
  /** What was read of a socket that had ended before it came here. */
  #past: Buffer | undefined = undefined
  #linger: NodeJS.Timeout | undefined = undefined
  #error: Error | undefined = undefined

  constructor(socket: Socket) {
    this.socket = socket
    this.#handle = streamHandleOf(socket)
    readInto(socket, shared, (length, buf) => {
      if (this.#isPaused) {
        // Node may read once more after a pause; that waits in the socket, behind what waits there already.
        socket.push(Buffer.from(buf.subarray(0, length)))
        return false
      }
      // A turn may read a thousand connections, and each that answers holds a chunk until it is flushed: before there are
      // more than the pool keeps, what was written leaves. Here, because nobody is in the middle of writing.
      if (dirty.length >= KEPT_SMALL) flushAll()
      activity.reads++
      this.readBytes += length
      this.handler.onBytes(buf, 0, length)
      return true
    })
    // What was read before and put back, or read while paused, comes this way.
    socket.on('data', (data: Buffer) => {
      this.readBytes += data.length
      this.handler.onBytes(data, 0, data.length)
    })
    socket.on('end', () => this.handler.onEnd())
    socket.on('drain', () => this.#onDrain())
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('close', () => this.#onClose())
    this.#past = takeEndedBytes(socket)
    if (this.#past !== undefined) process.nextTick(() => this.#replayPast())
    if (socket.closed) process.nextTick(() => this.#onClose())
    // Whoever looked at the first bytes left the socket paused.
    socket.resume()
  }

  get pendingBytes(): number {
    return this.at + this.#unsentBytes + this.socket.writableLength
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  ensure(bytes: number): void {
    if (this.buf.length - this.at >= bytes) return
    if (this.at > 0) this.#writeOut()
    if (this.buf !== EMPTY) this.#release()
    // A second chunk in one turn: this is bulk.
    this.buf = takeChunk(this.#isBulk ? Math.max(bytes, LARGE_CHUNK_BYTES) : bytes)
    this.#isBulk = true
  }

  flushSoon(): void {
    if (this.#isDirty) return
    this.#isDirty = true
    if (dirty.length === 0) setImmediate(flushAll)
    dirty.push(this)
  }

  flush(): void {
    this.#isDirty = false
    this.#isBulk = false
    if (this.at > 0) this.#writeOut()
    else if (this.buf !== EMPTY) this.#release()
    this.#shutWhenSent()
  }

  boundUnsent(bytes: number): void {
    this.#highWaterBytes = bytes
    boundUnsent(this.socket, bytes)
  }

  pause(): void {
    this.#isPaused = true
    this.socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (this.#past !== undefined) process.nextTick(() => this.#replayPast())
    this.socket.resume()
  }

  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#isEnding = true
    this.flushSoon()
  }

  close(): void {
    this.end()
    if (this.#isClosed || this.#linger !== undefined) return
    new Lingering(this)
    this.#lingerOn()
  }

  destroy(): void {
    if (this.#isClosed) return
    if (this.at > 0) this.#writeOut()
    this.#isEnding = true
    // What was written before goes out first: a GOAWAY or an error response must still arrive.
    if (this.#inFlight !== undefined) this.#isDoomed = true
    else if (this.socket.writableLength === 0) this.socket.destroy()
    else this.socket.destroySoon()
    this.#isShut = true
    if (!this.socket.destroyed) this.#lingerOn()
  }

  cut(): void {
    this.socket.destroy()
  }

  #onClose(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stopLinger()
    this.#release()
    this.#dropWaiting()
    this.handler.onClose(this.#error)
  }

  #replayPast(): void {
    const past = this.#past
    if (past === undefined || this.#isPaused || this.#isClosed) return
    this.#past = undefined
    this.readBytes += past.length
    this.handler.onBytes(past, 0, past.length)
    this.handler.onEnd()
  }

  /** A peer that neither takes the last bytes nor closes its half must not keep the socket: it is cut after a while. */
  #lingerOn(): void {
    if (this.#isClosed || this.#linger !== undefined) return
    let left = this.pendingBytes
    let stalled = 0
    this.#linger = setInterval(() => {
      const now = this.pendingBytes
      if (now > 0 && (now < left || ++stalled < MAX_STALLED_LINGERS)) left = now
      else this.socket.destroy()
    }, LINGER_MS)
    this.#linger.unref()
  }

  #writeOut(): void {
    const chunk = this.buf
    const length = this.at
    this.buf = EMPTY
    this.at = 0
    if (this.#isShut || this.#isClosed || this.socket.destroyed) return releaseChunk(chunk)
    this.writtenBytes += length
    if (this.#handle === undefined) {
      // The socket keeps the chunk for as long as it likes, so it does not come back to the pool.
      if (!this.socket.write(chunk.subarray(0, length))) this.isWritable = false
      return
    }
    if (this.#inFlight === undefined) return this.#send(this.#handle, chunk, length)
    this.#waiting ??= []
    this.#waiting.push({ chunk, length })
    this.#count(length)
  }

  /** Gives `chunk[0, length)` to the kernel; what that does not take at once is in flight. */
  #send(handle: StreamHandle, chunk: Buffer, length: number): void {
    const request = handle.writeBuffer(null, new Uint8Array(chunk.buffer, chunk.byteOffset, length))
    if (typeof request === 'number') {
      releaseChunk(chunk)
      if (request !== 0) this.#fail(writeError(request))
      return
    }
    const error = lastWriteError()
    if (error !== 0) return this.#fail(writeError(error, request))
    this.#inFlight = chunk
    this.#count(length)
    request.buffer = chunk
    request.oncomplete = (status) => this.#onSent(status, length, request)
    const status = request.writeStatus
    if (status === null) return
    request.writeStatus = null
    this.#onSent(status, length, request)
  }

  #onSent(status: number, length: number, request: WriteRequest): void {
    releaseChunk(this.#inFlight!)
    this.#inFlight = undefined
    if (this.#isClosed || this.socket.destroyed) return
    if (status < 0) return this.#fail(writeError(status, request))
    this.#unsentBytes -= length
    while (this.#inFlight === undefined && this.#waiting !== undefined && this.#waiting.length > 0) {
      const next = this.#waiting.shift()!
      this.#unsentBytes -= next.length
      this.#send(this.#handle!, next.chunk, next.length)
    }
    if (this.#inFlight !== undefined || this.socket.destroyed) return
    if (!this.isWritable) this.#onDrain()
    if (this.#isDoomed) this.socket.destroySoon()
    // What was written since then leaves first, at the end of this turn.
    else if (this.at === 0) this.#shutWhenSent()
  }

  #count(length: number): void {
    this.#unsentBytes += length
    if (this.#unsentBytes >= this.#highWaterBytes) this.isWritable = false
  }

  #onDrain(): void {
    this.isWritable = true
    this.handler.onDrain()
  }

  #shutWhenSent(): void {
    if (!this.#isEnding || this.#isShut || this.#inFlight !== undefined) return
    this.#isShut = true
    if (!this.#isClosed) this.socket.end()
  }

  #fail(error: Error): void {
    this.#dropWaiting()
    this.socket.destroy(error)
  }

  #dropWaiting(): void {
    for (const { chunk } of this.#waiting ?? []) releaseChunk(chunk)
    this.#waiting = undefined
    this.#unsentBytes = 0
  }

  #release(): void {
    releaseChunk(this.buf)
    this.buf = EMPTY
    this.at = 0
  }

  #stopLinger(): void {
    clearInterval(this.#linger)
    this.#linger = undefined
  }
}
