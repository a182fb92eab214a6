import { test } from 'tap'
import { Head } from '../wire/head.ts'
import type { PathEdit } from './filter.ts'
import type { RouteMatch } from './route.ts'
import { editPath, rewriteUrl } from './url-rewrite.ts'

const byPath = (path: Extract<RouteMatch, { kind: 'http' }>['path']): RouteMatch => ({
  kind: 'http',
  path,
  headers: [],
  query: [],
  method: undefined,
})
// Policies lose the slashes at the end of a prefix where they are read: `/foo/` is `/foo`, `/` is empty.
const byPrefix = (prefix: string): RouteMatch => byPath({ kind: 'prefix', prefix })
const prefix = (value: string): PathEdit => ({ kind: 'prefix', value })

test('the table of HTTPPathModifier, and what it leaves out', async (t) => {
  const cases: [path: string, matched: string, edit: PathEdit, is: string][] = [
    ['/foo/bar', '/foo', prefix('/xyz'), '/xyz/bar'],
    ['/foo/bar', '/foo', prefix('/xyz/'), '/xyz/bar'],
    ['/foo', '/foo', prefix('/xyz'), '/xyz'],
    ['/foo/', '/foo', prefix('/xyz'), '/xyz/'],
    ['/foo/bar', '/foo', prefix(''), '/bar'],
    ['/foo/', '/foo', prefix(''), '/'],
    ['/foo', '/foo', prefix(''), '/'],
    ['/foo/', '/foo', prefix('/'), '/'],
    ['/foo', '/foo', prefix('/'), '/'],
    ['/foo/bar', '', prefix('/xyz'), '/xyz/foo/bar'],
    ['/', '', prefix('/xyz'), '/xyz/'],
    ['/foo//evil.example/x', '/foo', prefix('/'), '/evil.example/x'],
    ['/foo///', '/foo', prefix(''), '/'],
    ['/foo//bar', '/foo', prefix('/xyz'), '/xyz//bar'],
    ['/foo/bar', '/foo', { kind: 'full', value: '/one' }, '/one'],
    ['*', '', { kind: 'full', value: '/one' }, '*'],
    ['*', '', prefix('/one'), '*'],
  ]
  for (const [path, matched, edit, is] of cases)
    t.equal(editPath(edit, byPrefix(matched), path), is, `${path} by ${matched}/ to ${edit.kind} "${edit.value}"`)
  for (const match of [byPath({ kind: 'exact', path: '/foo' }), byPath(undefined), undefined])
    t.equal(editPath(prefix('/x'), match, '/foo'), undefined, 'without a matched prefix there is none to replace')
})

test('the request for the backend', async (t) => {
  const request = (fields: [string, string][]): Head => {
    const head = new Head()
    for (const [name, value] of fields) head.add(name, value)
    return head
  }
  const textOf = (head: Head): string[] =>
    Array.from({ length: head.count }, (_, at) => `${head.nameAt(at)} ${head.valueAt(at)}`)
  const rewrite = { kind: 'rewrite', host: 'other.example', path: prefix('/new') } as const
  const cases: { name: string; fields: [string, string][]; is: string[] }[] = [
    {
      name: 'authority, Host and path change, the query stays',
      fields: [
        [':authority', 'web:80'],
        [':path', '/old/x?a=/old'],
        ['host', 'web:80'],
      ],
      is: [':authority other.example', ':path /new/x?a=/old', 'host other.example'],
    },
    {
      name: 'HTTP/2 has no Host',
      fields: [
        [':authority', 'web:80'],
        [':path', '/old'],
      ],
      is: [':authority other.example', ':path /new'],
    },
    { name: 'HTTP/1.0 may have neither', fields: [[':path', '/old']], is: [':path /new', 'host other.example'] },
    { name: 'CONNECT has another meaning', fields: [[':authority', 'db:5432']], is: [':authority db:5432'] },
  ]
  for (const { name, fields, is } of cases) {
    const head = request(fields)
    t.equal(rewriteUrl(rewrite, head, byPrefix('/old')), undefined)
    t.same(textOf(head), is, name)
  }
  t.match(rewriteUrl(rewrite, request([[':path', '/old']]), undefined), /matched by none/)
})
