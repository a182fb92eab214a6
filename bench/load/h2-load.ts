/** HTTP/2 load: C connections with S streams at a time; every request is a head and perhaps content. */
import { Dialer } from './dial.ts'
import { H2Endpoint } from './h2-endpoint.ts'
import { authorityOf, type Load, type Slot } from './load.ts'
import { http2Request } from './request.ts'

/** More streams than can be open at once; a power of two, to find a stream's start by the low bits of its id. */
const STARTS = 4_096

/** First byte of a header block that begins with the static table's `:status: 200`. */
const STATUS_200 = 0x88
/** A dynamic table size update (RFC 7541 §6.3) may stand before it. */
const isTableSizeUpdate = (byte: number): boolean => (byte & 0xe0) === 0x20

export function slotOf(streamId: number): number {
  return (streamId >>> 1) & (STARTS - 1)
}

/** What is wrong with the head of an answer, or `undefined`. */
export function problemOfHead(streamId: number, buf: Buffer, from: number): string | undefined {
  const status = isTableSizeUpdate(buf[from]!) ? buf[from + 1]! : buf[from]!
  return status === STATUS_200
    ? undefined
    : `stream ${streamId}: first field is 0x${status.toString(16)}, not :status 200`
}

export const startH2Load: Load = (options, recorder, pacing) => {
  let n = 0
  const { connections, streams, bodyBytes } = options
  const dialer = new Dialer(options)
  const request = http2Request({ kind: 'web', authority: authorityOf(options), bodyBytes })
  const running = dialer.openEach(connections, () => {
    const startedAtMs = new Float64Array(STARTS)
    const receivedBytes = new Float64Array(STARTS)
    let nextStreamId = 1
    const socket = dialer.dial(() => {
      for (let i = 0; i < streams; i++) pacing.onFree(slot, performance.now())
      endpoint.output.flush()
    })

    const slot: Slot = {
      start(atMs) {
        const streamId = nextStreamId
        nextStreamId += 2
        startedAtMs[slotOf(streamId)] = atMs
        receivedBytes[slotOf(streamId)] = 0
        const at = endpoint.sendHeaders(streamId, request.bytes, bodyBytes === 0)
        request.stamp(endpoint.output.buf, at, n++)
        if (bodyBytes > 0) endpoint.sendBody(streamId, bodyBytes)
      },
    }
    const finish = (streamId: number) => {
      const nowMs = performance.now()
      recorder.success(startedAtMs[slotOf(streamId)]!, nowMs, bodyBytes + receivedBytes[slotOf(streamId)]!)
      pacing.onFree(slot, nowMs)
    }
    const endpoint = new H2Endpoint(socket, 'client', {
      onHeaders(streamId, buf, from, _end, endStream) {
        const problem = problemOfHead(streamId, buf, from)
        if (problem !== undefined) recorder.failure(problem)
        if (endStream) finish(streamId)
      },
      onData(streamId, bytes, endStream) {
        receivedBytes[slotOf(streamId)] = receivedBytes[slotOf(streamId)]! + bytes
        if (endStream) finish(streamId)
      },
      onReset(streamId, code) {
        recorder.failure(`stream ${streamId} was reset with code ${code}`)
        pacing.onFree(slot, performance.now())
      },
    })
    let reason = 'the connection was closed'
    socket.on('error', (error) => {
      reason = error.message
    })
    socket.on('close', () => recorder.failure(reason))
    return { socket, endpoint }
  })
  return {
    flush() {
      for (const { endpoint } of running) endpoint.output.flush()
    },
    stop() {
      for (const { socket } of running) socket.removeAllListeners('close').destroy()
    },
  }
}
