/**
 * Anything may arrive on port 53: no message may throw, and every reply is one that a client can read, answers what was
 * asked, and fits.
 */
import { equal, ok } from 'node:assert/strict'
import { decode, encode } from 'dns-packet'
import { MemoryStore } from '../../control/resources/store.ts'
import { mutateText, pick, several } from '../../test/fuzz/draw.ts'
import { fuzzer } from '../../test/fuzz/fuzzer.ts'
import { endpointSlicesOf } from '../cluster/endpoints.ts'
import { manifest, pod, service } from '../testing/objects.ts'
import { DnsServer } from './server.ts'
import { storeView } from './store-view.ts'

type Input = { readonly message: string; readonly maxBytes: number }

const TYPES = ['A', 'AAAA', 'SRV', 'PTR', 'TXT', 'CNAME'] as const
const NAMES = [
  'web.shop.svc.cluster.local',
  'db.shop.svc.cluster.local',
  'zero.db.shop.svc.cluster.local',
  '_sql._tcp.db.shop.svc.cluster.local',
  'alias.shop.svc.cluster.local',
  'loop.shop.svc.cluster.local',
  'long.shop.svc.cluster.local',
  '10-42-0-7.shop.pod.cluster.local',
  'shop.svc.cluster.local',
  'cluster.local',
  'localhost',
  'example.com',
  '',
]
const LABELS = ['web', 'shop', 'svc', 'pod', 'cluster', 'local', '_tcp', '10-42-0-1', 'x'.repeat(63)]
const PIECES = ['\0', '\xc0\x0c', '\xff', '\x03web', '\0\x01\0\x01', '\0\0\x29\x10\0\0\0\0\0\0\0', '\x3f', '.']

const store = new MemoryStore()
store.apply([
  ...manifest('{ apiVersion: v1, kind: Namespace, metadata: { name: shop } }'),
  service('web', '{ clusterIP: 10.96.0.11, selector: { app: web }, ports: [{ name: http, port: 80 }] }'),
  service('db', '{ clusterIP: None, selector: { app: db }, ports: [{ name: sql, port: 5432, targetPort: 15432 }] }'),
  service('alias', '{ type: ExternalName, externalName: web.shop.svc.cluster.local }'),
  service('loop', '{ type: ExternalName, externalName: loop.shop.svc.cluster.local }'),
  service('long', `{ type: ExternalName, externalName: ${'x'.repeat(63)}.example }`),
  pod('db-0', {
    ip: '10.42.0.7',
    labels: { app: 'db' },
    spec: 'hostname: zero, subdomain: db, containers: [{ name: x, command: [y] }]',
  }),
  ...Array.from({ length: 30 }, (_, at) => pod(`db-${at + 1}`, { ip: `10.42.1.${at + 1}`, labels: { app: 'db' } })),
])
store.apply(endpointSlicesOf(store.list('Service'), store.list('Pod')))
const server = new DnsServer(storeView(store, 'cluster.local'))

export const dnsServerFuzzer = fuzzer<Input>({
  name: 'dns-server',
  checks: 'messages to the DNS server: no throw; replies that dns-packet reads, to the question, within the size',
  cases: 1_500,
  generate(random) {
    const name = random() < 0.6 ? pick(random, NAMES) : several(random, 8, () => pick(random, LABELS)).join('.')
    const message = encode({ type: 'query', id: 7, questions: [{ name, type: pick(random, TYPES) }] })
    return { message: message.toString('latin1'), maxBytes: pick(random, [512, 65_535]) }
  },
  mutate: (random, { message, maxBytes }) => ({ message: mutateText(random, message, PIECES), maxBytes }),
  run({ message, maxBytes }) {
    const bytes = Buffer.from(message, 'latin1')
    const limit = Math.max(512, maxBytes)
    const reply = server.reply(bytes, limit)
    if (reply === undefined) return
    ok(reply.length <= limit, `a reply of ${reply.length} bytes`)
    const read = decode(reply)
    equal(read.type, 'response')
    equal(reply.readUInt16BE(0), bytes.readUInt16BE(0), 'the id of the question')
    const asked = decode(bytes).questions?.[0]
    const [question] = read.questions ?? []
    if (question !== undefined) equal(question.name, asked?.name)
  },
})
