import { test } from 'tap'
import type { Filter } from './filter.ts'
import { defaultServer, type InboundProtocol, isHttpOnly } from './inbound-policy.ts'
import { defaultMeta, type Meta } from './meta.ts'
import type { RateLimit } from './rate-limit.ts'
import { compileRoutes } from './route-match.ts'

const ROUTE: Meta = { ...defaultMeta('web'), group: 'policy.linkerd.io', kind: 'HTTPRoute', namespace: 'shop' }
const OPEN = defaultServer('all-unauthenticated', false, [], 10_000)

const tableWith = (filters: readonly Filter[], ...metas: Meta[]) =>
  compileRoutes(
    metas.map((meta) => ({
      meta,
      hosts: [],
      rules: [{ matches: [], filters }],
      authorizations: OPEN.authorizations,
    })),
  )
const table = (...metas: Meta[]) => tableWith([], ...metas)
const detect = (routes: Extract<InboundProtocol, { kind: 'detect' }>['table']): InboundProtocol => ({
  kind: 'detect',
  timeoutMs: 10_000,
  table: routes,
})

test('which policies are about HTTP alone', async (t) => {
  const filter: Filter = { kind: 'unsupported', what: 'something new' }
  const rateLimit = { meta: ROUTE, total: 1, identity: 0, overrides: [] }
  const cases: readonly {
    name: string
    protocol: InboundProtocol
    rateLimit?: RateLimit
    isHttpOnly: boolean
  }[] = [
    { name: 'no Server at all', protocol: OPEN.protocol, isHttpOnly: false },
    {
      name: 'the routes that a controller makes up',
      protocol: detect(table(defaultMeta('default'), defaultMeta('probe'))),
      isHttpOnly: false,
    },
    { name: 'a route', protocol: detect(table(defaultMeta('probe'), ROUTE)), isHttpOnly: true },
    {
      name: 'a filter for the whole server',
      protocol: detect(tableWith([filter], defaultMeta('default'))),
      isHttpOnly: true,
    },
    { name: 'a rate limit', protocol: OPEN.protocol, rateLimit, isHttpOnly: true },
    { name: 'HTTP/1', protocol: { kind: 'http1', table: table() }, isHttpOnly: true },
    { name: 'HTTP/2', protocol: { kind: 'http2', table: table() }, isHttpOnly: true },
    { name: 'gRPC', protocol: { kind: 'grpc', table: table() }, isHttpOnly: true },
    { name: 'opaque', protocol: { kind: 'opaque' }, isHttpOnly: false },
    { name: 'TLS', protocol: { kind: 'tls' }, isHttpOnly: false },
  ]
  for (const { name, isHttpOnly: expected, ...policy } of cases)
    t.equal(isHttpOnly({ ...OPEN, ...policy }), expected, name)
})
