/** Answers that the proxy gives itself, as HTTP or as gRPC. */
import { ErrorCode } from '../wire/connection-error.ts'
import { Head, Version } from '../wire/head.ts'
import type { RequestHandler, ServerStream } from './stream.ts'

/** What is answered, and whether the client's connection should end with it. */
export interface ProxyError {
  readonly status: number
  /** grpc-status for clients that speak gRPC. */
  readonly grpcCode: number
  /** The chain of what went wrong, for `l5d-proxy-error`. */
  readonly message: string
  /** `l5d-proxy-connection: close`, and over HTTP/1.1 `connection: close`. */
  readonly closesConnection: boolean
}

export interface ErrorStyle {
  readonly isGrpc: boolean
  /** Whether the client may read `l5d-proxy-error` and `l5d-proxy-connection`. */
  readonly isInformational: boolean
  /** Further fields, such as `location` or `retry-after`. */
  readonly fields?: readonly (readonly [string, string])[]
}

const MAX_MESSAGE_CHARS = 1_024

/** Built here and sent at once; see `received` in http2-connection.ts. */
const answer = new Head()

/** Answers a request that has no response head yet. */
export function respondError(stream: ServerStream, error: ProxyError, style: ErrorStyle): void {
  answer.reset()
  answer.version = Version.http11
  answer.setStatus(style.isGrpc ? 200 : error.status)
  const message = fieldText(error.message)
  if (style.isGrpc) {
    answer.add('content-type', 'application/grpc')
    answer.add('grpc-status', String(error.grpcCode))
    answer.add('grpc-message', percentEncode(message))
  } else answer.add('content-length', '0')
  for (const [name, value] of style.fields ?? []) answer.add(name, fieldText(value))
  if (style.isInformational && message !== '') answer.add('l5d-proxy-error', message)
  if (error.closesConnection) {
    if (style.isInformational) answer.add('l5d-proxy-connection', 'close')
    if (stream.version !== Version.http2) answer.add('connection', 'close')
  }
  stream.sendHead(answer, true)
}

/** What a message that is no request gets, from the engine itself; `isInformational` as in `ErrorStyle`. */
export function refusal(status: number, message: string, isInformational: boolean): Head {
  answer.reset()
  answer.version = Version.http11
  answer.setStatus(status)
  answer.add('content-length', '0')
  if (isInformational) answer.add('l5d-proxy-error', fieldText(message))
  return answer
}

/** Ends a response whose head is out already: gRPC gets a status, others a broken stream. */
export function endWithError(stream: ServerStream, error: ProxyError, isGrpc: boolean): void {
  if (!isGrpc) return stream.reset(ErrorCode.internalError)
  answer.reset()
  answer.add('grpc-status', String(error.grpcCode))
  answer.add('grpc-message', percentEncode(fieldText(error.message)))
  stream.sendTrailers(answer)
}

/** Text that is legal as a field value: printable ASCII, bounded. */
function fieldText(text: string): string {
  const printable = text.replace(/ *[^\x20-\x7e]+ */g, ' ').trim()
  return printable.length > MAX_MESSAGE_CHARS ? `${printable.slice(0, MAX_MESSAGE_CHARS - 3)}...` : printable
}

/** grpc-message is percent-encoded (gRPC over HTTP/2, Responses); only `%` needs it in printable ASCII. */
function percentEncode(text: string): string {
  return text.replaceAll('%', '%25')
}

/** Reads the rest of a request that was answered already, so that its sender is not stuck on a full window. */
export function drained(stream: ServerStream): RequestHandler {
  return {
    onRequestData: (_buf, start, end) => stream.consumed(end - start),
    onRequestTrailers: () => {},
    onRequestReset: () => {},
    onResponseSent: () => {},
  }
}
