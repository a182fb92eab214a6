/**
 * What one hostile connection can do, as a function over its socket, and how such functions send. An attack never ends by
 * itself: the proxy ends it, or the harness does after some seconds.
 */
import type { Socket } from 'node:net'

export type Origin = 'h2' | 'h1' | 'h2Bulk' | 'h1Bulk'
/** `client` dials the pod from the network, `application` out of the pod; `server` is the application the inbound proxy dials. */
export type Side = 'client' | 'application' | 'server'

export interface Attack {
  readonly name: string
  readonly side: Side
  /** The port of the pod that is dialled. A server is dialled with the protocol that its first letters say. */
  readonly port: Origin | 'inbound'
  readonly run: (socket: Socket) => void
}

/** As fast as the connection takes it, for ever. `next` gives some kilobytes at a time. */
export function flood(socket: Socket, next: (round: number) => Buffer | string): void {
  let round = 0
  // A turn of the event loop between writes: the end of the connection must be heard.
  const pump = (): void => {
    if (socket.destroyed || !socket.writable) return
    if (socket.write(next(round++))) setImmediate(pump)
    else socket.once('drain', () => setImmediate(pump))
  }
  pump()
}

/** One write per turn of the event loop, each a segment of its own. */
export function floodInPieces(socket: Socket, next: (round: number) => Buffer | string): void {
  let round = 0
  const step = (): void => {
    if (socket.destroyed || !socket.writable) return
    socket.write(next(round++))
    if (socket.writableLength > 65_536) socket.once('drain', step)
    else setImmediate(step)
  }
  step()
}

export function everyMs(socket: Socket, ms: number, next: () => Buffer | string): void {
  const timer = setInterval(() => socket.write(next()), ms)
  socket.on('close', () => clearInterval(timer))
}

/** Reads on and on, and drops it. */
export function reading(run: (socket: Socket) => void): (socket: Socket) => void {
  return (socket) => {
    socket.resume()
    run(socket)
  }
}
