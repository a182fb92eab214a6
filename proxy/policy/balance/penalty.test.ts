import { test } from 'tap'
import { NO_GRPC_STATUS } from '../classify.ts'
import { DEFAULT_PENALTY, isPenalised, penaltyMs } from './penalty.ts'

test('which answers are penalised', async (t) => {
  const cases = [
    { name: 'a success', status: 200, grpc: NO_GRPC_STATUS, is: false },
    { name: 'a fault of the client', status: 404, grpc: NO_GRPC_STATUS, is: false },
    { name: 'a rate limit', status: 429, grpc: NO_GRPC_STATUS, is: true },
    { name: 'any server error', status: 501, grpc: NO_GRPC_STATUS, is: true },
    { name: 'no answer yet', status: 0, grpc: NO_GRPC_STATUS, is: false },
    { name: 'gRPC: OK', status: 200, grpc: 0, is: false },
    { name: 'gRPC: NOT_FOUND', status: 200, grpc: 5, is: false },
    { name: 'gRPC: PERMISSION_DENIED, a failure that is no matter of load', status: 200, grpc: 7, is: false },
    { name: 'gRPC: a code that does not exist', status: 200, grpc: 34, is: false },
    ...[2, 4, 8, 13, 14, 15].map((grpc) => ({ name: `gRPC: ${grpc}`, status: 200, grpc, is: true })),
  ]
  for (const { name, status, grpc, is } of cases) t.equal(isPenalised(status, grpc), is, name)
})

test('a hint counts where it is larger, up to its cap', async (t) => {
  for (const [retryAfterMs, ms] of [
    [0, 5_000],
    [2_000, 5_000],
    [60_000, 60_000],
    [3_600_000, 300_000],
  ] as const)
    t.equal(penaltyMs(DEFAULT_PENALTY, retryAfterMs), ms, `${retryAfterMs} ms`)
})
