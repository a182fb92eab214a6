/** The vocabulary of HTTP/2 frames (RFC 9113 §4.1, §6). */

export const FRAME_HEADER_LENGTH = 9

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

/** Bits of the flags byte. ACK and END_STREAM share a bit: the frame type says which. */
export const Flag = {
  ack: 0x1,
  endStream: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const

/** SETTINGS parameters (RFC 9113 §6.5.2, RFC 8441 §3). The last is Weft's own, from the range for experiments (RFC 7540 §11.3). */
export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
  /** `RESTORES_HTTP1`: this side restores how HTTP/1 was written (wire/http1-names.ts, wire/http1-reason.ts). */
  http1Form: 0xf457,
} as const

/** The value of `Setting.http1Form` for names, Cookie lines and reason phrases; another one is another agreement. */
export const RESTORES_HTTP1 = 2

/** What a client sends before its first frame (RFC 9113 §3.4). */
export const CLIENT_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
