/**
 * A `Transport` over a Node socket (TCP or TLS).
 *
 * Writes of one turn of the event loop are gathered in one buffer and leave in one `write`; the buffers come from a pool
 * shared by all connections, so a connection that writes nothing owns none.
 */
import type { Socket } from 'node:net'
import type { ByteCounters, Transport, TransportHandler } from '../http/transport.ts'

const CHUNK_BYTES = 65_536
/** Chunks kept for reuse; more are left to the garbage collector. */
const MAX_POOLED_CHUNKS = 32
/** After our FIN the peer has this long to send its own. */
const LINGER_MS = 5_000
const EMPTY = Buffer.alloc(0)

const pool: Buffer[] = []
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
  readonly #inFlight: Buffer[] = []
  readonly #onWritten: () => void
  #isDirty = false
  #isEnding = false
  #isClosed = false
  #hasEnded = false
  #linger: NodeJS.Timeout | undefined = undefined
  #error: Error | undefined = undefined

  constructor(socket: Socket) {
    this.socket = socket
    this.#onWritten = () => {
      const chunk = this.#inFlight.shift()
      if (chunk !== undefined && chunk.length === CHUNK_BYTES && pool.length < MAX_POOLED_CHUNKS) pool.push(chunk)
    }
    socket.on('data', (data: Buffer) => {
      this.readBytes += data.length
      this.handler.onBytes(data, 0, data.length)
    })
    socket.on('end', () => {
      this.#hasEnded = true
      this.handler.onEnd()
    })
    socket.on('drain', () => {
      this.isWritable = true
      this.handler.onDrain()
    })
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('close', () => {
      this.#isClosed = true
      this.#stopLinger()
      this.#release()
      this.handler.onClose(this.#error)
    })
    // Whoever looked at the first bytes left the socket paused.
    socket.resume()
  }

  get pendingBytes(): number {
    return this.at + this.socket.writableLength
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  ensure(bytes: number): void {
    if (this.buf.length - this.at >= bytes) return
    if (this.at > 0) this.#writeOut()
    this.buf =
      bytes <= CHUNK_BYTES ? (pool.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)) : Buffer.allocUnsafeSlow(bytes)
    this.at = 0
  }

  flushSoon(): void {
    if (this.#isDirty) return
    this.#isDirty = true
    if (dirty.length === 0) setImmediate(flushAll)
    dirty.push(this)
  }

  flush(): void {
    this.#isDirty = false
    if (this.at > 0) this.#writeOut()
    else if (this.buf !== EMPTY) this.#release()
    if (this.#isEnding && !this.#isClosed) this.socket.end()
  }

  writeOwned(buf: Buffer): void {
    if (this.at > 0) this.#writeOut()
    if (this.#isClosed || this.#isEnding) return
    this.writtenBytes += buf.length
    if (!this.socket.write(buf)) this.isWritable = false
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#isEnding = true
    this.flushSoon()
  }

  close(): void {
    this.end()
    if (this.#hasEnded || this.#isClosed || this.#linger !== undefined) return
    // A peer that never closes its half must not keep the socket: it is cut after a moment.
    this.#linger = setTimeout(() => this.socket.destroy(), LINGER_MS)
    this.#linger.unref()
  }

  destroy(): void {
    if (this.#isClosed) return
    if (this.at > 0) this.#writeOut()
    // What was written before goes out first: a GOAWAY or an error response must still arrive.
    if (this.socket.writableLength === 0) this.socket.destroy()
    else this.socket.destroySoon()
  }

  #writeOut(): void {
    const chunk = this.buf
    const length = this.at
    this.buf = EMPTY
    this.at = 0
    if (this.#isClosed || this.socket.destroyed) return
    this.writtenBytes += length
    this.#inFlight.push(chunk)
    if (!this.socket.write(chunk.subarray(0, length), this.#onWritten)) this.isWritable = false
  }

  #release(): void {
    if (this.buf.length === CHUNK_BYTES && pool.length < MAX_POOLED_CHUNKS) pool.push(this.buf)
    this.buf = EMPTY
    this.at = 0
  }

  #stopLinger(): void {
    clearTimeout(this.#linger)
    this.#linger = undefined
  }
}
