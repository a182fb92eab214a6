/**
 * The test service on gRPC: four kinds of method with JSON in place of protobuf, which a proxy cannot tell apart, and
 * which shows as text on a wire that is not encrypted.
 */
import type { ServiceDefinition } from '@grpc/grpc-js'

export interface EchoRequest {
  readonly text: string
  /** The server answers this much later. */
  readonly delayMs?: number
  /** How many messages a server stream brings. */
  readonly count?: number
}

export interface EchoResponse {
  /** The pod that answered. */
  readonly pod: string
  readonly text: string
  /** Messages of the request so far. */
  readonly received: number
}

const json = {
  requestSerialize: (value: EchoRequest) => Buffer.from(JSON.stringify(value)),
  requestDeserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as EchoRequest,
  responseSerialize: (value: EchoResponse) => Buffer.from(JSON.stringify(value)),
  responseDeserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as EchoResponse,
}

const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/weft.test.Echo/${name}`,
  requestStream,
  responseStream,
  ...json,
})

export const ECHO = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  repeat: method('Repeat', false, true),
  chat: method('Chat', true, true),
} as const satisfies ServiceDefinition

/** Ports of the test server; 3306 is opaque to the mesh by default. */
export const TestPort = { http: 8080, http2: 8081, grpc: 9090, tls: 8443, serverFirst: 3306 } as const
