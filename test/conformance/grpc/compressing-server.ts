/**
 * The part of the interop test service that is about compression, frame by frame over `node:http2`: it looks at the flag of
 * every message it gets and sets that of every message it sends. (The servers of grpc-js and grpc-go do neither.)
 */
import type { ServerHttp2Stream } from 'node:http2'
import { gunzipSync, gzipSync } from 'node:zlib'
import * as grpc from '@grpc/grpc-js'
import { type App, startHttp2 } from '../../proxy/apps.ts'
import { type InputRequest, type OutputRequest, payload, type SimpleRequest, TestService } from './test-service.ts'

const PREFIX_BYTES = 5
const { OK, INVALID_ARGUMENT, UNIMPLEMENTED } = grpc.status

interface Message {
  readonly isCompressed: boolean
  readonly content: Buffer
}

export function startCompressingServer(): Promise<App> {
  return startHttp2((stream, headers) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      if (!stream.destroyed) answer(stream, String(headers[':path']), parseMessages(Buffer.concat(chunks)))
    })
  })
}

function answer(stream: ServerHttp2Stream, path: string, messages: readonly Message[]): void {
  stream.respond(
    { 'content-type': 'application/grpc', 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'identity,gzip' },
    { waitForTrailers: true },
  )
  let status: number = OK
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status) }))
  const { UnaryCall, StreamingInputCall, StreamingOutputCall } = TestService.service
  switch (path) {
    case UnaryCall!.path: {
      const request = UnaryCall!.requestDeserialize(messages[0]!.content) as SimpleRequest
      if (!isAsExpected(request, messages[0]!)) status = INVALID_ARGUMENT
      else {
        const response = UnaryCall!.responseSerialize({ payload: payload(request.responseSize ?? 0) })
        write(stream, response, request.responseCompressed?.value === true)
      }
      break
    }
    case StreamingInputCall!.path: {
      let aggregatedPayloadSize = 0
      for (const message of messages) {
        const request = StreamingInputCall!.requestDeserialize(message.content) as InputRequest
        if (!isAsExpected(request, message)) status = INVALID_ARGUMENT
        aggregatedPayloadSize += request.payload?.body.length ?? 0
      }
      if (status === OK) write(stream, StreamingInputCall!.responseSerialize({ aggregatedPayloadSize }), false)
      break
    }
    case StreamingOutputCall!.path: {
      const request = StreamingOutputCall!.requestDeserialize(messages[0]!.content) as OutputRequest
      for (const { size, compressed } of request.responseParameters ?? [])
        write(stream, StreamingOutputCall!.responseSerialize({ payload: payload(size) }), compressed?.value === true)
      break
    }
    default:
      status = UNIMPLEMENTED
  }
  stream.end()
}

function isAsExpected(request: SimpleRequest | InputRequest, message: Message): boolean {
  return request.expectCompressed === undefined || request.expectCompressed.value === message.isCompressed
}

function write(stream: ServerHttp2Stream, message: Buffer, isCompressed: boolean): void {
  const content = isCompressed ? gzipSync(message) : message
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix[0] = isCompressed ? 1 : 0
  prefix.writeUInt32BE(content.length, 1)
  stream.write(Buffer.concat([prefix, content]))
}

function parseMessages(bytes: Buffer): Message[] {
  const messages: Message[] = []
  for (let at = 0; at < bytes.length; ) {
    const isCompressed = bytes[at] === 1
    const end = at + PREFIX_BYTES + bytes.readUInt32BE(at + 1)
    const content = bytes.subarray(at + PREFIX_BYTES, end)
    messages.push({ isCompressed, content: isCompressed ? gunzipSync(content) : content })
    at = end
  }
  return messages
}
