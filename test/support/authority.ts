/**
 * A certificate authority for tests and benchmarks: one root that signs leaves directly. It is not the control
 * plane's own code on purpose, so that proxies are tried against a second opinion of what a mesh certificate is.
 */
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000

/** Clocks of two processes on one machine agree; the margin is for whole seconds. */
const SKEW_MS = 20_000

export interface Leaf {
  readonly certificatePem: string
  readonly certificateDer: Uint8Array
  readonly notAfterMs: number
}

export interface LeafWithKey extends Leaf {
  /** PKCS#8. */
  readonly privateKeyPem: string
}

export interface Authority {
  readonly anchorsPem: string
  /** Signs the key of a DER request for `identity`, whatever else the request says. */
  sign(csr: Uint8Array, identity: string, lifetimeMs?: number): Promise<Leaf>
  /** A key and a certificate for `identity`. */
  issue(identity: string, lifetimeMs?: number): Promise<LeafWithKey>
}

export async function createAuthority(name = 'root.linkerd.cluster.local'): Promise<Authority> {
  const keys = await generateKeys()
  const root = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - SKEW_MS),
    notAfter: new Date(Date.now() + 365 * DAY_MS),
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  })

  async function leafFor(publicKey: webcrypto.CryptoKey, identity: string, lifetimeMs: number): Promise<Leaf> {
    const notAfter = new Date(Date.now() + lifetimeMs + SKEW_MS)
    notAfter.setMilliseconds(0)
    const certificate = await X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: `CN=${identity.length <= 64 ? identity : 'leaf'}`,
      issuer: root.subject,
      notBefore: new Date(Date.now() - SKEW_MS),
      notAfter,
      signingKey: keys.privateKey,
      publicKey,
      signingAlgorithm: SIGNATURE,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        new SubjectAlternativeNameExtension([{ type: 'dns', value: identity }]),
      ],
    })
    return {
      certificatePem: `${certificate.toString('pem')}\n`,
      certificateDer: new Uint8Array(certificate.rawData),
      notAfterMs: notAfter.getTime(),
    }
  }

  return {
    anchorsPem: `${root.toString('pem')}\n`,
    async sign(csr, identity, lifetimeMs = DAY_MS) {
      const request = new Pkcs10CertificateRequest(Buffer.from(csr))
      return leafFor(await request.publicKey.export(), identity, lifetimeMs)
    },
    async issue(identity, lifetimeMs = DAY_MS) {
      const { publicKey, privateKey } = await generateKeys()
      const leaf = await leafFor(publicKey, identity, lifetimeMs)
      const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', privateKey)
      return { ...leaf, privateKeyPem: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n` }
    },
  }
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])
}

function serialNumber(): string {
  // The highest bit stays clear: a serial number is positive.
  const bytes = randomBytes(16)
  bytes[0] = bytes[0]! & 0x7f
  return bytes.toString('hex')
}
