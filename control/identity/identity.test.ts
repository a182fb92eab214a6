import { X509Certificate as NodeCertificate } from 'node:crypto'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { status } from '@grpc/grpc-js'
import { test } from 'tap'
import { CertifyRequestSchema } from '../../api/gen/identity_pb.js'
import { certify, type IdentityOptions } from './api/server.ts'
import { LocalTokens } from './local-tokens.ts'
import { generateIssuer } from './model/generate.ts'
import { IssuerError, loadIssuer } from './model/issuer.ts'
import {
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509Certificate,
} from './model/x509.ts'

const NOW_MS = Date.parse('2026-03-01T10:00:00Z')
const HOUR_MS = 3_600_000
const WEB = 'web.shop.serviceaccount.identity.linkerd.cluster.local'
const SUBJECT = { namespace: 'shop', serviceAccount: 'web', pod: 'web-1' }

async function newIssuer(nowMs = NOW_MS) {
  const generated = await generateIssuer({
    controlPlaneNs: 'linkerd',
    trustDomain: 'cluster.local',
    nowMs,
    lifetimeMs: 365 * 24 * HOUR_MS,
    clockSkewMs: 20_000,
  })
  return {
    generated,
    sources: {
      certificate: { pem: generated.certificatePem, from: 'crt.pem' },
      privateKey: { pem: generated.privateKeyPem, from: 'key.pem' },
      anchors: { pem: generated.anchorsPem, from: 'ca.crt' },
    },
  }
}

async function newCsr({
  commonName = `CN=${WEB}`,
  names = [{ type: 'dns', value: WEB }] as JsonGeneralNames,
  namedCurve = 'P-256',
} = {}): Promise<Uint8Array> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify'])
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: commonName,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)],
  })
  return new Uint8Array(csr.rawData)
}

async function service(overrides: Partial<IdentityOptions> = {}): Promise<IdentityOptions & { tokens: LocalTokens }> {
  const issuer = await loadIssuer((await newIssuer()).sources, NOW_MS)
  return {
    controlPlaneNs: 'linkerd',
    trustDomain: 'cluster.local',
    leaf: { lifetimeMs: 24 * HOUR_MS, clockSkewMs: 20_000 },
    issuer: () => issuer,
    nowMs: () => NOW_MS,
    onError: () => {},
    ...overrides,
    tokens: await LocalTokens.generate(() => NOW_MS),
  }
}

