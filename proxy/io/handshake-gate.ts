/**
 * Lets a bounded number of TLS handshakes run at once: each holds some 50 KB and a millisecond of CPU, and a client that
 * begins one and says no more would hold them for as long as the handshake may take.
 *
 * While all places are taken new clients wait as bare sockets, and a handshake that has a place for longer than an honest
 * one needs gives it up: so half-open handshakes cannot lock others out, and a rush of honest clients passes in turn.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { MeshTlsClient, MeshTlsServer } from './tls.ts'

export const HANDSHAKE_BOUNDS = {
  /** Handshakes at once; more wait. */
  maxRunning: 256,
  /** While others wait a handshake has this long; then it is cut. */
  crowdedMs: 1_000,
  /** Clients that wait; more are closed. */
  maxWaiting: 2_048,
  /** Who has waited so long is closed: nobody waits for an answer any more. */
  maxWaitMs: 10_000,
} as const

export type HandshakeBounds = { readonly [Name in keyof typeof HANDSHAKE_BOUNDS]: number }

/** There is no place for one more client. */
export class HandshakeLimit extends Error {
  override name = 'HandshakeLimit'
}

interface Waiter {
  readonly sinceMs: number
  readonly start: () => void
  readonly refuse: (error: HandshakeLimit) => void
}

/** The part of a socket that matters here. */
export interface Closable {
  destroy(): void
}

export class HandshakeGate {
  readonly #nowMs: () => number
  readonly #bounds: HandshakeBounds
  /** When each handshake began, oldest first. */
  readonly #running = new Map<Closable, number>()
  #waiting: Waiter[] = []

  constructor(nowMs: () => number, bounds: HandshakeBounds = HANDSHAKE_BOUNDS) {
    this.#nowMs = nowMs
    this.#bounds = bounds
  }

  get runningCount(): number {
    return this.#running.size
  }

  /** Calls `start` now or later, or `refuse`. After `start` the caller says `leave`, exactly once. */
  enter(socket: Closable, start: () => void, refuse: (error: HandshakeLimit) => void): void {
    const { maxRunning, maxWaiting } = this.#bounds
    if (this.#running.size < maxRunning && this.#waiting.length === 0) return this.#start(socket, start)
    if (this.#waiting.length >= maxWaiting) {
      return refuse(
        new HandshakeLimit(`${maxRunning} TLS handshakes are under way and ${maxWaiting} clients wait already`),
      )
    }
    this.#waiting.push({ sinceMs: this.#nowMs(), start: () => this.#start(socket, start), refuse })
    this.#makeRoom()
  }

  leave(socket: Closable): void {
    this.#running.delete(socket)
    this.#next()
  }

  /** Every second or so: nobody keeps a place, or waits, for too long. */
  tick(): void {
    const oldestMs = this.#nowMs() - this.#bounds.maxWaitMs
    const late = this.#waiting.filter(({ sinceMs }) => sinceMs <= oldestMs)
    if (late.length > 0) this.#waiting = this.#waiting.filter(({ sinceMs }) => sinceMs > oldestMs)
    for (const { refuse } of late)
      refuse(new HandshakeLimit(`its TLS handshake did not begin within ${this.#bounds.maxWaitMs} ms`))
    this.#makeRoom()
    this.#next()
  }

  /** Cuts as many of the handshakes that take too long as there are clients that wait. */
  #makeRoom(): void {
    const oldestMs = this.#nowMs() - this.#bounds.crowdedMs
    let wanted = this.#waiting.length
    for (const [socket, startedAtMs] of [...this.#running]) {
      if (startedAtMs > oldestMs || wanted-- <= 0) return
      socket.destroy()
    }
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#running.size < this.#bounds.maxRunning) this.#waiting.shift()!.start()
  }

  #start(socket: Closable, start: () => void): void {
    this.#running.set(socket, this.#nowMs())
    start()
  }
}

/** What listeners need of a `MeshTlsServer`. */
export type TlsAcceptor = Pick<MeshTlsServer, 'accept'>

/** A `MeshTlsServer` behind a gate. */
export class GatedTlsServer implements TlsAcceptor {
  readonly #tls: MeshTlsServer
  readonly #gate: HandshakeGate

  constructor(tls: MeshTlsServer, gate: HandshakeGate) {
    this.#tls = tls
    this.#gate = gate
  }

  accept(
    socket: Socket,
    firstBytes: Buffer | undefined,
    onSecure: (socket: TLSSocket, client: MeshTlsClient) => void,
    onFailed: (error: Error) => void,
  ): void {
    socket.pause()
    const start = (): void =>
      this.#tls.accept(
        socket,
        firstBytes,
        (tlsSocket, client) => {
          this.#gate.leave(socket)
          onSecure(tlsSocket, client)
        },
        (error) => {
          this.#gate.leave(socket)
          onFailed(error)
        },
      )
    this.#gate.enter(socket, start, (error) => {
      socket.destroy()
      onFailed(error)
    })
  }
}
