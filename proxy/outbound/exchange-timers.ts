/**
 * The clocks of one exchange: those of the whole and those of its current attempt. Made only for exchanges that have any,
 * so that most requests arm nothing.
 *
 * Clocks are numbers that nobody looks at until the shortest of them could be over: nearly every request is by then. Who is
 * still there (`deadline-queue.ts`) gets a timer of its own.
 */
import type { ProxyError } from '../http/error-response.ts'
import type { DeadlineQueue, Waiting } from './deadline-queue.ts'
import { errors } from './errors.ts'
import type { RoutePlan } from './route-plan.ts'

/** Hears what ran out. */
export interface TimerOwner {
  /** The exchange as a whole is over. */
  onTimeout(error: ProxyError): void
  /** This attempt is over; another one may succeed. `isRetried`: whatever the policy says about the status. */
  onAttemptTimeout(error: ProxyError, isRetried: boolean): void
  /** The back-off is over. */
  onRetryDue(): void
}

type Timed = Pick<RoutePlan, 'timeouts' | 'headTimeoutMs' | 'retry'>

/** The shortest time after which a clock of an exchange on this route can be over; `undefined` without clocks. */
export function shortestTimeoutMs({ timeouts, headTimeoutMs, retry }: Timed): number | undefined {
  const { requestMs, responseMs, backendRequestMs, idleMs } = timeouts
  const tryMs = retry?.kind === 'policy' ? retry.policy.timeoutMs : undefined
  let shortest: number | undefined
  for (const ms of [requestMs, responseMs, backendRequestMs, idleMs, headTimeoutMs, tryMs])
    if (ms !== undefined && (shortest === undefined || ms < shortest)) shortest = ms
  return shortest
}

const NEVER = Number.POSITIVE_INFINITY

export class ExchangeTimers implements Waiting {
  // ── For the queue ──
  dueAtMs = 0.5
  next: Waiting | undefined = undefined
  previous: Waiting | undefined = undefined

  readonly #plan: RoutePlan
  readonly #owner: TimerOwner
  readonly #nowMs: () => number
  #queue: DeadlineQueue | undefined = undefined
  #isStopped = false
  #isAttemptArmed = false
  #requestAtMs = NEVER
  #idleAtMs = NEVER
  #responseAtMs = NEVER
  #backendRequestAtMs = NEVER
  /** Up to the response head of this attempt. */
  #tryAtMs = NEVER
  #timer: NodeJS.Timeout | undefined = undefined
  #backoff: NodeJS.Timeout | undefined = undefined

  constructor(plan: RoutePlan, owner: TimerOwner, nowMs: () => number) {
    this.#plan = plan
    this.#owner = owner
    this.#nowMs = nowMs
  }

  /** The request came. */
  start(nowMs: number): void {
    const { timeouts, headTimeoutMs, deadlines } = this.#plan
    const { requestMs, idleMs } = timeouts
    const wholeMs = requestMs ?? headTimeoutMs
    if (wholeMs !== undefined) this.#requestAtMs = nowMs + wholeMs
    if (idleMs !== undefined) this.#idleAtMs = nowMs + idleMs
    this.#queue = deadlines
    if (deadlines === undefined) this.#arm(nowMs)
    else deadlines.add(this, nowMs)
  }

  /** Something came from either side. */
  onFrame(): void {
    const { idleMs } = this.#plan.timeouts
    if (idleMs !== undefined) this.#idleAtMs = this.#nowMs() + idleMs
  }

  /** The request of this attempt is out, or its answer began before that: the answer's time runs. */
  armAttempt(hasHead: boolean, isLastAttempt: boolean): void {
    if (this.#isAttemptArmed) return
    this.#isAttemptArmed = true
    const { responseMs, backendRequestMs } = this.#plan.timeouts
    const { retry } = this.#plan
    // The last attempt may take its time: nobody would come after it.
    const tryMs = retry?.kind === 'policy' && !hasHead && !isLastAttempt ? retry.policy.timeoutMs : undefined
    if (responseMs === undefined && backendRequestMs === undefined && tryMs === undefined) return
    const nowMs = this.#nowMs()
    if (responseMs !== undefined) this.#responseAtMs = nowMs + responseMs
    if (backendRequestMs !== undefined) this.#backendRequestAtMs = nowMs + backendRequestMs
    if (tryMs !== undefined) this.#tryAtMs = nowMs + tryMs
    // In the queue it is looked at before any of these.
    if (this.#queue === undefined) this.#arm(nowMs)
  }

  /** The answer of this attempt goes to the client. */
  onForwarded(): void {
    this.#tryAtMs = NEVER
    if (this.#plan.headTimeoutMs !== undefined) this.#requestAtMs = NEVER
  }

  /** The attempt is over. */
  endAttempt(): void {
    this.#isAttemptArmed = false
    this.#responseAtMs = NEVER
    this.#backendRequestAtMs = NEVER
    this.#tryAtMs = NEVER
  }

  /** Calls back for the next attempt. */
  backOff(ms: number): void {
    this.#backoff = setTimeout(() => this.#owner.onRetryDue(), ms)
  }

  stop(): void {
    this.#isStopped = true
    this.#queue?.remove(this)
    this.#queue = undefined
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#backoff !== undefined) clearTimeout(this.#backoff)
  }

  onDue(nowMs: number): void {
    this.#queue = undefined
    this.#expire(nowMs)
  }

  // ── From here on only those that take long ──

  #arm(nowMs: number): void {
    clearTimeout(this.#timer)
    const next = this.#nextAtMs()
    if (next === NEVER) return
    this.#timer = setTimeout(() => this.#expire(this.#nowMs()), Math.max(1, Math.ceil(next - nowMs)))
  }

  #nextAtMs(): number {
    return Math.min(this.#requestAtMs, this.#idleAtMs, this.#responseAtMs, this.#backendRequestAtMs, this.#tryAtMs)
  }

  /** Tells the owner of the clocks that are over, the earliest first, until it has enough. */
  #expire(nowMs: number): void {
    while (!this.#isStopped) {
      const at = this.#nextAtMs()
      if (at > nowMs) return this.#arm(nowMs)
      const { timeouts, headTimeoutMs, retry } = this.#plan
      if (at === this.#requestAtMs) {
        this.#requestAtMs = NEVER
        const { requestMs } = timeouts
        this.#owner.onTimeout(
          requestMs === undefined ? errors.profileTimeout(headTimeoutMs!) : errors.requestTimeout(requestMs),
        )
      } else if (at === this.#idleAtMs) {
        this.#idleAtMs = NEVER
        this.#owner.onTimeout(errors.idleTimeout(timeouts.idleMs!))
      } else if (at === this.#responseAtMs) {
        this.#responseAtMs = NEVER
        this.#owner.onTimeout(errors.responseTimeout(timeouts.responseMs!))
      } else if (at === this.#backendRequestAtMs) {
        this.#backendRequestAtMs = NEVER
        this.#owner.onAttemptTimeout(errors.backendRequestTimeout(timeouts.backendRequestMs!), false)
      } else {
        this.#tryAtMs = NEVER
        const tryMs = retry?.kind === 'policy' ? retry.policy.timeoutMs! : 0
        this.#owner.onAttemptTimeout(errors.responseTimeout(tryMs), true)
      }
    }
  }
}
