/** What discovery knows about one endpoint. Plain data: a changed endpoint is a new value, and a new connection. */

export interface EndpointIdentity {
  /** The DNS name or URI that has to be among the SANs of the endpoint's certificate. */
  readonly name: string
  /** Sent as SNI. */
  readonly serverName: string
}

/** `h2`: a mesh proxy that takes HTTP/2 and upgraded HTTP/1. `opaque`: its port is opaque TCP. */
export type ProtocolHint = 'h2' | 'opaque' | 'unknown'
export type ZoneLocality = 'local' | 'remote' | 'unknown'

/** Overrides of the proxy's own HTTP/2 client settings, field by field. */
export interface Http2ClientParams {
  readonly streamWindowBytes?: number
  readonly connectionWindowBytes?: number
  readonly isAdaptive: boolean
  readonly keepAlive?: { readonly intervalMs: number; readonly timeoutMs: number; readonly whileIdle: boolean }
  readonly maxFrameBytes?: number
  readonly maxSendBufferBytes?: number
  readonly maxConcurrentResetStreams?: number
}

export interface EndpointMeta {
  /** Canonical text. */
  readonly ip: string
  readonly port: number
  /** Without one the endpoint is not meshed and is spoken to in plain text. */
  readonly identity: EndpointIdentity | undefined
  readonly protocolHint: ProtocolHint
  /** The peer's inbound proxy port; connections go there and name the real port in a transport header. */
  readonly opaqueTransportPort: number | undefined
  /** `host[:port]` that replaces the request's authority: the endpoint is a gateway of another cluster. */
  readonly authorityOverride: string | undefined
  /** Without the `dst_` prefix, sorted by name. */
  readonly labels: ReadonlyMap<string, string>
  readonly http2: Http2ClientParams | undefined
  readonly zoneLocality: ZoneLocality
  /** Its share of sessions where they stay at one endpoint; 1 is ordinary. Single requests are balanced by load alone. */
  readonly weight: number
}

/** What the destination API knows an endpoint by. */
export function endpointKey({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** Whether an update left the endpoint as it was, so that its connections and estimates stay. */
export function sameEndpoint(a: EndpointMeta, b: EndpointMeta): boolean {
  return (
    a.ip === b.ip &&
    a.port === b.port &&
    a.identity?.name === b.identity?.name &&
    a.identity?.serverName === b.identity?.serverName &&
    a.protocolHint === b.protocolHint &&
    a.opaqueTransportPort === b.opaqueTransportPort &&
    a.authorityOverride === b.authorityOverride &&
    a.zoneLocality === b.zoneLocality &&
    a.weight === b.weight &&
    sameLabels(a.labels, b.labels) &&
    JSON.stringify(a.http2) === JSON.stringify(b.http2)
  )
}

/** An endpoint nothing is known about: plain text to the address itself. */
export function plainEndpoint(ip: string, port: number): EndpointMeta {
  return {
    ip,
    port,
    identity: undefined,
    protocolHint: 'unknown',
    opaqueTransportPort: undefined,
    authorityOverride: undefined,
    labels: new Map(),
    http2: undefined,
    zoneLocality: 'unknown',
    weight: 1,
  }
}

function sameLabels(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false
  for (const [name, value] of a) if (b.get(name) !== value) return false
  return true
}
