import { decode, encode } from 'dns-packet'
import { test } from 'tap'
import { MemoryStore } from '../../control/resources/store.ts'
import { endpointSlicesOf } from '../cluster/endpoints.ts'
import { manifest, pod, service } from '../testing/objects.ts'
import { answer, resolvConf } from './answers.ts'
import { DnsServer } from './server.ts'
import { storeView } from './store-view.ts'

const store = new MemoryStore()
const web = service('web', '{ clusterIP: 10.96.0.11, selector: { app: web }, ports: [{ name: http, port: 80 }] }')
const db = service(
  'db',
  '{ clusterIP: None, selector: { app: db }, ports: [{ name: sql, port: 5432, targetPort: 15432 }] }',
)
const empty = service('empty', '{ clusterIP: None, selector: { app: none }, ports: [{ port: 1 }] }')
const external = service('external', '{ type: ExternalName, externalName: example.com }')
const alias = service('alias', '{ type: ExternalName, externalName: web.shop.svc.cluster.local }')
const loop = service('loop', '{ type: ExternalName, externalName: loop.shop.svc.cluster.local }')
const pods = [
  pod('db-0', {
    ip: '10.42.0.7',
    labels: { app: 'db' },
    spec: 'hostname: zero, subdomain: db, containers: [{ name: x, command: [y] }]',
  }),
  pod('db-1', { ip: '10.42.0.8', labels: { app: 'db' } }),
  pod('db-2', { ip: '10.42.0.9', labels: { app: 'db' }, isReady: false }),
]
store.apply([
  ...manifest('{ apiVersion: v1, kind: Namespace, metadata: { name: shop } }'),
  web,
  db,
  empty,
  external,
  alias,
  loop,
  ...pods,
])
store.apply(endpointSlicesOf(store.list('Service'), store.list('Pod')))
const view = storeView(store, 'cluster.local')

function ask(name: string, type = 'A'): string[] | string {
  const result = answer(view, name, type)
  if (result.kind === 'nxdomain') return 'NXDOMAIN'
  return result.answers.map((record) => {
    switch (record.type) {
      case 'A':
        return record.address
      case 'SRV':
        return `${record.port} ${record.target}`
      default:
        return record.target
    }
  })
}

test('names of the cluster', async (t) => {
  const cases: [string, string, string, string[] | string][] = [
    ['a service', 'web.shop.svc.cluster.local', 'A', ['10.96.0.11']],
    ['letter case does not matter', 'WEB.Shop.svc.CLUSTER.local', 'A', ['10.96.0.11']],
    ['no IPv6, but the name exists', 'web.shop.svc.cluster.local', 'AAAA', []],
    ['a named port', '_http._tcp.web.shop.svc.cluster.local', 'SRV', ['80 web.shop.svc.cluster.local']],
    ['a named port as A exists without data', '_http._tcp.web.shop.svc.cluster.local', 'A', []],
    ['an unknown port', '_grpc._tcp.web.shop.svc.cluster.local', 'SRV', 'NXDOMAIN'],
    ['a headless service: its ready pods', 'db.shop.svc.cluster.local', 'A', ['10.42.0.7', '10.42.0.8']],
    ['a host of a headless service', 'zero.db.shop.svc.cluster.local', 'A', ['10.42.0.7']],
    ['a pod of a headless service by address', '10-42-0-8.db.shop.svc.cluster.local', 'A', ['10.42.0.8']],
    [
      'a headless port: every pod',
      '_sql._tcp.db.shop.svc.cluster.local',
      'SRV',
      ['15432 zero.db.shop.svc.cluster.local', '15432 10-42-0-8.db.shop.svc.cluster.local'],
    ],
    ['a headless service without ready pods', 'empty.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['a service of another name', 'external.shop.svc.cluster.local', 'A', ['example.com']],
    ['an alias of another service', 'alias.shop.svc.cluster.local', 'A', ['web.shop.svc.cluster.local', '10.96.0.11']],
    ['an alias of itself', 'loop.shop.svc.cluster.local', 'A', ['loop.shop.svc.cluster.local']],
    ['an unknown service', 'nope.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['an unknown namespace', 'web.nope.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['a namespace exists', 'shop.svc.cluster.local', 'A', []],
    ['a pod by its address', '10-42-0-8.shop.pod.cluster.local', 'A', ['10.42.0.8']],
    ['an address without pod', '10-42-0-99.shop.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['a name outside', 'example.com', 'A', 'NXDOMAIN'],
    ['a search suffix that is tried first', 'web.shop.svc.cluster.local.shop.svc.cluster.local', 'A', 'NXDOMAIN'],
    ['localhost', 'localhost', 'A', ['127.0.0.1']],
  ]
  for (const [name, question, type, is] of cases) t.same(ask(question, type), is, name)
})

test('the server', async (t) => {
  const server = new DnsServer(view)
  const query = (name: string, type: 'A' | 'SRV' = 'A') =>
    encode({ type: 'query', id: 7, flags: 1 << 8, questions: [{ name, type, class: 'IN' }] })
  const found = decode(server.reply(query('web.shop.svc.cluster.local'), 512)!)
  t.match(found, { id: 7, rcode: 'NOERROR', flag_aa: true, flag_rd: true, answers: [{ data: '10.96.0.11', ttl: 5 }] })
  const dotted = query('ab%.cd')
  dotted[dotted.indexOf('%')] = 0x2e
  t.match(
    decode(server.reply(dotted, 512)!),
    { rcode: 'FORMERR' },
    'a label that ends in a dot would end the name early',
  )
  t.match(decode(server.reply(query('example.com'), 512)!), { rcode: 'NXDOMAIN', answers: [] })
  t.match(decode(server.reply(query('_sql._tcp.db.shop.svc.cluster.local', 'SRV'), 512)!), {
    additionals: [{ data: '10.42.0.7' }, { data: '10.42.0.8' }],
  })
  t.match(
    decode(server.reply(query('db.shop.svc.cluster.local'), 60)!),
    { flag_tc: true, answers: [] },
    'too long for UDP: ask over TCP',
  )
  t.equal(server.reply(Buffer.from('nonsense'), 512), undefined)
  t.equal(
    server.reply(encode({ type: 'response', id: 1, questions: [{ name: 'a', type: 'A' }] }), 512),
    undefined,
    'a response is no question',
  )
})

test('resolvConf', async (t) => {
  t.equal(
    resolvConf('shop', 'cluster.local', '10.96.0.10'),
    'nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n',
  )
})
