/** A client of the interop test service by `@grpc/grpc-js`: its calls as promises. */
import * as grpc from '@grpc/grpc-js'
import {
  type InputRequest,
  type InputResponse,
  type OutputRequest,
  type OutputResponse,
  type SimpleRequest,
  type SimpleResponse,
  TestService,
} from './test-service.ts'

export type InputCall = grpc.ClientWritableStream<InputRequest>
export type OutputCall = grpc.ClientReadableStream<OutputResponse>
export type DuplexCall = grpc.ClientDuplexStream<OutputRequest, OutputResponse>

type Callback<T> = (error: grpc.ServiceError | null, value: T) => void
type Unary<Q, A> = (
  request: Q,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  callback: Callback<A>,
) => grpc.ClientUnaryCall

/** What `loadPackageDefinition` makes of the service. */
export interface TestClient extends grpc.Client {
  EmptyCall: Unary<object, object>
  UnaryCall: Unary<SimpleRequest, SimpleResponse>
  CacheableUnaryCall: Unary<SimpleRequest, SimpleResponse>
  UnimplementedCall: Unary<object, object>
  StreamingOutputCall(request: OutputRequest, metadata: grpc.Metadata, options: grpc.CallOptions): OutputCall
  StreamingInputCall(metadata: grpc.Metadata, options: grpc.CallOptions, callback: Callback<InputResponse>): InputCall
  FullDuplexCall(metadata: grpc.Metadata, options: grpc.CallOptions): DuplexCall
  HalfDuplexCall(metadata: grpc.Metadata, options: grpc.CallOptions): DuplexCall
}

export function connectJs(port: number, options: grpc.ClientOptions = {}, Service = TestService): TestClient {
  return new Service(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    // A channel of its own, not one that another client of this process shares.
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  }) as unknown as TestClient
}

export interface Answer<T> {
  readonly value: T
  /** Initial and trailing metadata. */
  readonly initial: grpc.Metadata
  readonly trailing: grpc.Metadata
}

export interface CallOptions extends grpc.CallOptions {
  readonly metadata?: grpc.Metadata
}

type UnaryMethod = 'EmptyCall' | 'UnaryCall' | 'CacheableUnaryCall' | 'UnimplementedCall'

/** @throws grpc.ServiceError */
export function unary<M extends UnaryMethod>(
  client: TestClient,
  method: M,
  request: Parameters<TestClient[M]>[0],
  { metadata = new grpc.Metadata(), ...options }: CallOptions = {},
): Promise<Answer<SimpleResponse>> {
  return new Promise((resolve, reject) => {
    let initial = new grpc.Metadata()
    let trailing = new grpc.Metadata()
    let answer: SimpleResponse | undefined
    const call = client[method](request, metadata, options, (error, value) => {
      if (error !== null) return reject(error)
      answer = value
    })
    call.on('metadata', (received) => {
      initial = received
    })
    call.on('status', (status) => {
      trailing = status.metadata
      // The status comes behind the callback.
      if (answer !== undefined) resolve({ value: answer, initial, trailing })
      else setImmediate(() => (answer === undefined ? undefined : resolve({ value: answer, initial, trailing })))
    })
  })
}

/** Every message until the end. @throws grpc.ServiceError */
export async function readAll(call: OutputCall | DuplexCall): Promise<OutputResponse[]> {
  const messages: OutputResponse[] = []
  for await (const message of call) messages.push(message)
  return messages
}

/** The code with which `failing` was rejected. @throws whatever else it was rejected with, Error when it was not */
export async function statusOf(
  failing: Promise<unknown>,
): Promise<{ readonly code: number; readonly details: string }> {
  try {
    await failing
  } catch (error) {
    const { code, details } = error as grpc.ServiceError
    if (typeof code === 'number') return { code, details }
    throw error
  }
  return { code: grpc.status.OK, details: '' }
}
