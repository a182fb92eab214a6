/** Anything may arrive on port 53: no message may throw, and every reply must be one that a client can read. */
import { decode, encode } from 'dns-packet'
import { MemoryStore } from '../../control/resources/store.ts'
import { DnsServer } from './server.ts'
import { storeView } from './store-view.ts'

const TYPES = ['A', 'AAAA', 'SRV', 'PTR', 'TXT'] as const
const LABELS = ['web', 'shop', 'svc', 'pod', 'cluster', 'local', '_tcp', '10-42-0-1', 'x'.repeat(63), '']

export function fuzz(random: () => number, iterations: number): void {
  const server = new DnsServer(storeView(new MemoryStore(), 'cluster.local'))
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  for (let count = 0; count < iterations; count++) {
    const name = Array.from({ length: 1 + Math.floor(random() * 8) }, () => pick(LABELS)).join('.')
    const message = encode({ type: 'query', id: count & 0xffff, questions: [{ name, type: pick(TYPES) }] })
    for (let flips = Math.floor(random() * 6); flips > 0; flips--)
      message[Math.floor(random() * message.length)] = Math.floor(random() * 256)
    const reply = server.reply(
      message.subarray(0, random() < 0.2 ? Math.floor(random() * message.length) : message.length),
      512,
    )
    if (reply === undefined) continue
    if (reply.length > 512) throw new Error(`a reply of ${reply.length} bytes over UDP`)
    decode(reply)
  }
}
