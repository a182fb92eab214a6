/** Generated services on this server: handlers typed by the service descriptor, found by the path of a call. */
import { type DescMethod, type DescService, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf'
import type { Method, StreamingCall } from './call.ts'
import { Encoded } from './encoded.ts'

/** What a service of `S` has to implement. The API has unary and server-streaming methods only. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S['method']]: S['method'][K] extends DescMethod
    ? S['method'][K]['methodKind'] extends 'unary'
      ? (
          request: MessageShape<S['method'][K]['input']>,
        ) => Promise<MessageShape<S['method'][K]['output']> | Encoded<MessageShape<S['method'][K]['output']>>>
      : (call: StreamingCall<MessageShape<S['method'][K]['input']>, MessageShape<S['method'][K]['output']>>) => void
    : never
}

export type Methods = Map<string, Method>

export function addService<S extends DescService>(methods: Methods, service: S, handlers: Handlers<S>): void {
  for (const { name, localName, input, output, methodKind } of service.methods) {
    const handler = handlers[localName as keyof Handlers<S>] as (given: unknown) => unknown
    methods.set(`/${service.typeName}/${name}`, {
      decode: (bytes) => fromBinary(input, bytes),
      encode: (message) =>
        message instanceof Encoded ? message.bytes : toBinary(output, message as MessageShape<typeof output>),
      serve: methodKind === 'unary' ? (call) => void answer(call, handler) : (call) => handler(call),
    })
  }
}

async function answer(call: StreamingCall<unknown, unknown>, handler: (request: unknown) => unknown): Promise<void> {
  try {
    call.write(await handler(call.request))
    call.end()
  } catch (error) {
    call.fail(error)
  }
}
