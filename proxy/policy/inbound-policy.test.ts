import { test } from 'tap'
import { defaultInboundTable, defaultServer, type InboundProtocol, isHttpOnly } from './inbound-policy.ts'
import { defaultMeta, type Meta } from './meta.ts'
import { compileRoutes } from './route-match.ts'

const ROUTE: Meta = { ...defaultMeta('web'), group: 'policy.linkerd.io', kind: 'HTTPRoute', namespace: 'shop' }
const OPEN = defaultServer('all-unauthenticated', false, [], 10_000)

const table = (...metas: Meta[]) =>
  compileRoutes(
    metas.map((meta) => ({
      meta,
      hosts: [],
      rules: [{ matches: [], filters: [] }],
      authorizations: OPEN.authorizations,
    })),
  )
const detect = (routes: Extract<InboundProtocol, { kind: 'detect' }>['table']): InboundProtocol => ({
  kind: 'detect',
  timeoutMs: 10_000,
  table: routes,
})

test('which policies are about HTTP alone', async (t) => {
  const filter = { kind: 'unsupported', what: 'a rate limit' } as const
  const cases: readonly { name: string; protocol: InboundProtocol; isHttpOnly: boolean }[] = [
    { name: 'no Server at all', protocol: OPEN.protocol, isHttpOnly: false },
    {
      name: 'the routes that a controller makes up',
      protocol: detect(table(defaultMeta('default'), defaultMeta('probe'))),
      isHttpOnly: false,
    },
    { name: 'a route', protocol: detect(table(defaultMeta('probe'), ROUTE)), isHttpOnly: true },
    {
      name: 'a filter for the whole server',
      protocol: detect(defaultInboundTable(OPEN.authorizations, [filter])),
      isHttpOnly: true,
    },
    { name: 'HTTP/1', protocol: { kind: 'http1', table: table() }, isHttpOnly: true },
    { name: 'HTTP/2', protocol: { kind: 'http2', table: table() }, isHttpOnly: true },
    { name: 'gRPC', protocol: { kind: 'grpc', table: table() }, isHttpOnly: true },
    { name: 'opaque', protocol: { kind: 'opaque' }, isHttpOnly: false },
    { name: 'TLS', protocol: { kind: 'tls' }, isHttpOnly: false },
  ]
  for (const { name, protocol, isHttpOnly: expected } of cases)
    t.equal(isHttpOnly({ ...OPEN, protocol }), expected, name)
})
