/** HTTP/2 error codes (RFC 9113 §7) and the error that ends a whole connection with one of them (§5.4.1). */
import type { Refusal } from './refusal.ts'

export const ErrorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/** The RFC's names, by code. */
export const ERROR_NAMES: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
]

/** The name of a code as a log line shows it; an unknown one stays a number. */
export function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `error ${code}`
}

/** The peer broke the protocol so that the connection cannot go on; `code` goes into the GOAWAY. */
export class ConnectionError extends Error {
  override name = 'ConnectionError'
  readonly code: ErrorCode
  /** Which bound was crossed, where the code alone does not tell. */
  readonly refusal: Refusal | undefined

  constructor(code: ErrorCode, message: string, refusal?: Refusal) {
    super(message)
    this.code = code
    this.refusal = refusal
  }
}

export function frameTooLong(length: number, maxFrameSize: number): ConnectionError {
  return new ConnectionError(
    ErrorCode.frameSizeError,
    `the peer sent a frame of ${length} bytes, SETTINGS_MAX_FRAME_SIZE allows ${maxFrameSize} (RFC 9113 §4.2)`,
  )
}
