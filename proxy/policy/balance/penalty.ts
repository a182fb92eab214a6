/**
 * What a bad answer costs an endpoint in the balancer's eyes: a latency it did not have.
 *
 * An endpoint that refuses at once looks like the fastest of all, and an estimate of its latency would send it everything.
 * Where the policy asks for it, failures are recorded as slow answers instead, and those that say when to come back as
 * slow as that.
 */
import { NO_GRPC_STATUS } from '../classify.ts'

export interface PenaltyParams {
  /** Recorded for a failure. */
  readonly penaltyMs: number
  /** No hint of an endpoint counts for more. */
  readonly maxRetryAfterMs: number
}

/** Where the policy does not say. */
export const DEFAULT_PENALTY: PenaltyParams = { penaltyMs: 5_000, maxRetryAfterMs: 300_000 }

const GRPC_PENALISED = [
  2, // UNKNOWN
  4, // DEADLINE_EXCEEDED
  8, // RESOURCE_EXHAUSTED
  13, // INTERNAL
  14, // UNAVAILABLE
  15, // DATA_LOSS
].reduce((bits, code) => bits | (1 << code), 0)

/** Whether a response is recorded as slow, by its head or its trailers. */
export function isPenalised(status: number, grpcStatus: number): boolean {
  if (status === 429 || status >= 500) return true
  return grpcStatus !== NO_GRPC_STATUS && grpcStatus <= 31 && (GRPC_PENALISED & (1 << grpcStatus)) !== 0
}

/** @param retryAfterMs when the endpoint wants to be asked again; 0 when it did not say */
export function penaltyMs(params: PenaltyParams, retryAfterMs: number): number {
  return Math.max(params.penaltyMs, Math.min(retryAfterMs, params.maxRetryAfterMs))
}
