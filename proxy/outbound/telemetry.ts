/** Finds the counters of the outbound side. Everything here runs once per connection, endpoint or route. */
import type { ProxyError } from '../http/error-response.ts'
import type { EarlyDialOutcome } from '../io/early-dial.ts'
import type { SocketTransport } from '../io/socket-transport.ts'
import { type EndpointMeta, endpointKey } from '../policy/endpoint.ts'
import type { Meta } from '../policy/meta.ts'
import type { ProfileRoute } from '../policy/profile.ts'
import {
  join,
  outboundEndpointLabels,
  outboundPeerLabels,
  outboundRouteLabels,
  outboundSourceLabels,
  referenceLabels,
  targetLabels,
} from '../telemetry/endpoint-labels.ts'
import type { Families } from '../telemetry/families.ts'
import type { Logger } from '../telemetry/log.ts'
import { type Counter, renderLabels } from '../telemetry/metrics.ts'
import { Refusals } from '../telemetry/refusals.ts'
import { RequestMetrics } from '../telemetry/request-metrics.ts'
import { PolicyRouteMetrics, ProfileRouteMetrics } from '../telemetry/route-metrics.ts'
import { TcpMetrics } from '../telemetry/tcp-metrics.ts'
import type { OnRefused, Refusal } from '../wire/refusal.ts'
import type { Backend } from './backend.ts'
import type { OutboundTelemetry } from './listener.ts'
import type { MirrorResult } from './mirror.ts'
import type { RecorderFactory } from './routing.ts'
import type { Target } from './target.ts'

/** The `error` label of an answer of the proxy itself. */
function errorLabel({ status, message }: ProxyError): string {
  if (message.endsWith('service in fail-fast')) return 'failfast'
  if (message.endsWith('service unavailable')) return 'loadshed'
  if (message.startsWith('request required the identity')) return 'identity required'
  if (status === 504) return 'response timeout'
  if (status === 502) return 'i/o'
  return 'unexpected'
}

export class OutboundMetrics implements OutboundTelemetry, RecorderFactory {
  readonly #families: Families
  readonly #refusals: Refusals
  readonly #endpointRefusals: Refusals
  readonly #sources = new Map<string, TcpMetrics>()

  constructor(families: Families, log: Logger, nowMs: () => number) {
    this.#families = families
    this.#refusals = new Refusals(families.refused, 'outbound', 'src', log, nowMs)
    this.#endpointRefusals = new Refusals(families.refused, 'outbound', 'dst', log, nowMs)
  }

  /** Counters of one endpoint; `authority` is its logical destination. */
  endpoint(
    meta: EndpointMeta,
    isLocal: boolean,
    authority: string | undefined,
  ): { readonly requests: RequestMetrics; readonly tcp: TcpMetrics } {
    const reason = isLocal ? 'loopback' : 'not_provided_by_service_discovery'
    const shown = isLocal ? { ...meta, identity: undefined } : meta
    return {
      requests: new RequestMetrics(this.#families.http, outboundEndpointLabels(shown, authority, reason)),
      tcp: new TcpMetrics(this.#families.tcp, outboundPeerLabels(shown, authority, reason)),
    }
  }

  /** Hears what is refused of one endpoint. */
  endpointRefused(meta: EndpointMeta): OnRefused {
    const where = (): string => `endpoint ${endpointKey(meta)}`
    return (reason, message, isFirst) => this.#endpointRefusals.refused(reason, where, message, isFirst)
  }

  // ── OutboundTelemetry ──

  refused(reason: Refusal, where: () => string, message: string, isFirst: boolean): void {
    this.#refusals.refused(reason, where, message, isFirst)
  }

  accepted(transport: SocketTransport, target: Target): void {
    const key = `${target.ip} ${target.port}`
    let metrics = this.#sources.get(key)
    if (metrics === undefined) {
      metrics = new TcpMetrics(this.#families.tcp, outboundSourceLabels(target.ip, target.port))
      this.#sources.set(key, metrics)
    }
    metrics.opened(transport)
  }

  /** What became of a connection that was opened before its client spoke. */
  earlyDial(outcome: EarlyDialOutcome): void {
    this.#families.earlyDials.child(
      renderLabels([
        ['direction', 'outbound'],
        ['outcome', outcome],
      ]),
    ).value++
  }

  /** The target was evicted. */
  forget(target: Target): void {
    this.#sources.delete(`${target.ip} ${target.port}`)
  }

  protocol(protocol: 'detect' | 'http/1' | 'http/2' | 'opaq' | 'tls', parent: Meta): void {
    this.#families.outboundProtocol.child(
      join(renderLabels([['protocol', protocol]]), referenceLabels('parent', parent)),
    ).value++
  }

  detected(parent: Meta, result: 'http/1' | 'http/2' | 'not_http' | 'read_timeout' | 'error', seconds: number): void {
    const labels = referenceLabels('parent', parent)
    const { duration, results } = this.#families.detect.outbound
    duration.child(labels).observe(seconds)
    results.child(join(renderLabels([['result', result]]), labels)).value++
  }

  httpError(error: ProxyError): void {
    this.#families.outboundErrors.http.child([['error', errorLabel(error)]]).value++
  }

  tcpError(target: Target, error: string): void {
    this.#families.outboundErrors.tcp.child(
      join(targetLabels(target.ip, target.port), renderLabels([['error', error]])),
    ).value++
  }

