/**
 * Whatever happens in the cluster, a client that applies the updates it is sent has what a new client would get.
 */
import { equal } from 'node:assert/strict'
import { toBinary } from '@bufbuild/protobuf'
import type { Update } from '../../api/gen/destination_pb.js'
import { WeightedAddrSchema } from '../../api/gen/destination_pb.js'
import { formatSocketAddress, tcpAddressFromMessage } from '../../api/ip.ts'
import { Cluster } from '../cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { pod, service, slice, storeOf } from '../cluster/fixtures.ts'
import { endpointUpdates, type SentEndpoints } from './api/endpoint-updates.ts'
import { endpointsForClient, type ServiceEndpoints, serviceEndpoints } from './index/service-endpoints.ts'

const REF = { namespace: 'shop', name: 'web', instance: undefined }
const PODS = 6

export function fuzz(random: () => number, iterations: number): void {
  const pick = (n: number) => Math.floor(random() * n)
  const store = storeOf()
  const cluster = new Cluster(store, DEFAULT_CLUSTER_CONFIG)
  const client = { nodeName: 'node-a', zone: 'east' }
  const applied = new Map<string, string>()
  let snapshot: ServiceEndpoints | undefined
  let sent: SentEndpoints | undefined

  const changes: readonly (() => void)[] = [
    () =>
      store.apply([
        service({ name: 'web', clusterIP: '10.96.0.1', ports: [{ port: 80, targetPort: 8080 + pick(2) }] }),
      ]),
    () => store.apply([service({ name: 'web', clusterIP: '10.96.0.1', spec: { internalTrafficPolicy: 'Local' } })]),
    () => store.delete([{ kind: 'Service', namespace: 'shop', name: 'web' }]),
    () => {
      const n = pick(PODS)
      store.apply([
        pod({ name: `web-${n}`, ip: `10.0.0.${n}`, isMeshed: random() < 0.5, serviceAccount: `sa-${pick(2)}` }),
      ])
    },
    () => store.delete([{ kind: 'Pod', namespace: 'shop', name: `web-${pick(PODS)}` }]),
    () => store.apply([slice({ service: 'web', name: `web-${pick(2)}`, pods: somePods(random) })]),
    () => store.delete([{ kind: 'EndpointSlice', namespace: 'shop', name: `web-${pick(2)}` }]),
  ]
  for (let i = 0; i < iterations; i++) {
    // Several changes may pass before the client can read.
    for (let n = 0; n <= pick(3); n++) changes[pick(changes.length)]!()
    snapshot = serviceEndpoints(cluster, REF, 80, snapshot)
    const endpoints = endpointsForClient(snapshot, client)
    for (const update of endpointUpdates(sent, snapshot, endpoints)) apply(applied, update)
    sent = { exists: snapshot.exists, endpoints }

    const fresh = serviceEndpoints(cluster, REF, 80, undefined)
    const expected = new Map<string, string>()
    for (const update of endpointUpdates(undefined, fresh, endpointsForClient(fresh, client))) apply(expected, update)
    equal(text(applied), text(expected), `iteration ${i}`)
  }
}

function apply(endpoints: Map<string, string>, { update }: Update): void {
  switch (update.case) {
    case 'add':
      for (const each of update.value.addrs) {
        const key = formatSocketAddress(tcpAddressFromMessage(each.addr)!)
        endpoints.set(key, Buffer.from(toBinary(WeightedAddrSchema, each)).toString('hex'))
      }
      return
    case 'remove':
      for (const each of update.value.addrs) endpoints.delete(formatSocketAddress(tcpAddressFromMessage(each)!))
      return
    case 'noEndpoints':
      endpoints.clear()
      return
    case undefined:
      throw new Error('an update without content')
  }
}

function text(endpoints: Map<string, string>): string {
  return [...endpoints]
    .map(([key, value]) => `${key} ${value}`)
    .sort()
    .join('\n')
}

function somePods(random: () => number): Record<string, object> {
  const pods: Record<string, object> = {}
  for (let n = 0; n < PODS; n++) {
    if (random() < 0.5) continue
    const zone = random() < 0.5 ? 'east' : 'west'
    pods[`web-${n}`] = {
      addresses: [`10.0.0.${n}`],
      nodeName: random() < 0.5 ? 'node-a' : 'node-b',
      zone,
      conditions: { ready: random() < 0.8 },
      ...(random() < 0.7 && { hints: { forZones: [{ name: zone }] } }),
    }
  }
  return pods
}
