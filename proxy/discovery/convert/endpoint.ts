/**
 * `destination.proto` updates to endpoints.
 *
 * An endpoint whose identity or authority cannot be read is left out, never spoken to in plain text: what asked for
 * mTLS gets mTLS or nothing.
 */
import type {
  Http2ClientParams as Http2Message,
  TlsIdentity,
  Update,
  WeightedAddr,
} from '../../../api/gen/destination_pb.js'
import { tcpAddressFromMessage } from '../../../api/ip.ts'
import type {
  EndpointIdentity,
  EndpointMeta,
  Http2ClientParams,
  ProtocolHint,
  ZoneLocality,
} from '../../policy/endpoint.ts'
import { endpointKey } from '../../policy/endpoint.ts'
import { durationMs, Refused, within } from './refused.ts'

export type DestinationUpdate =
  /** The first one of a stream is the complete set, later ones add to it. */
  | { readonly kind: 'add'; readonly endpoints: readonly EndpointMeta[]; readonly problems: readonly string[] }
  /** Keys as of `endpointKey`. */
  | { readonly kind: 'remove'; readonly keys: readonly string[] }
  /** The set is empty now. */
  | { readonly kind: 'noEndpoints'; readonly exists: boolean }
  /** Nothing usable in it. */
  | { readonly kind: 'ignored'; readonly problems: readonly string[] }

export function destinationUpdateOf({ update }: Update): DestinationUpdate {
  switch (update.case) {
    case 'add': {
      const endpoints: EndpointMeta[] = []
      const problems: string[] = []
      for (const addr of update.value.addrs) {
        const endpoint = endpointOrProblem(addr, update.value.metricLabels)
        if (typeof endpoint === 'string') problems.push(endpoint)
        else endpoints.push(endpoint)
      }
      return endpoints.length === 0 ? { kind: 'ignored', problems } : { kind: 'add', endpoints, problems }
    }
    case 'remove': {
      const addresses = update.value.addrs.map(tcpAddressFromMessage).filter((address) => address !== undefined)
      return { kind: 'remove', keys: addresses.map(endpointKey) }
    }
    case 'noEndpoints':
      return { kind: 'noEndpoints', exists: update.value.exists }
    case undefined:
      return { kind: 'ignored', problems: [] }
  }
}

/** One endpoint, or why it cannot be used. */
export function endpointOrProblem(addr: WeightedAddr, setLabels: Labels): EndpointMeta | string {
  try {
    return endpointOf(addr, setLabels)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return error.message
  }
}

type Labels = { readonly [key: string]: string }

/** @throws Refused without a usable address, identity or authority */
export function endpointOf(message: WeightedAddr, setLabels: Labels): EndpointMeta {
  const address = tcpAddressFromMessage(message.addr)
  if (address === undefined) throw new Refused('an endpoint has no address')
  return within(`endpoint ${endpointKey(address)}`, () => {
    const identity = message.tlsIdentity && identityOf(message.tlsIdentity)
    const labels = labelsOf(setLabels, message.metricLabels)
    return {
      ...address,
      identity,
      protocolHint: hintOf(message),
      opaqueTransportPort: identity && opaqueTransportPortOf(message),
      authorityOverride: authorityOverrideOf(message),
      labels,
      http2: message.http2 && http2Of(message.http2),
      zoneLocality: localityOf(labels.get('zone_locality')),
      weight: weightOf(message.weight),
    }
  })
}

/** What controllers send for an ordinary endpoint; zero is a controller that says nothing. */
const ORDINARY_WEIGHT = 10_000
const MAX_WEIGHT = 100

function weightOf(weight: number): number {
  return weight === 0 ? 1 : Math.min(weight / ORDINARY_WEIGHT, MAX_WEIGHT)
}

/** A label map sorted by name; `own` wins over `set`. */
export function labelsOf(set: Labels, own: Labels): ReadonlyMap<string, string> {
  const merged = new Map([...Object.entries(set), ...Object.entries(own)])
  return new Map([...merged].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function identityOf({ strategy, serverName }: TlsIdentity): EndpointIdentity {
  switch (strategy.case) {
    case 'dnsLikeIdentity': {
      const { name } = strategy.value
      return { name: dnsName(name, 'identity'), serverName: dnsName(serverName?.name ?? name, 'server name') }
    }
    case 'uriLikeIdentity': {
      const { uri } = strategy.value
      if (!URL.canParse(uri)) throw new Refused(`its identity "${uri}" is not a URI`)
      if (serverName === undefined) throw new Refused(`its identity ${uri} has no server name`)
      return { name: uri, serverName: dnsName(serverName.name, 'server name') }
    }
    case undefined:
      throw new Refused('its identity is of a kind this version does not know')
  }
}

function dnsName(name: string, what: string): string {
  const isDnsName =
    name.length <= 253 && /^[A-Za-z0-9_*](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(name) && !name.includes('..')
  if (!isDnsName) throw new Refused(`its ${what} "${name}" is not a DNS name`)
  return name
}

function hintOf({ protocolHint }: WeightedAddr): ProtocolHint {
  return protocolHint?.protocol.case ?? 'unknown'
}

function opaqueTransportPortOf({ protocolHint }: WeightedAddr): number | undefined {
  const port = protocolHint?.opaqueTransport?.inboundPort ?? 0
  return port > 0 && port < 65_535 ? port : undefined
}

function authorityOverrideOf({ authorityOverride }: WeightedAddr): string | undefined {
  const authority = authorityOverride?.authorityOverride
  if (authority === undefined) return undefined
  if (!/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(authority)) {
    throw new Refused(`its authority override "${authority}" is not host[:port]`)
  }
  return authority
}

function http2Of({ flowControl, keepAlive, internals }: Http2Message): Http2ClientParams {
  const stream = flowControl?.initialStreamWindowSize ?? 0
  const connection = flowControl?.initialConnectionWindowSize ?? 0
  const isAdaptive = flowControl?.adaptiveFlowControl ?? false
  const intervalMs = durationMs(keepAlive?.interval, 'keep-alive interval')
  const timeoutMs = durationMs(keepAlive?.timeout, 'keep-alive timeout')
  return {
    isAdaptive,
    // Fixed windows only together: one of them alone would be held up by the other's default.
    ...(!isAdaptive &&
      stream > 0 &&
      connection > 0 && { streamWindowBytes: stream, connectionWindowBytes: connection }),
    ...(intervalMs && timeoutMs && { keepAlive: { intervalMs, timeoutMs, whileIdle: keepAlive!.whileIdle } }),
    ...(internals?.maxFrameSize && { maxFrameBytes: internals.maxFrameSize }),
    ...(internals?.maxSendBufSize && { maxSendBufferBytes: internals.maxSendBufSize }),
    ...(internals?.maxConcurrentResetStreams && { maxConcurrentResetStreams: internals.maxConcurrentResetStreams }),
  }
}

function localityOf(label: string | undefined): ZoneLocality {
  const locality = label?.toLowerCase()
  return locality === 'local' || locality === 'remote' ? locality : 'unknown'
}
