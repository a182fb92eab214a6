import { test } from 'tap'
import { compilePattern, type RoutePattern } from '../../api/regex.ts'
import { seededRandom } from '../wire/seeded-random.ts'
import { defaultMeta } from './meta.ts'
import type { HostMatch, NamedMatch, PathMatch, Route, RouteHit, RouteMatch } from './route.ts'
import { compileRoutes, findHttpRule, hostOf, type RequestView } from './route-match.ts'

function pattern(source: string): RoutePattern {
  const compiled = compilePattern(source)
  if ('problem' in compiled) throw new Error(compiled.problem)
  return compiled
}

const exact = (path: string): PathMatch => ({ kind: 'exact', path })
const prefix = (text: string): PathMatch => ({ kind: 'prefix', prefix: text })
const regex = (source: string): PathMatch => ({ kind: 'regex', pattern: pattern(source) })
const named = (name: string, value: string): NamedMatch => ({ name, value: { kind: 'exact', value } })
const namedRegex = (name: string, source: string): NamedMatch => ({
  name,
  value: { kind: 'regex', pattern: pattern(source) },
})

function http(parts: Partial<Extract<RouteMatch, { kind: 'http' }>>): RouteMatch {
  return { kind: 'http', path: undefined, headers: [], query: [], method: undefined, ...parts }
}

function grpc(service: string, method: string, headers: NamedMatch[] = []): RouteMatch {
  return { kind: 'grpc', service, method, headers }
}

function route(name: string, matches: RouteMatch[], hosts: HostMatch[] = []): Route {
  return { meta: defaultMeta(name), hosts, rules: [{ matches }] }
}

type Request = Partial<Omit<RequestView, 'headerValues'>> & { headers?: Record<string, string[]> }

function view({ headers = {}, ...parts }: Request): RequestView {
  return {
    method: 'GET',
    path: '/',
    query: '',
    authority: 'web:80',
    headerValues: (name) => headers[name] ?? [],
    ...parts,
  }
}

function nameOf(routes: Route[], request: Request): string | undefined {
  return findHttpRule(compileRoutes(routes), view(request))?.route.meta.name
}

test('paths match whole segments and whole values', async (t) => {
  const cases = [
    { name: 'exact', path: exact('/v2'), yes: ['/v2'], no: ['/v2/', '/v2x', '/'] },
    { name: 'prefix', path: prefix('/v2'), yes: ['/v2', '/v2/', '/v2/x'], no: ['/v2x', '/', '/V2'] },
    { name: 'the prefix /', path: prefix(''), yes: ['/', '/x', '*'], no: [] },
    { name: 'regex', path: regex('/v\\d+'), yes: ['/v1', '/v22'], no: ['/v1/', 'x/v1'] },
  ]
  for (const { name, path, yes, no } of cases) {
    const routes = [route('r', [http({ path, method: 'GET' })])]
    for (const text of yes) t.equal(nameOf(routes, { path: text }), 'r', `${name} matches ${text}`)
    for (const text of no) t.equal(nameOf(routes, { path: text }), undefined, `${name} does not match ${text}`)
  }
})

