import 'reflect-metadata'
import { spawnSync } from 'node:child_process'
import { webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { test } from 'tap'
import { makeCsr, makeKeyPair } from './csr.ts'

const IDENTITY = 'web.shop.serviceaccount.identity.linkerd.cluster.local'

test('makeCsr: what a library reads is what was meant', async (t) => {
  const keys = makeKeyPair()
  // Short and long names: the length of every part takes one, two or three bytes.
  for (const identity of [
    'a',
    IDENTITY,
    `${'s'.repeat(63)}.${'n'.repeat(63)}.serviceaccount.identity.linkerd.cluster.local`,
    'x'.repeat(4_000),
  ]) {
    const der = makeCsr(identity, keys)
    const request = new Pkcs10CertificateRequest(der)
    t.equal(await request.verify(webcrypto as unknown as Crypto), true, 'the signature fits')
    t.equal(request.subject, `CN=${identity}`)
    const [names, ...others] = request.extensions
    t.same(others, [], 'one extension')
    t.ok(names instanceof SubjectAlternativeNameExtension)
    t.same((names as SubjectAlternativeNameExtension).names.toJSON(), [{ type: 'dns', value: identity }])
    t.same(Buffer.from(request.publicKey.rawData), keys.publicKey.export({ type: 'spki', format: 'der' }))
  }
})

test('makeCsr: openssl agrees', async (t) => {
  const der = makeCsr(IDENTITY, makeKeyPair())
  const openssl = spawnSync('openssl', ['req', '-inform', 'DER', '-noout', '-text', '-verify'], {
    input: der,
    encoding: 'utf8',
  })
  if (openssl.error !== undefined) return t.comment('skipped: openssl is not installed')
  t.equal(openssl.status, 0, openssl.stderr)
  t.match(openssl.stderr + openssl.stdout, /verify OK/i)
  t.match(openssl.stdout, new RegExp(`DNS:${IDENTITY}\\n`))
  t.match(openssl.stdout, /prime256v1/)
  t.match(openssl.stdout, /ecdsa-with-SHA256/)
})

test('makeCsr refuses what is no DNS name', async (t) => {
  for (const identity of ['', 'wéb', 'a b', 'a\nb'])
    t.throws(() => makeCsr(identity, makeKeyPair()), /cannot be a DNS name/)
})
