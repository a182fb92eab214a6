/**
 * What one request costs a proxy, without sockets and TLS: HTTP/2 in, decision, HTTP/2 out, and the answer back; and what
 * an HTTP/1 request costs both proxies together, HTTP/2 between them. `limited` is `inbound` behind rate limits; the two
 * with policies have all of `bench/policies.ts`.
 *
 *   node bench/proxy/http/pair.bench.ts [engine|outbound|outboundPolicies|inbound|limited|inboundPolicies|http1]
 *
 * Client and application are templates (`peers.ts`); what they cost is measured beside and subtracted.
 */
import { toBinary } from '@bufbuild/protobuf'
import { ServerSchema } from '../../../api/gen/inbound_pb.js'
import { ServerTable } from '../../../api/gen/inbound_tables.ts'
import { OutboundPolicySchema } from '../../../api/gen/outbound_pb.js'
import { OutboundPolicyTable } from '../../../api/gen/outbound_tables.ts'
import { decode } from '../../../api/messages/codec.ts'
import { inboundPolicyOf } from '../../../proxy/discovery/convert/inbound.ts'
import { outboundPolicyOf } from '../../../proxy/discovery/convert/outbound.ts'
import type { Discovery } from '../../../proxy/discovery/discovery.ts'
import { DEFAULT_HTTP2 } from '../../../proxy/http/http2-config.ts'
import { Http2Connection } from '../../../proxy/http/http2-connection.ts'
import { serveHttp } from '../../../proxy/http/serve.ts'
import type {
  ClientStream,
  RequestHandler,
  RequestListener,
  ResponseHandler,
  ServerStream,
} from '../../../proxy/http/stream.ts'
import type { Transport } from '../../../proxy/http/transport.ts'
import { InboundHttp } from '../../../proxy/inbound/http.ts'
import type { Connector } from '../../../proxy/io/connector.ts'
import { HttpClients } from '../../../proxy/io/http-clients.ts'
import { Backend } from '../../../proxy/outbound/backend.ts'
import { BackendCache } from '../../../proxy/outbound/backend-cache.ts'
import { Endpoint } from '../../../proxy/outbound/endpoint.ts'
import { outboundRequests } from '../../../proxy/outbound/http.ts'
import { MirrorLoad } from '../../../proxy/outbound/mirror.ts'
import { Target } from '../../../proxy/outbound/target.ts'
import { plainEndpoint } from '../../../proxy/policy/endpoint.ts'
import { defaultServer } from '../../../proxy/policy/inbound-policy.ts'
import { defaultMeta } from '../../../proxy/policy/meta.ts'
import { ipOf } from '../../../proxy/policy/network.ts'
import type { OutboundPolicy } from '../../../proxy/policy/outbound-policy.ts'
import { RateLimiter } from '../../../proxy/policy/rate-limit.ts'
import { declareFamilies } from '../../../proxy/telemetry/families.ts'
import { InboundRouteMetrics } from '../../../proxy/telemetry/inbound-route-metrics.ts'
import { Registry } from '../../../proxy/telemetry/registry.ts'
import { RequestMetrics } from '../../../proxy/telemetry/request-metrics.ts'
import type { Head } from '../../../proxy/wire/head.ts'
import { ORIGINS } from '../../origin-ports.ts'
import { VIP } from '../../pods.ts'
import { policiesOf } from '../../policies.ts'
import { measure } from '../wire/measure.ts'
import { BenchTransport } from './memory.ts'
import { BenchApp, BenchClient, Http1App, Http1Client } from './peers.ts'

const BATCH = 32
const RESPONSE_BYTES = 200
const nowMs = (): number => performance.now()
const OWNER = { onReady() {}, onDraining() {}, onCapacity() {}, onRefused() {}, onClosed() {} }

const SERVED = { http2: DEFAULT_HTTP2, maxHeadBytes: 65_536 }

type Side = (front: BenchTransport, back: BenchTransport) => void

// ── The proxies ──

