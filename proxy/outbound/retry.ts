/** Which responses and failures ask for another attempt, and whether it may be made. Decisions only; `exchange.ts` makes it. */
import { isIdempotent } from '../http/method.ts'
import type { StreamError } from '../http/stream-error.ts'
import { backoffMs } from '../policy/backoff.ts'
import { NO_GRPC_STATUS } from '../policy/classify.ts'
import { isRetryableGrpcStatus, isRetryableStatus } from '../policy/outbound-policy.ts'
import { ErrorCode } from '../wire/connection-error.ts'
import type { Head } from '../wire/head.ts'
import type { Attempt } from './attempt.ts'
import type { RetryPlan, RoutePlan } from './route-plan.ts'

/** Requests the endpoint has certainly not seen are sent again without asking anybody; so often at most. */
export const MAX_SAFE_RETRIES = 5
/** Content kept for a safe retry; a longer request is sent once. */
export const SAFE_RETRY_BYTES = 65_536

/** Whether what is known of the response asks for another attempt; `isEnd`: its status is final. */
export function asksForRetry(retry: RetryPlan, attempt: Attempt, isGrpc: boolean, isEnd: boolean): boolean {
  const { status, grpcStatus } = attempt
  if (retry.kind === 'policy') {
    if (grpcStatus !== NO_GRPC_STATUS) return isRetryableGrpcStatus(retry.policy, grpcStatus)
    return isRetryableStatus(retry.policy, status)
  }
  // A gRPC verdict stands in the trailers.
  if (isGrpc && grpcStatus === NO_GRPC_STATUS && !isEnd && status === 200) return false
  return attempt.classify() === 'failure'
}

/** Whether no application has seen a request that failed so, or may see it twice (RFC 9110 §9.2.2). */
export function isSafeToRepeat(error: StreamError, request: Head | undefined): boolean {
  if (error.isUnprocessed) return true
  // Refused for what else the connection carries: the next one may bear it (see `http/stream-allowance.ts`).
  const isTooMuch = error.kind === 'reset' && error.code === ErrorCode.enhanceYourCalm
  return (error.kind === 'stale' || isTooMuch) && request !== undefined && isIdempotent(request)
}

/** How much content is worth keeping for another attempt. */
export function retainedBytes({ retry }: RoutePlan): number {
  return retry?.maxRequestBytes ?? SAFE_RETRY_BYTES
}

/** Whether no attempt may follow this one for what it answers; counted from 1. */
export function isLastAttempt({ retry }: RoutePlan, attempts: number): boolean {
  return retry?.kind === 'policy' && attempts > retry.policy.maxRetries
}

/** Takes what another attempt costs, after `attempts` of them; false, and counted, when the route has no more to give. */
export function takeRetry(plan: RoutePlan, attempts: number, nowMs: number): boolean {
  const { retry, recorder } = plan
  if (retry === undefined) return false
  if (isLastAttempt(plan, attempts)) {
    recorder.onRetryLimit()
    return false
  }
  if (!withdraw(plan, nowMs)) return false
  recorder.onRetry()
  return true
}

/** Pays for one more attempt out of the route's budget; false, and counted, when that is spent. */
export function withdraw({ budget, recorder }: RoutePlan, nowMs: number): boolean {
  if (budget === undefined || budget.tryWithdraw(nowMs)) return true
  recorder.onNoBudget()
  return false
}

/** How long the attempt after `attempts` of them waits. */
export function retryDelayMs(retry: RetryPlan, attempts: number, random: () => number): number {
  if (retry.kind !== 'policy' || retry.policy.backoff === undefined) return 0
  return backoffMs(retry.policy.backoff, attempts - 1, random)
}