test('a proxy with its own token gets a certificate of its name', async (t) => {
  const options = await service()
  const token = Buffer.from(await options.tokens.issue(SUBJECT))
  const response = await certify(
    create(CertifyRequestSchema, { identity: WEB, token, certificateSigningRequest: await newCsr() }),
    options,
  )
  const leaf = new NodeCertificate(response.leafCertificate)
  t.equal(leaf.subject, `CN=${WEB}`)
  t.equal(leaf.subjectAltName, `DNS:${WEB}`)
  t.equal(Date.parse(leaf.validFrom), NOW_MS - 20_000)
  t.equal(Date.parse(leaf.validTo), NOW_MS + 24 * HOUR_MS + 20_000)
  t.equal(timestampMs(response.validUntil!), Date.parse(leaf.validTo))
  t.same(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'], 'server and client authentication')
  t.equal(leaf.ca, false)
  const usages = new X509Certificate(Uint8Array.from(response.leafCertificate)).getExtension(KeyUsagesExtension)!.usages
  t.equal(usages, KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment)

  t.equal(response.intermediateCertificates.length, 1)
  const intermediate = new NodeCertificate(response.intermediateCertificates[0]!)
  const anchor = new NodeCertificate(options.issuer()!.anchorsPem)
  t.ok(leaf.verify(intermediate.publicKey) && leaf.checkIssued(intermediate), 'signed by the issuer')
  t.ok(intermediate.verify(anchor.publicKey) && intermediate.checkIssued(anchor), 'which the anchor signed')
})

test('a leaf never outlives its issuer, and lifetimes may be seconds', async (t) => {
  const request = async (options: { tokens: LocalTokens }) =>
    create(CertifyRequestSchema, {
      identity: WEB,
      token: Buffer.from(await options.tokens.issue(SUBJECT)),
      certificateSigningRequest: await newCsr(),
    })
  const long = await service({ leaf: { lifetimeMs: 1_000 * 24 * HOUR_MS, clockSkewMs: 20_000 } })
  t.equal(timestampMs((await certify(await request(long), long)).validUntil!), long.issuer()!.notAfterMs)
  const short = await service({ leaf: { lifetimeMs: 5_000, clockSkewMs: 0 } })
  t.equal(timestampMs((await certify(await request(short), short)).validUntil!), NOW_MS + 5_000)
})

test('requests that are refused', async (t) => {
  const options = await service()
  const stranger = await LocalTokens.generate(() => NOW_MS)
  const early = await LocalTokens.fromKey(await options.tokens.exportKey(), () => NOW_MS - 2 * HOUR_MS)
  const good = {
    identity: WEB,
    token: Buffer.from(await options.tokens.issue(SUBJECT)),
    certificateSigningRequest: await newCsr(),
  }
  const brokenCsr = await newCsr()
  brokenCsr[brokenCsr.length - 1]! ^= 1
  const other = 'api.shop.serviceaccount.identity.linkerd.cluster.local'
  const { INVALID_ARGUMENT, FAILED_PRECONDITION } = status
  const cases: { name: string; change: MessageInitShape<typeof CertifyRequestSchema>; code: status; says: RegExp }[] = [
    { name: 'no identity', change: { identity: '' }, code: INVALID_ARGUMENT, says: /identity is missing/ },
    { name: 'no token', change: { token: new Uint8Array() }, code: INVALID_ARGUMENT, says: /token is missing/ },
    {
      name: 'no CSR',
      change: { certificateSigningRequest: new Uint8Array() },
      code: INVALID_ARGUMENT,
      says: /certificate_signing_request is missing/,
    },
    {
      name: 'a token that is none',
      change: { token: Buffer.from('hello') },
      code: INVALID_ARGUMENT,
      says: /not a signed JWT/,
    },
    { name: 'a huge token', change: { token: Buffer.alloc(70_000) }, code: INVALID_ARGUMENT, says: /70000 bytes/ },
    {
      name: 'a token of another cluster',
      change: { token: Buffer.from(await stranger.issue(SUBJECT)) },
      code: FAILED_PRECONDITION,
      says: /not signed by this cluster/,
    },
    {
      name: 'an expired token',
      change: { token: Buffer.from(await early.issue(SUBJECT, HOUR_MS)) },
      code: FAILED_PRECONDITION,
      says: /expired at 2026-03-01T09:00:00.000Z/,
    },
    {
      name: 'a token for another audience',
      change: { token: Buffer.from(await options.tokens.issue(SUBJECT, HOUR_MS, 'vault')) },
      code: FAILED_PRECONDITION,
      says: /claim "aud"/,
    },
    {
      name: 'a token of another account',
      change: { token: Buffer.from(await options.tokens.issue({ ...SUBJECT, serviceAccount: 'api' })) },
      code: FAILED_PRECONDITION,
      says: /belongs to "api\.shop/,
    },
    {
      name: 'a CSR that is none',
      change: { certificateSigningRequest: Buffer.from('hello') },
      code: INVALID_ARGUMENT,
      says: /not a PKCS#10/,
    },
    {
      name: 'a CSR whose signature is wrong',
      change: { certificateSigningRequest: brokenCsr },
      code: FAILED_PRECONDITION,
      says: /signature/,
    },
    {
      name: 'a CSR without a name',
      change: { certificateSigningRequest: await newCsr({ names: [] }) },
      code: FAILED_PRECONDITION,
      says: /0 DNS names/,
    },
    {
      name: 'a CSR for another name',
      change: { certificateSigningRequest: await newCsr({ names: [{ type: 'dns', value: other }] }) },
      code: FAILED_PRECONDITION,
      says: /instead of/,
    },
    {
      name: 'a CSR for a second name',
      change: {
        certificateSigningRequest: await newCsr({
          names: [
            { type: 'dns', value: WEB },
            { type: 'dns', value: other },
          ],
        }),
      },
      code: FAILED_PRECONDITION,
      says: /2 DNS names/,
    },
    {
      name: 'a CSR for an address',
      change: {
        certificateSigningRequest: await newCsr({
          names: [
            { type: 'dns', value: WEB },
            { type: 'ip', value: '10.0.0.1' },
          ],
        }),
      },
      code: FAILED_PRECONDITION,
      says: /not DNS names/,
    },
    {
      name: 'a CSR for a URI',
      change: {
        certificateSigningRequest: await newCsr({
          names: [
            { type: 'dns', value: WEB },
            { type: 'url', value: 'spiffe://a/b' },
          ],
        }),
      },
      code: FAILED_PRECONDITION,
      says: /not DNS names/,
    },
    {
      name: 'a CSR for an e-mail address',
      change: {
        certificateSigningRequest: await newCsr({
          names: [
            { type: 'dns', value: WEB },
            { type: 'email', value: 'a@b.c' },
          ],
        }),
      },
      code: FAILED_PRECONDITION,
      says: /not DNS names/,
    },
    {
      name: 'a CSR with another common name',
      change: { certificateSigningRequest: await newCsr({ commonName: `CN=${other}` }) },
      code: FAILED_PRECONDITION,
      says: /common name/,
    },
    {
      name: 'a key on another curve',
      change: { certificateSigningRequest: await newCsr({ namedCurve: 'P-384' }) },
      code: FAILED_PRECONDITION,
      says: /P-256/,
    },
  ]
  for (const { name, change, code, says } of cases) {
    await t.rejects(
      certify(create(CertifyRequestSchema, { ...good, ...change }), options),
      { code, message: says },
      name,
    )
  }
  const empty = await newCsr({ commonName: '' })
  await t.resolves(
    certify(create(CertifyRequestSchema, { ...good, certificateSigningRequest: empty }), options),
    'no common name is fine',
  )
})

test('states of the service', async (t) => {
  const options = await service()
  const request = create(CertifyRequestSchema, {
    identity: WEB,
    token: Buffer.from(await options.tokens.issue(SUBJECT)),
    certificateSigningRequest: await newCsr(),
  })
  await t.rejects(certify(request, { ...options, issuer: () => undefined }), { code: status.UNAVAILABLE })
  await t.rejects(certify(request, { ...options, nowMs: () => options.issuer()!.notAfterMs }), {
    code: status.UNKNOWN,
    message: /expired at 2027/,
  })
  const tokens = { review: () => Promise.reject(new Error('connection refused')) }
  await t.rejects(certify(request, { ...options, tokens }), { code: status.INTERNAL, message: /could not be reviewed/ })
})

test('an issuer that cannot be used is refused in one sentence', async (t) => {
  const { sources, generated } = await newIssuer()
  const other = await newIssuer()
  const corrupt = generated.certificatePem.replace(/\n[A-Za-z0-9+/]{64}\n/, '\n')
  const cases = [
    {
      name: 'no PEM',
      sources: { ...sources, certificate: { pem: 'hello', from: 'crt.pem' } },
      says: /issuer certificate in crt\.pem is not PEM/,
    },
    {
      name: 'corrupt PEM',
      sources: { ...sources, certificate: { pem: corrupt, from: 'crt.pem' } },
      says: /crt\.pem is corrupt/,
    },
    {
      name: 'corrupt key',
      sources: { ...sources, privateKey: { pem: 'hello', from: 'key.pem' } },
      says: /key\.pem is corrupt/,
    },
    {
      name: 'a key of another certificate',
      sources: { ...sources, privateKey: other.sources.privateKey },
      says: /does not belong to the certificate in crt\.pem/,
    },
    {
      name: 'an anchor that did not sign it',
      sources: { ...sources, anchors: other.sources.anchors },
      says: /not signed by any trust anchor in ca\.crt/,
    },
  ]
  for (const { name, sources, says } of cases) {
    await t.rejects(loadIssuer(sources, NOW_MS), { name: 'IssuerError', message: says }, name)
  }
  await t.rejects(loadIssuer(sources, NOW_MS + 366 * 24 * HOUR_MS), { message: /expired at 2027-03-01/ }, 'expired')
  await t.rejects(loadIssuer(sources, NOW_MS - HOUR_MS), { message: /valid only from/ }, 'not valid yet')
  t.ok(new IssuerError('x') instanceof Error)

  const options = await service()
  const token = Buffer.from(await options.tokens.issue(SUBJECT))
  const response = await certify(
    create(CertifyRequestSchema, { identity: WEB, token, certificateSigningRequest: await newCsr() }),
    options,
  )
  const leafPem = new NodeCertificate(response.leafCertificate).toString()
  await t.rejects(
    loadIssuer({ ...sources, certificate: { pem: leafPem, from: 'crt.pem' } }, NOW_MS),
    { message: /is not a CA/ },
    'a leaf',
  )
})

test('one self-signed certificate may be anchor and issuer', async (t) => {
  const { generated } = await newIssuer()
  const both = { pem: generated.certificatePem, from: 'crt.pem' }
  const issuer = await loadIssuer(
    { certificate: both, privateKey: { pem: generated.privateKeyPem, from: 'key.pem' }, anchors: both },
    NOW_MS,
  )
  t.equal(issuer.chain.length, 1)
})
