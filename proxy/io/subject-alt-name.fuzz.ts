/**
 * Names in certificates: real certificates with names of any characters, through the text that Node gives; what was put in
 * comes out, or nothing. And the text broken at random: never a name that is not there.
 */
import 'reflect-metadata'
import { deepEqual, ok } from 'node:assert/strict'
import { webcrypto, X509Certificate } from 'node:crypto'
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'
import { below, mutateText, pick, several, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { parseSubjectAltNames } from './subject-alt-name.ts'

type Name = readonly [type: 'dns' | 'url' | 'email' | 'ip', value: string]
type Input = { readonly names: readonly Name[]; readonly text: string }

const DNS = [
  'web.shop.serviceaccount.identity.linkerd.cluster.local',
  'a',
  '*.a',
  'a, DNS:b',
  'a"',
  '"a"',
  'a\0b',
  'a\nb',
  'a\\',
  'a,b',
  '',
  'URI:x',
  'a, URI:spiffe://b',
]
const URLS = ['spiffe://td/ns/shop/sa/web', 'spiffe://td/a, DNS:b', 'x"y', 'a\0']
const TEXTS = [
  'DNS:a.b, URI:spiffe://td/x',
  'DNS:"a, DNS:b"',
  'IP Address:10.0.0.1, DNS:a',
  'DNS:"a\\u0000b"',
  'othername:<unsupported>, DNS:a',
  'DirName:"CN=x", DNS:a',
  'email:a@b',
]
const PIECES = [', ', ',', ':', '"', '\\', '\\"', 'DNS:', 'URI:', ' ', '\\u0041', '\0', '\n', 'é']

export const subjectAltNameFuzzer = fuzzer<Input>({
  name: 'subject-alt-name',
  checks:
    'names of real certificates with any characters come out as they were put in; broken texts give no other names',
  cases: 200,
  generate: (random) => ({
    names: several(random, 3, () => name(random)),
    text: mutateText(random, pick(random, TEXTS), PIECES),
  }),
  mutate: (random, { names, text }) => ({
    names: names.map(
      ([type, value]) => [type, type === 'ip' ? value : mutateText(random, value, PIECES, 2, 128)] as const,
    ),
    text: mutateText(random, text, PIECES),
  }),
  run: check,
})

function name(random: Random): Name {
  const kind = random()
  if (kind < 0.6) return ['dns', random() < 0.7 ? pick(random, DNS) : textOf(random, below(random, 10), 128)]
  if (kind < 0.85) return ['url', pick(random, URLS)]
  return kind < 0.95 ? ['email', 'a@b'] : ['ip', '10.0.0.1']
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as CryptoKeyPair
type CryptoKeyPair = { readonly privateKey: webcrypto.CryptoKey; readonly publicKey: webcrypto.CryptoKey }

async function check({ names, text }: Input): Promise<void> {
  const parsed = parseSubjectAltNames(text)
  for (const { kind, value } of parsed?.identities ?? []) {
    const type = kind === 'dns' ? 'DNS:' : 'URI:'
    const isThere = text.includes(type + value) || text.includes(`${type}"`)
    ok(isThere, `${type}${value} is not in ${text}`)
  }
  if (names.length === 0) return
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: '01',
      subject: 'CN=x',
      issuer: 'CN=x',
      notBefore: new Date(0),
      notAfter: new Date(1e12),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      extensions: [new SubjectAlternativeNameExtension(names.map(([type, value]) => ({ type, value })))],
    },
    webcrypto as never,
  )
  const shown = new X509Certificate(Buffer.from(certificate.rawData)).subjectAltName
  const found = parseSubjectAltNames(shown)
  const expected = names
    .filter(([type]) => type === 'dns' || type === 'url')
    .map(([type, value]) => ({ kind: type === 'dns' ? 'dns' : 'uri', value }))
  if (found !== undefined) deepEqual(found.identities, expected, `${shown}`)
}
