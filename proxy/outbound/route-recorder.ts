/** Counts what happens on one route, whichever families that feeds: a profile's `route_*` or a policy's `outbound_http_route_*`. */
import type { Classification } from '../policy/classify.ts'

/** One request or attempt that ended. */
export interface Ended {
  /** 0 when no response head was seen. */
  readonly status: number
  readonly classification: Classification
  /** -1 when there was none. */
  readonly grpcStatus: number
  /** '' when the stream ended in order; otherwise as the legacy families say it: `timeout`, `h2(CANCEL)`, `unclassified`. */
  readonly error: string
  /** To the first content of the response, or to its end. */
  readonly latencyMs: number
  /** To the end of the response. */
  readonly durationMs: number
  readonly isGrpc: boolean
}

export interface BackendRecorder {
  onRequest(): void
  onResponse(ended: Ended): void
}

export interface RouteRecorder {
  onRequest(): void
  onResponse(ended: Ended): void
  /** One attempt, retries included. */
  onAttempt(): void
  onAttemptResponse(ended: Ended): void
  onRetry(): void
  /** A retry ended well. */
  onRetrySuccess(): void
  onRetryLimit(): void
  onRetryOverflow(): void
  onNoBudget(): void
  /** A request had `l5d-…` fields that could not be read. */
  onIgnoredOverride(): void
}

/** For what is no request of a route. */
export const NOTHING_COUNTED: RouteRecorder = {
  onRequest() {},
  onResponse() {},
  onAttempt() {},
  onAttemptResponse() {},
  onRetry() {},
  onRetrySuccess() {},
  onRetryLimit() {},
  onRetryOverflow() {},
  onNoBudget() {},
  onIgnoredOverride() {},
}
