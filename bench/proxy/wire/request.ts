/**
 * A realistic request head: 15 fields, a bearer token, and a path, request id and trace context of its own each time. The
 * token is that of one client, or another one each time.
 */
import { randomBytes, randomUUID } from 'node:crypto'

/** So many different ones that neither a cache nor a branch predictor knows them. */
export const REQUESTS = 512

const ONE_TOKEN = bearerToken()

export function bearerToken(): string {
  const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: randomUUID() })).toString('base64url')
  return `Bearer ${header}.${randomBytes(90).toString('base64url')}.${randomBytes(64).toString('base64url')}`
}

export function requestFields(token = ONE_TOKEN): [string, string][] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', 'orders.shop.svc.cluster.local:8080'],
    [':path', `/api/v2/customers/${randomUUID()}/orders?expand=items&limit=50`],
    ['authorization', token],
    ['x-request-id', randomUUID()],
    ['traceparent', `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`],
    ['user-agent', 'grpc-node-js/1.14.7'],
    ['accept', 'application/json, text/plain, */*'],
    ['accept-encoding', 'gzip, deflate'],
    ['content-type', 'application/json'],
    ['content-length', '482'],
    ['x-tenant', 'emojivoto-production'],
    ['x-forwarded-for', '10.42.17.203'],
    ['x-b3-sampled', '1'],
  ]
}
