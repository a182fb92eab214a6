/** The errors that the inbound proxy answers with itself (facts: behaviour 2.9). */
import type { ProxyError } from '../http/error-response.ts'

const DEADLINE_EXCEEDED = 4
const NOT_FOUND = 5
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const INTERNAL = 13
const UNAVAILABLE = 14

function error(status: number, grpcCode: number, message: string, closesConnection: boolean): ProxyError {
  return { status, grpcCode, message, closesConnection }
}

export const errors = {
  unauthorized: (route: string) => error(403, PERMISSION_DENIED, `unauthorized request on route ${route}`, false),
  overloaded: (bound: number) =>
    error(503, UNAVAILABLE, `${bound} requests are in flight (LINKERD2_PROXY_INBOUND_MAX_IN_FLIGHT)`, true),
  noRoute: (server: string) => error(404, NOT_FOUND, `no route of ${server} matches`, false),
  rateLimited: (message: string) => error(429, RESOURCE_EXHAUSTED, message, false),
  appIo: (message: string) => error(502, UNAVAILABLE, message, true),
  connectTimeout: (message: string) => error(504, DEADLINE_EXCEEDED, message, true),
  redirect: (status: number) => error(status, NOT_FOUND, 'redirected', false),
  injected: (status: number, message: string) => error(status, FAILED_PRECONDITION, message, false),
  unsupported: (message: string) => error(500, INTERNAL, message, true),
} as const
