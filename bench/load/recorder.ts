/**
 * What a load generator counts. Nothing is kept outside of `begin` and `end`: the warm-up is the same load, unrecorded.
 *
 * In a closed loop a request belongs to the interval in which it was answered, like the CPU it is divided by. In an
 * open loop it belongs to that in which it was due: answers that come after the end count too, or the slowest of all
 * would be left out.
 */
const MICROSECONDS_KEPT = 4_000_000

export class Recorder {
  requests = 0
  failures = 0
  /** Answers and their content since the load was started, recorded or not. */
  seenRequests = 0
  seenBytes = 0
  /** Content bytes of requests and responses together. */
  contentBytes = 0
  /** What the first failure was. */
  firstFailure = ''
  readonly #belongsTo: 'answered' | 'due'
  #beganAtMs = Number.POSITIVE_INFINITY
  #endedAtMs = Number.POSITIVE_INFINITY
  /** One counter per microsecond; slower answers share the last. */
  readonly #latencies = new Uint32Array(MICROSECONDS_KEPT)

  constructor(belongsTo: 'answered' | 'due' = 'answered') {
    this.#belongsTo = belongsTo
  }

  begin(nowMs: number): void {
    this.#beganAtMs = nowMs
  }

  end(nowMs: number): void {
    this.#endedAtMs = nowMs
  }

  /** `startedAtMs`: when the request was sent, or was due. */
  success(startedAtMs: number, nowMs: number, contentBytes: number): void {
    this.seenRequests++
    this.seenBytes += contentBytes
    const atMs = this.#belongsTo === 'due' ? startedAtMs : nowMs
    if (atMs < this.#beganAtMs || atMs >= this.#endedAtMs) return
    this.requests++
    this.contentBytes += contentBytes
    const index = Math.min(MICROSECONDS_KEPT - 1, Math.round((nowMs - startedAtMs) * 1_000))
    this.#latencies[index] = this.#latencies[index]! + 1
  }

  /** Failures count also while nothing is recorded: a load that fails in its warm-up measures nothing. */
  failure(what: string): void {
    this.failures++
    if (this.firstFailure === '') this.firstFailure = what
  }

  /** The latency that `share` of the requests did not exceed. */
  percentileMs(share: number): number {
    let left = Math.ceil(this.requests * share)
    for (let index = 0; index < MICROSECONDS_KEPT; index++) {
      left -= this.#latencies[index]!
      if (left <= 0) return index / 1_000
    }
    return MICROSECONDS_KEPT / 1_000
  }
}
