/**
 * Says whether a finished exchange was a success, for metrics, retries and failure accrual.
 *
 * Precedence: an error ends the exchange as a failure; then the response classes of a service profile route; then
 * grpc-status where the request was gRPC; then the HTTP status. Called once per exchange, when its end is known.
 */
import type { ResponseClass, ResponseCondition } from './profile.ts'

export type Classification = 'success' | 'failure'

/** gRPC codes that blame the server; all others, also NOT_FOUND and RESOURCE_EXHAUSTED, are answers. */
const GRPC_FAILURES = [
  2, // UNKNOWN
  4, // DEADLINE_EXCEEDED
  7, // PERMISSION_DENIED
  13, // INTERNAL
  14, // UNAVAILABLE
  15, // DATA_LOSS
].reduce((bits, code) => bits | (1 << code), 0)

/** A `grpcStatus` argument for an exchange that carried none. */
export const NO_GRPC_STATUS = -1

/**
 * Classifies an exchange that ended in order.
 *
 * @param status of the response head
 * @param isGrpc the request's content-type begins with `application/grpc`
 * @param grpcStatus from the response head, else its trailers; `NO_GRPC_STATUS` without one
 * @param classes of the service profile's route; empty without one
 */
export function classify(
  status: number,
  isGrpc: boolean,
  grpcStatus: number,
  classes: readonly ResponseClass[],
): Classification {
  for (let at = 0; at < classes.length; at++) {
    const responseClass = classes[at]!
    if (holds(responseClass.condition, status)) return responseClass.isFailure ? 'failure' : 'success'
  }
  // With response classes the server's own grpc-status counts whatever the request said it was.
  if (isGrpc || (classes.length > 0 && grpcStatus !== NO_GRPC_STATUS)) return classifyGrpc(grpcStatus)
  return classifyHttp(status)
}

export function classifyHttp(status: number): Classification {
  return status >= 500 ? 'failure' : 'success'
}

/** A missing grpc-status is recorded as UNKNOWN but counts as a success: the stream did end in order. */
export function classifyGrpc(grpcStatus: number): Classification {
  return grpcStatus >= 0 && grpcStatus <= 31 && (GRPC_FAILURES & (1 << grpcStatus)) !== 0 ? 'failure' : 'success'
}

/** Parses a grpc-status value; `NO_GRPC_STATUS` when it is absent, UNKNOWN (2) when it is not a number. */
export function parseGrpcStatus(value: string | undefined): number {
  if (value === undefined) return NO_GRPC_STATUS
  const isNumber = value.length > 0 && value.length <= 3 && /^\d+$/.test(value)
  return isNumber ? Number(value) : 2
}

/** Whether a request is gRPC by its content-type. */
export function isGrpcContentType(contentType: string | undefined): boolean {
  return contentType?.startsWith('application/grpc') === true
}

function holds(condition: ResponseCondition, status: number): boolean {
  switch (condition.kind) {
    case 'all': {
      const { of } = condition
      for (let at = 0; at < of.length; at++) if (!holds(of[at]!, status)) return false
      return true
    }
    case 'any': {
      const { of } = condition
      for (let at = 0; at < of.length; at++) if (holds(of[at]!, status)) return true
      return false
    }
    case 'not':
      return !holds(condition.of, status)
    case 'status':
      return status >= condition.min && status <= condition.max
  }
}
