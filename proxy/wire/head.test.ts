import { test } from 'tap'
import { Encoding, FIELD, FIELD_STRIDE, FLAG, Framing, Head } from './head.ts'
import { parseRequestHead } from './http1-head.ts'
import { type FieldName, OTHER, TOKEN_NAMES, token, tokenOf, tokenOfAnyCase } from './tokens.ts'

function request(text: string): Head {
  const head = new Head()
  const bytes = Buffer.from(text, 'latin1')
  parseRequestHead(head, bytes, 0, bytes.length)
  return head
}

test('every name has its token, in any case', async (t) => {
  for (const [known, name] of TOKEN_NAMES.entries()) {
    if (known === OTHER) continue
    const lower = Buffer.from(`x${name}x`, 'latin1')
    const upper = Buffer.from(`x${name.toUpperCase()}x`, 'latin1')
    t.equal(tokenOf(lower, 1, lower.length - 1), known, name)
    t.equal(tokenOfAnyCase(upper, 1, upper.length - 1), known, `${name} in upper case`)
    t.equal(token(name as FieldName), known)
    t.equal(tokenOf(lower, 0, lower.length), OTHER, `x${name}x is unknown`)
  }
  const text = Buffer.from('Content-Length', 'latin1')
  t.equal(tokenOf(text, 0, text.length), OTHER, 'tokenOf takes lower case only')
  t.equal(tokenOf(text, 0, 0), OTHER)
})

test('fields are found, dropped, added and replaced', async (t) => {
  const head = request('GET /a HTTP/1.1\r\nHost: web\r\nX-A: 1\r\nx-a: 2\r\nTE: trailers\r\n\r\n')
  t.equal(head.get(token('te')), 'trailers')
  t.equal(head.get(token('cookie')), undefined)
  t.same(head.valuesOf('x-a'), ['1', '2'])
  t.same(head.valuesOf('te'), ['trailers'])
  t.same(head.valuesOf('x-b'), [])
  head.dropName('x-a')
  t.same(head.valuesOf('x-a'), [])
  head.set(token('te'), Buffer.from('other'))
  t.same(head.valuesOf('te'), ['other'])
  head.drop(token('te'))
  t.notOk(head.has(token('te')))
  const path = head.find(token(':path'))
  head.replace(path, `/${'b'.repeat(5000)}`)
  t.equal(head.find(token(':path')), path, 'a replaced pseudo-field stays in its place')
  t.equal(head.valueAt(path).length, 5001)
  head.add('x-long', 'y'.repeat(20_000))
  t.equal(head.valuesOf('x-long')[0]?.length, 20_000)
  for (let i = 0; i < 100; i++) head.add(`x-${i}`, String(i))
  t.same(head.valuesOf('x-99'), ['99'], 'rows grow')
})

test('a field is found by its own token only, also where tokens share a bit', async (t) => {
  const head = new Head()
  const copy = new Head()
  for (const [known, name] of TOKEN_NAMES.entries()) {
    head.reset()
    head.push(known, -1, -1, 0, 0, 0, -1, -1)
    copy.copyFrom(head)
    const found = TOKEN_NAMES.flatMap((_, wanted) => (copy.has(wanted) ? [wanted] : []))
    t.same(found, [known], name)
    for (const other of TOKEN_NAMES.keys()) if (other !== known) head.drop(other)
    t.equal(head.find(known), 0, `${name} is still here`)
    head.drop(known)
    t.equal(head.find(known), -1)
  }
})

test('a value is compared without being decoded', async (t) => {
  const head = request('GET / HTTP/1.1\r\nHost:\r\nTE: trailers\r\n\r\n')
  const text = (value: string) => Buffer.from(value, 'latin1')
  t.ok(head.isAt(head.find(token('te')), text('trailers')))
  t.ok(head.isAt(head.find(token('host')), text('')))
  for (const other of ['', 'trailer', 'trailers ', 'Trailers'])
    t.notOk(head.isAt(head.find(token('te')), text(other)), other)
  const te = head.find(token('te'))
  head.fields[te * FIELD_STRIDE + FIELD.flags]! |= FLAG.huffmanValue
  t.notOk(head.isAt(te, text('trailers')), 'these bytes mean something else')
})

test('a copy is independent, a reset head is empty', async (t) => {
  const head = request('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
  const copy = new Head()
  copy.copyFrom(head)
  head.reset()
  t.match(copy, {
    framing: Framing.length,
    contentLength: 5,
    isKeepAlive: true,
    isUpgrade: true,
    encoding: Encoding.http1,
  })
  t.equal(copy.get(token('host')), 'web')
  t.match(head, { count: 0, end: 0, framing: Framing.none, contentLength: -1, isUpgrade: false, malformed: undefined })
  const { bytes: _, fields: __, ...empty } = new Head()
  const { bytes: ___, fields: ____, ...reset } = head
  t.same(reset, empty, 'reset forgets everything but the memory')
})
