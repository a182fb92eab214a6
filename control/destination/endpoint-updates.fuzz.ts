/**
 * Whatever happens in the cluster, a client that applies the updates it is sent has what a new client would get.
 */
import { equal } from 'node:assert/strict'
import { toBinary } from '@bufbuild/protobuf'
import type { Update } from '../../api/gen/destination_pb.js'
import { WeightedAddrSchema } from '../../api/gen/destination_pb.js'
import { formatSocketAddress, tcpAddressFromMessage } from '../../api/ip.ts'
import { seededRandom } from '../../api/seeded-random.ts'
import { below, mutateList } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { Cluster } from '../cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { pod, service, slice, storeOf } from '../cluster/fixtures.ts'
import { endpointUpdates, type SentEndpoints } from './api/endpoint-updates.ts'
import { endpointsForClient, type ServiceEndpoints, serviceEndpoints } from './index/service-endpoints.ts'

const REF = { namespace: 'shop', name: 'web', instance: undefined }
const PODS = 6

/** One change of the cluster: which, and two numbers for what it needs. Several may pass before the client can read. */
type Change = readonly [kind: number, a: number, b: number, isRead: boolean]

export const endpointUpdatesFuzzer = fuzzer<Change[]>({
  name: 'endpoint-updates',
  checks: 'whatever happens in the cluster, the updates lead a client to what a new client would get',
  cases: 60,
  generate: (random) => Array.from({ length: 1 + below(random, 40) }, () => change(random)),
  mutate: (random, changes) => mutateList(random, changes, () => change(random)),
  run: check,
})

function change(random: Random): Change {
  return [below(random, 7), below(random, 2 ** 16), below(random, 2 ** 30), random() < 0.5]
}

function check(changes: readonly Change[]): void {
  const store = storeOf()
  const cluster = new Cluster(store, DEFAULT_CLUSTER_CONFIG)
  const client = { nodeName: 'node-a', zone: 'east' }
  const applied = new Map<string, string>()
  let snapshot: ServiceEndpoints | undefined
  let sent: SentEndpoints | undefined

  const kinds: readonly ((a: number, b: number) => void)[] = [
    (a) =>
      store.apply([
        service({ name: 'web', clusterIP: '10.96.0.1', ports: [{ port: 80, targetPort: 8080 + (a % 2) }] }),
      ]),
    () => store.apply([service({ name: 'web', clusterIP: '10.96.0.1', spec: { internalTrafficPolicy: 'Local' } })]),
    () => store.delete([{ kind: 'Service', namespace: 'shop', name: 'web' }]),
    (a, b) => {
      const n = a % PODS
      store.apply([
        pod({ name: `web-${n}`, ip: `10.0.0.${n}`, isMeshed: b % 2 === 0, serviceAccount: `sa-${(b >> 1) % 2}` }),
      ])
    },
    (a) => store.delete([{ kind: 'Pod', namespace: 'shop', name: `web-${a % PODS}` }]),
    (a, b) => store.apply([slice({ service: 'web', name: `web-${a % 2}`, pods: somePods(seededRandom(b)) })]),
    (a) => store.delete([{ kind: 'EndpointSlice', namespace: 'shop', name: `web-${a % 2}` }]),
  ]
  for (const [kind, a, b, isRead] of changes) {
    kinds[kind % kinds.length]!(a, b)
    if (!isRead) continue
    snapshot = serviceEndpoints(cluster, REF, 80, snapshot)
    const endpoints = endpointsForClient(snapshot, client)
    for (const update of endpointUpdates(sent, snapshot, endpoints)) apply(applied, update)
    sent = { exists: snapshot.exists, endpoints }

    const fresh = serviceEndpoints(cluster, REF, 80, undefined)
    const expected = new Map<string, string>()
    for (const update of endpointUpdates(undefined, fresh, endpointsForClient(fresh, client))) apply(expected, update)
    equal(text(applied), text(expected))
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

function somePods(random: Random): Record<string, object> {
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
