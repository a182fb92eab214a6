/** HTTP from a client: each request is routed and authorised, then becomes an exchange. */
import { drained, type ProxyError, respondError } from '../http/error-response.ts'
import { dropHopByHop } from '../http/hop-by-hop.ts'
import type { RequestHandler, RequestListener, ServerStream } from '../http/stream.ts'
import type { HttpClients } from '../io/http-clients.ts'
import type { Authorization, Client } from '../policy/authorization.ts'
import { isGrpcContentType } from '../policy/classify.ts'
import { type InboundRoute, type InboundServer, isProbe } from '../policy/inbound-policy.ts'
import type { RateExceeded, RateLimit } from '../policy/rate-limit.ts'
import type { InboundRouteMetrics } from '../telemetry/inbound-route-metrics.ts'
import type { RequestMetrics } from '../telemetry/request-metrics.ts'
import { type Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import type { AccessLog, WhoDecided, WriteEntry } from './access-log.ts'
import { decideInbound, type InboundDecision } from './decision.ts'
import { errors } from './errors.ts'
import { InboundExchange, type InboundExchangeContext } from './exchange.ts'
import type { PortPolicy } from './port-policies.ts'

const CONTENT_TYPE = token('content-type')
const CLIENT_ID = token('l5d-client-id')

/** Finds the counters of one kind of request on one connection; telemetry is the assembly's business. */
export interface InboundRecorders {
  requests(server: InboundServer, route: InboundRoute, authorization: Authorization): RequestMetrics
  route(server: InboundServer, route: InboundRoute): InboundRouteMetrics
  allowed(server: InboundServer, route: InboundRoute, authorization: Authorization): void
  denied(server: InboundServer, route: InboundRoute): void
  notFound(server: InboundServer): void
  rateLimited(server: InboundServer, limit: RateLimit, scope: RateExceeded['scope']): void
  failed(server: InboundServer, error: ProxyError): void
}

export interface InboundHttpConnection {
  readonly policy: PortPolicy
  readonly client: Client
  /** `ip:port` of the client. */
  readonly clientAddr: string
  readonly clients: HttpClients
  readonly recorders: InboundRecorders
  readonly nowMs: () => number
  readonly random: () => number
  readonly inFlight: InFlight
  /** Writes one line per request; `undefined` writes none. */
  readonly accessLog: AccessLog | undefined
}

/** Requests in flight through the inbound side; beyond `max` they are shed. */
export interface InFlight {
  count: number
  readonly max: number
}

/** The requests of one connection. Remembers what the last decision needs: most connections only ever see one kind. */
export class InboundHttp {
  readonly #connection: InboundHttpConnection
  readonly #identity: string | undefined
  /** The same as bytes: every request gets it. */
  readonly #clientId: Buffer | undefined
  #lastRoute: InboundRoute | undefined = undefined
  #lastAuthorization: Authorization | undefined = undefined
  #lastServer: InboundServer | undefined = undefined
  #lastContext: InboundExchangeContext | undefined = undefined

  constructor(connection: InboundHttpConnection) {
    this.#connection = connection
    const { tls } = connection.client
    this.#identity = tls.kind === 'meshTls' ? tls.identity : undefined
    this.#clientId = this.#identity === undefined ? undefined : Buffer.from(this.#identity, 'latin1')
  }

  readonly onRequest: RequestListener = (head: Head, endStream: boolean, stream: ServerStream): RequestHandler => {
    const { policy, client, recorders, nowMs, random } = this.#connection
    // Read once: an update in the meantime is for the next request.
    const { server, limiter } = policy
    // Before anything is decided or added: no field that Connection names takes part, or takes away what we say.
    dropHopByHop(head, head.isUpgrade)
    const isGrpc = head.version === Version.http2 && isGrpcContentType(head.get(CONTENT_TYPE))
    const { inFlight, accessLog, clientAddr } = this.#connection
    // Before filters: the line shows the request as it came.
    const entry = accessLog?.begin(head, clientAddr, this.#identity)
    const decision = decideInbound(server, client, head, random)
    const writeEntry = entry?.(whoDecided(server, decision))
    switch (decision.kind) {
      case 'noRoute':
        recorders.notFound(server)
        return this.#refuse(stream, isGrpc, server, writeEntry, decision.error)
      case 'denied':
        recorders.denied(server, decision.hit.route)
        return this.#refuse(stream, isGrpc, server, writeEntry, decision.error)
      case 'answer':
        recorders.allowed(server, decision.hit.route, decision.authorization)
        return this.#refuse(stream, isGrpc, server, writeEntry, decision.error, decision.fields)
      case 'forward':
        recorders.allowed(server, decision.hit.route, decision.authorization)
    }

    if (limiter !== undefined && !isProbe(decision.authorization)) {
      const exceeded = limiter.tryPass(this.#identity, nowMs())
      if (exceeded !== undefined) {
        recorders.rateLimited(server, limiter.limit, exceeded.scope)
        const fields = [['retry-after', `${exceeded.retryAfterSeconds}`]] as const
        return this.#refuse(stream, isGrpc, server, writeEntry, errors.rateLimited(exceeded.message), fields)
      }
    }

    if (inFlight.count >= inFlight.max)
      return this.#refuse(stream, isGrpc, server, writeEntry, errors.overloaded(inFlight.max))
    inFlight.count++

    // Whatever the client wrote there, the application reads only what TLS has proved.
    if (this.#clientId === undefined) head.drop(CLIENT_ID)
    else head.set(CLIENT_ID, this.#clientId)

    const context = this.#contextOf(server, decision.hit.route, decision.authorization)
    const exchange = new InboundExchange(context, head, endStream, stream, isGrpc, writeEntry)
    stream.handler = exchange
    exchange.start(head)
    return exchange
  }

  #refuse(
    stream: ServerStream,
    isGrpc: boolean,
    server: InboundServer,
    writeEntry: WriteEntry | undefined,
    error: ProxyError,
    fields?: readonly (readonly [string, string])[],
  ): RequestHandler {
    const { recorders, nowMs } = this.#connection
    recorders.failed(server, error)
    writeEntry?.(isGrpc ? 200 : error.status, isGrpc ? undefined : '0', nowMs())
    const style = { isGrpc, isInformational: this.#identity !== undefined }
    respondError(stream, error, fields === undefined ? style : { ...style, fields })
    return drained(stream)
  }

  #contextOf(server: InboundServer, route: InboundRoute, authorization: Authorization): InboundExchangeContext {
    const last = this.#lastContext
    if (
      last !== undefined &&
      this.#lastRoute === route &&
      this.#lastAuthorization === authorization &&
      this.#lastServer === server
    )
      return last
    this.#lastServer = server
    this.#lastRoute = route
    this.#lastAuthorization = authorization
    const { clients, recorders, nowMs, inFlight } = this.#connection
    this.#lastContext = {
      clients,
      metrics: recorders.requests(server, route, authorization),
      route: recorders.route(server, route),
      isInformational: this.#identity !== undefined,
      nowMs,
      onError: (error) => recorders.failed(server, error),
      onEnded: () => {
        inFlight.count--
      },
    }
    return this.#lastContext
  }
}

function whoDecided(server: InboundServer, decision: InboundDecision): WhoDecided {
  return {
    server: server.meta,
    route: 'hit' in decision ? decision.hit.route.meta : undefined,
    authorization: 'authorization' in decision ? decision.authorization.meta : undefined,
  }
}