/** No decision at all: what the HTTP/2 engine alone costs. */
class Splice implements RequestHandler, ResponseHandler {
  readonly #down: ServerStream
  readonly #up: ClientStream

  constructor(down: ServerStream, up: ClientStream) {
    this.#down = down
    this.#up = up
  }

  onRequestData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    this.#down.consumed(this.#up.sendData(buf, start, end, endStream))
  }
  onRequestTrailers(trailers: Head): void {
    this.#up.sendTrailers(trailers)
  }
  onRequestReset(): void {}
  onResponseSent(bytes: number): void {
    this.#up.consumed(bytes)
  }
  onInformational(): void {}
  onResponseHead(head: Head, endStream: boolean): void {
    this.#down.sendHead(head, endStream)
  }
  onResponseData(buf: Uint8Array, start: number, end: number, endStream: boolean): void {
    this.#up.consumed(this.#down.sendData(buf, start, end, endStream))
  }
  onResponseTrailers(trailers: Head): void {
    this.#down.sendTrailers(trailers)
  }
  onResponseReset(): void {}
  onRequestSent(bytes: number): void {
    this.#down.consumed(bytes)
  }
}

const engine: Side = (front, back) => {
  const upstream = new Http2Connection(back, DEFAULT_HTTP2, OWNER)
  new Http2Connection(front, DEFAULT_HTTP2, OWNER, (head, endStream, down) => {
    const up = upstream.openStream()
    const splice = new Splice(down, up)
    up.handler = splice
    up.sendHead(head, endStream)
    return splice
  })
}

const clientsConfig = {
  http1: { maxHeadBytes: 65_536, maxIdle: 100, idleTimeoutMs: 3_000 },
  http2: DEFAULT_HTTP2,
  backoff: { minMs: 100, maxMs: 1_000, jitter: 0.1 },
}
const families = declareFamilies(new Registry({ nowMs, retainIdleMs: 600_000 }))

type Later = (connect: () => void) => void
const AT_ONCE: Later = (connect) => connect()

/** Connections to the application or endpoint. */
function connectorTo(next: () => Transport, later: Later): Connector {
  return {
    connect(_session, onConnected) {
      later(() => onConnected(next()))
      return { cancel() {} }
    },
  }
}

const outbound: Side = (front, back) => {
  serveHttp(front, true, outboundListener(back, true), SERVED, OWNER)
}

const IDENTITY = 'web.shop.serviceaccount.identity.linkerd'
const POLICIES = policiesOf({ endpointIp: '10.77.0.3', identity: IDENTITY })
const POLICY_PORT = ORIGINS.h2Policies.port

const outboundPolicies: Side = (front, back) => {
  const message = POLICIES.outbound(`${VIP.weftPolicies}:${POLICY_PORT}`)!
  const policy = outboundPolicyOf(decode(OutboundPolicyTable, toBinary(OutboundPolicySchema, message)))
  serveHttp(front, true, outboundListener(back, true, policy), SERVED, OWNER)
}

