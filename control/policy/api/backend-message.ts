/** Backends of outbound policies as messages: how requests are spread over the endpoints of a service. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '../../../api/duration.ts'
import type { Backend_BalanceP2cSchema, BackendSchema } from '../../../api/gen/outbound_pb.js'
import type { SessionAffinitySchema } from '../../../api/gen/weft_pb.js'
import { tcpAddressToMessage } from '../../../api/ip.ts'
import { serviceFqdn } from '../../../api/vocabulary.ts'
import type { Backend, SessionAffinity, TrafficSettings } from '../model/outbound.ts'
import { metadataMessage } from './route-message.ts'

export interface MessageContext {
  readonly clusterDomain: string
  /** Whether the proxy asked for what only Weft's API can say. */
  readonly hasExtensions: boolean
  /** Of the parent: its annotations hold for all backends that its routes reach. */
  readonly traffic: TrafficSettings
}

// What the proxy is told to start with; it learns real latencies within the first answers.
const BALANCER = { defaultRtt: durationFromMs(30), decay: durationFromMs(10_000) } as const
const BIAS_DECAY_MS = 10_000
// Required by the API; proxies use their own settings instead.
const QUEUE = { capacity: 100, failfastTimeout: durationFromMs(3_000) } as const

export function backendMessage(backend: Backend, context: MessageContext): MessageInitShape<typeof BackendSchema> {
  switch (backend.kind) {
    case 'service': {
      const { service, port } = backend
      const path = `${serviceFqdn(service.name, service.namespace, context.clusterDomain)}:${port}`
      return {
        metadata: metadataMessage({ kind: 'resource', resource: service, port }),
        queue: QUEUE,
        kind: { case: 'balancer', value: balancerMessage(path, context) },
      }
    }
    case 'forward': {
      const metadata = metadataMessage(backend.origin)
      const value = { addr: tcpAddressToMessage(backend.address), weight: 1 }
      return { metadata, queue: QUEUE, kind: { case: 'forward', value } }
    }
    case 'invalid':
      return { metadata: metadataMessage({ kind: 'resource', resource: backend.named }), queue: QUEUE }
  }
}

function balancerMessage(
  path: string,
  { hasExtensions, traffic: { loadBias, affinity, slowStartMs } }: MessageContext,
): MessageInitShape<typeof Backend_BalanceP2cSchema> {
  return {
    discovery: { kind: { case: 'dst', value: { path } } },
    load:
      loadBias === undefined
        ? { case: 'peakEwma', value: BALANCER }
        : {
            case: 'penaltyPeakEwma',
            value: {
              ...BALANCER,
              penalty: durationFromMs(loadBias.penaltyMs),
              maxRetryAfter: durationFromMs(loadBias.maxRetryAfterMs),
              penaltyDecay: durationFromMs(BIAS_DECAY_MS),
            },
          },
    ...(hasExtensions && affinity && { sessionAffinity: affinityMessage(affinity) }),
    ...(hasExtensions && slowStartMs && { slowStart: { window: durationFromMs(slowStartMs) } }),
  }
}

function affinityMessage({ key, maxLoad }: SessionAffinity): MessageInitShape<typeof SessionAffinitySchema> {
  if (key.kind === 'header') return { key: { case: 'header', value: key.name }, maxLoad }
  const { name, path, ttlMs } = key
  const cookie = { name, path, ...(ttlMs !== undefined && { ttl: durationFromMs(ttlMs) }) }
  return { key: { case: 'cookie', value: cookie }, maxLoad }
}