  // ── RecorderFactory ──

  profileRoute(dst: string, route: ProfileRoute | undefined): ProfileRouteMetrics {
    return new ProfileRouteMetrics(this.#families, 'outbound', dst, route?.labels)
  }

  policyRoute(parent: Meta, route: Meta, backends: readonly Meta[], isGrpc: boolean) {
    const metrics = new PolicyRouteMetrics(this.#families, isGrpc, parent, route)
    return Object.assign(metrics, { backends: backends.map((backend) => metrics.backend(backend, parent, route)) })
  }

  mirror(parent: Meta, route: Meta, backend: Meta): (result: MirrorResult) => void {
    const labels = join(
      referenceLabels('parent', parent),
      outboundRouteLabels(route),
      referenceLabels('backend', backend),
    )
    const counters = new Map<MirrorResult, Counter>()
    return (result) => {
      let counter = counters.get(result)
      if (counter === undefined) {
        counter = this.#families.mirrored.child(join(labels, renderLabels([['result', result]])))
        counters.set(result, counter)
      }
      counter.value++
    }
  }

  // ── Balancers, read when somebody scrapes ──

  /** Brings the balancer families up to date. */
  collectBackends(backends: Iterable<Backend>): void {
    const families = this.#families.balancer.http
    for (const backend of backends) {
      const labels = renderLabels([['backend_name', backend.name]])
      const ready = backend.readyCount
      families.endpoints.child(join('endpoint_state="pending"', labels)).value = backend.size - ready
      families.endpoints.child(join('endpoint_state="ready"', labels)).value = ready
      families.p2cEndpoints.child(labels).value = backend.size
      families.queueLength.child(labels).value = backend.queueLength
      const { counters } = backend
      set(families.p2cUpdates.child(join('op="Reset"', labels)), counters.updatesReset)
      set(families.p2cUpdates.child(join('op="Add"', labels)), counters.updatesAdd)
      set(families.p2cUpdates.child(join('op="Remove"', labels)), counters.updatesRemove)
      set(families.queueRequests.child(labels), counters.queueRequests)
      set(families.gateOpen.child(labels), counters.gateOpen)
      set(families.gateShut.child(labels), counters.gateShut)
      this.#collectEjections(backend, labels)
      this.#collectSessions(backend, labels)
    }
  }

  #collectSessions({ sessions }: Backend, labels: string): void {
    if (sessions === undefined) return
    const { sessionRequests } = this.#families
    set(sessionRequests.child(join('outcome="home"', labels)), sessions.atHome)
    set(sessionRequests.child(join('outcome="elsewhere"', labels)), sessions.elsewhere)
  }

  /** Series appear with the first ejection: most backends have no breaker. */
  #collectEjections({ counters, ejectedCount }: Backend, labels: string): void {
    const { ejections, ejectedEndpoints } = this.#families
    const { ejected, ejectedLast, spared } = counters
    if (ejected + ejectedLast + spared === 0) return
    set(ejections.child(join('outcome="ejected"', labels)), ejected)
    set(ejections.child(join('outcome="last"', labels)), ejectedLast)
    set(ejections.child(join('outcome="spared"', labels)), spared)
    ejectedEndpoints.child(labels).value = ejectedCount
  }
}

function set(counter: Counter, value: number): void {
  counter.value = value
}
