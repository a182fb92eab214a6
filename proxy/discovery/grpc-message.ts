/** gRPC's framing of messages inside DATA frames: one flag byte, four bytes of length, the message (gRPC over HTTP/2). */
import { u32 } from '../wire/bytes.ts'
import { GrpcError, GrpcStatus } from './grpc-status.ts'

export const PREFIX_BYTES = 5
/** The default limit of gRPC libraries; a longer message ends its call before a byte of it is kept. */
export const MAX_MESSAGE_BYTES = 4 * 1_048_576
/** Memory is taken as a message arrives, not because its prefix says that it will. */
const FIRST_BYTES = 16_384

/** A message with its prefix, uncompressed. */
export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, PREFIX_BYTES)
  return framed
}

/** Puts messages together again that come in any number of DATA frames. */
export class MessageReader {
  readonly #maxBytes: number
  readonly #prefix = new Uint8Array(PREFIX_BYTES)
  #prefixBytes = 0
  #message = EMPTY
  #lengthBytes = 0
  #receivedBytes = 0

  constructor(maxBytes = MAX_MESSAGE_BYTES) {
    this.#maxBytes = maxBytes
  }

  /** Whether the content may end here. */
  get isBetweenMessages(): boolean {
    return this.#prefixBytes === 0
  }

  /**
   * Takes `buf[start, end)` and hands on every message that is complete now; each has its own memory.
   *
   * @throws GrpcError when a message is compressed or longer than the bound
   */
  push(buf: Uint8Array, start: number, end: number, onMessage: (message: Uint8Array) => void): void {
    let at = start
    while (at < end || this.#isComplete) {
      if (this.#prefixBytes < PREFIX_BYTES) {
        this.#prefix[this.#prefixBytes++] = buf[at++]!
        if (this.#prefixBytes === PREFIX_BYTES) this.#begin()
        continue
      }
      const take = Math.min(end - at, this.#lengthBytes - this.#receivedBytes)
      this.#reserve(take)
      this.#message.set(buf.subarray(at, at + take), this.#receivedBytes)
      this.#receivedBytes += take
      at += take
      if (this.#isComplete) onMessage(this.#finish())
    }
  }

  get #isComplete(): boolean {
    return this.#prefixBytes === PREFIX_BYTES && this.#receivedBytes === this.#lengthBytes
  }

  #begin(): void {
    if (this.#prefix[0] !== 0)
      throw new GrpcError(GrpcStatus.internal, 'the server sent a compressed message; no compression was offered')
    this.#lengthBytes = u32(this.#prefix, 1)
    if (this.#lengthBytes > this.#maxBytes)
      throw new GrpcError(
        GrpcStatus.resourceExhausted,
        `the server sent a message of ${this.#lengthBytes} bytes; the limit is ${this.#maxBytes}`,
      )
    this.#message = new Uint8Array(Math.min(this.#lengthBytes, FIRST_BYTES))
  }

  #reserve(bytes: number): void {
    const needed = this.#receivedBytes + bytes
    if (needed <= this.#message.length) return
    const grown = new Uint8Array(Math.min(this.#lengthBytes, Math.max(needed, this.#message.length * 2)))
    grown.set(this.#message.subarray(0, this.#receivedBytes))
    this.#message = grown
  }

  #finish(): Uint8Array {
    const message = this.#message
    this.#message = EMPTY
    this.#prefixBytes = 0
    this.#lengthBytes = 0
    this.#receivedBytes = 0
    return message
  }
}

const EMPTY = new Uint8Array(0)
