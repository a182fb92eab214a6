/**
 * Plain TCP load: on each connection `bodyBytes` go out, as many come back, and again. The origin answers when it has
 * all of them, so both directions carry the same amount.
 */
import { Dialer } from './dial.ts'
import type { Load, Slot } from './load.ts'

const CHUNK_BYTES = 65_536
const ZEROS = Buffer.alloc(CHUNK_BYTES)

export const startTcpLoad: Load = (options, recorder, pacing) => {
  const { connections, bodyBytes } = options
  const dialer = new Dialer(options)
  const sockets = dialer.openEach(connections, () => {
    const socket = dialer.dial(() => pacing.onFree(slot, performance.now()))
    let startedAtMs = 0
    let toSend = 0
    let toReceive = 0
    const send = () => {
      while (toSend > 0) {
        const bytes = Math.min(toSend, CHUNK_BYTES)
        toSend -= bytes
        if (!socket.write(ZEROS.subarray(0, bytes))) return
      }
    }
    const slot: Slot = {
      start(atMs) {
        startedAtMs = atMs
        toSend = bodyBytes
        toReceive = bodyBytes
        send()
      },
    }
    socket.on('drain', send)
    socket.on('data', (chunk: Buffer) => {
      toReceive -= chunk.length
      if (toReceive > 0) return
      if (toReceive < 0) return void socket.destroy(new Error('more came back than was sent'))
      const nowMs = performance.now()
      recorder.success(startedAtMs, nowMs, 2 * bodyBytes)
      pacing.onFree(slot, nowMs)
    })
    let reason = 'the connection was closed'
    socket.on('error', (error) => {
      reason = error.message
    })
    socket.on('close', () => recorder.failure(reason))
    return socket
  })
  return {
    flush() {},
    stop() {
      for (const socket of sockets) socket.removeAllListeners('close').destroy()
    },
  }
}
