import { test } from 'tap'
import { isWarm } from './warm-up.ts'

test('a warm-up lasts as long as was asked for, and until enough went through', async (t) => {
  for (const { kind, seconds, requests, contentBytes, warm } of [
    { kind: 'h1', seconds: 2.9, requests: 100_000, contentBytes: 1e9, warm: false },
    { kind: 'h1', seconds: 3, requests: 19_999, contentBytes: 0, warm: false },
    { kind: 'h1', seconds: 3, requests: 20_000, contentBytes: 0, warm: true },
    { kind: 'tcp', seconds: 3, requests: 100, contentBytes: 200e6, warm: true },
    { kind: 'connect', seconds: 3, requests: 1_000, contentBytes: 0, warm: true },
    { kind: 'h1', seconds: 11.9, requests: 5_000, contentBytes: 0, warm: false },
    { kind: 'h1', seconds: 12, requests: 5_000, contentBytes: 0, warm: true },
  ] as const) {
    t.equal(isWarm(kind, { seconds, requests, contentBytes }, 3), warm, `${kind}, ${seconds} s, ${requests} requests`)
  }
})
