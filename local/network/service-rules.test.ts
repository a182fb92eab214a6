import { test } from 'tap'
import { endpointSlicesOf } from '../cluster/endpoints.ts'
import { pod, service } from '../testing/objects.ts'
import { AddressPool } from './addresses.ts'
import { renderIptables, renderNft, serviceTargets } from './service-rules.ts'

const web = service('web', '{ clusterIP: 10.96.0.11, selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }')
const pods = ['10.42.0.2', '10.42.0.3'].map((ip, index) => pod(`p${index}`, { ip, labels: { app: 'web' } }))
const targets = serviceTargets([web], endpointSlicesOf([web], pods))

test('only ready endpoints of services with an address', async (t) => {
  t.match(targets, [
    {
      clusterIp: '10.96.0.11',
      port: 80,
      protocol: 'tcp',
      endpoints: [
        { ip: '10.42.0.2', port: 8080 },
        { ip: '10.42.0.3', port: 8080 },
      ],
    },
  ])
  const headless = service('db', '{ clusterIP: None, selector: { app: web }, ports: [{ port: 80 }] }')
  t.same(serviceTargets([headless], endpointSlicesOf([headless], pods)), [])
})

test('nft: one transaction, a random endpoint, and a way back to oneself', async (t) => {
  const text = renderNft(targets)
  t.match(text, /^table ip weft-services \{\}\ndelete table ip weft-services\ntable ip weft-services \{\n/)
  t.match(
    text,
    'ip daddr 10.96.0.11 tcp dport 80 dnat to numgen random mod 2 map { 0 : 10.42.0.2 . 8080, 1 : 10.42.0.3 . 8080 } comment "shop/web:80"',
  )
  t.match(text, 'ip saddr . ip daddr { 10.42.0.2 . 10.42.0.2, 10.42.0.3 . 10.42.0.3 } masquerade')
  t.notMatch(renderNft([{ ...targets[0]!, endpoints: [] }]), /dnat/, 'nobody ready: no rule, so the node refuses')
})

test('iptables: equal shares', async (t) => {
  const lines = renderIptables(targets)
    .split('\n')
    .filter((line) => line.includes('DNAT'))
  t.match(lines[0], /--probability 0\.50000000 -j DNAT --to-destination 10\.42\.0\.2:8080$/)
  t.match(lines[1], /--dport 80 -j DNAT --to-destination 10\.42\.0\.3:8080$/)
})

test('AddressPool', async (t) => {
  const pool = new AddressPool('10.42.0.0/16', 254)
  t.equal(pool.take('a'), '10.42.0.254')
  t.equal(pool.take('b'), '10.42.0.255')
  t.equal(pool.take('c'), '10.42.1.0')
  t.equal(pool.take('a'), '10.42.0.254', 'the same owner, the same address')
  pool.release('a')
  t.not(pool.take('d'), '10.42.0.254', 'a freed address is not taken again at once')
  t.equal(pool.reserve('10.42.0.254', 'e'), undefined)
  t.equal(pool.reserve('10.42.0.254', 'f'), 'belongs to e already; choose another or leave it out')
  t.match(pool.reserve('10.43.0.1', 'f'), /^is not in 10\.42\.0\.0\/16/)
})
