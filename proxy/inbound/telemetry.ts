/** Finds the counters of the inbound side: once per connection and route, or for what happens rarely at the moment it does. */
import type { ProxyError } from '../http/error-response.ts'
import type { EarlyDialOutcome } from '../io/early-dial.ts'
import type { SocketTransport } from '../io/socket-transport.ts'
import type { Authorization } from '../policy/authorization.ts'
import { type InboundRoute, type InboundServer, isAudit } from '../policy/inbound-policy.ts'
import type { RateExceeded, RateLimit } from '../policy/rate-limit.ts'
import {
  authorizationLabels,
  INBOUND_APP_LABELS,
  type InboundTls,
  inboundEndpointLabels,
  inboundSourceLabels,
  inboundTlsLabels,
  join,
  type NoTlsReason,
  rateLimitLabels,
  routeLabels,
  serverLabels,
  targetLabels,
} from '../telemetry/endpoint-labels.ts'
import type { Families } from '../telemetry/families.ts'
import { InboundRouteMetrics } from '../telemetry/inbound-route-metrics.ts'
import type { Logger } from '../telemetry/log.ts'
import { type Counter, renderLabels } from '../telemetry/metrics.ts'
import { PacedLines } from '../telemetry/paced-lines.ts'
import { Refusals } from '../telemetry/refusals.ts'
import { RequestMetrics } from '../telemetry/request-metrics.ts'
import { TcpMetrics } from '../telemetry/tcp-metrics.ts'
import type { OnRefused, Refusal } from '../wire/refusal.ts'
import type { Address, TlsState } from './connection.ts'
import type { InboundRecorders } from './http.ts'
import type { InboundTelemetry } from './listener.ts'

/** Lines per second about what only `audit` let through; counters know about all of it. */
export const MAX_AUDIT_LINES_PER_SECOND = 100

function errorLabel({ status }: ProxyError): string {
  switch (status) {
    case 502:
    case 504:
      return 'i/o'
    case 503:
      return 'loadshed'
    default:
      return 'unexpected'
  }
}

function labelsOf(tls: TlsState): { readonly tls: InboundTls; readonly reason: NoTlsReason } {
  switch (tls.kind) {
    case 'mesh':
      return {
        tls: tls.identity === undefined ? { kind: 'tls' } : { kind: 'meshTls', identity: tls.identity },
        reason: 'no_tls_from_remote',
      }
    case 'none':
      return { tls: { kind: 'none' }, reason: tls.reason }
    case 'opaque':
      return { tls, reason: 'no_tls_from_remote' }
  }
}

export class InboundMetrics implements InboundTelemetry {
  readonly #families: Families
  readonly #refusals: Refusals
  readonly #appRefusals: Refusals
  readonly #audited: PacedLines
  readonly app: TcpMetrics

  constructor(families: Families, log: Logger, nowMs: () => number) {
    this.#families = families
    this.#refusals = new Refusals(families.refused, 'inbound', 'src', log, nowMs)
    this.#appRefusals = new Refusals(families.refused, 'inbound', 'dst', log, nowMs)
    this.#audited = new PacedLines(MAX_AUDIT_LINES_PER_SECOND, 'audited', (line) => log.info(line), nowMs)
    this.app = new TcpMetrics(families.tcp, INBOUND_APP_LABELS)
  }

  refused(reason: Refusal, where: () => string, message: string, isFirst: boolean): void {
    this.#refusals.refused(reason, where, message, isFirst)
  }

  /** Hears what is refused of the application at `ip:port`. */
  appRefused(ip: string, port: number): OnRefused {
    const where = (): string => `application at ${ip}:${port}`
    return (reason, message, isFirst) => this.#appRefusals.refused(reason, where, message, isFirst)
  }

  recorders(target: Address, tls: TlsState, clientAddr: string): InboundRecorders {
    return new ConnectionRecorders(this.#families, target, tls, (labels) =>
      this.#audited.tell(() => `inbound request from ${clientAddr} allowed by audit alone: ${labels}`),
    )
  }

  accepted(transport: SocketTransport, { ip, port }: Address, tls: TlsState, server: InboundServer): void {
    const { tls: shown, reason } = labelsOf(tls)
    new TcpMetrics(this.#families.tcp, inboundSourceLabels(ip, port, shown, reason, server.meta)).opened(transport)
  }

  /** What became of a connection that was opened before its client spoke. */
  earlyDial(outcome: EarlyDialOutcome): void {
    this.#families.earlyDials.child(
      renderLabels([
        ['direction', 'inbound'],
        ['outcome', outcome],
      ]),
    ).value++
  }

  tcpAllowed(
    target: Address,
    tls: TlsState,
    server: InboundServer,
    authorization: Authorization,
    clientAddr: string,
  ): void {
    const labels = join(policyLabels(target, server), authorizationLabels(authorization), tlsLabels(tls))
    this.#families.inboundAuthz.tcpAllow.child(labels).value++
    if (isAudit(authorization))
      this.#audited.tell(() => `inbound connection from ${clientAddr} allowed by audit alone: ${labels}`)
  }

