/** The interop test service by `@grpc/grpc-js`. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as grpc from '@grpc/grpc-js'
import type { App } from '../../proxy/apps.ts'
import {
  ECHO_INITIAL,
  ECHO_TRAILING,
  type InputRequest,
  type InputResponse,
  type OutputRequest,
  type OutputResponse,
  payload,
  type SimpleRequest,
  type SimpleResponse,
  TestService,
} from './test-service.ts'

export async function startJsServer(): Promise<App> {
  const server = new grpc.Server()
  server.addService(TestService.service, {
    EmptyCall: (_call: unknown, callback: grpc.sendUnaryData<object>) => callback(null, {}),
    UnaryCall: unaryCall,
    CacheableUnaryCall: unaryCall,
    StreamingOutputCall: streamingOutputCall,
    StreamingInputCall: streamingInputCall,
    FullDuplexCall: fullDuplexCall,
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  return { port, close: () => server.forceShutdown() }
}

/** Sends the initial metadata back at once; returns the trailers, which echo the binary one. */
function echoMetadata(call: grpc.ServerUnaryCall<unknown, unknown> | Duplex): grpc.Metadata {
  const [initial] = call.metadata.get(ECHO_INITIAL)
  if (initial !== undefined) {
    const metadata = new grpc.Metadata()
    metadata.set(ECHO_INITIAL, initial)
    call.sendMetadata(metadata)
  }
  const trailers = new grpc.Metadata()
  const [trailing] = call.metadata.get(ECHO_TRAILING)
  if (trailing !== undefined) trailers.set(ECHO_TRAILING, trailing)
  return trailers
}

function unaryCall(
  call: grpc.ServerUnaryCall<SimpleRequest, SimpleResponse>,
  callback: grpc.sendUnaryData<SimpleResponse>,
): void {
  const trailers = echoMetadata(call)
  const { responseStatus, responseSize, fillServerId } = call.request
  if (responseStatus !== undefined && responseStatus.code !== 0)
    return callback({ code: responseStatus.code, details: responseStatus.message, metadata: trailers })
  const serverId = fillServerId === true ? { serverId: 'grpc-js' } : {}
  callback(null, { payload: payload(responseSize ?? 0), ...serverId }, trailers)
}

type Duplex = grpc.ServerDuplexStream<OutputRequest, OutputResponse>

async function sendAll(
  call: Pick<Duplex, 'write' | 'cancelled'>,
  { responseParameters }: OutputRequest,
): Promise<void> {
  for (const { size, intervalUs } of responseParameters ?? []) {
    if (intervalUs !== undefined && intervalUs > 0) await sleep(intervalUs / 1_000, undefined, { ref: false })
    if (call.cancelled) return
    call.write({ payload: payload(size) })
  }
}

async function streamingOutputCall(call: grpc.ServerWritableStream<OutputRequest, OutputResponse>): Promise<void> {
  await sendAll(call, call.request)
  call.end()
}

function streamingInputCall(
  call: grpc.ServerReadableStream<InputRequest, InputResponse>,
  callback: grpc.sendUnaryData<InputResponse>,
): void {
  let aggregatedPayloadSize = 0
  call.on('data', (request: InputRequest) => {
    aggregatedPayloadSize += request.payload?.body.length ?? 0
  })
  call.on('end', () => callback(null, { aggregatedPayloadSize }))
}

function fullDuplexCall(call: Duplex): void {
  const trailers = echoMetadata(call)
  // Answers leave in the order of their requests, also where one of them takes time.
  let answered = Promise.resolve()
  let hasFailed = false
  call.on('data', (request: OutputRequest) => {
    const status = request.responseStatus
    if (status === undefined || status.code === 0) answered = answered.then(() => sendAll(call, request))
    else {
      hasFailed = true
      call.emit('error', { code: status.code, details: status.message, metadata: trailers })
    }
  })
  call.on('end', () => answered.then(() => (hasFailed ? undefined : call.end(trailers))))
}
