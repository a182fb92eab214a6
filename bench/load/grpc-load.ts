/**
 * gRPC load: on each stream `messages` of the same length go out, each after the answer to the one before; with one
 * message it is a unary call. What is counted are messages, both ways, so a stream of 100 is 200.
 */
import { Dialer } from './dial.ts'
import { H2Endpoint } from './h2-endpoint.ts'
import { problemOfHead, slotOf } from './h2-load.ts'
import { authorityOf, type Load, type Slot } from './load.ts'
import { grpcMessage, http2Request } from './request.ts'

const STARTS = 4_096

export const startGrpcLoad: Load = (options, recorder, pacing) => {
  let n = 0
  const { connections, streams, bodyBytes, messages, endsStreams } = options
  const dialer = new Dialer(options)
  const request = http2Request({ kind: 'grpc', authority: authorityOf(options), bodyBytes })
  const message = grpcMessage(bodyBytes)
  const running = dialer.openEach(connections, () => {
    const startedAtMs = new Float64Array(STARTS)
    const receivedBytes = new Uint32Array(STARTS)
    const sentMessages = new Uint32Array(STARTS)
    let nextStreamId = 1
    const socket = dialer.dial(() => {
      for (let i = 0; i < streams; i++) pacing.onFree(slot, performance.now())
      endpoint.output.flush()
    })

    const send = (streamId: number) => {
      const sent = ++sentMessages[slotOf(streamId)]!
      endpoint.sendPiece(streamId, message, endsStreams && sent === messages)
    }
    const slot: Slot = {
      start(atMs) {
        const streamId = nextStreamId
        nextStreamId += 2
        startedAtMs[slotOf(streamId)] = atMs
        receivedBytes[slotOf(streamId)] = 0
        sentMessages[slotOf(streamId)] = 0
        const at = endpoint.sendHeaders(streamId, request.bytes, false)
        request.stamp(endpoint.output.buf, at, n++)
        send(streamId)
      },
    }
    const onMessage = (streamId: number) => {
      const nowMs = performance.now()
      const index = slotOf(streamId)
      // One that went out and one that came back.
      recorder.success(startedAtMs[index]!, nowMs, message.length)
      recorder.success(startedAtMs[index]!, nowMs, message.length)
      if (sentMessages[index]! < messages) {
        startedAtMs[index] = nowMs
        send(streamId)
      } else if (!endsStreams) pacing.onFree(slot, nowMs)
    }
    const endpoint = new H2Endpoint(socket, 'client', {
      onHeaders(streamId, buf, from, _end, endStream) {
        if (!endStream) {
          const problem = problemOfHead(streamId, buf, from)
          if (problem !== undefined) recorder.failure(problem)
          return
        }
        // Trailers end a call; a head that ends it at once is a refusal.
        if (receivedBytes[slotOf(streamId)] !== messages * message.length)
          recorder.failure(`stream ${streamId} ended after ${receivedBytes[slotOf(streamId)]} bytes of messages`)
        pacing.onFree(slot, performance.now())
      },
      onData(streamId, bytes, endStream) {
        if (endStream) recorder.failure(`stream ${streamId} ended without trailers`)
        const index = slotOf(streamId)
        const before = Math.floor(receivedBytes[index]! / message.length)
        receivedBytes[index]! += bytes
        if (Math.floor(receivedBytes[index]! / message.length) > before) onMessage(streamId)
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
