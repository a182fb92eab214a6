/** Endpoints that fail fast get less, where the policy penalises failures (proxy/policy/balance/penalty.ts). */
import { test } from 'tap'
import { DEFAULT_PENALTY } from '../../proxy/policy/balance/penalty.ts'
import { balancedPolicy } from './policies.ts'
import { asks, clientOf, grpcReplicas, http1Replicas } from './replicas.ts'

test('an endpoint that fails fast gets almost nothing', async (t) => {
  const cases = [
    { name: 'HTTP 503', isGrpc: false, replicas: () => http1Replicas(t, 503) },
    {
      name: 'HTTP 429 with Retry-After',
      isGrpc: false,
      replicas: () => http1Replicas(t, 429, { 'retry-after': '60' }),
    },
    { name: 'gRPC UNAVAILABLE in trailers', isGrpc: true, replicas: () => grpcReplicas(t, 14) },
    { name: 'gRPC RESOURCE_EXHAUSTED in trailers', isGrpc: true, replicas: () => grpcReplicas(t, 8) },
  ]
  for (const { name, isGrpc, replicas } of cases) {
    const started = await replicas()
    const ask = await clientOf(t, started, balancedPolicy({ penalty: DEFAULT_PENALTY }), isGrpc)
    while (started.seen[1] === 0) await ask()
    await asks(50, ask)
    t.equal(started.seen[1], 1, `${name}: one request, and none of the 50 behind it`)
  }
})
