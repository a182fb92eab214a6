/**
 * What the answers of one probe mean: when to ask next, and when a container has become healthy or unhealthy.
 *
 * Time is an argument, so the rules can be held against a table. One rule is not Kubernetes': until the first success
 * a probe is asked again after 50 ms, then 100, 200 ... up to its period, so a pod at a desk is ready when it is ready
 * and not a whole period later. Failures before the first success count by time, not by number, so asking more often
 * does not give up sooner.
 */
import type { Probe } from '../../api/resources/pod.ts'

export type ProbeKind = 'startup' | 'readiness' | 'liveness'

export interface ProbeVerdict {
  /** `undefined` while nothing changed. */
  readonly became: 'healthy' | 'unhealthy' | undefined
  readonly nextInMs: number
}

const FIRST_RETRY_MS = 50

export class ProbeState {
  readonly #probe: Probe
  readonly #kind: ProbeKind
  readonly #startedAtMs: number
  #isHealthy: boolean
  #successes = 0
  #failures = 0
  #everSucceeded = false
  #retryMs = FIRST_RETRY_MS

  constructor(probe: Probe, kind: ProbeKind, startedAtMs: number) {
    this.#probe = probe
    this.#kind = kind
    this.#startedAtMs = startedAtMs
    // Kubernetes: not ready until proven, alive until disproven.
    this.#isHealthy = kind === 'liveness'
  }

  get isHealthy(): boolean {
    return this.#isHealthy
  }

  get firstInMs(): number {
    return this.#probe.initialDelaySeconds * 1_000
  }

  observe(isSuccess: boolean, nowMs: number): ProbeVerdict {
    const periodMs = this.#probe.periodSeconds * 1_000
    if (isSuccess) {
      this.#everSucceeded = true
      this.#failures = 0
      this.#successes++
      const isEnough = this.#successes >= (this.#kind === 'readiness' ? this.#probe.successThreshold : 1)
      const became = isEnough && !this.#isHealthy ? 'healthy' : undefined
      if (isEnough) this.#isHealthy = true
      return { became, nextInMs: this.#isHealthy ? periodMs : Math.min(periodMs, this.#retryMs) }
    }
    this.#successes = 0
    this.#failures++
    const became = this.#hasFailed(nowMs, periodMs) ? this.#fail() : undefined
    return { became, nextInMs: this.#everSucceeded || this.#kind === 'liveness' ? periodMs : this.#nextRetry(periodMs) }
  }

  #hasFailed(nowMs: number, periodMs: number): boolean {
    const { failureThreshold, initialDelaySeconds } = this.#probe
    if (this.#everSucceeded || this.#kind === 'liveness') return this.#failures >= failureThreshold
    return nowMs - this.#startedAtMs >= initialDelaySeconds * 1_000 + failureThreshold * periodMs
  }

  #fail(): 'unhealthy' | undefined {
    // A startup probe that never succeeded is unhealthy all along; running out of time is still news.
    const isNews = this.#isHealthy || this.#kind === 'startup'
    this.#isHealthy = false
    return isNews ? 'unhealthy' : undefined
  }

  #nextRetry(periodMs: number): number {
    const delayMs = Math.min(this.#retryMs, periodMs)
    this.#retryMs = Math.min(this.#retryMs * 2, periodMs)
    return delayMs
  }
}
