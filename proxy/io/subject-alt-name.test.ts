import { test } from 'tap'
import { below, pick, seededRandom } from '../wire/seeded-random.ts'
import { parseSubjectAltNames } from './subject-alt-name.ts'

const dns = (value: string) => ({ kind: 'dns', value })
const uri = (value: string) => ({ kind: 'uri', value })

test('parseSubjectAltNames', async (t) => {
  const cases = [
    { name: 'no extension', text: undefined, names: [] },
    { name: 'one DNS name', text: 'DNS:web.shop', names: [dns('web.shop')] },
    {
      name: 'DNS and URI keep their order',
      text: 'URI:spiffe://td/a, DNS:web.shop',
      names: [uri('spiffe://td/a'), dns('web.shop')],
    },
    { name: 'other kinds are passed over', text: 'IP Address:10.0.0.1, email:a@b, DNS:x', names: [dns('x')] },
    { name: 'a quoted value is one value', text: 'DNS:"x, DNS:web.shop"', names: [dns('x, DNS:web.shop')] },
    { name: 'escapes inside quotes', text: 'URI:"a\\"b\\u0000", DNS:y', names: [uri('a"b\0'), dns('y')] },
    { name: 'an IPv6 address has colons', text: 'IP Address:0:0:0:0:0:0:0:1, DNS:x', names: [dns('x')] },
    { name: 'an unclosed quote', text: 'DNS:"x, DNS:web.shop', names: undefined },
    { name: 'text behind a quote', text: 'DNS:"x"y, DNS:z', names: undefined },
    { name: 'no type', text: 'web.shop', names: undefined },
    { name: 'a quote inside a plain value', text: 'DNS:a"b', names: undefined },
    { name: 'a comma without a space', text: 'DNS:a,DNS:b', names: undefined },
  ]
  for (const { name, text, names } of cases) t.same(parseSubjectAltNames(text)?.identities, names, name)
})

test('no text gives a name that stands in quotes in another one', async (t) => {
  const random = seededRandom(7)
  const parts = ['DNS:', 'URI:', ', ', '"', '\\', 'web.shop', ',', ':', ' ', '\0']
  const wrong: string[] = []
  for (let run = 0; run < 20_000; run++) {
    const inner = Array.from({ length: below(random, 8) }, () => pick(random, parts)).join('')
    const names = parseSubjectAltNames(`URI:${JSON.stringify(inner)}, DNS:y`)?.identities
    if (JSON.stringify(names) !== JSON.stringify([uri(inner), dns('y')])) wrong.push(inner)
    // Whatever the text, it is read to its end or refused, never an exception.
    parseSubjectAltNames(inner)
  }
  t.same(wrong, [])
})