test('the most specific match wins, ties go to the first', async (t) => {
  const cases: { name: string; routes: Route[]; request: Request; wins: string | undefined }[] = [
    {
      name: 'a longer prefix beats a shorter one',
      routes: [route('short', [http({ path: prefix('/a') })]), route('long', [http({ path: prefix('/a/b') })])],
      request: { path: '/a/b/c' },
      wins: 'long',
    },
    {
      name: 'exact is better than a prefix of the same length',
      routes: [
        route('prefix', [http({ path: prefix('/a'), method: 'GET', headers: [named('x', '1')] })]),
        route('exact', [http({ path: exact('/a') })]),
      ],
      request: { path: '/a', headers: { x: ['1'] } },
      wins: 'exact',
    },
    {
      name: 'a regex comes after prefixes',
      routes: [route('regex', [http({ path: regex('/.*') })]), route('prefix', [http({ path: prefix('/a') })])],
      request: { path: '/a/d' },
      wins: 'prefix',
    },
    {
      name: 'but before the prefix that takes every path',
      routes: [
        route('all', [http({ path: prefix(''), method: 'GET' })]),
        route('none', [http({ method: 'GET' })]),
        route('regex', [http({ path: regex('/a+') })]),
      ],
      request: { path: '/aa' },
      wins: 'regex',
    },
    {
      name: 'the path counts more than headers',
      routes: [
        route('headers', [http({ path: prefix('/a'), headers: [named('x', '1'), named('y', '2')] })]),
        route('path', [http({ path: prefix('/a/b') })]),
      ],
      request: { path: '/a/b', headers: { x: ['1'], y: ['2'] } },
      wins: 'path',
    },
    {
      name: 'headers count more than query parameters',
      routes: [
        route('query', [http({ query: [named('q', '1'), named('r', '2')] })]),
        route('header', [http({ headers: [named('x', '1')] })]),
      ],
      request: { query: 'q=1&r=2', headers: { x: ['1'] } },
      wins: 'header',
    },
    {
      name: 'a method counts more than headers and query parameters',
      routes: [
        route('both', [http({ query: [named('q', '1')], headers: [named('x', '1')] })]),
        route('method', [http({ method: 'GET' })]),
      ],
      request: { query: 'q=1', headers: { x: ['1'] } },
      wins: 'method',
    },
    {
      name: 'more headers are better than fewer, whatever the query',
      routes: [
        route('one', [http({ headers: [named('x', '1')], query: [named('q', '1'), named('r', '2')] })]),
        route('two', [http({ headers: [named('x', '1'), named('y', '2')] })]),
      ],
      request: { query: 'q=1&r=2', headers: { x: ['1'], y: ['2'] } },
      wins: 'two',
    },
    {
      name: 'more query parameters are better than fewer',
      routes: [
        route('one', [http({ query: [named('q', '1')] })]),
        route('two', [http({ query: [named('q', '1'), named('r', '2')] })]),
      ],
      request: { query: 'q=1&r=2' },
      wins: 'two',
    },
    {
      name: 'what is better but does not hold is passed over',
      routes: [
        route('prefix', [http({ path: prefix('/a') })]),
        route('longer', [http({ path: prefix('/a/b'), method: 'POST' })]),
        route('exact', [http({ path: exact('/a/b'), headers: [named('x', '1')] })]),
      ],
      request: { path: '/a/b' },
      wins: 'prefix',
    },
    {
      name: 'the first of equals, whatever stands between',
      routes: [
        route('a', [http({ path: prefix('/a') })]),
        route('b', [http({ path: prefix('/a') }), http({ path: exact('/b') })]),
      ],
      request: { path: '/a/x' },
      wins: 'a',
    },
    {
      name: 'an empty prefix is no match and a prefix of all',
      routes: [route('any', [http({})]), route('all', [http({ path: prefix('') })])],
      request: {},
      wins: 'any',
    },
    {
      name: 'a method is better than none',
      routes: [route('any', [http({})]), route('get', [http({ method: 'GET' })])],
      request: {},
      wins: 'get',
    },
    { name: 'the first of equals', routes: [route('a', [http({})]), route('b', [http({})])], request: {}, wins: 'a' },
    {
      name: 'the best of several matches of a rule counts',
      routes: [route('a', [http({}), http({ path: exact('/x/y') })]), route('b', [http({ path: prefix('/x') })])],
      request: { path: '/x/y' },
      wins: 'a',
    },
    { name: 'no route, no rule', routes: [], request: {}, wins: undefined },
    {
      name: 'a route without rules',
      routes: [{ meta: defaultMeta('r'), hosts: [], rules: [] }],
      request: {},
      wins: undefined,
    },
    { name: 'a rule without matches', routes: [route('r', [])], request: { path: '/x' }, wins: 'r' },
  ]
  for (const { name, routes, request, wins } of cases) t.equal(nameOf(routes, request), wins, name)
})

