import { test } from 'tap'
import { Head } from '../wire/head.ts'
import type { Filter, HeaderEdits } from './filter.ts'
import { applyRequestFilters, applyResponseFilters, editHeaders, type RequestUrl } from './filters.ts'
import type { RouteMatch } from './route.ts'

function head(fields: [string, string][]): Head {
  const made = new Head()
  for (const [name, value] of fields) made.add(name, value)
  return made
}

function fieldsOf(from: Head): string[] {
  const fields: string[] = []
  for (let at = 0; at < from.count; at++)
    if (!from.isDropped(at)) fields.push(`${from.nameAt(at)}: ${from.valueAt(at)}`)
  return fields
}

test('header edits: add, then set, then remove', async (t) => {
  const cases: { name: string; edits: Partial<HeaderEdits>; is: string[] }[] = [
    { name: 'nothing', edits: {}, is: ['accept: a', 'x-one: 1', 'x-one: 2'] },
    {
      name: 'add keeps what is there',
      edits: { add: [{ name: 'x-one', value: '3' }] },
      is: ['accept: a', 'x-one: 1', 'x-one: 2', 'x-one: 3'],
    },
    { name: 'set replaces all', edits: { set: [{ name: 'x-one', value: '3' }] }, is: ['accept: a', 'x-one: 3'] },
    {
      name: 'set adds what is missing',
      edits: { set: [{ name: 'b', value: '3' }] },
      is: ['accept: a', 'x-one: 1', 'x-one: 2', 'b: 3'],
    },
    {
      name: 'a known name',
      edits: { set: [{ name: 'accept', value: 'b' }] },
      is: ['x-one: 1', 'x-one: 2', 'accept: b'],
    },
    {
      name: 'remove wins over add',
      edits: { add: [{ name: 'c', value: '1' }], remove: ['c', 'x-one'] },
      is: ['accept: a'],
    },
    {
      name: 'set wins over add',
      edits: { add: [{ name: 'c', value: '1' }], set: [{ name: 'c', value: '2' }] },
      is: ['accept: a', 'x-one: 1', 'x-one: 2', 'c: 2'],
    },
  ]
  for (const { name, edits, is } of cases) {
    const edited = head([
      ['accept', 'a'],
      ['x-one', '1'],
      ['x-one', '2'],
    ])
    editHeaders(edited, { add: [], set: [], remove: [], ...edits })
    t.same(fieldsOf(edited), is, name)
  }
})

const url: RequestUrl = { scheme: 'http', authority: 'web:8080', path: '/old/x', query: 'q=1' }
const byPrefix: RouteMatch = {
  kind: 'http',
  path: { kind: 'prefix', prefix: '/old' },
  headers: [],
  query: [],
  method: undefined,
}

function run(filters: Filter[], match: RouteMatch | undefined = undefined, at: RequestUrl = url, random = 0.5) {
  return applyRequestFilters(
    filters,
    head([]),
    match,
    () => at,
    () => random,
  )
}

test('redirects', async (t) => {
  const base = {
    kind: 'redirect',
    scheme: undefined,
    host: undefined,
    port: undefined,
    path: undefined,
    status: 301,
  } as const
  const cases: {
    name: string
    filter: Partial<Extract<Filter, { kind: 'redirect' }>>
    url?: RequestUrl
    is: string | undefined
  }[] = [
    { name: 'a scheme keeps everything else', filter: { scheme: 'https' }, is: 'https://web:8080/old/x?q=1' },
    { name: 'a host keeps the port', filter: { host: 'other' }, is: 'http://other:8080/old/x?q=1' },
    { name: 'a port keeps the host', filter: { port: 9090 }, is: 'http://web:9090/old/x?q=1' },
    { name: 'the default port is left out', filter: { host: 'other', port: 80 }, is: 'http://other/old/x?q=1' },
    { name: 'also of https', filter: { scheme: 'https', port: 443 }, is: 'https://web/old/x?q=1' },
    {
      name: 'a full path drops the query',
      filter: { path: { kind: 'full', value: '/new' } },
      is: 'http://web:8080/new',
    },
    {
      name: 'a prefix keeps rest and query',
      filter: { path: { kind: 'prefix', value: '/new' } },
      is: 'http://web:8080/new/x?q=1',
    },
    { name: 'slashes do not double', filter: { path: { kind: 'prefix', value: '/' } }, is: 'http://web:8080/x?q=1' },
    {
      name: 'an empty prefix leaves a path',
      filter: { path: { kind: 'prefix', value: '' } },
      url: { ...url, path: '/old', query: '' },
      is: 'http://web:8080/',
    },
    { name: 'to itself: no redirect', filter: { host: 'web' }, is: undefined },
    {
      name: 'to itself with the default port spelled out',
      filter: { scheme: 'http' },
      url: { ...url, authority: 'web:80' },
      is: undefined,
    },
    {
      name: 'an IPv6 authority',
      filter: { scheme: 'https' },
      url: { ...url, authority: '[::1]:8080' },
      is: 'https://[::1]:8080/old/x?q=1',
    },
  ]
  for (const { name, filter, url: at = url, is } of cases) {
    const verdict = run([{ ...base, ...filter }], byPrefix, at)
    t.equal(verdict?.kind === 'redirect' ? verdict.location : verdict?.kind, is, name)
  }
  t.match(
    run([{ ...base, path: { kind: 'prefix', value: '/new' } }]),
    { kind: 'error' },
    'a prefix needs a prefix match',
  )
  t.match(
    run([{ ...base, scheme: 'https' }], undefined, { ...url, authority: undefined }),
    { kind: 'error' },
    'no host anywhere',
  )
  t.match(run([{ ...base, host: 'a', status: 307 }]), { status: 307 })
})

test('failures are injected by ratio, unsupported filters fail closed, the first verdict ends it', async (t) => {
  const half: Filter = { kind: 'httpFailure', status: 503, message: 'no', ratio: 0.5 }
  t.same(run([half], undefined, url, 0.49), { kind: 'httpFailure', status: 503, message: 'no' })
  t.equal(run([half], undefined, url, 0.5), undefined)
  t.equal(run([{ ...half, ratio: 0 }], undefined, url, 0), undefined)
  t.match(run([{ ...half, ratio: 1 }], undefined, url, 0.999999), { status: 503 })
  t.same(run([{ kind: 'grpcFailure', code: 14, message: 'no', ratio: 1 }]), {
    kind: 'grpcFailure',
    code: 14,
    message: 'no',
  })
  t.match(run([{ kind: 'unsupported', what: 'rate limiting' }, half]), {
    kind: 'error',
    message: /^rate limiting is not supported/,
  })
})

test('request and response edits do not mix', async (t) => {
  const filters: Filter[] = [
    { kind: 'requestHeaders', edits: { add: [{ name: 'x-request', value: '1' }], set: [], remove: [] } },
    { kind: 'responseHeaders', edits: { add: [{ name: 'x-response', value: '1' }], set: [], remove: [] } },
  ]
  const request = head([])
  const response = head([])
  t.equal(
    applyRequestFilters(
      filters,
      request,
      undefined,
      () => url,
      () => 0,
    ),
    undefined,
  )
  applyResponseFilters(filters, response)
  t.same(fieldsOf(request), ['x-request: 1'])
  t.same(fieldsOf(response), ['x-response: 1'])
})