  tcpDenied(target: Address, tls: TlsState, server: InboundServer): void {
    this.#families.inboundAuthz.tcpDeny.child(join(policyLabels(target, server), tlsLabels(tls))).value++
  }

  tcpTerminated(target: Address, tls: TlsState, server: InboundServer): void {
    this.#families.inboundAuthz.tcpTerminate.child(join(policyLabels(target, server), tlsLabels(tls))).value++
  }

  tcpError({ ip, port }: Address, error: string): void {
    this.#families.inboundErrors.tcp.child(join(renderLabels([['error', error]]), targetLabels(ip, port))).value++
  }

  transportHeader(session: 'http/1' | 'http/2' | '', port: number, clientId: string): void {
    const labels = renderLabels([
      ['session_protocol', session],
      ['target_port', `${port}`],
      ['target_name', ''],
      ['client_id', clientId],
    ])
    this.#families.inboundTransportHeader.child(labels).value++
  }

  detected(
    server: InboundServer,
    result: 'http/1' | 'http/2' | 'not_http' | 'read_timeout' | 'error',
    seconds: number,
  ): void {
    const labels = serverLabels(server.meta, server.meta.port)
    const { duration, results } = this.#families.detect.inbound
    duration.child(labels).observe(seconds)
    results.child(join(renderLabels([['result', result]]), labels)).value++
  }
}

/** Counters of the requests of one connection. */
class ConnectionRecorders implements InboundRecorders {
  readonly #families: Families
  readonly #target: Address
  readonly #tls: TlsState
  readonly #onAudited: (labels: string) => void
  #lastRoute: InboundRoute | undefined = undefined
  #lastAuthorization: Authorization | undefined = undefined
  #lastAllowed: Counter | undefined = undefined
  /** Labels of what only `audit` allows. */
  #lastAudited: string | undefined = undefined

  constructor(families: Families, target: Address, tls: TlsState, onAudited: (labels: string) => void) {
    this.#families = families
    this.#target = target
    this.#tls = tls
    this.#onAudited = onAudited
  }

  requests(server: InboundServer, route: InboundRoute, authorization: Authorization): RequestMetrics {
    const { tls, reason } = labelsOf(this.#tls)
    const labels = inboundEndpointLabels({
      ...this.#target,
      tls,
      noTlsReason: reason,
      server: server.meta,
      route: route.meta,
      authorization,
      authority: undefined,
    })
    return new RequestMetrics(this.#families.http, labels)
  }

  route(server: InboundServer, route: InboundRoute): InboundRouteMetrics {
    const isGrpc = server.protocol.kind === 'grpc'
    const families = isGrpc ? this.#families.inboundRoute.grpc : this.#families.inboundRoute.http
    return new InboundRouteMetrics(families, isGrpc, server.meta, this.#target.port, route.meta)
  }

  allowed(server: InboundServer, route: InboundRoute, authorization: Authorization): void {
    if (this.#lastAllowed === undefined || this.#lastRoute !== route || this.#lastAuthorization !== authorization) {
      this.#lastRoute = route
      this.#lastAuthorization = authorization
      const labels = join(
        policyLabels(this.#target, server),
        routeLabels(route.meta),
        authorizationLabels(authorization),
        tlsLabels(this.#tls),
      )
      this.#lastAllowed = this.#families.inboundAuthz.httpAllow.child(labels)
      this.#lastAudited = isAudit(authorization) ? labels : undefined
    }
    this.#lastAllowed.value++
    if (this.#lastAudited !== undefined) this.#onAudited(this.#lastAudited)
  }

  denied(server: InboundServer, route: InboundRoute): void {
    this.#families.inboundAuthz.httpDeny.child(
      join(policyLabels(this.#target, server), routeLabels(route.meta), tlsLabels(this.#tls)),
    ).value++
  }

  notFound(server: InboundServer): void {
    this.#families.inboundAuthz.routeNotFound.child(join(policyLabels(this.#target, server), tlsLabels(this.#tls)))
      .value++
  }

  rateLimited(server: InboundServer, { meta }: RateLimit, scope: RateExceeded['scope']): void {
    this.#families.inboundAuthz.rateLimit.child(
      join(policyLabels(this.#target, server), rateLimitLabels(meta, scope), tlsLabels(this.#tls)),
    ).value++
  }

  failed(server: InboundServer, error: ProxyError): void {
    // What policy decides has counters of its own.
    if (error.status === 403 || error.status === 404 || error.status === 429) return
    // A redirect answers what was asked.
    if (error.status >= 300 && error.status < 400) return
    this.#families.inboundErrors.http.child(
      join(renderLabels([['error', errorLabel(error)]]), policyLabels(this.#target, server)),
    ).value++
  }
}

function policyLabels({ ip, port }: Address, server: InboundServer): string {
  return join(targetLabels(ip, port), serverLabels(server.meta, port))
}

function tlsLabels(state: TlsState): string {
  const { tls, reason } = labelsOf(state)
  return inboundTlsLabels(tls, reason)
}