test('hosts: exact beats suffix beats none, longer beats shorter, before any path', async (t) => {
  const routes = [
    route('any', [http({ path: exact('/very/long/path') })]),
    route('suffix', [http({})], [{ kind: 'suffix', suffix: '.example.com' }]),
    route('longer', [http({})], [{ kind: 'suffix', suffix: '.b.example.com' }]),
    route('exact', [http({})], [{ kind: 'exact', host: 'a.b.example.com' }]),
  ]
  const cases = [
    { authority: 'a.b.example.com', wins: 'exact' },
    { authority: 'A.b.Example.com.:8080', wins: 'exact' },
    { authority: 'c.b.example.com', wins: 'longer' },
    { authority: 'c.example.com', wins: 'suffix' },
    { authority: 'b.example.com', wins: 'suffix' },
    { authority: 'example.com', wins: 'any' },
    { authority: 'notexample.com', wins: 'any' },
    { authority: undefined, wins: 'any' },
  ]
  for (const { authority, wins } of cases) {
    t.equal(nameOf(routes, { authority, path: '/very/long/path' }), wins, `${authority}`)
  }
})

test('a host whose rules do not hold leaves the request to the next', async (t) => {
  const routes = [
    route('any', [http({})]),
    route('suffix', [http({ path: prefix('/s') })], [{ kind: 'suffix', suffix: '.example.com' }]),
    route(
      'two hosts',
      [http({ path: prefix('/e') })],
      [
        { kind: 'exact', host: 'a.example.com' },
        { kind: 'suffix', suffix: '.example.com' },
      ],
    ),
  ]
  const cases = [
    { authority: 'a.example.com', path: '/e', wins: 'two hosts' },
    { authority: 'b.example.com', path: '/e', wins: 'two hosts' },
    { authority: 'a.example.com', path: '/s', wins: 'suffix' },
    { authority: 'a.example.com', path: '/x', wins: 'any' },
    { authority: '.example.com', path: '/s', wins: 'any' },
  ]
  for (const { authority, path, wins } of cases) t.equal(nameOf(routes, { authority, path }), wins, authority + path)
})

test('routes of a consumer come before those of the producer', async (t) => {
  const inNamespace = (namespace: string, name: string, matches: RouteMatch[], hosts: HostMatch[] = []): Route => ({
    ...route(name, matches, hosts),
    meta: { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace, name, section: '', port: 0 },
  })
  const routes = [
    inNamespace('shop', 'producer', [http({ path: exact('/a') })], [{ kind: 'exact', host: 'web' }]),
    inNamespace('client', 'consumer', [http({ path: prefix('/a') })]),
    inNamespace('client', 'consumer, longer', [http({ path: prefix('/a/b') })]),
    // Defaults of the control plane belong to nobody and stay last.
    route('default', [http({})]),
  ]
  const find = (table: ReturnType<typeof compileRoutes>, path: string) =>
    findHttpRule(table, view({ path }))?.route.meta.name
  const table = compileRoutes(routes, 'shop')
  t.equal(find(table, '/a'), 'consumer')
  t.equal(find(table, '/a/b/c'), 'consumer, longer')
  t.equal(find(table, '/b'), 'default', 'what none of them is about is left to the others')
  t.equal(find(compileRoutes(routes), '/a'), 'producer', 'without a parent all are equal')
})

test('against every match in turn', async (t) => {
  const random = seededRandom(7)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const paths = [undefined, prefix(''), prefix('/a'), prefix('/a/b'), exact('/a'), exact('/a/b'), regex('/a.*')]
  const hosts: HostMatch[][] = [
    [],
    [],
    [{ kind: 'exact', host: 'x.y.z' }],
    [{ kind: 'suffix', suffix: '.z' }],
    [
      { kind: 'suffix', suffix: '.y.z' },
      { kind: 'exact', host: 'w.z' },
    ],
  ]
  const randomMatch = (): RouteMatch =>
    http({
      path: pick(paths),
      method: pick([undefined, 'GET', 'POST']),
      headers: pick([[], [named('h', '1')], [named('h', '1'), named('i', '1')]]),
      query: pick([[], [named('q', '1')]]),
    })
  for (let round = 0; round < 300; round++) {
    const routes = Array.from({ length: 8 }, (_, at) =>
      route(`r${at}`, Array.from({ length: 1 + Math.floor(random() * 3) }, randomMatch), pick(hosts)),
    )
    const table = compileRoutes(routes)
    for (const path of ['/', '/a', '/a/b', '/a/b/c', '/ab'])
      for (const authority of ['x.y.z', 'w.z', 'other']) {
        const request = view({
          path,
          authority,
          method: pick(['GET', 'POST', 'PUT']),
          query: pick(['', 'q=1']),
          headers: pick([{}, { h: ['1'] }, { h: ['1'], i: ['1'] }]),
        })
        const found = findHttpRule(table, request)
        t.equal(
          found,
          bestOf(
            table.candidates.flatMap(({ hits }) => hits),
            request,
          ),
          `${round}: ${authority}${path}`,
        )
      }
  }
})

