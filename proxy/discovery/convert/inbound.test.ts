import { create } from '@bufbuild/protobuf'
import { test } from 'tap'
import { ServerSchema } from '../../../api/gen/inbound_pb.js'
import { cidrToMessage, parseCidr } from '../../../api/ip.ts'
import { authorize, type ClientTls } from '../../policy/authorization.ts'
import type { InboundServer } from '../../policy/inbound-policy.ts'
import { ipOf } from '../../policy/network.ts'
import { inboundPolicyOf } from './inbound.ts'

// biome-ignore lint/suspicious/noExplicitAny: tables build partial and deliberately broken messages
type Init = any

const net = (text: string) => cidrToMessage(parseCidr(text)!)
const everywhere = [{ net: net('0.0.0.0/0') }, { net: net('::/0') }]
const anyone = { permit: { case: 'unauthenticated', value: {} } }
const identities = (value: Init) => ({ permit: { case: 'meshTLS', value: { clients: { case: 'identities', value } } } })
const authz = (parts: Init = {}): Init => ({
  networks: everywhere,
  authentication: anyone,
  labels: { name: 'authz' },
  ...parts,
})
const labels = { group: 'policy.linkerd.io', kind: 'server', name: 'web-http' }
const detect = (value: Init = {}) => ({ kind: { case: 'detect', value: { timeout: { seconds: 10n }, ...value } } })
const routeMeta = { kind: { case: 'resource', value: { group: 'policy.linkerd.io', kind: 'HTTPRoute', name: 'r' } } }
const route = (parts: Init = {}): Init => ({ metadata: routeMeta, rules: [{}], ...parts })

const convert = (init: Init) => inboundPolicyOf(create(ServerSchema, init))

function server(init: Init): InboundServer {
  const policy = convert({ labels, protocol: detect(), ...init })
  if (policy.kind === 'invalid') throw new Error(policy.reason)
  return policy
}

function tableOf({ protocol }: InboundServer) {
  if (!('table' in protocol)) throw new Error(protocol.kind)
  return protocol.table
}

const mesh = (identity: string): ClientTls => ({ kind: 'meshTls', identity })

test('a server without routes has one that everybody allowed may use', async (t) => {
  const policy = server({ authorizations: [authz()] })
  t.match(policy.meta, { group: 'policy.linkerd.io', kind: 'server', name: 'web-http' })
  t.match(policy.protocol, { kind: 'detect', timeoutMs: 10_000 })
  t.equal(tableOf(policy).always?.route.meta.name, 'default')
  t.same(
    policy.authorizations.map(({ meta }) => meta.name),
    ['authz', 'localhost'],
  )
  t.equal(tableOf(policy).routes[0]!.authorizations, policy.authorizations)
})

test('labels name the server', async (t) => {
  const cases = [
    {
      labels: { group: '', kind: 'default', name: 'all-unauthenticated' },
      is: { group: '', kind: 'default', name: 'all-unauthenticated' },
    },
    { labels: { name: 'default:deny' }, is: { group: '', kind: 'default', name: 'deny' } },
    { labels: { name: 'server:web' }, is: { group: 'policy.linkerd.io', kind: 'server', name: 'web' } },
    { labels: { name: 'web' }, is: { group: 'policy.linkerd.io', kind: 'server', name: 'web' } },
    { labels: { group: 'g', name: 'web' }, is: { group: 'g', kind: 'server', name: 'web' } },
    { labels: { ...labels, weft_generation: '7' }, is: { name: 'web-http', generation: 7 } },
    { labels: { ...labels, weft_generation: '0' }, is: { name: 'web-http', generation: undefined } },
    { labels: { ...labels, weft_generation: 'x' }, is: { name: 'web-http', generation: undefined } },
  ]
  for (const { labels: given, is } of cases) t.match(server({ labels: given }).meta, is, JSON.stringify(given))
})

test('protocols', async (t) => {
  for (const kind of ['http1', 'http2', 'grpc', 'opaque', 'tls']) {
    t.equal(server({ protocol: { kind: { case: kind, value: {} } } }).protocol.kind, kind)
  }
})

