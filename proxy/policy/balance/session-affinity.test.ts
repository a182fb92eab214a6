import { test } from 'tap'
import { Head } from '../../wire/head.ts'
import { addSessionCookie, type Session, type SessionKey, sessionOf } from './session-affinity.ts'

type Fields = readonly (readonly [string, string])[]

function headOf(fields: Fields): Head {
  const head = new Head()
  for (const [name, value] of fields) head.add(name, value)
  return head
}

const find = (key: SessionKey, fields: Fields): Session | undefined =>
  sessionOf({ key, maxLoad: 1.25 }, headOf(fields), () => 'new')

const cookie: SessionKey = { kind: 'cookie', name: 'sid', path: '/', ttlMs: undefined }
const header = (name: string): SessionKey => ({ kind: 'header', name })

test('requests of one key are one session', async (t) => {
  const a = find(header('x-user'), [['x-user', 'a']])
  t.ok(a!.point >= 0 && a!.point < 1)
  const cases: { name: string; key: SessionKey; fields: Fields; like: string | undefined }[] = [
    { name: 'a header', key: header('x-user'), fields: [['x-user', 'a']], like: 'a' },
    { name: 'another value', key: header('x-user'), fields: [['x-user', 'b']], like: 'b' },
    {
      name: 'the first of two',
      key: header('x-user'),
      fields: [
        ['x-user', 'a'],
        ['x-user', 'b'],
      ],
      like: 'a',
    },
    { name: 'no header', key: header('x-user'), fields: [['x-other', 'a']], like: undefined },
    { name: 'an empty header', key: header('x-user'), fields: [['x-user', '']], like: undefined },
    { name: 'the host of HTTP/2', key: header('host'), fields: [[':authority', 'a']], like: 'a' },
    { name: 'the host of HTTP/1', key: header('host'), fields: [['host', 'a']], like: 'a' },
    { name: 'a cookie', key: cookie, fields: [['cookie', 'sid=a']], like: 'a' },
    { name: 'a cookie among others', key: cookie, fields: [['cookie', 'x=1; xsid=2; sid=a ;sid=b']], like: 'a' },
    {
      name: 'a cookie in a field of its own',
      key: cookie,
      fields: [
        ['cookie', 'x=1'],
        ['cookie', 'sid=a'],
      ],
      like: 'a',
    },
    { name: 'a cookie with = in it', key: cookie, fields: [['cookie', 'sid=a=b']], like: 'a=b' },
  ]
  for (const { name, key, fields, like } of cases) {
    const expected = like === undefined ? undefined : find(header('x-user'), [['x-user', like]])
    t.same(find(key, fields), expected, name)
  }
})

test('a request without the cookie gets one', async (t) => {
  const begins = (key: SessionKey, value: string) => find(key, [['cookie', value]])?.setCookie
  t.equal(begins(cookie, 'x=1'), 'sid=new; Path=/; HttpOnly; SameSite=Lax')
  t.equal(begins(cookie, 'sid='), 'sid=new; Path=/; HttpOnly; SameSite=Lax')
  t.equal(
    begins({ ...cookie, path: '/shop', ttlMs: 1_500 }, ''),
    'sid=new; Path=/shop; Max-Age=2; HttpOnly; SameSite=Lax',
  )
  t.equal(
    find(cookie, [])!.hash,
    find(cookie, [['cookie', 'sid=new']])!.hash,
    'and is sent where the cookie will send it',
  )
})

test('a cookie of the application goes before ours', async (t) => {
  const values = (fields: Fields) => {
    const head = headOf(fields)
    addSessionCookie(head, 'sid=new; Path=/')
    return head.valuesOf('set-cookie')
  }
  t.same(values([]), ['sid=new; Path=/'])
  t.same(values([['set-cookie', 'sid2=x']]), ['sid2=x', 'sid=new; Path=/'])
  t.same(values([['set-cookie', 'sid=x']]), ['sid=x'])
})