test('against every match in turn, where many share a path', async (t) => {
  const random = seededRandom(8)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const values = ['1', '2', '3', '4']
  const randomMatch = (): RouteMatch =>
    http({
      // More prefixes of one length than are compared one by one.
      path: pick([undefined, prefix('/a'), ...'bcdefghij'.split('').map((letter) => prefix(`/${letter}`))]),
      method: pick([undefined, undefined, 'GET']),
      headers: pick([
        [named('h', pick(values))],
        [named('h', pick(values)), named('i', pick(values))],
        [named('i', pick(values))],
        [namedRegex('h', '[12]')],
        [],
      ]),
    })
  let found = 0
  for (let round = 0; round < 60; round++) {
    const table = compileRoutes(
      Array.from({ length: 10 }, (_, at) => route(`r${at}`, Array.from({ length: 12 }, randomMatch), [])),
    )
    for (const path of ['/', '/a', '/b/x', '/j', '/jj']) {
      const headers = pick([
        {},
        { h: [pick(values)] },
        { i: [pick(values)] },
        { h: [pick(values), pick(values)], i: [pick(values)] },
        { h: ['5', pick(values)] },
      ])
      const request = view({ path, method: pick(['GET', 'POST']), headers })
      const hit = findHttpRule(table, request)
      if (hit !== undefined) found++
      t.equal(
        hit,
        bestOf(
          table.candidates.flatMap(({ hits }) => hits),
          request,
        ),
        `${round}: ${path} ${JSON.stringify(headers)}`,
      )
    }
  }
  t.ok(found > 100)
})

/** The precedence said once more, match by match. */
function bestOf(hits: readonly RouteHit[], request: RequestView): RouteHit | undefined {
  let best: { readonly hit: RouteHit; readonly rank: readonly number[] } | undefined
  for (const hit of hits) {
    const { match, route: of } = hit
    if (
      match?.kind !== 'http' ||
      findHttpRule(compileRoutes([{ ...of, rules: [{ matches: [match] }] }]), request) === undefined
    )
      continue
    const hostRanks = of.hosts.map((matched) => {
      if (matched.kind === 'exact') return matched.host === request.authority ? 1_000 : -1
      return request.authority?.endsWith(matched.suffix) ? matched.suffix.length : -1
    })
    const host = of.hosts.length === 0 ? 0 : Math.max(...hostRanks)
    const { path } = match
    const pathRank =
      path?.kind === 'exact'
        ? 1_000
        : path?.kind === 'regex'
          ? 1
          : path === undefined || path.prefix === ''
            ? 0
            : 1 + path.prefix.length
    const rank = [host, pathRank, match.method === undefined ? 0 : 1, match.headers.length, match.query.length]
    const differs = rank.findIndex((part, at) => part !== best?.rank[at])
    if (best === undefined || (differs !== -1 && rank[differs]! > best.rank[differs]!)) best = { hit, rank }
  }
  return best?.hit
}

test('hostOf drops ports, brackets stay', async (t) => {
  const cases: [string | undefined, string][] = [
    ['web:80', 'web'],
    ['WEB.', 'web'],
    ['[::1]:80', '[::1]'],
    ['[::1]', '[::1]'],
    [undefined, ''],
    ['', ''],
  ]
  for (const [authority, host] of cases) t.equal(hostOf(authority), host, `${authority}`)
})

