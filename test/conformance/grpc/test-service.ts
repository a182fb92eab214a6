/** gRPC's interop test service as `@grpc/grpc-js` sees it, and the numbers its cases are made of. */
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

export interface Payload {
  readonly body: Buffer
}

interface Flag {
  readonly value: boolean
}

interface EchoStatus {
  readonly code: number
  readonly message: string
}

/** Fields that a message does not name are left out, or have the defaults of proto3 when they were received. */
export interface SimpleRequest {
  readonly responseSize?: number
  readonly payload?: Payload
  readonly responseCompressed?: Flag
  readonly responseStatus?: EchoStatus
  readonly expectCompressed?: Flag
  readonly fillServerId?: boolean
}

export interface SimpleResponse {
  readonly payload?: Payload
  readonly serverId?: string
}

export interface InputRequest {
  readonly payload?: Payload
  readonly expectCompressed?: Flag
}

export interface InputResponse {
  readonly aggregatedPayloadSize: number
}

export interface OutputRequest {
  readonly responseParameters?: readonly {
    readonly size: number
    readonly intervalUs?: number
    readonly compressed?: Flag
  }[]
  readonly payload?: Payload
  readonly responseStatus?: EchoStatus
}

export interface OutputResponse {
  readonly payload?: Payload
}

const PROTO = fileURLToPath(new URL('interop.proto', import.meta.url))
const SERVICES = grpc.loadPackageDefinition(loadSync(PROTO, { defaults: false })) as unknown as {
  readonly grpc: {
    readonly testing: {
      readonly TestService: grpc.ServiceClientConstructor
      readonly UnimplementedService: grpc.ServiceClientConstructor
    }
  }
}

export const { TestService, UnimplementedService } = SERVICES.grpc.testing

export const LARGE_REQUEST_BYTES = 271_828
export const LARGE_RESPONSE_BYTES = 314_159
export const REQUEST_SIZES = [27_182, 8, 1_828, 45_904] as const
export const RESPONSE_SIZES = [31_415, 9, 2_653, 58_979] as const
export const ECHO_INITIAL = 'x-grpc-test-echo-initial'
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin'

export function payload(bytes: number): Payload {
  return { body: Buffer.alloc(bytes) }
}
