/** HTTP/1.1 load: C kept-alive connections, one request at a time on each. */
import { Dialer } from './dial.ts'
import { authorityOf, type Load, type Slot } from './load.ts'
import { http1Request } from './request.ts'

const HEAD_END = Buffer.from('\r\n\r\n')
const CHUNK_BYTES = 65_536
const ZEROS = Buffer.alloc(CHUNK_BYTES)

export const startH1Load: Load = (options, recorder, pacing) => {
  let n = 0
  const { connections, bodyBytes } = options
  const dialer = new Dialer(options)
  const request = http1Request({ kind: 'web', authority: authorityOf(options), bodyBytes })
  // A body that is small leaves with its head, as it does from a client that gathers its writes.
  const isSmall = bodyBytes <= CHUNK_BYTES
  const template = isSmall ? Buffer.concat([request.bytes, ZEROS.subarray(0, bodyBytes)]) : request.bytes
  const sockets = dialer.openEach(connections, () => {
    const socket = dialer.dial(() => pacing.onFree(slot, performance.now()))
    let startedAtMs = 0
    let head: Buffer = Buffer.alloc(0)
    /** Content still to come; below zero while the head is awaited. */
    let contentLeft = -1
    let contentLength = 0
    let bodyLeft = 0

    const sendBody = () => {
      while (bodyLeft > 0) {
        const bytes = Math.min(bodyLeft, CHUNK_BYTES)
        bodyLeft -= bytes
        if (!socket.write(ZEROS.subarray(0, bytes))) return
      }
    }
    const slot: Slot = {
      start(atMs) {
        startedAtMs = atMs
        contentLeft = -1
        const bytes = Buffer.from(template)
        request.stamp(bytes, 0, n++)
        socket.write(bytes)
        bodyLeft = isSmall ? 0 : bodyBytes
        sendBody()
      },
    }
    const finishWhenComplete = () => {
      if (contentLeft > 0) return
      if (contentLeft < 0) return void socket.destroy(new Error('more content than the content-length said'))
      const nowMs = performance.now()
      recorder.success(startedAtMs, nowMs, bodyBytes + contentLength)
      pacing.onFree(slot, nowMs)
    }

    socket.on('drain', sendBody)
    socket.on('data', (chunk: Buffer) => {
      if (contentLeft >= 0) {
        contentLeft -= chunk.length
        return finishWhenComplete()
      }
      const buf = head.length === 0 ? chunk : Buffer.concat([head, chunk])
      const end = buf.indexOf(HEAD_END)
      if (end === -1) {
        head = buf
        return
      }
      head = Buffer.alloc(0)
      const text = buf.toString('latin1', 0, end)
      if (!text.startsWith('HTTP/1.1 200')) recorder.failure(`answered "${text.slice(0, 60).replaceAll(/\s+/g, ' ')}"`)
      contentLength = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? Number.NaN)
      if (Number.isNaN(contentLength)) return void socket.destroy(new Error('the answer has no content-length'))
      contentLeft = contentLength - (buf.length - end - HEAD_END.length)
      finishWhenComplete()
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
