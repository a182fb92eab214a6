/** Endpoints as messages of the destination API. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '../../../api/duration.ts'
import {
  type ProtocolHint,
  ProtocolHintSchema,
  type TlsIdentity,
  TlsIdentitySchema,
  type WeightedAddr,
  WeightedAddrSchema,
} from '../../../api/gen/destination_pb.js'
import { tcpAddressToMessage } from '../../../api/ip.ts'
import type { Endpoint, MeshPeer } from '../model/endpoint.ts'

/** Linkerd's unit for a whole endpoint. Proxies ignore it today. */
const WEIGHT = 10_000
/** Finds peers that are gone without closing their connections (a lost node). */
const KEEP_ALIVE = { intervalMs: 10_000, timeoutMs: 3_000 }

export function endpointMessage(
  { address, labels, mesh }: Endpoint,
  more: Readonly<Record<string, string>> = {},
): WeightedAddr {
  return create(WeightedAddrSchema, {
    addr: tcpAddressToMessage(address),
    weight: WEIGHT,
    metricLabels: { ...labels, ...more },
    ...(mesh !== undefined && meshFields(mesh)),
  })
}

function meshFields({
  identity,
  serverName,
  hint,
  transportPort,
}: MeshPeer): MessageInitShape<typeof WeightedAddrSchema> {
  return {
    protocolHint: hintMessage(hint, transportPort),
    http2: {
      keepAlive: {
        interval: durationFromMs(KEEP_ALIVE.intervalMs),
        timeout: durationFromMs(KEEP_ALIVE.timeoutMs),
        whileIdle: true,
      },
    },
    ...(identity !== undefined && { tlsIdentity: tlsIdentity(identity, serverName ?? identity) }),
  }
}

function tlsIdentity(identity: string, serverName: string): TlsIdentity {
  return create(TlsIdentitySchema, {
    // What is no URI would be refused in a URI's place, and the endpoint spoken to in plain text by some proxies.
    strategy: identity.includes('://')
      ? { case: 'uriLikeIdentity', value: { uri: identity } }
      : { case: 'dnsLikeIdentity', value: { name: identity } },
    serverName: { name: serverName },
  })
}

function hintMessage(hint: MeshPeer['hint'], transportPort: number | undefined): ProtocolHint {
  return create(ProtocolHintSchema, {
    ...(hint !== undefined && { protocol: { case: hint, value: {} } }),
    ...(transportPort !== undefined && { opaqueTransport: { inboundPort: transportPort } }),
  })
}
