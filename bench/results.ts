/** The object a run ends in: what `--json` writes, and what the table and the page are made from. */

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly kernel: string
  readonly node: string
  /** `2026-01-31` */
  readonly date: string
  /** Processes that wanted to run in the minute before the run: what else the machine had to do. */
  readonly loadBefore: number
  /** What is compared with: `haproxy 2.6.12`. */
  readonly peers: readonly string[]
}

export interface Timing {
  readonly warmupSeconds: number
  readonly seconds: number
  readonly rounds: number
}

export interface BenchResults {
  readonly machine: Machine
  readonly timing: Timing
  /** Of every proxy. */
  readonly proxyCores: number
  readonly start?: StartResult
  readonly loads?: LoadsResult
  readonly latency?: readonly LatencyResult[]
  readonly handshakes?: readonly HandshakeResult[]
  readonly memory?: MemoryResult
  readonly hops?: readonly HopResult[]
  readonly policies?: readonly PoliciesResult[]
  /** What could not be measured, and why. */
  readonly failed: readonly Failure[]
}

export interface Failure {
  /** `loads h2-4x32` */
  readonly what: string
  readonly reason: string
}

export interface StartResult {
  /** From the creation of the process until /ready answers 200; the median. */
  readonly toReadyMs: number
  readonly starts: number
}

// ── loads ──

export interface LoadsResult {
  readonly cases: readonly CaseResult[]
  /** The larger of the two proxies, some seconds after the last load. */
  readonly afterBytes?: { readonly weft: number; readonly peer: number }
}

export interface CaseResult {
  readonly name: string
  readonly weft: Side
  readonly peer: Side
  /** Results from before there were turns have none. */
  readonly turns?: TurnsResult
}

/** Weft's turns, each compared with the peer's turn that followed it. */
export interface TurnsResult {
  /** Of each side. */
  readonly count: number
  readonly cpuRatio: Quartiles
  readonly rateRatio: Quartiles
}

export interface Quartiles {
  readonly lower: number
  readonly median: number
  readonly upper: number
}

/** The figures of one pair under one load, all turns together. */
export interface Side {
  readonly name: string
  /** Per request, or per message for gRPC. */
  readonly cpuUs: { readonly outbound: number; readonly inbound: number }
  /** Both proxies together, per 10^9 bytes of content, both directions counted. */
  readonly cpuSecondsPerGb: number
  /** Requests, or messages, per second as the closed-loop client saw them. */
  readonly rps: number
  /** The larger of the two proxies' shares of a core while it was loaded. */
  readonly busyShare: number
  readonly p50Ms: number
  readonly p99Ms: number
}

// ── latency ──

export interface LatencyResult {
  readonly kind: 'h1' | 'h2'
  readonly ratePerSecond: number
  readonly direct: Percentiles
  readonly weft: Percentiles
  readonly peer: Percentiles
}

/** The medians of the rounds. */
export interface Percentiles {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
}

// ── handshakes ──

/** Connections of one proxy, each with a handshake, some bytes and a close. */
export interface HandshakeResult {
  readonly name: string
  readonly side: 'outbound' | 'inbound'
  /** CPU of one connection in clear text: what is not TLS. */
  readonly clearUs: number
  readonly full: HandshakeSide
  readonly resumed: HandshakeSide
}

export interface HandshakeSide {
  /** CPU of one connection. */
  readonly connectionUs: number
  /** Share of the handshakes that the other end saw resumed. */
  readonly resumedShare: number
  readonly perSecond: number
}

// ── memory ──

export interface MemoryResult {
  /** Private memory of a sidecar that never carried anything, median of several; of one haproxy. */
  readonly idleBytes: { readonly weft: number; readonly peer: number }
  readonly perConnectionBytes: readonly ConnectionMemory[]
  /** Per 1,000 streams that are open on ten connections. */
  readonly per1000StreamsBytes: {
    readonly weft: Sides
    readonly peer: Sides
  }
  /** While 1,000 kept-alive connections carry `ratePerSecond` requests together: the highest of many readings. */
  readonly loaded: {
    readonly connections: number
    readonly ratePerSecond: number
    readonly weft: Sides
    readonly peer: Sides
  }
  /** Some seconds later. */
  readonly afterBytes: { readonly weft: Sides; readonly peer: Sides }
}

export interface Sides {
  readonly outbound: number
  readonly inbound: number
}

export interface ConnectionMemory {
  /** What the client speaks to the proxy. */
  readonly client: 'tls' | 'plain'
  readonly weft: number
  readonly peer: number
}

// ── policies ──

/** One load through the same two proxies, with every policy on and with none. */
export interface PoliciesResult {
  readonly name: string
  readonly all: Side
  readonly none: Side
  /** Of `all` to `none`. */
  readonly turns: TurnsResult
}

// ── hops ──

/** One proxy alone, clear text on both sides. */
export interface HopResult {
  readonly load: string
  readonly proxies: readonly HopFigures[]
}

/** Either figures, or a note that says why the proxy cannot carry the load. */
export interface HopFigures {
  readonly name: string
  readonly cpuUs?: number
  readonly rps?: number
  readonly note?: string
}
