/** Why a stream ended before its message did. Carries what the next decision needs, so nobody parses a message. */
export interface StreamError {
  /** HTTP/2 error code (RFC 9113 §7); HTTP/1 failures use the nearest one. */
  readonly code: number
  /** `stale`: a kept-alive HTTP/1 connection closed instead of answering; idempotent requests may be sent again. */
  readonly kind: 'reset' | 'goaway' | 'refused' | 'connection' | 'protocol' | 'timeout' | 'stale'
  /** The peer has certainly not processed the request (REFUSED_STREAM, GOAWAY below its id, nothing was written). */
  readonly isUnprocessed: boolean
  readonly message: string
}
