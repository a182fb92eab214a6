import { test } from 'tap'
import { compilePattern, type RoutePattern } from '../../api/regex.ts'
import { defaultMeta } from './meta.ts'
import { NO_PROFILE, type ProfileRoute, type RequestCondition } from './profile.ts'
import type { HostMatch, NamedMatch, PathMatch, Route, RouteMatch } from './route.ts'
import { findingsOf, findingsOfProfile, MAX_FINDINGS } from './route-findings.ts'
import { compileRoutes, type RequestView } from './route-match.ts'

const pattern = (source: string): RoutePattern => compilePattern(source) as RoutePattern
const exact = (path: string): PathMatch => ({ kind: 'exact', path })
const prefix = (text: string): PathMatch => ({ kind: 'prefix', prefix: text })
const named = (name: string, value: string): NamedMatch => ({ name, value: { kind: 'exact', value } })
const http = (parts: Partial<RouteMatch & { kind: 'http' }>): RouteMatch => ({
  kind: 'http',
  path: undefined,
  headers: [],
  query: [],
  method: undefined,
  ...parts,
})
const grpc = (service: string, method: string): RouteMatch => ({ kind: 'grpc', service, method, headers: [] })
const route = (name: string, matches: RouteMatch[], hosts: HostMatch[] = []): Route => ({
  meta: defaultMeta(name),
  hosts,
  rules: [{ matches }],
})

const request: RequestView = {
  method: 'GET',
  path: '/cart',
  query: 'v=1&w=',
  authority: 'web.shop:80',
  headerValues: (name) => (name === 'x-canary' ? ['no', 'off'] : []),
}

test('why a match is not the one', async (t) => {
  const header = (name: string, source: string): NamedMatch => ({
    name,
    value: { kind: 'regex', pattern: pattern(source) },
  })
  const cases: { match: RouteMatch; is: string }[] = [
    { match: http({ method: 'POST' }), is: 'the method is GET, not POST' },
    { match: http({ path: exact('/cart/') }), is: 'the path /cart is not /cart/' },
    { match: http({ path: prefix('/car') }), is: 'the path /cart is not below /car' },
    { match: http({ path: { kind: 'regex', pattern: pattern('/c') } }), is: 'the path /cart does not match /c' },
    { match: http({ headers: [named('x-y', '1')] }), is: 'there is no header x-y; it has to be "1"' },
    {
      match: http({ headers: [named('x-canary', 'no'), header('x-canary', 'y.*')] }),
      is: 'the header x-canary is "no", "off", not like y.*',
    },
    { match: http({ query: [named('v', '1'), named('w', '2')] }), is: 'the query parameter w is "", not "2"' },
    { match: http({ query: [named('u', '2')] }), is: 'there is no query parameter u; it has to be "2"' },
    { match: grpc('s', 'M'), is: 'the method is GET, not POST' },
  ]
  const rules = cases.map(({ match }) => ({ matches: [match] }))
  const { listed, omitted } = findingsOf(compileRoutes([{ meta: defaultMeta('r'), hosts: [], rules }]), request)
  t.same(
    listed.map(({ rule, match, verdict, reason }) => ({ rule, match, verdict, reason })),
    cases.map(({ is }, rule) => ({ rule, match: 0, verdict: 'mismatch', reason: is })),
  )
  t.equal(omitted, 0)
  const call = { ...request, method: 'POST', path: '/s/N' }
  t.equal(
    findingsOf(compileRoutes([route('g', [grpc('s', 'M')])]), call).listed[0]!.reason,
    'the path /s/N is not /s/M',
  )
})

test('what matched comes first, and says what it looked for', async (t) => {
  const table = compileRoutes([
    route(
      'elsewhere',
      [http({})],
      [
        { kind: 'exact', host: 'other' },
        { kind: 'suffix', suffix: '.example' },
      ],
    ),
    route('general', []),
    route('no', [http({ method: 'POST' })]),
    route('special', [http({ method: 'PUT' }), http({ path: prefix('/cart'), headers: [named('x-canary', 'off')] })]),
  ])
  t.same(
    findingsOf(table, request).listed.map(({ route: { name }, rule, match, verdict, reason }) => [
      name,
      rule,
      match,
      verdict,
      reason,
    ]),
    [
      ['special', 0, 1, 'chosen', 'path below /cart, header x-canary is "off"'],
      ['general', 0, 0, 'outranked', 'every request: matches too, but another is more specific or comes first'],
      ['elsewhere', -1, -1, 'mismatch', 'the host is web.shop, not other, *.example'],
      ['no', 0, 0, 'mismatch', 'the method is GET, not POST'],
      ['special', 0, 0, 'mismatch', 'the method is GET, not PUT'],
    ],
  )
  const many = compileRoutes(Array.from({ length: MAX_FINDINGS + 7 }, (_, at) => route(`r${at}`, [grpc('s', 'M')])))
  const { listed, omitted } = findingsOf(many, request)
  t.same([listed.length, omitted], [MAX_FINDINGS, 7])
})

test('routes of a profile', async (t) => {
  const path = (source: string): RequestCondition => ({ kind: 'path', pattern: pattern(source) })
  const of = (name: string, condition: RequestCondition): ProfileRoute => ({
    name,
    labels: new Map(),
    condition,
    responseClasses: [],
    isRetryable: false,
    timeoutMs: undefined,
  })
  const routes = [
    of('post', { kind: 'all', of: [{ kind: 'method', method: 'POST' }, path('/cart')] }),
    of('cart', { kind: 'any', of: [path('/cart'), path('/basket')] }),
    of('', { kind: 'not', of: path('/x') }),
  ]
  t.same(
    findingsOfProfile({ ...NO_PROFILE, routes }, defaultMeta('p'), request).listed.map(({ rule, verdict, reason }) => [
      rule,
      verdict,
      reason,
    ]),
    [
      [1, 'chosen', 'cart: (path like /cart or path like /basket)'],
      [2, 'outranked', 'not path like /x holds too, but comes later'],
      [0, 'mismatch', 'post: method POST and path like /cart does not hold'],
    ],
  )
})