test('who may enter', async (t) => {
  const web = 'web.ns.serviceaccount.identity.linkerd.cluster.local'
  const meshUnauthenticated = {
    permit: { case: 'meshTLS', value: { clients: { case: 'unauthenticated', value: {} } } },
  }
  const cases: { name: string; authz: Init; permits: [string, ClientTls][]; denies: [string, ClientTls][] }[] = [
    {
      name: 'anyone',
      authz: authz(),
      permits: [
        ['8.8.8.8', { kind: 'none' }],
        ['fd00::1', { kind: 'none' }],
      ],
      denies: [],
    },
    {
      name: 'mesh TLS without identity',
      authz: authz({ authentication: meshUnauthenticated }),
      permits: [['8.8.8.8', { kind: 'tls' }]],
      denies: [['8.8.8.8', { kind: 'none' }]],
    },
    {
      name: 'an identity',
      authz: authz({ authentication: identities({ identities: [{ name: web }] }) }),
      permits: [['8.8.8.8', mesh(web)]],
      denies: [
        ['8.8.8.8', mesh('x')],
        ['8.8.8.8', { kind: 'tls' }],
      ],
    },
    {
      name: 'every identity',
      authz: authz({ authentication: identities({ suffixes: [{}] }) }),
      permits: [['8.8.8.8', mesh('x')]],
      denies: [['8.8.8.8', { kind: 'tls' }]],
    },
    {
      name: 'a suffix',
      authz: authz({ authentication: identities({ suffixes: [{ parts: ['ns', 'serviceaccount'] }] }) }),
      permits: [['8.8.8.8', mesh('web.ns.serviceaccount')]],
      denies: [['8.8.8.8', mesh('ns.serviceaccount')]],
    },
    {
      name: 'a network with a hole',
      authz: authz({ networks: [{ net: net('10.0.0.0/8'), except: [net('10.1.0.0/16')] }] }),
      permits: [
        ['10.2.0.1', { kind: 'none' }],
        ['127.0.0.1', { kind: 'none' }],
        ['::1', { kind: 'none' }],
      ],
      denies: [
        ['10.1.0.1', { kind: 'none' }],
        ['11.0.0.1', { kind: 'none' }],
      ],
    },
  ]
  for (const { name, authz: authorization, permits, denies } of cases) {
    const { authorizations } = server({ authorizations: [authorization] })
    for (const [ip, tls] of permits) t.ok(authorize(authorizations, { ip: ipOf(ip)!, tls }), `${name}: ${ip}`)
    for (const [ip, tls] of denies)
      t.equal(authorize(authorizations, { ip: ipOf(ip)!, tls }), undefined, `${name}: not ${ip}`)
  }
})

test('authorizations are named by metadata, else by labels', async (t) => {
  const resource = {
    kind: { case: 'resource', value: { group: 'policy.linkerd.io', kind: 'authorizationpolicy', name: 'p' } },
  }
  const metas = server({
    authorizations: [
      authz({ metadata: resource }),
      authz(),
      authz({ labels: { name: 'default:audit' } }),
      authz({ metadata: { kind: { case: 'default', value: 'audit' } } }),
    ],
  }).authorizations.map(({ meta }) => `${meta.group}/${meta.kind}/${meta.name}`)
  t.same(metas, [
    'policy.linkerd.io/authorizationpolicy/p',
    'policy.linkerd.io/serverauthorization/authz',
    '/default/audit',
    '/default/audit',
    '/default/localhost',
  ])
})

test('a route says which state of it this is', async (t) => {
  const withGeneration = (weftGeneration: bigint) => {
    const { kind } = routeMeta
    const metadata = { kind: { ...kind, value: { ...kind.value, weftGeneration } } }
    return tableOf(server({ protocol: detect({ httpRoutes: [route({ metadata })] }) })).routes[0]!.meta
  }
  t.match(withGeneration(3n), { kind: 'HTTPRoute', name: 'r', generation: 3 })
  t.notOk('generation' in withGeneration(0n), 'a control plane that does not know it sends 0')
})

test('a route adds to what the server allows', async (t) => {
  const routes = [route({ authorizations: [authz({ labels: { name: 'route' } })] })]
  const table = tableOf(server({ authorizations: [authz()], protocol: detect({ httpRoutes: routes }) }))
  t.same(
    table.routes[0]!.authorizations.map(({ meta }) => meta.name),
    ['route', 'authz', 'localhost'],
  )
  t.match(table.routes[0]!.meta, { kind: 'HTTPRoute', name: 'r', namespace: '' })
})

test('filters and what cannot be enforced', async (t) => {
  const rules = (filters: Init[]) => [route({ rules: [{ filters }] })]
  const filtersOf = (value: Init) => tableOf(server({ protocol: detect(value) })).routes[0]!.rules[0]!.filters
  t.match(filtersOf({ httpRoutes: rules([{ kind: { case: 'redirect', value: { host: 'a' } } }]) }), [
    { kind: 'redirect', host: 'a' },
  ])
  t.match(filtersOf({ httpRoutes: rules([{ kind: { case: 'failureInjector', value: { status: 500 } } }]) }), [
    { kind: 'httpFailure' },
  ])
  t.match(filtersOf({ httpRoutes: rules([{ kind: { case: 'requestHeaderModifier', value: {} } }]) }), [
    { kind: 'requestHeaders' },
  ])
  t.match(
    filtersOf({ httpRoutes: rules([{}]) }),
    [{ kind: 'unsupported', what: /unknown kind/ }],
    'fails its rule only',
  )
  const grpc = tableOf(
    server({
      protocol: {
        kind: {
          case: 'grpc',
          value: {
            routes: [
              route({
                rules: [
                  { matches: [{ rpc: {} }], filters: [{ kind: { case: 'failureInjector', value: { code: 14 } } }, {}] },
                ],
              }),
            ],
          },
        },
      },
    }),
  )
  t.match(grpc.routes[0]!.rules[0], {
    matches: [{ kind: 'grpc' }],
    filters: [{ kind: 'grpcFailure', code: 14 }, { kind: 'unsupported' }],
  })
})