function outboundListener(back: Transport, isHttp2: boolean, policy?: OutboundPolicy): RequestListener {
  let shared: Backend | undefined
  // All backends are one: there is one connection.
  const endpoints = new BackendCache(60_000, () => {
    if (shared !== undefined) return { backend: shared, watch: undefined }
    const backend = new Backend('web.shop', {
      queue: { capacity: 100, failFastTimeoutMs: 3_000 },
      random: Math.random,
      minReadyEndpoints: 0,
      affinity: undefined,
      slowStartMs: undefined,
      nowMs,

      newEndpoint: (meta, pool) =>
        new Endpoint(
          meta,
          {
            connector: connectorTo(() => back, AT_ONCE),
            http: clientsConfig,
            nowMs,
            epochMs: Date.now,
            random: Math.random,
            metrics: new RequestMetrics(families.http, 'direction="outbound",target_addr="10.0.0.1:80"'),
            seedRttMs: 30,
            decayMs: 10_000,
            isUpgradeable: true,
            penalty: undefined,
            failureAccrual: undefined,
          },
          pool,
        ),
    })
    backend.update({ kind: 'reset', endpoints: [plainEndpoint('10.0.0.1', 80)] })
    shared = backend
    return { backend, watch: undefined }
  })
  const nothing = (): void => {}
  const recorder = {
    onRequest: nothing,
    onResponse: nothing,
    onAttempt: nothing,
    onAttemptResponse: nothing,
    onRetry: nothing,
    onRetrySuccess: nothing,
    onRetryLimit: nothing,
    onRetryOverflow: nothing,
    onIgnoredOverride: nothing,
    onNoBudget: nothing,
  }
  const target = new Target('10.0.0.1', 80, {
    cache: endpoints,
    recorders: {
      profileRoute: () => recorder,
      policyRoute: (_parent, _route, backends) => ({ ...recorder, backends: backends.map(() => undefined) }),
      mirror: () => nothing,
    },
    random: Math.random,
    nowMs,
  })
  const unknown: Discovery = {
    watchProfile: (_address, onUpdate) => {
      onUpdate(undefined)
      return { close() {} }
    },
    watchOutboundPolicy: (_address, onUpdate) => {
      onUpdate(policy)
      return { close() {} }
    },
    watchEndpoints: () => ({ close() {} }),
    watchPort: () => ({ close() {} }),
  }
  target.start(unknown, '10.0.0.1:80', true)
  return outboundRequests(isHttp2, target, {
    parentName: 'web.shop:80',
    failFastTimeoutMs: 3_000,
    isInformational: true,
    maxInFlight: 100_000,
    mirrors: new MirrorLoad(),
    streams: undefined,
    nowMs,
    random: Math.random,
    tryBegin: () => true,
    onError() {},
    onEnded() {},
  })
}

const inbound: Side = (front, back) => serveInbound(front, back, undefined)

/** Every kind of limit, none of which ever strikes. */
const limited: Side = (front, back) => {
  const rate = 1_000_000_000
  const overrides = [{ requestsPerSecond: rate, identities: ['other.shop.serviceaccount.identity.linkerd'] }]
  serveInbound(
    front,
    back,
    new RateLimiter({ meta: defaultMeta('limit'), total: rate, identity: rate, overrides }, 1, undefined),
  )
}

const inboundPolicies: Side = (front, back) => {
  const message = POLICIES.inbound(POLICY_PORT)!
  const server = inboundPolicyOf(decode(ServerTable, toBinary(ServerSchema, message)))
  if (server.kind === 'invalid') throw new Error(server.reason)
  const limiter = new RateLimiter(server.rateLimit!, 1, undefined)
  serveHttp(
    front,
    true,
    inboundListener(() => back, AT_ONCE, limiter, server),
    SERVED,
    OWNER,
  )
}

function serveInbound(front: Transport, back: Transport, limiter: RateLimiter | undefined): void {
  serveHttp(
    front,
    true,
    inboundListener(() => back, AT_ONCE, limiter),
    SERVED,
    OWNER,
  )
}

function inboundListener(
  next: () => Transport,
  later: Later,
  limiter?: RateLimiter,
  server = defaultServer('all-unauthenticated', false, [], 10_000),
): RequestListener {
  const metrics = new RequestMetrics(families.http, 'direction="inbound",target_addr="10.0.0.1:80"')
  const routeMetrics = new InboundRouteMetrics(families.inboundRoute.http, false, server.meta, 80, server.meta)
  const http = new InboundHttp({
    policy: { server, limiter } as never,
    client: { ip: ipOf('10.0.0.2')!, tls: { kind: 'meshTls', identity: IDENTITY } },
    clients: new HttpClients(connectorTo(next, later), clientsConfig, nowMs, Math.random, () => {}),
    recorders: {
      requests: () => metrics,
      route: () => routeMetrics,
      allowed() {},
      denied() {},
      notFound() {},
      rateLimited() {},
      failed() {},
    },
    inFlight: { count: 0, max: 100_000 },
    nowMs,
    random: Math.random,
  } as never)
  return http.onRequest
}

