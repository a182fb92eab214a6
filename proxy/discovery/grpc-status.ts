/** gRPC status codes, and what HTTP/2 failures mean as one of them (gRPC over HTTP/2, "HTTP-gRPC status mapping"). */
import type { StreamError } from '../http/stream-error.ts'
import { ErrorCode } from '../wire/connection-error.ts'

export const GrpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const

const NAMES = Object.keys(GrpcStatus).map((name) => name.replace(/[A-Z]/g, '_$&').toUpperCase())

export class GrpcError extends Error {
  /** 0 to 16; what a server sends beyond that is UNKNOWN. */
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** `NOT_FOUND: no such pod`, for logs. */
export function describeStatus(code: number, message: string): string {
  const name = NAMES[code] ?? `status ${code}`
  return message === '' ? name : `${name}: ${message}`
}

/** Text of a server goes into log lines: one line, no control characters, bounded. */
const MAX_MESSAGE_CHARS = 500

/** Decodes the percent-encoding of `grpc-message`; what is not valid stays as it came. */
export function decodeGrpcMessage(value: string | undefined): string {
  if (value === undefined) return ''
  let text = value.slice(0, 4 * MAX_MESSAGE_CHARS)
  try {
    text = decodeURIComponent(text)
  } catch {
    // Kept as it came.
  }
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, MAX_MESSAGE_CHARS)
}

/** `undefined` for a missing or unreadable `grpc-status`. */
export function parseGrpcStatus(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,3}$/.test(value)) return undefined
  const code = Number(value)
  return code <= GrpcStatus.unauthenticated ? code : GrpcStatus.unknown
}

const OF_HTTP_STATUS = new Map<number, number>([
  [400, GrpcStatus.internal],
  [401, GrpcStatus.unauthenticated],
  [403, GrpcStatus.permissionDenied],
  [404, GrpcStatus.unimplemented],
  [429, GrpcStatus.unavailable],
  [502, GrpcStatus.unavailable],
  [503, GrpcStatus.unavailable],
  [504, GrpcStatus.unavailable],
])

/** For answers that carry no `grpc-status`, so come from something that speaks no gRPC. */
export function codeOfHttpStatus(status: number): number {
  return OF_HTTP_STATUS.get(status) ?? GrpcStatus.unknown
}

const OF_RESET = new Map<number, number>([
  [ErrorCode.refusedStream, GrpcStatus.unavailable],
  [ErrorCode.cancel, GrpcStatus.cancelled],
  [ErrorCode.enhanceYourCalm, GrpcStatus.resourceExhausted],
  [ErrorCode.inadequateSecurity, GrpcStatus.permissionDenied],
])

export function codeOfStreamError({ kind, code }: StreamError): number {
  switch (kind) {
    case 'refused':
    case 'goaway':
    case 'connection':
    case 'stale':
      return GrpcStatus.unavailable
    case 'timeout':
      return GrpcStatus.deadlineExceeded
    case 'protocol':
      return GrpcStatus.internal
    case 'reset':
      return OF_RESET.get(code) ?? GrpcStatus.internal
  }
}
