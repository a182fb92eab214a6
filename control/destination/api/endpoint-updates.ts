/**
 * From what a client has to what it should have, in as few messages as possible.
 *
 * Additions go before removals, so that no client stands with nothing while both are on their way.
 */
import { create } from '@bufbuild/protobuf'
import { type Update, UpdateSchema } from '../../../api/gen/destination_pb.js'
import { tcpAddressToMessage } from '../../../api/ip.ts'
import type { ClientEndpoint, ClientEndpoints, ServiceEndpoints } from '../index/service-endpoints.ts'
import { endpointMessage } from './endpoint-message.ts'

/** What was sent last on a stream. */
export interface SentEndpoints {
  readonly exists: boolean
  readonly endpoints: ClientEndpoints
}

/** @param sent `undefined` on a new stream, which is always answered at once, also with "none" */
export function endpointUpdates(
  sent: SentEndpoints | undefined,
  { service, exists }: ServiceEndpoints,
  endpoints: ClientEndpoints,
): readonly Update[] {
  if (endpoints.size === 0) {
    const isKnown = sent !== undefined && sent.endpoints.size === 0 && sent.exists === exists
    return isKnown ? [] : [create(UpdateSchema, { update: { case: 'noEndpoints', value: { exists } } })]
  }
  const added: ClientEndpoint[] = []
  for (const [key, each] of endpoints) {
    if (!isSame(sent?.endpoints.get(key), each)) added.push(each)
  }
  const removed = [...(sent?.endpoints ?? [])].filter(([key]) => !endpoints.has(key)).map(([, each]) => each)

  const updates: Update[] = []
  if (added.length > 0) {
    const addrs = added.map(({ endpoint, locality }) => endpointMessage(endpoint, { zone_locality: locality }))
    const metricLabels = { service: service.name, namespace: service.namespace }
    updates.push(create(UpdateSchema, { update: { case: 'add', value: { addrs, metricLabels } } }))
  }
  if (removed.length > 0) {
    const addrs = removed.map(({ endpoint }) => tcpAddressToMessage(endpoint.address))
    updates.push(create(UpdateSchema, { update: { case: 'remove', value: { addrs } } }))
  }
  return updates
}

function isSame(a: ClientEndpoint | undefined, b: ClientEndpoint): boolean {
  // Snapshots keep the object of an unchanged endpoint, so identity is equality here.
  return a !== undefined && a.endpoint === b.endpoint && a.locality === b.locality
}
