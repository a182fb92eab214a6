import { test } from 'tap'
import { parseCidr } from '../../api/ip.ts'
import { type Authentication, type Authorization, authorize, type ClientTls, LOCALHOST } from './authorization.ts'
import { defaultServer, invalidServer } from './inbound-policy.ts'
import { defaultMeta } from './meta.ts'
import { compileCidr, ipOf, isInNetworks, type Network, network, networkText } from './network.ts'

test('networks', async (t) => {
  const except: Network = { ...network('10.0.0.0/8'), except: [compileCidr(parseCidr('10.1.0.0/16')!)] }
  const cases = [
    { name: 'inside', networks: [network('10.0.0.0/8')], ip: '10.255.0.1', is: true },
    { name: 'outside', networks: [network('10.0.0.0/8')], ip: '11.0.0.1', is: false },
    { name: 'high bit set', networks: [network('192.168.0.0/16')], ip: '192.168.3.4', is: true },
    { name: 'a single address', networks: [network('10.0.0.1')], ip: '10.0.0.1', is: true },
    { name: 'its neighbour', networks: [network('10.0.0.1')], ip: '10.0.0.2', is: false },
    { name: 'everything', networks: [network('0.0.0.0/0')], ip: '255.255.255.255', is: true },
    { name: 'all of IPv4 is none of IPv6', networks: [network('0.0.0.0/0')], ip: '::1', is: false },
    { name: 'all of IPv6 is none of IPv4', networks: [network('::/0')], ip: '10.0.0.1', is: false },
    { name: 'a mapped address is IPv4', networks: [network('10.0.0.0/8')], ip: '::ffff:10.0.0.1', is: true },
    {
      name: 'IPv6 inside, prefix in the third word',
      networks: [network('fd00:1:2:3:8000::/66')],
      ip: 'fd00:1:2:3:bfff::1',
      is: true,
    },
    { name: 'IPv6 outside', networks: [network('fd00:1:2:3:8000::/66')], ip: 'fd00:1:2:3:c000::1', is: false },
    { name: 'the last word counts', networks: [network('fd00::1/128')], ip: 'fd00::2', is: false },
    { name: 'carved out', networks: [except], ip: '10.1.2.3', is: false },
    { name: 'not carved out', networks: [except], ip: '10.2.2.3', is: true },
    {
      name: 'carved out of one, but in the next',
      networks: [except, network('10.1.2.0/24')],
      ip: '10.1.2.3',
      is: true,
    },
    { name: 'no networks', networks: [], ip: '10.0.0.1', is: false },
  ]
  for (const { name, networks, ip, is } of cases) t.equal(isInNetworks(networks, ipOf(ip)!), is, name)
  t.equal(ipOf('web'), undefined)
})

const none: ClientTls = { kind: 'none' }
const tls: ClientTls = { kind: 'tls' }
const mesh = (identity: string): ClientTls => ({ kind: 'meshTls', identity })
const web = 'web.ns.serviceaccount.identity.linkerd.cluster.local'
const spiffe = 'spiffe://root.org/ns/web'

function meshTls(identities: string[], suffixes: string[] = []): Authentication {
  return { kind: 'meshTls', identities: new Set(identities), suffixes }
}

test('networks as text', async (t) => {
  for (const text of ['0.0.0.0/0', '10.0.0.0/8', '10.1.2.3/32', '::/0', 'fc00::/7', 'fd00:1:2:3:8000::/66', '::1/128'])
    t.equal(networkText(network(text)), text)
  const except = [compileCidr(parseCidr('10.1.0.0/16')!)]
  t.equal(networkText({ ...network('10.0.0.0/8'), except }), '10.0.0.0/8 except 10.1.0.0/16')
})

