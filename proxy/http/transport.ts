/**
 * The byte pipe under a connection, as the engine needs it. `io/socket-transport.ts` is the real one; tests use memory.
 *
 * Encoders write straight into the transport's buffer (it is an `Output`) and call `flushSoon`; everything written in one
 * turn of the event loop leaves in one system call.
 */
import type { Output } from '../wire/output.ts'

export interface Transport extends Output {
  handler: TransportHandler
  /** False while the kernel takes no more; `onDrain` says when it does again. Writing stays possible, within reason. */
  readonly isWritable: boolean
  /** Bytes written but not yet taken by the kernel. */
  readonly pendingBytes: number
  /** Sends what was written at the end of this turn of the event loop. */
  flushSoon(): void
  /** From now on no more than `bytes` wait here, or in the kernel to be sent: a writer learns soon that nobody reads. */
  boundUnsent(bytes: number): void
  /** Stops and restarts reading. */
  pause(): void
  resume(): void
  /** Sends what was written, then a FIN; reading goes on for as long as the peer likes. */
  end(): void
  /** As `end`, but a peer that does not close its half within some seconds is cut. */
  close(): void
  /** Closes once what was written has left, or soon; `onClose` follows. */
  destroy(): void
  /** Closes at once: for a peer that takes nothing, whatever waits for it. */
  cut(): void
}

export interface TransportHandler {
  /** `buf[start, end)` is valid only during the call. */
  onBytes(buf: Buffer, start: number, end: number): void
  /** The peer sent its FIN. */
  onEnd(): void
  onDrain(): void
  /** Nothing follows. `error` is set when the connection broke. */
  onClose(error: Error | undefined): void
}

/** Counted per connection, read when somebody scrapes. */
export interface ByteCounters {
  readBytes: number
  writtenBytes: number
}
