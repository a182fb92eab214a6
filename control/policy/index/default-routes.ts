/** The routes that stand where no object says anything. */
import { status } from '../../grpc/status.ts'
import type { Backend, GrpcRoute, HttpRoute, RequestRule, RouteSettings, StreamRoute } from '../model/outbound.ts'
import type { Failure, HttpMatch } from '../model/route.ts'
import { defaultOrigin } from './origin.ts'

const ANY_PATH: HttpMatch = { path: { kind: 'prefix', value: '/' }, headers: [], query: [] }

/** All requests to one backend, with what the parent's annotations say. */
export function defaultHttpRoute(name: string, backend: Backend, settings: RouteSettings = {}): HttpRoute {
  return { origin: defaultOrigin(name), hosts: [], rules: [ruleTo(backend, settings)] }
}

export function defaultStreamRoute(name: string, backend: Backend): StreamRoute {
  return { origin: defaultOrigin(name), hosts: [], backends: [{ backend, weight: 1, filters: [] }] }
}

export function forbiddenRoute(name: string): StreamRoute {
  return { origin: defaultOrigin(name), hosts: [], backends: [], refusal: { kind: 'forbidden' } }
}

/** What an EgressNetwork's trafficPolicy does with traffic that no route of it matches. */
export interface EgressDefaults {
  readonly http: HttpRoute
  readonly grpc: GrpcRoute
  readonly tls: StreamRoute
  readonly tcp: StreamRoute
}

const NOT_ALLOWED: Failure = {
  kind: 'failure',
  status: 403,
  grpcCode: status.PERMISSION_DENIED,
  message: 'traffic not allowed',
}

export function egressDefaults(isAllowed: boolean, backend: Backend, settings: RouteSettings): EgressDefaults {
  const name = (protocol: string) => `${protocol}-egress-${isAllowed ? 'allow' : 'deny'}`
  const stream = (protocol: string) =>
    isAllowed ? defaultStreamRoute(name(protocol), backend) : forbiddenRoute(name(protocol))
  const rule = ruleTo(backend, settings)
  const http = isAllowed ? rule : { ...rule, filters: [NOT_ALLOWED] }
  return {
    http: { origin: defaultOrigin(name('http')), hosts: [], rules: [http] },
    grpc: { origin: defaultOrigin(name('grpc')), hosts: [], rules: [{ ...http, matches: [] }] },
    tls: stream('tls'),
    tcp: stream('tcp'),
  }
}

function ruleTo(backend: Backend, { timeouts, retry }: RouteSettings): RequestRule<HttpMatch> {
  return {
    matches: [ANY_PATH],
    filters: [],
    backends: [{ backend, weight: 1, filters: [] }],
    ...(timeouts && { timeouts }),
    ...(retry && { retry }),
  }
}
