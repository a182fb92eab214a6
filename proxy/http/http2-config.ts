/** What this side of an HTTP/2 connection announces and enforces. Sizes in bytes. */
export interface Http2Config {
  /** SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.5.2). */
  readonly initialStreamWindowBytes: number
  readonly initialConnectionWindowBytes: number
  /** Streams a peer may have open on one connection; more are refused with REFUSED_STREAM. A stream costs up to 8 KB. */
  readonly maxConcurrentStreams: number
  /** SETTINGS_MAX_HEADER_LIST_SIZE: larger heads make the stream malformed. */
  readonly maxHeaderListBytes: number
  /**
   * The peer is a proxy of the mesh. How HTTP/1 was written is kept if it says the same (wire/http1-names.ts), and
   * what an application behind it refuses says nothing about this connection.
   */
  readonly isMeshed: boolean
  /** Whether clients may read in `l5d-proxy-error` why a head is refused. */
  readonly isInformational: boolean
  /** Time between keep-alive PINGs and until an answer is due; 0 sends none. */
  readonly keepAliveIntervalMs: number
  readonly keepAliveTimeoutMs: number
}

export const DEFAULT_HTTP2: Http2Config = {
  initialStreamWindowBytes: 65_535,
  initialConnectionWindowBytes: 1_048_576,
  maxConcurrentStreams: 1_000,
  maxHeaderListBytes: 65_536,
  isMeshed: false,
  isInformational: false,
  keepAliveIntervalMs: 0,
  keepAliveTimeoutMs: 0,
}

/** What a head may grow by between two proxies: fields they add, and 32 bytes for each where HTTP/1 counted 4. */
export const HOP_HEADER_BYTES = 16_384

/** The side of a connection whose other end is a proxy of the mesh. */
export function meshHop(config: Http2Config): Http2Config {
  return { ...config, isMeshed: true, maxHeaderListBytes: config.maxHeaderListBytes + HOP_HEADER_BYTES }
}

/**
 * The bounds of one connection that no setting announces; each says what happens at the bound. What a peer may do again and
 * again is paid from a credit: it is full at the beginning, grows with what the peer does in good faith and with time, and
 * never beyond its burst. Without credit the connection ends with ENHANCE_YOUR_CALM.
 */
export const HTTP2_BOUNDS = {
  /** CONTINUATION frames per field block; more is ENHANCE_YOUR_CALM (a flood of empty ones costs a peer nothing). */
  maxContinuations: 64,
  /** Parameters of one SETTINGS frame; more is ENHANCE_YOUR_CALM: each may touch every open stream. */
  maxSettings: 32,
  /** Content a client sent that no reader has consumed yet; beyond it its connection window is not refilled. */
  maxRetainedBytes: 4 * 1_048_576,
  /**
   * The same for content of a server. It is shared by the clients of one endpoint, so none of them may fill it by not
   * reading: what each may leave unread is bounded before (`memory-pressure.ts`).
   */
  maxRetainedFromServerBytes: 64 * 1_048_576,
  /** Unsent bytes (answers to PING and SETTINGS among them) at a peer that does not read; beyond it the connection ends. */
  maxUnsentBytes: 2 * 1_048_576,
  /** Frames that carry nothing (empty DATA, PRIORITY, PING, SETTINGS, tiny WINDOW_UPDATE, pieces of a frame). */
  idleFrames: { burst: 500, perSecond: 100 },
  /** What a head or a frame with content earns of them, and how many bytes of content earn one more. */
  idleFramesPerHead: 4,
  idleFrameBytesShift: 7,
  /** A SETTINGS frame counts as so many: it may change the window of every stream, and wants an answer. */
  idleFramesPerSettings: 10,
  /** A smaller WINDOW_UPDATE carries nothing. */
  minWindowUpdateBytes: 128,
  /** A read smaller than this that completes no frame carries nothing. */
  minReadBytes: 64,
  /**
   * Streams the peer reset within about a second of opening them, or made us reset (rapid reset, CVE-2023-44487; MadeYouReset,
   * CVE-2025-8671). A stream that completes earns one.
   */
  resets: { burst: 500, perSecond: 100 },
  /** Every so many fields of a head make its reset count once more: they were read, and perhaps kept by HPACK. */
  fieldsPerReset: 32,
  /** A head that is too large counts as so many: it costs as much to read. */
  resetsPerLargeHead: 50,
  /** 1xx responses before the final one; more resets the stream. */
  maxInformational: 64,
  /** Ids of streams we reset, remembered so that frames already on their way are ignored. */
  maxRememberedResets: 256,
} as const

/** The largest frame we send and accept (RFC 9113 §4.2, the default; nothing larger is announced). */
export const MAX_FRAME_BYTES = 16_384
