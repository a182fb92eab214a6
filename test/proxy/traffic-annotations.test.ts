/** What a Service's traffic annotations become in the proxy: annotation, policy, bytes, policy of the proxy. */
import { create, toBinary } from '@bufbuild/protobuf'
import { test } from 'tap'
import { OutboundPolicySchema } from '../../api/gen/outbound_pb.js'
import { OutboundPolicyTable } from '../../api/gen/outbound_tables.ts'
import { parseSocketAddress } from '../../api/ip.ts'
import { decode } from '../../api/messages/codec.ts'
import { Cluster } from '../../control/cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../../control/cluster/config.ts'
import { service, storeOf } from '../../control/cluster/fixtures.ts'
import { outboundMessage } from '../../control/policy/api/outbound-message.ts'
import { outboundPolicyAt } from '../../control/policy/index/outbound.ts'
import { outboundPolicyOf } from '../../proxy/discovery/convert/outbound.ts'

const WEFT = 'balancer.weft.dev'
const LINKERD = 'balancer.linkerd.io'
const ALPHA = 'balancer.alpha.linkerd.io'

function httpOf(annotations: Record<string, string>, hasExtensions: boolean) {
  const web = service({ name: 'web', clusterIP: '10.96.0.1', ports: [{ port: 80 }], annotations })
  const cluster = new Cluster(storeOf(web), DEFAULT_CLUSTER_CONFIG)
  const { policy } = outboundPolicyAt(cluster, 'shop', parseSocketAddress('10.96.0.1:80')!)
  const message = create(
    OutboundPolicySchema,
    outboundMessage(policy, { clusterDomain: 'cluster.local', hasExtensions }),
  )
  const converted = outboundPolicyOf(decode(OutboundPolicyTable, toBinary(OutboundPolicySchema, message)) as never)
  if (converted.kind !== 'target' || converted.protocol.kind !== 'detect') throw new Error(JSON.stringify(converted))
  const { failureAccrual, table } = converted.protocol.http1
  const { distribution } = table.routes[0]!.rules[0]!
  if (distribution.kind !== 'firstAvailable') throw new Error(distribution.kind)
  return { target: distribution.backends[0]!.backend.target, failureAccrual }
}

test('annotations of a Service, as its clients get them', async (t) => {
  const cases = [
    {
      name: 'affinity by header',
      annotations: { [`${WEFT}/session-affinity-header`]: 'X-User', [`${WEFT}/session-affinity-max-load`]: '1.5' },
      is: { target: { affinity: { key: { kind: 'header', name: 'x-user' }, maxLoad: 1.5 } } },
    },
    {
      name: 'affinity by cookie',
      annotations: { [`${WEFT}/session-affinity-cookie`]: 'sid', [`${WEFT}/session-affinity-cookie-ttl`]: '1h' },
      is: {
        target: { affinity: { key: { kind: 'cookie', name: 'sid', path: '/', ttlMs: 3_600_000 }, maxLoad: 1.25 } },
      },
    },
    {
      name: 'slow start',
      annotations: { [`${WEFT}/slow-start-window`]: '30s' },
      is: { target: { slowStartMs: 30_000 } },
    },
    {
      name: 'penalties',
      annotations: { [`${ALPHA}/penalize-failures`]: 'true', [`${ALPHA}/load-biaser-penalty`]: '2s' },
      is: { target: { penalty: { penaltyMs: 2_000, maxRetryAfterMs: 300_000 } } },
    },
    {
      name: 'circuit breaking by success rate',
      annotations: {
        [`${LINKERD}/failure-accrual`]: 'unified',
        [`${ALPHA}/failure-accrual-honor-retry-after`]: 'true',
        [`${WEFT}/failure-accrual-min-ready-endpoints`]: '2',
      },
      is: {
        failureAccrual: {
          maxFailures: 7,
          successRate: { threshold: 0.8, windowMs: 10_000, minRequests: 5 },
          backoff: { minMs: 1_000, maxMs: 60_000, jitter: 0.5 },
          honorsRetryAfter: true,
          minReadyEndpoints: 2,
        },
      },
    },
  ]
  for (const { name, annotations, is } of cases) t.match(httpOf(annotations, true), is, name)
})
