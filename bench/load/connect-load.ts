/**
 * Connections as the load: each one is opened, sends a few bytes, gets them back and is closed by the client; C at a
 * time. With mesh TLS a request of this load is a handshake and what little goes with it.
 */
import type { Socket } from 'node:net'
import { Dialer } from './dial.ts'
import type { Load, Slot } from './load.ts'

/** Nothing that a proxy could take for the beginning of a request. */
const PIECE = Buffer.alloc(64)

export const startConnectLoad: Load = (options, recorder, pacing) => {
  const dialer = new Dialer(options)
  const sockets = new Set<Socket>()
  let isStopped = false

  const slot: Slot = {
    start(startedAtMs) {
      let received = 0
      let isAnswered = false
      let reason = 'the connection was closed before the answer'
      const socket = dialer.dial(() => socket.write(PIECE))
      sockets.add(socket)
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received < PIECE.length) return
        isAnswered = true
        recorder.success(startedAtMs, performance.now(), 2 * PIECE.length)
        socket.end()
      })
      socket.on('error', (error) => {
        reason = error.message
      })
      socket.on('close', () => {
        sockets.delete(socket)
        if (isStopped) return
        if (!isAnswered) recorder.failure(reason)
        pacing.onFree(slot, performance.now())
      })
    },
  }
  for (let i = 0; i < options.connections; i++) pacing.onFree(slot, performance.now())
  return {
    flush() {},
    stop() {
      isStopped = true
      for (const socket of sockets) socket.destroy()
    },
    tls: () => ({ handshakes: dialer.handshakes, resumed: dialer.resumed }),
  }
}
