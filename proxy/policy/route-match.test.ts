import { test } from 'tap'
import { compilePattern, type RoutePattern } from '../../api/regex.ts'
import { defaultMeta } from './meta.ts'
import type { HostMatch, NamedMatch, PathMatch, Route, RouteMatch } from './route.ts'
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
      name: 'exact is not better than a prefix of the same length',
      routes: [route('prefix', [http({ path: prefix('/a') })]), route('exact', [http({ path: exact('/a') })])],
      request: { path: '/a' },
      wins: 'prefix',
    },
    {
      name: 'a regex counts the whole path',
      routes: [route('prefix', [http({ path: prefix('/abc') })]), route('regex', [http({ path: regex('/.*') })])],
      request: { path: '/abc/d' },
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
      name: 'query parameters count more than a method',
      routes: [route('method', [http({ method: 'GET' })]), route('query', [http({ query: [named('q', '1')] })])],
      request: { query: 'q=1' },
      wins: 'query',
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
    t.same(table.needs, { method: false, path: false, query: false, authority: false, headers: false })
  }
  const table = compileRoutes([route('default', [])])
  t.equal(findHttpRule(table, untouchable), findHttpRule(table, untouchable), 'and nothing is allocated')
})

test('needs name exactly what matches read', async (t) => {
  const none = { method: false, path: false, query: false, authority: false, headers: false }
  const cases: { match: RouteMatch; needs: object }[] = [
    { match: http({ method: 'GET' }), needs: { ...none, method: true } },
    { match: http({ path: prefix('/a') }), needs: { ...none, path: true } },
    { match: http({ query: [named('q', '')] }), needs: { ...none, query: true } },
    { match: http({ headers: [named('x', '')] }), needs: { ...none, headers: true } },
    { match: grpc('', ''), needs: { ...none, method: true, path: true } },
  ]
  for (const { match, needs } of cases) t.same(compileRoutes([route('r', [match])]).needs, needs)
  t.same(compileRoutes([route('r', [], [{ kind: 'exact', host: 'a' }])]).needs, { ...none, authority: true })
})
