/**
 * Label sets of connections and endpoints, rendered once when one is made. Names and order are Linkerd's: dashboards and
 * other people's tests read them.
 */
import type { Authorization, ClientTls } from '../policy/authorization.ts'
import { type EndpointMeta, endpointKey } from '../policy/endpoint.ts'
import type { Meta } from '../policy/meta.ts'
import { joinLabels, type LabelPairs, renderLabels } from './metrics.ts'

/** How a connection came in, for labels: `opaque` is foreign TLS that is passed through. */
export type InboundTls = ClientTls | { readonly kind: 'opaque'; readonly sni: string }
export type NoTlsReason = 'no_tls_from_remote' | 'loopback' | 'port_skipped'
export type OutboundNoTlsReason = 'not_provided_by_service_discovery' | 'loopback' | 'ingress_without_override'

/** `target_addr`, `target_ip`, `target_port`. */
export function targetLabels(ip: string, port: number): string {
  return renderLabels([
    ['target_addr', endpointKey({ ip, port })],
    ['target_ip', ip],
    ['target_port', `${port}`],
  ])
}

/** `tls` and what goes with it. */
export function inboundTlsLabels(tls: InboundTls, reason: NoTlsReason): string {
  switch (tls.kind) {
    case 'none':
      return renderLabels([
        ['tls', 'no_identity'],
        ['no_tls_reason', reason],
      ])
    case 'tls':
      return renderLabels([
        ['tls', 'true'],
        ['client_id', ''],
      ])
    case 'meshTls':
      return renderLabels([
        ['tls', 'true'],
        ['client_id', tls.identity],
      ])
    case 'opaque':
      return renderLabels([
        ['tls', 'opaque'],
        ['sni', tls.sni],
      ])
  }
}

/** `srv_group`, `srv_kind`, `srv_name`, `srv_port`. */
export function serverLabels({ group, kind, name }: Meta, port: number): string {
  return renderLabels([
    ['srv_group', group],
    ['srv_kind', kind],
    ['srv_name', name],
    ['srv_port', `${port}`],
  ])
}

export function routeLabels({ group, kind, name }: Meta): string {
  return renderLabels([
    ['route_group', group],
    ['route_kind', kind],
    ['route_name', name],
  ])
}

export function authorizationLabels({ meta }: Authorization): string {
  return renderLabels([
    ['authz_group', meta.group],
    ['authz_kind', meta.kind],
    ['authz_name', meta.name],
  ])
}

export function rateLimitLabels({ group, kind, name }: Meta, scope: 'total' | 'identity'): string {
  return renderLabels([
    ['ratelimit_group', group],
    ['ratelimit_kind', kind],
    ['ratelimit_name', name],
    ['ratelimit_scope', scope],
  ])
}

export interface InboundEndpoint {
  readonly ip: string
  readonly port: number
  readonly tls: InboundTls
  readonly noTlsReason: NoTlsReason
  readonly server: Meta
  readonly route: Meta
  readonly authorization: Authorization
  /** Only with `LINKERD2_PROXY_INBOUND_METRICS_AUTHORITY_LABELS=unsafe`. */
  readonly authority: string | undefined
}

/** Endpoint labels of inbound `request_total` and its like. */
export function inboundEndpointLabels(endpoint: InboundEndpoint): string {
  const { ip, port, tls, noTlsReason, server, route, authorization, authority } = endpoint
  return join(
    'direction="inbound"',
    authority === undefined ? '' : renderLabels([['authority', authority]]),
    targetLabels(ip, port),
    inboundTlsLabels(tls, noTlsReason),
    serverLabels(server, port),
    routeLabels(route),
    authorizationLabels(authorization),
  )
}

/** @param authority `svc.ns.svc.domain:port` of the logical destination; `undefined` where there is none */
export function outboundEndpointLabels(
  meta: EndpointMeta,
  authority: string | undefined,
  reason: OutboundNoTlsReason = 'not_provided_by_service_discovery',
): string {
  return join('direction="outbound"', outboundTargetLabels(meta, authority, reason))
}

/** TCP, the accepted side of an inbound connection. */
export function inboundSourceLabels(
  ip: string,
  port: number,
  tls: InboundTls,
  reason: NoTlsReason,
  server: Meta,
): string {
  return join(
    'direction="inbound",peer="src"',
    targetLabels(ip, port),
    inboundTlsLabels(tls, reason),
    serverLabels(server, port),
  )
}

/** TCP, an inbound connection to the application. */
export const INBOUND_APP_LABELS = 'direction="inbound",peer="dst",tls="no_identity",no_tls_reason="loopback"'

/** TCP, the accepted side of an outbound connection. */
export function outboundSourceLabels(ip: string, port: number): string {
  return join('direction="outbound",peer="src"', targetLabels(ip, port), 'tls="no_identity",no_tls_reason="loopback"')
}

/** TCP, an outbound connection to an endpoint. */
export function outboundPeerLabels(
  meta: EndpointMeta,
  authority: string | undefined,
  reason: OutboundNoTlsReason = 'not_provided_by_service_discovery',
): string {
  return join('direction="outbound",peer="dst"', outboundTargetLabels(meta, authority, reason))
}

/** `addr` and TLS of a connection to the control plane. */
export function controlLabels(addr: string, serverId: string | undefined): string {
  const tls: LabelPairs =
    serverId === undefined
      ? [
          ['tls', 'no_identity'],
          ['no_tls_reason', 'loopback'],
        ]
      : [
          ['tls', 'true'],
          ['server_id', serverId],
        ]
  return renderLabels([['addr', addr], ...tls])
}

/** The six `parent_` (or `backend_`) labels of outbound route families. */
export function referenceLabels(prefix: 'parent' | 'backend', meta: Meta): string {
  return renderLabels([
    [`${prefix}_group`, meta.group],
    [`${prefix}_kind`, meta.kind],
    [`${prefix}_namespace`, meta.namespace],
    [`${prefix}_name`, meta.name],
    [`${prefix}_port`, meta.port === 0 ? '' : `${meta.port}`],
    [`${prefix}_section_name`, meta.section],
  ])
}

export function outboundRouteLabels({ group, kind, namespace, name }: Meta): string {
  return renderLabels([
    ['route_group', group],
    ['route_kind', kind],
    ['route_namespace', namespace],
    ['route_name', name],
  ])
}

export function join(...parts: string[]): string {
  return parts.reduce(joinLabels, '')
}

function outboundTargetLabels(meta: EndpointMeta, authority: string | undefined, reason: OutboundNoTlsReason): string {
  const { identity, labels } = meta
  const tls: LabelPairs =
    identity === undefined
      ? [
          ['tls', 'no_identity'],
          ['no_tls_reason', reason],
        ]
      : [
          ['tls', 'true'],
          ['server_id', identity.name],
        ]
  const discovered: LabelPairs = [...labels].map(([name, value]) => [`dst_${labelName(name)}`, value])
  return join(
    authority === undefined ? '' : renderLabels([['authority', authority.replace(/:80$/, '')]]),
    targetLabels(meta.ip, meta.port),
    renderLabels(tls),
    renderLabels(discovered),
  )
}

/** Discovery's label names are free text; a name Prometheus cannot read would cost the whole page. */
function labelName(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/g, '_')
}
