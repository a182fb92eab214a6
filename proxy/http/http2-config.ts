/** What this side of an HTTP/2 connection announces and enforces. Sizes in bytes. */
export interface Http2Config {
  /** SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.5.2). */
  readonly initialStreamWindowBytes: number
  readonly initialConnectionWindowBytes: number
  /** Streams a peer may have open on one connection; more are refused with REFUSED_STREAM. */
  readonly maxConcurrentStreams: number
  /** SETTINGS_MAX_HEADER_LIST_SIZE: larger heads make the stream malformed. */
  readonly maxHeaderListBytes: number
  /** The peer is a proxy of the mesh: names of HTTP/1 fields keep their case if it says the same (wire/http1-names.ts). */
  readonly keepsHttp1Names: boolean
  /** Time between keep-alive PINGs and until an answer is due; 0 sends none. */
  readonly keepAliveIntervalMs: number
  readonly keepAliveTimeoutMs: number
}

export const DEFAULT_HTTP2: Http2Config = {
  initialStreamWindowBytes: 65_535,
  initialConnectionWindowBytes: 1_048_576,
  maxConcurrentStreams: 10_000,
  maxHeaderListBytes: 65_536,
  keepsHttp1Names: false,
  keepAliveIntervalMs: 0,
  keepAliveTimeoutMs: 0,
}

/** The bounds of one connection that no setting announces; each says what happens at the bound. */
export const HTTP2_BOUNDS = {
  /** CONTINUATION frames per field block; more is ENHANCE_YOUR_CALM (a flood of empty ones costs a peer nothing). */
  maxContinuations: 64,
  /** Received content that no reader has consumed yet; beyond it the connection window is not refilled. */
  maxRetainedBytes: 8 * 1_048_576,
  /** Unsent bytes (answers to PING and SETTINGS among them) at a peer that does not read; beyond it the connection ends. */
  maxUnsentBytes: 4 * 1_048_576,
  /** Frames that move no content (empty DATA, PRIORITY, PING, SETTINGS, WINDOW_UPDATE 1) between two heads or contents. */
  maxIdleFrames: 10_000,
  /** Streams the peer reset beyond the ones it completed; more is ENHANCE_YOUR_CALM (rapid reset, CVE-2023-44487). */
  maxPendingResets: 1_000,
  /** Ids of streams we reset, remembered so that frames already on their way are ignored. */
  maxRememberedResets: 256,
} as const

/** The largest frame we send and accept (RFC 9113 §4.2, the default; nothing larger is announced). */
export const MAX_FRAME_BYTES = 16_384