test('rate limits', async (t) => {
  const rate = (requestsPerSecond: number) => ({ requestsPerSecond })
  const clients = (...names: string[]) => ({ identities: names.map((name) => ({ name })) })
  const resource = { group: 'policy.linkerd.io', kind: 'HTTPLocalRateLimitPolicy', name: 'l' }
  const cases: { name: string; message: Init; is: object | undefined }[] = [
    { name: 'none', message: undefined, is: undefined },
    { name: 'zero is none', message: { total: rate(0), identity: {}, overrides: [{ limit: rate(0) }] }, is: undefined },
    {
      name: 'all of it',
      message: {
        metadata: { kind: { case: 'resource', value: resource } },
        total: rate(100),
        identity: rate(10),
        overrides: [{ limit: rate(50), clients: clients('a', '', 'b') }],
      },
      is: {
        meta: { ...resource, namespace: '' },
        total: 100,
        identity: 10,
        overrides: [{ requestsPerSecond: 50, identities: ['a', 'b'] }],
      },
    },
    {
      name: 'overrides that limit nobody',
      message: { total: rate(5), overrides: [{ limit: rate(0), clients: clients('a') }, { limit: rate(1) }] },
      is: { meta: { kind: 'default', name: 'ratelimit' }, total: 5, identity: 0, overrides: [] },
    },
  ]
  for (const { name, message, is } of cases) {
    const protocols = [
      detect({ httpLocalRateLimit: message }),
      ...['http1', 'http2'].map((kind) => ({ kind: { case: kind, value: { localRateLimit: message } } })),
    ]
    for (const protocol of protocols) {
      const { rateLimit } = server({ protocol })
      if (is === undefined) t.equal(rateLimit, undefined, name)
      else t.match(rateLimit, is, `${name}, ${protocol.kind.case}`)
    }
  }
})

test('what breaks the API makes the whole server invalid', async (t) => {
  const cases: { name: string; init: Init; reason: RegExp }[] = [
    { name: 'no name', init: { labels: {}, protocol: detect() }, reason: /label "name" is missing/ },
    { name: 'no protocol', init: { labels }, reason: /^server web-http: protocol is missing/ },
    { name: 'an unknown protocol', init: { labels, protocol: {} }, reason: /does not know/ },
    {
      name: 'no detect timeout',
      init: { labels, protocol: { kind: { case: 'detect', value: {} } } },
      reason: /detect timeout is missing/,
    },
    {
      name: 'no networks',
      init: { labels, protocol: detect(), authorizations: [authz({ networks: [] })] },
      reason: /authorization authz: it names no networks/,
    },
    {
      name: 'a network of nothing',
      init: { labels, protocol: detect(), authorizations: [authz({ networks: [{}] })] },
      reason: /a network is missing/,
    },
    {
      name: 'an impossible prefix',
      init: {
        labels,
        protocol: detect(),
        authorizations: [authz({ networks: [{ net: { ...net('10.0.0.0/8'), prefixLen: 33 } }] })],
      },
      reason: /impossible prefix \(33\)/,
    },
    {
      name: 'no authentication',
      init: { labels, protocol: detect(), authorizations: [authz({ authentication: undefined })] },
      reason: /authentication is missing/,
    },
    {
      name: 'authentication of no kind',
      init: { labels, protocol: detect(), authorizations: [authz({ authentication: {} })] },
      reason: /does not know/,
    },
    {
      name: 'mesh TLS of no kind',
      init: {
        labels,
        protocol: detect(),
        authorizations: [authz({ authentication: { permit: { case: 'meshTLS', value: {} } } })],
      },
      reason: /does not know/,
    },
    {
      name: 'a route without metadata',
      init: { labels, protocol: detect({ httpRoutes: [{ rules: [{}] }] }) },
      reason: /metadata of a route is missing/,
    },
    {
      name: 'a bad regex',
      init: {
        labels,
        protocol: detect({
          httpRoutes: [route({ rules: [{ matches: [{ path: { kind: { case: 'regex', value: '(?=a)' } } }] }] })],
        }),
      },
      reason: /regular expression/,
    },
    {
      name: 'a rate limit of nothing',
      init: { labels, protocol: detect({ httpLocalRateLimit: { metadata: {}, total: { requestsPerSecond: 1 } } }) },
      reason: /metadata of a rate limit is neither/,
    },
    {
      name: 'a bad route authorization',
      init: { labels, protocol: detect({ httpRoutes: [route({ authorizations: [{}] })] }) },
      reason: /label "name" is missing/,
    },
  ]
  for (const { name, init, reason } of cases) t.match(convert(init), { kind: 'invalid', reason }, name)
})
