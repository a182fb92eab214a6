/**
 * What a load generator counts. Nothing is kept before `begin`: the warm-up is the same load, unrecorded.
 */
const MICROSECONDS_KEPT = 4_000_000

export class Recorder {
  requests = 0
  failures = 0
  /** Content bytes of requests and responses together. */
  contentBytes = 0
  /** What the first failure was. */
  firstFailure = ''
  #isRecording = false
  /** One counter per microsecond; slower answers share the last. */
  readonly #latencies = new Uint32Array(MICROSECONDS_KEPT)

  begin(): void {
    this.#isRecording = true
  }

  end(): void {
    this.#isRecording = false
  }

  success(latencyMs: number, contentBytes: number): void {
    if (!this.#isRecording) return
    this.requests++
    this.contentBytes += contentBytes
    const index = Math.min(MICROSECONDS_KEPT - 1, Math.round(latencyMs * 1_000))
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
