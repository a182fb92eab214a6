/**
 * Looks at the first bytes of a connection without taking them: as many reads as the decision needs, bounded in bytes and
 * time. What was read is put back in front, so whoever takes the socket next sees every byte.
 */
import type { Socket } from 'node:net'

/** More than any decision needs: a ClientHello (bounded itself) or a request line. */
const MAX_SNIFFED_BYTES = 65_536
/** Reads they may come in: each is a system call, and looks at all bytes again. */
export const MAX_SNIFFED_READS = 128

/**
 * A socket that ended while it was looked at takes no bytes back: they wait here for whoever takes the socket next. Weak,
 * for nobody has to.
 */
const endedBytes = new WeakMap<Socket, Buffer>()

/** The bytes of a socket that has ended already: to be heard before its end. */
export function takeEndedBytes(socket: Socket): Buffer | undefined {
  const bytes = endedBytes.get(socket)
  endedBytes.delete(socket)
  return bytes
}

/** `undefined` asks for more bytes. */
export type Decide<T> = (buf: Buffer) => T | undefined

export interface Sniffed<T> {
  /** `ended`: the peer closed before a decision; `timeout`: it stayed silent, or what it sent decided nothing. */
  readonly outcome:
    | { readonly kind: 'decided'; readonly value: T }
    | { readonly kind: 'timeout' }
    | { readonly kind: 'ended' }
  /** What was read; it was put back. */
  readonly bytes: number
}

/** A look that is under way. */
export interface Sniffing {
  /** Decided, ended, timed out or stopped. */
  readonly isOver: boolean
  /** What the peer has sent, as far as Node has read it. */
  readonly bytes: number
  /** Ends it without `onDone`; the socket is left as `onDone` would find it. */
  stop(): void
}

/**
 * Calls `onDone` once; the socket is paused then and owns its bytes again. On `ended` with no byte read there is nothing
 * left to serve.
 */
export function sniff<T>(
  socket: Socket,
  timeoutMs: number,
  decide: Decide<T>,
  onDone: (sniffed: Sniffed<T>) => void,
): Sniffing {
  const ended = endedBytes.get(socket)
  if (ended !== undefined) {
    const value = decide(ended)
    onDone({ outcome: value === undefined ? { kind: 'ended' } : { kind: 'decided', value }, bytes: ended.length })
    return { isOver: true, bytes: ended.length, stop() {} }
  }
  let seen: Buffer | undefined
  let reads = 0
  let isOver = false
  const timer = setTimeout(() => finish({ kind: 'timeout' }), timeoutMs)
  const onData = (data: Buffer): void => {
    seen = seen === undefined ? data : Buffer.concat([seen, data])
    const value = decide(seen)
    if (value !== undefined) finish({ kind: 'decided', value })
    else if (seen.length >= MAX_SNIFFED_BYTES || ++reads >= MAX_SNIFFED_READS) finish({ kind: 'timeout' })
  }
  const onEnd = (): void => finish({ kind: 'ended' })
  const onError = (): void => finish({ kind: 'ended' })
  const release = (): void => {
    isOver = true
    clearTimeout(timer)
    socket.off('data', onData)
    socket.off('end', onEnd)
    socket.off('close', onEnd)
    socket.pause()
    if (seen !== undefined) {
      if (socket.readableEnded || socket.destroyed) endedBytes.set(socket, seen)
      else socket.unshift(seen)
    }
  }
  const finish = (outcome: Sniffed<T>['outcome']): void => {
    release()
    onDone({ outcome, bytes: seen?.length ?? 0 })
    socket.off('error', onError)
  }
  socket.on('data', onData)
  socket.on('end', onEnd)
  socket.on('close', onEnd)
  socket.on('error', onError)
  socket.resume()
  return {
    get isOver() {
      return isOver
    },
    get bytes() {
      return isOver ? (seen?.length ?? 0) : (seen?.length ?? 0) + socket.readableLength
    },
    stop() {
      if (isOver) return
      release()
      socket.off('error', onError)
    },
  }
}