/** Hands every request over as it came: the price of client and application. */
const nobody: Side = (front, back) => {
  front.handler = pipe(back)
  back.handler = pipe(front)
}

function pipe(to: BenchTransport) {
  return {
    onBytes(buf: Buffer, start: number, end: number): void {
      buf.copy(to.buf, to.at, start, end)
      to.at += end - start
    },
    onEnd() {},
    onDrain() {},
    onClose() {},
  }
}

// ── The benchmark ──

const SIDES: ReadonlyMap<string, Side> = new Map([
  ['engine', engine],
  ['outbound', outbound],
  ['outboundPolicies', outboundPolicies],
  ['inbound', inbound],
  ['limited', limited],
  ['inboundPolicies', inboundPolicies],
])

function run(name: string, side: Side, bodyBytes: number): number {
  const front = new BenchTransport()
  const back = new BenchTransport()
  const client = new BenchClient(bodyBytes)
  const app = new BenchApp(RESPONSE_BYTES)
  side(front, back)
  let sent = 0
  const turn = (): void => {
    for (let i = 0; i < BATCH; i++) client.request()
    sent += BATCH
    while (client.responses < sent) {
      deliver(client.out, front)
      back.take((buf, end) => app.read(buf, end))
      deliver(app.out, back)
      front.take((buf, end) => client.read(buf, end))
    }
  }
  turn()
  return measure(`${name}, a turn of ${BATCH} requests${bodyBytes > 0 ? ` of ${bodyBytes} bytes` : ''}`, turn) / BATCH
}

/** A connection of the client and one of the application for each request of a turn, and one between the proxies. */
function runHttp1(bodyBytes: number): number {
  const client = new Http1Client(bodyBytes)
  const app = new Http1App(RESPONSE_BYTES)
  const [near, far] = [new BenchTransport(), new BenchTransport()]
  const onRequest = outboundListener(near, false)
  const fronts = Array.from({ length: BATCH }, () => new BenchTransport())
  for (const front of fronts) serveHttp(front, false, onRequest, SERVED, OWNER)
  const backs: BenchTransport[] = []
  const connecting: (() => void)[] = []
  const nextBack = (): BenchTransport => {
    const back = new BenchTransport()
    backs.push(back)
    return back
  }
  const onCarried = inboundListener(nextBack, (connect) => connecting.push(connect))
  serveHttp(far, true, onCarried, SERVED, OWNER)
  const cross = (): void => {
    near.take((buf, end) => far.handler.onBytes(buf, 0, end))
    far.take((buf, end) => near.handler.onBytes(buf, 0, end))
  }
  let sent = 0
  const turn = (): void => {
    for (const front of fronts) client.request(front)
    sent += BATCH
    while (client.responses < sent) {
      cross()
      for (const connect of connecting.splice(0)) connect()
      for (const back of backs) if (back.at > 0) app.answer(back)
      cross()
      for (const front of fronts) if (front.at > 0) client.read(front)
    }
  }
  turn()
  return measure(`http1, a turn of ${BATCH} requests${bodyBytes > 0 ? ` of ${bodyBytes} bytes` : ''}`, turn) / BATCH
}

function deliver(from: { buf: Buffer; at: number }, to: BenchTransport): void {
  const { at } = from
  from.at = 0
  if (at > 0) to.handler.onBytes(from.buf, 0, at)
}

const wanted = process.argv.slice(2)
for (const bodyBytes of [0, 1_000]) {
  const price = run('client and application', nobody, bodyBytes)
  for (const [name, side] of SIDES) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const cost = run(name, side, bodyBytes) - price
    console.log(`${name}: ${cost.toFixed(0)} ns per request with ${bodyBytes} bytes of content`)
  }
  if (wanted.length > 0 && !wanted.includes('http1')) continue
  console.log(`http1: ${runHttp1(bodyBytes).toFixed(0)} ns per request with ${bodyBytes} bytes of content`)
}
process.exit(0)