test('headers and query parameters match when any of their values does', async (t) => {
  const routes = [
    route('r', [
      http({ headers: [named('x', '1'), namedRegex('y', 'a+')], query: [named('q', 'a b'), namedRegex('r', '\\d*')] }),
    ]),
  ]
  const headers = { x: ['0', '1'], y: ['b', 'aa'] }
  const cases = [
    { name: 'all', request: { headers, query: 'q=x&q=a+b&r=12' }, wins: 'r' },
    { name: 'percent-encoded', request: { headers, query: 'q=a%20b&r=' }, wins: 'r' },
    { name: 'a parameter is missing', request: { headers, query: 'q=a+b' }, wins: undefined },
    { name: 'no query at all', request: { headers }, wins: undefined },
    { name: 'a header is missing', request: { headers: { x: ['1'] }, query: 'q=a+b&r=1' }, wins: undefined },
    {
      name: 'a header value only contains it',
      request: { headers: { x: ['11'], y: ['a'] }, query: 'q=a+b&r=1' },
      wins: undefined,
    },
    {
      name: 'regexes span the whole value',
      request: { headers: { x: ['1'], y: ['ab'] }, query: 'q=a+b&r=1' },
      wins: undefined,
    },
  ]
  for (const { name, request, wins } of cases) t.equal(nameOf(routes, request), wins, name)
})

test('gRPC: POST and /service/method; longer service, then method, then headers', async (t) => {
  const routes = [
    route('any', [grpc('', '')]),
    route('method', [grpc('', 'Get')]),
    route('service', [grpc('pkg.Svc', '')]),
    route('both', [grpc('pkg.Svc', 'Get')]),
    route('header', [grpc('pkg.Svc', 'Get', [named('x', '1')])]),
  ]
  const cases: { request: Request; wins: string | undefined }[] = [
    { request: { method: 'POST', path: '/pkg.Svc/Get', headers: { x: ['1'] } }, wins: 'header' },
    { request: { method: 'POST', path: '/pkg.Svc/Get' }, wins: 'both' },
    { request: { method: 'POST', path: '/pkg.Svc/List' }, wins: 'service' },
    { request: { method: 'POST', path: '/pkg.Other/Get' }, wins: 'method' },
    { request: { method: 'POST', path: '/pkg.SvcX/GetX' }, wins: 'any' },
    { request: { method: 'GET', path: '/pkg.Svc/Get' }, wins: undefined },
    { request: { method: 'POST', path: '/pkg.Svc' }, wins: undefined },
    { request: { method: 'POST', path: '/pkg.Svc/' }, wins: undefined },
    { request: { method: 'POST', path: '//Get' }, wins: undefined },
    { request: { method: 'POST', path: '/a/b/c' }, wins: undefined },
    { request: { method: 'POST', path: '/' }, wins: undefined },
  ]
  for (const { request, wins } of cases) t.equal(nameOf(routes, request), wins, `${request.method} ${request.path}`)
})

test('a single catch-all is found without reading the request', async (t) => {
  const untouchable = new Proxy({} as RequestView, {
    get: (_, name) => {
      throw new Error(`${String(name)} was read`)
    },
  })
  for (const match of [http({}), http({ path: prefix('') })]) {
    const table = compileRoutes([route('default', [match])])
    t.equal(findHttpRule(table, untouchable)?.match, match)
  }
  const table = compileRoutes([route('default', [])])
  t.equal(findHttpRule(table, untouchable), findHttpRule(table, untouchable), 'and nothing is allocated')
})

test('only what matches ask for is read', async (t) => {
  const cases: { match: RouteMatch; reads: string[]; hosts?: HostMatch[] }[] = [
    { match: http({ method: 'GET' }), reads: ['method'] },
    { match: http({ path: prefix('/a') }), reads: ['path'] },
    { match: http({ path: regex('/.*') }), reads: ['path'] },
    { match: http({ query: [named('q', '')] }), reads: ['query'] },
    { match: http({ headers: [named('x', '')] }), reads: ['headerValues'] },
    { match: grpc('', ''), reads: ['method', 'path'] },
    { match: http({}), reads: ['authority'], hosts: [{ kind: 'exact', host: 'web' }] },
  ]
  for (const { match, reads, hosts } of cases) {
    const seen = new Set<string>()
    const request = new Proxy(view({ method: 'POST', path: '/a/b', query: 'q=', headers: { x: [''] } }), {
      get(of, name) {
        seen.add(String(name))
        return Reflect.get(of, name)
      },
    })
    findHttpRule(compileRoutes([route('r', [match], hosts)]), request)
    t.same([...seen].sort(), reads)
  }
})