test('authentication', async (t) => {
  const cases: { name: string; authentication: Authentication; permits: ClientTls[]; denies: ClientTls[] }[] = [
    {
      name: 'unauthenticated',
      authentication: { kind: 'unauthenticated' },
      permits: [none, tls, mesh(web)],
      denies: [],
    },
    { name: 'any TLS', authentication: { kind: 'tls' }, permits: [tls, mesh(web)], denies: [none] },
    {
      name: 'identities',
      authentication: meshTls([web, spiffe]),
      permits: [mesh(web), mesh(spiffe)],
      denies: [none, tls, mesh(`x${web}`), mesh('')],
    },
    {
      name: 'a suffix',
      authentication: meshTls([], ['.ns.serviceaccount.identity.linkerd.cluster.local']),
      permits: [mesh(web)],
      denies: [mesh('ns.serviceaccount.identity.linkerd.cluster.local'), mesh(`spiffe://a/${web}`), tls],
    },
    {
      name: 'every DNS name',
      authentication: meshTls([], ['']),
      permits: [mesh(web)],
      denies: [none, tls, mesh(spiffe)],
    },
    { name: 'nobody', authentication: meshTls([]), permits: [], denies: [none, tls, mesh(web)] },
  ]
  const networks = [network('10.0.0.0/8')]
  for (const { name, authentication, permits, denies } of cases) {
    const authorization: Authorization = { meta: defaultMeta(name), networks, authentication }
    for (const shown of permits)
      t.equal(authorize([authorization], { ip: ipOf('10.0.0.1')!, tls: shown }), authorization, name)
    for (const shown of denies)
      t.equal(authorize([authorization], { ip: ipOf('10.0.0.1')!, tls: shown }), undefined, name)
    for (const shown of permits)
      t.equal(authorize([authorization], { ip: ipOf('11.0.0.1')!, tls: shown }), undefined, `${name}, elsewhere`)
  }
})

test('the first authorization that permits is named', async (t) => {
  const networks = [network('0.0.0.0/0')]
  const first: Authorization = { meta: defaultMeta('a'), networks, authentication: meshTls([web]) }
  const second: Authorization = { meta: defaultMeta('b'), networks, authentication: { kind: 'unauthenticated' } }
  const ip = ipOf('10.0.0.1')!
  t.equal(authorize([first, second], { ip, tls: mesh(web) }), first)
  t.equal(authorize([first, second], { ip, tls: none }), second)
  t.equal(authorize([], { ip, tls: none }), undefined)
  t.equal(authorize([LOCALHOST], { ip: ipOf('127.0.0.1')!, tls: none }), LOCALHOST)
  t.equal(authorize([LOCALHOST], { ip: ipOf('::1')!, tls: none }), LOCALHOST)
})

test('default policies', async (t) => {
  const cluster = [network('10.0.0.0/8')]
  const near = ipOf('10.0.0.1')!
  const far = ipOf('8.8.8.8')!
  const cases = [
    {
      policy: 'all-unauthenticated',
      permits: [
        [near, none],
        [far, none],
        [ipOf('fd00::1'), none],
      ],
      denies: [],
    },
    {
      policy: 'all-authenticated',
      permits: [[far, mesh(web)]],
      denies: [
        [near, none],
        [near, tls],
      ],
    },
    {
      policy: 'cluster-unauthenticated',
      permits: [[near, none]],
      denies: [
        [far, none],
        [far, mesh(web)],
      ],
    },
    {
      policy: 'cluster-authenticated',
      permits: [[near, mesh(web)]],
      denies: [
        [near, none],
        [far, mesh(web)],
      ],
    },
    { policy: 'audit', permits: [[far, none]], denies: [] },
    { policy: 'deny', permits: [], denies: [[near, mesh(web)]] },
  ] as const
  for (const { policy, permits, denies } of cases) {
    const server = defaultServer(policy, false, cluster, 10_000)
    const routeAuthorizations = 'table' in server.protocol ? server.protocol.table.routes[0]!.authorizations : []
    for (const authorizations of [server.authorizations, routeAuthorizations]) {
      for (const [ip, shown] of permits) t.equal(authorize(authorizations, { ip: ip!, tls: shown })?.meta.name, policy)
      for (const [ip, shown] of denies) t.equal(authorize(authorizations, { ip: ip!, tls: shown }), undefined, policy)
    }
  }
  t.equal(defaultServer('deny', false, cluster, 1).protocol.kind, 'opaque')
  t.equal(defaultServer('audit', true, cluster, 1).protocol.kind, 'opaque')
  t.same(invalidServer(1).authorizations, [], 'a refused policy lets nobody in')
})
