/**
 * Why bytes of a peer are refused: the label `reason` of `weft_refused_total`, one word per bound or rule. The set is fixed,
 * so that no peer makes it grow; docs/threat-model.md says of each what happens and which test holds it.
 */
import { ErrorCode } from './connection-error.ts'

export const REFUSALS = [
  // What the peer said breaks the protocol.
  'protocol_error',
  'frame_size',
  'flow_control',
  'compression',
  'stream_closed',
  'malformed',
  'unsupported',
  'unsolicited',
  'not_http',
  'tls',
  'transport_header',
  'destination',
  // It is too large or too often.
  'head_too_large',
  'continuations',
  'idle_frames',
  'settings',
  'resets',
  'informational',
  'stream_limit',
  'unread_answers',
  'unread_content',
  'connection_limit',
  'handshake_limit',
  // It does not come in time.
  'silent',
  'slow_head',
  'slow_content',
  'idle',
] as const
export type Refusal = (typeof REFUSALS)[number]

/** Hears of every refusal. `isFirst`: the first on this connection, the one that is worth a line in the log. */
export type OnRefused = (reason: Refusal, message: string, isFirst: boolean) => void

/** What an HTTP/2 error code tells of its reason (RFC 9113 §7). */
export function refusalOfCode(code: number): Refusal {
  switch (code) {
    case ErrorCode.frameSizeError:
      return 'frame_size'
    case ErrorCode.flowControlError:
      return 'flow_control'
    case ErrorCode.compressionError:
      return 'compression'
    case ErrorCode.streamClosed:
      return 'stream_closed'
    case ErrorCode.refusedStream:
      return 'stream_limit'
    case ErrorCode.enhanceYourCalm:
      return 'idle_frames'
    default:
      return 'protocol_error'
  }
}

/** What the status that a bad HTTP/1 message is answered with tells of its reason. */
export function refusalOfStatus(status: number): Refusal {
  switch (status) {
    case 408:
      return 'slow_head'
    case 414:
    case 431:
      return 'head_too_large'
    case 501:
    case 505:
      return 'unsupported'
    default:
      return 'malformed'
  }
}
