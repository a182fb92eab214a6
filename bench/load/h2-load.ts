/**
 * HTTP/2 load, closed loop: C connections with S streams each; an answered stream starts the next one at once.
 */
import { connect } from 'node:net'
import { H2Endpoint } from './h2-endpoint.ts'
import type { Load, LoadOptions } from './load.ts'
import { http2Request } from './request.ts'

/** More streams than can be open at once; a power of two, to find a stream's start by the low bits of its id. */
const STARTS = 4_096

/** First byte of a header block that begins with the static table's `:status: 200`. */
const STATUS_200 = 0x88
/** A dynamic table size update (RFC 7541 §6.3) may stand before it. */
const isTableSizeUpdate = (byte: number): boolean => (byte & 0xe0) === 0x20

export const startH2Load: Load = (options, recorder) => {
  let n = 0
  const { host, port, connections, streams, bodyBytes } = options
  const request = http2Request({ authority: authorityOf(options), bodyBytes })
  const sockets = Array.from({ length: connections }, () => {
    const socket = connect({ host, port, noDelay: true })
    const startedAtMs = new Float64Array(STARTS)
    const receivedBytes = new Float64Array(STARTS)
    let nextStreamId = 1
    const slotOf = (streamId: number) => (streamId >>> 1) & (STARTS - 1)

    const start = (nowMs: number) => {
      const streamId = nextStreamId
      nextStreamId += 2
      startedAtMs[slotOf(streamId)] = nowMs
      receivedBytes[slotOf(streamId)] = 0
      const at = endpoint.sendHeaders(streamId, request.bytes, bodyBytes === 0)
      request.stamp(endpoint.output.buf, at, n++)
      if (bodyBytes > 0) endpoint.sendBody(streamId, bodyBytes)
    }
    const finish = (streamId: number) => {
      const nowMs = performance.now()
      recorder.success(nowMs - startedAtMs[slotOf(streamId)]!, bodyBytes + receivedBytes[slotOf(streamId)]!)
      start(nowMs)
    }
    const endpoint = new H2Endpoint(socket, 'client', {
      onHeaders(streamId, buf, from, _end, endStream) {
        const status = isTableSizeUpdate(buf[from]!) ? buf[from + 1]! : buf[from]!
        if (status !== STATUS_200)
          recorder.failure(`stream ${streamId}: first field is 0x${status.toString(16)}, not :status 200`)
        if (endStream) finish(streamId)
      },
      onData(streamId, bytes, endStream) {
        receivedBytes[slotOf(streamId)] = receivedBytes[slotOf(streamId)]! + bytes
        if (endStream) finish(streamId)
      },
      onReset(streamId, code) {
        recorder.failure(`stream ${streamId} was reset with code ${code}`)
        start(performance.now())
      },
    })
    let reason = 'the connection was closed'
    socket.on('connect', () => {
      for (let i = 0; i < streams; i++) start(performance.now())
      endpoint.output.flush()
    })
    socket.on('error', (error) => {
      reason = error.message
    })
    socket.on('close', () => recorder.failure(reason))
    return socket
  })
  return {
    stop() {
      for (const socket of sockets) socket.removeAllListeners('close').destroy()
    },
  }
}

export function authorityOf({ authority, host, port }: LoadOptions): string {
  return authority ?? `${host}:${port}`
}
