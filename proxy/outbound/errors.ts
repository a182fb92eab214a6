/** The errors that the outbound proxy answers with itself: status, grpc-status and whether the connection ends (facts: behaviour 1.14). */
import type { ProxyError } from '../http/error-response.ts'

const DEADLINE_EXCEEDED = 4
const NOT_FOUND = 5
const FAILED_PRECONDITION = 9
const INTERNAL = 13
const UNAVAILABLE = 14

function error(status: number, grpcCode: number, message: string, closesConnection: boolean): ProxyError {
  return { status, grpcCode, message, closesConnection }
}

export const errors = {
  failFast: (parent: string, route: string, reason: string, ms: number) =>
    error(
      504,
      DEADLINE_EXCEEDED,
      `logical service ${parent}: route ${route}: ${reason} within ${ms} ms: service in fail-fast`,
      true,
    ),
  loadShed: (parent: string, route: string, reason: string) =>
    error(503, UNAVAILABLE, `logical service ${parent}: route ${route}: ${reason}: service unavailable`, true),
  overloaded: (bound: number) =>
    error(
      503,
      UNAVAILABLE,
      `${bound} requests are in flight (LINKERD2_PROXY_OUTBOUND_MAX_IN_FLIGHT): service unavailable`,
      true,
    ),
  requestTimeout: (ms: number) => error(504, DEADLINE_EXCEEDED, `request timed out after ${ms} ms`, false),
  responseTimeout: (ms: number) => error(504, DEADLINE_EXCEEDED, `response timed out after ${ms} ms`, false),
  backendRequestTimeout: (ms: number) =>
    error(504, DEADLINE_EXCEEDED, `the backend did not answer within ${ms} ms`, false),
  idleTimeout: (ms: number) => error(504, DEADLINE_EXCEEDED, `no frame in either direction for ${ms} ms`, false),
  profileTimeout: (ms: number) => error(504, DEADLINE_EXCEEDED, `HTTP response timeout after ${ms} ms`, true),
  requiredIdentity: (wanted: string, found: string | undefined) =>
    error(
      502,
      UNAVAILABLE,
      `request required the identity '${wanted}' but the endpoint has ${found === undefined ? 'none' : `'${found}'`}`,
      true,
    ),
  invalidBackend: (route: string, backend: string) =>
    error(502, UNAVAILABLE, `route ${route}: its backend ${backend} does not exist`, true),
  noBackend: (route: string) => error(503, UNAVAILABLE, `route ${route} has no backend`, true),
  noRoute: (parent: string) => error(404, NOT_FOUND, `no route of ${parent} matches`, false),
  redirect: (status: number) => error(status, NOT_FOUND, 'redirected', false),
  injectedHttp: (status: number, message: string) => error(status, FAILED_PRECONDITION, message, false),
  injectedGrpc: (code: number, message: string) => error(200, code, message, false),
  endpointIo: (message: string) => error(502, UNAVAILABLE, message, true),
  connectTimeout: (message: string) => error(504, DEADLINE_EXCEEDED, message, true),
  moved: error(503, UNAVAILABLE, 'the stream ends so that it can be opened at another replica', false),
  invalidPolicy: (message: string) => error(500, INTERNAL, `invalid policy: ${message}`, true),
  tooMuchWaiting: (bytes: number) =>
    error(503, UNAVAILABLE, `more than ${bytes} bytes of the request arrived before an endpoint was ready`, true),
  badRequest: (message: string) => error(400, INTERNAL, message, true),
} as const
