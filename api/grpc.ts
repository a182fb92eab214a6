/**
 * Generated services on @grpc/grpc-js: a server's handlers and a client's calls, typed by the service descriptor.
 *
 * grpc-js only knows paths and functions between messages and bytes. This is the whole bridge to the generated
 * messages, used by the control plane's servers, the command line and tests; proxies have their own client.
 */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import {
  type CallOptions,
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  credentials,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  type Server,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'

/** What a service of `S` has to implement. The API has unary and server-streaming methods only. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S['method']]: S['method'][K] extends DescMethod
    ? S['method'][K]['methodKind'] extends 'unary'
      ? handleUnaryCall<MessageShape<S['method'][K]['input']>, MessageShape<S['method'][K]['output']>>
      : handleServerStreamingCall<MessageShape<S['method'][K]['input']>, MessageShape<S['method'][K]['output']>>
    : never
}

/** Calls of a client: a promise for a unary method, grpc-js's stream (`data`, `error`, `end`, `cancel()`) otherwise. */
export type Calls<S extends DescService> = {
  readonly [K in keyof S['method']]: S['method'][K] extends DescMethod
    ? (
        request: MessageInitShape<S['method'][K]['input']>,
        options?: CallOptions,
      ) => S['method'][K]['methodKind'] extends 'unary'
        ? Promise<MessageShape<S['method'][K]['output']>>
        : ClientReadableStream<MessageShape<S['method'][K]['output']>>
    : never
} & { close(): void }

/** The form of a generated service that grpc-js registers. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]))
}

export function addService<S extends DescService>(server: Server, service: S, handlers: Handlers<S>): void {
  server.addService(serviceDefinition(service), handlers as unknown as UntypedServiceImplementation)
}

/** A client without TLS, as all control-plane servers are reached (mesh TLS is the sidecar's). Close it when done. */
export function createClient<S extends DescService>(
  service: S,
  address: string,
  options: ChannelOptions = {},
): Calls<S> {
  const client = new Client(address, credentials.createInsecure(), options)
  const calls: Record<string, unknown> = { close: () => client.close() }
  for (const method of service.methods) {
    calls[method.localName] =
      method.methodKind === 'unary' ? unaryCall(client, method) : serverStreamingCall(client, method)
  }
  return calls as Calls<S>
}

function methodDefinition(method: DescMethod): MethodDefinition<unknown, unknown> {
  return {
    path: pathOf(method),
    requestStream: false,
    responseStream: method.methodKind === 'server_streaming',
    requestSerialize: serialize(method.input),
    requestDeserialize: deserialize(method.input),
    responseSerialize: serialize(method.output),
    responseDeserialize: deserialize(method.output),
  }
}

function unaryCall(client: Client, method: DescMethod) {
  return (request: Record<string, unknown>, options: CallOptions = {}) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        pathOf(method),
        serialize(method.input),
        deserialize(method.output),
        create(method.input, request),
        new Metadata(),
        options,
        (error, response) => (error === null ? resolve(response) : reject(error)),
      )
    })
}

function serverStreamingCall(client: Client, method: DescMethod) {
  return (request: Record<string, unknown>, options: CallOptions = {}) =>
    client.makeServerStreamRequest(
      pathOf(method),
      serialize(method.input),
      deserialize(method.output),
      create(method.input, request),
      new Metadata(),
      options,
    )
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`
}

function serialize(schema: DescMessage): (message: unknown) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message as MessageShape<typeof schema>)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

function deserialize(schema: DescMessage): (bytes: Uint8Array) => unknown {
  return (bytes) => fromBinary(schema, bytes)
}
