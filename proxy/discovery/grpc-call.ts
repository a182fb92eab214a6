/** One gRPC call on one HTTP/2 stream: sends the request, hears messages, ends once with a status. */
import type { ClientStream, ResponseHandler } from '../http/stream.ts'
import type { StreamError } from '../http/stream-error.ts'
import { ErrorCode } from '../wire/connection-error.ts'
import { Head } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import { frameMessage, MessageReader } from './grpc-message.ts'
import {
  codeOfHttpStatus,
  codeOfStreamError,
  decodeGrpcMessage,
  GrpcError,
  GrpcStatus,
  parseGrpcStatus,
} from './grpc-status.ts'

export interface Status {
  readonly code: number
  readonly message: string
}

export interface CallEvents {
  /** The request left on a connection; until then the call waits for one. */
  onSent?(): void
  /** The response head of a server that speaks gRPC. */
  onResponse?(): void
  onMessage(message: Uint8Array): void
  /** Once, and nothing follows; not after `cancel`. */
  onEnd(status: Status): void
}

const CONTENT_TYPE = token('content-type')
const GRPC_STATUS = token('grpc-status')
const GRPC_MESSAGE = token('grpc-message')

/** Filled anew for each request; nothing here is asynchronous. */
const request = new Head()

export class GrpcCall implements ResponseHandler {
  readonly #authority: string
  readonly #path: string
  readonly #message: Uint8Array
  readonly #events: CallEvents
  readonly #onDone: (call: GrpcCall, status: Status) => void
  readonly #reader = new MessageReader()
  #stream: ClientStream | undefined = undefined
  #isDone = false

  constructor(
    authority: string,
    path: string,
    message: Uint8Array,
    events: CallEvents,
    onDone: (call: GrpcCall, status: Status) => void,
  ) {
    this.#authority = authority
    this.#path = path
    this.#message = message
    this.#events = events
    this.#onDone = onDone
  }

  send(stream: ClientStream): void {
    this.#stream = stream
    stream.handler = this
    request.reset()
    request.add(':method', 'POST')
    request.add(':scheme', 'http')
    request.add(':authority', this.#authority)
    request.add(':path', this.#path)
    request.add('te', 'trailers')
    request.add('content-type', 'application/grpc')
    const framed = frameMessage(this.#message)
    stream.sendHead(request, false)
    stream.sendData(framed, 0, framed.length, true)
    this.#events.onSent?.()
  }

  /** Gives up; the server is told. */
  cancel(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#stream?.reset(ErrorCode.cancel)
    this.#onDone(this, { code: GrpcStatus.cancelled, message: '' })
  }

  /** Ends the call from this side. */
  fail(status: Status): void {
    if (this.#isDone) return
    this.#stream?.reset(ErrorCode.cancel)
    this.#end(status)
  }

  // ── ResponseHandler ──

  onInformational(): void {}

  onResponseHead(head: Head, endStream: boolean): void {
    const contentType = head.get(CONTENT_TYPE)
    if (
      parseGrpcStatus(head.get(GRPC_STATUS)) === undefined &&
      !(head.status === 200 && contentType?.startsWith('application/grpc') === true)
    ) {
      const what = contentType === undefined ? '' : ` and ${decodeGrpcMessage(contentType)}`
      const message = `the server answered with HTTP status ${head.status}${what}; is this a control plane?`
      this.fail({ code: codeOfHttpStatus(head.status), message })
      return
    }
    this.#events.onResponse?.()
    if (endStream) this.#endWith(head)
  }

  onResponseData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    // Messages are copied out of the frame, so its bytes are consumed whatever becomes of them.
    this.#stream?.consumed(end - start)
    if (this.#isDone) return
    try {
      this.#reader.push(buf, start, end, (message) => {
        if (!this.#isDone) this.#events.onMessage(message)
      })
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error
      this.fail({ code: error.code, message: error.message })
      return
    }
    if (endStream) this.fail({ code: GrpcStatus.internal, message: 'the server ended the stream without a status' })
  }

  onResponseTrailers(trailers: Head): void {
    this.#endWith(trailers)
  }

  onResponseReset(error: StreamError): void {
    this.#end({ code: codeOfStreamError(error), message: error.message })
  }

  onRequestSent(): void {}

  #endWith(head: Head): void {
    const code = parseGrpcStatus(head.get(GRPC_STATUS)) ?? GrpcStatus.unknown
    if (code === GrpcStatus.ok && !this.#reader.isBetweenMessages)
      this.#end({ code: GrpcStatus.internal, message: 'the server ended the stream inside a message' })
    else this.#end({ code, message: decodeGrpcMessage(head.get(GRPC_MESSAGE)) })
  }

  #end(status: Status): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#onDone(this, status)
    this.#events.onEnd(status)
  }
}
