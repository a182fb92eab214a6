/**
 * The clocks of one exchange: those of the whole and those of its current attempt. Made only for exchanges that have any,
 * so that most requests arm nothing.
 */
import type { ProxyError } from '../http/error-response.ts'
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

/** Whether an exchange on this route needs clocks from its beginning. */
export function isTimed({ timeouts, headTimeoutMs, retry }: RoutePlan): boolean {
  return (
    timeouts.requestMs !== undefined ||
    timeouts.responseMs !== undefined ||
    timeouts.backendRequestMs !== undefined ||
    timeouts.idleMs !== undefined ||
    headTimeoutMs !== undefined ||
    (retry?.kind === 'policy' && retry.policy.timeoutMs !== undefined)
  )
}

export class ExchangeTimers {
  readonly #plan: RoutePlan
  readonly #owner: TimerOwner
  #request: NodeJS.Timeout | undefined = undefined
  #idle: NodeJS.Timeout | undefined = undefined
  #isAttemptArmed = false
  #response: NodeJS.Timeout | undefined = undefined
  #backendRequest: NodeJS.Timeout | undefined = undefined
  /** Up to the response head of this attempt. */
  #try: NodeJS.Timeout | undefined = undefined
  #backoff: NodeJS.Timeout | undefined = undefined

  constructor(plan: RoutePlan, owner: TimerOwner) {
    this.#plan = plan
    this.#owner = owner
  }

  /** The request came. */
  start(): void {
    const { timeouts, headTimeoutMs } = this.#plan
    const { requestMs, idleMs } = timeouts
    if (requestMs !== undefined)
      this.#request = setTimeout(() => this.#owner.onTimeout(errors.requestTimeout(requestMs)), requestMs)
    else if (headTimeoutMs !== undefined)
      this.#request = setTimeout(() => this.#owner.onTimeout(errors.profileTimeout(headTimeoutMs)), headTimeoutMs)
    if (idleMs !== undefined) this.#idle = setTimeout(() => this.#owner.onTimeout(errors.idleTimeout(idleMs)), idleMs)
  }

  /** Something came from either side. */
  onFrame(): void {
    this.#idle?.refresh()
  }

  /** The request of this attempt is out, or its answer began before that: the answer's time runs. */
  armAttempt(hasHead: boolean, isLastAttempt: boolean): void {
    if (this.#isAttemptArmed) return
    this.#isAttemptArmed = true
    const { responseMs, backendRequestMs } = this.#plan.timeouts
    const { retry } = this.#plan
    if (responseMs !== undefined)
      this.#response = setTimeout(() => this.#owner.onTimeout(errors.responseTimeout(responseMs)), responseMs)
    if (backendRequestMs !== undefined) {
      const error = errors.backendRequestTimeout(backendRequestMs)
      this.#backendRequest = setTimeout(() => this.#owner.onAttemptTimeout(error, false), backendRequestMs)
    }
    // The last attempt may take its time: nobody would come after it.
    const tryMs = retry?.kind === 'policy' && !hasHead && !isLastAttempt ? retry.policy.timeoutMs : undefined
    if (tryMs !== undefined)
      this.#try = setTimeout(() => this.#owner.onAttemptTimeout(errors.responseTimeout(tryMs), true), tryMs)
  }

  /** The answer of this attempt goes to the client. */
  onForwarded(): void {
    clearTimeout(this.#try)
    if (this.#plan.headTimeoutMs !== undefined) clearTimeout(this.#request)
  }

  /** The attempt is over. */
  endAttempt(): void {
    this.#isAttemptArmed = false
    clearTimeout(this.#response)
    clearTimeout(this.#backendRequest)
    clearTimeout(this.#try)
  }

  /** Calls back for the next attempt. */
  backOff(ms: number): void {
    this.#backoff = setTimeout(() => this.#owner.onRetryDue(), ms)
  }

  stop(): void {
    this.endAttempt()
    clearTimeout(this.#request)
    clearTimeout(this.#idle)
    clearTimeout(this.#backoff)
  }
}
