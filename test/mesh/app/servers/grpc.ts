/** The echo service on grpc-js. */
import { hostname } from 'node:os'
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  status as Status,
} from '@grpc/grpc-js'
import { ECHO, type EchoRequest, type EchoResponse, TestPort } from '../grpc-echo.ts'
import { nextOfMood, nextStep } from './plan.ts'
import { slowOnes } from './slow-ones.ts'

const POD = hostname()

/** A call with `x-plan` is answered as that says (see `plan.ts`): failures without any message, that is trailers only. */
const unary: handleUnaryCall<EchoRequest, EchoResponse> = ({ request, metadata }, callback) => {
  const [plan] = metadata.get('x-plan')
  if (request.text === 'moody' && nextOfMood() !== 200) {
    return callback({ code: Status.UNAVAILABLE, details: 'in no mood' })
  }
  if (plan === undefined) {
    return later(request.delayMs, () =>
      callback(null, { pod: POD, text: request.text, received: 1 }, routeFields(metadata)),
    )
  }
  const { code, delayMs, attempt } = nextStep(String(plan), metadata.get('x-request-id').join())
  const trailer = new Metadata()
  trailer.set('x-attempt', String(attempt))
  later(delayMs, () =>
    code === 0
      ? callback(null, { pod: POD, text: request.text, received: 1 }, trailer)
      : callback({ code, details: `attempt ${attempt} fails`, metadata: trailer }),
  )
}

/** What routes wrote into the request, for the trailers. */
function routeFields(metadata: Metadata): Metadata {
  const fields = new Metadata()
  for (const [name, value] of Object.entries(metadata.getMap())) if (name.startsWith('x-of-')) fields.set(name, value)
  return fields
}

const collect: handleClientStreamingCall<EchoRequest, EchoResponse> = (call, callback) => {
  let [text, received, delayMs] = ['', 0, undefined as number | undefined]
  call.on('data', (message: EchoRequest) => {
    text += message.text
    delayMs = message.delayMs
    received++
  })
  call.on('end', () => later(delayMs, () => callback(null, { pod: POD, text, received })))
}

const repeat: handleServerStreamingCall<EchoRequest, EchoResponse> = (call) => {
  const { text, delayMs, count = 1 } = call.request
  later(delayMs, () => {
    for (let sent = 0; sent < count; sent++) call.write({ pod: POD, text, received: 1 })
    call.end()
  })
}

const chat: handleBidiStreamingCall<EchoRequest, EchoResponse> = (call) => {
  let received = 0
  call.on('data', ({ text, delayMs }: EchoRequest) => {
    received++
    const answer = { pod: POD, text, received }
    // The first answer alone is late: that is the time a balancer sees.
    later(received === 1 ? delayMs : undefined, () => call.write(answer))
  })
  call.on('end', () => call.end())
  call.on('error', () => {})
}

export async function serveGrpc(): Promise<() => Promise<void>> {
  const server = new Server()
  server.addService(ECHO, { unary, collect, repeat, chat })
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`0.0.0.0:${TestPort.grpc}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  return () => new Promise((resolve) => server.tryShutdown(() => resolve()))
}

function later(delayMs: number | undefined, then: () => void): void {
  if (delayMs === undefined) return then()
  slowOnes.inFlight++
  setTimeout(() => {
    slowOnes.inFlight--
    then()
  }, delayMs)
}
