/**
 * New credentials for a cluster that brings none: a trust anchor and, signed by it, an issuer.
 *
 * Two certificates rather than one, so that the issuer can be replaced without every proxy needing a new anchor. The
 * anchor's key is forgotten right here.
 */
import type { webcrypto } from 'node:crypto'
import { ECDSA_P256, newSerialNumber, SIGNATURE } from './keys.ts'
import {
  BasicConstraintsExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.ts'

export interface GeneratedIssuer {
  readonly anchorsPem: string
  readonly certificatePem: string
  /** PKCS#8. Secret: only its owner may read where this is kept. */
  readonly privateKeyPem: string
}

export interface GenerateOptions {
  readonly controlPlaneNs: string
  readonly trustDomain: string
  readonly nowMs: number
  readonly lifetimeMs: number
  /** How far the clocks of pods may be behind. */
  readonly clockSkewMs: number
}

export async function generateIssuer(options: GenerateOptions): Promise<GeneratedIssuer> {
  const { controlPlaneNs, trustDomain, nowMs, lifetimeMs, clockSkewMs } = options
  const validity = { notBefore: new Date(nowMs - clockSkewMs), notAfter: new Date(nowMs + lifetimeMs) }
  const anchorKeys = await generateKeys()
  const anchorName = `CN=root.${controlPlaneNs}.${trustDomain}`
  const anchor = await X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject: anchorName,
    issuer: anchorName,
    ...validity,
    signingKey: anchorKeys.privateKey,
    publicKey: anchorKeys.publicKey,
    signingAlgorithm: SIGNATURE,
    extensions: await authorityExtensions(anchorKeys.publicKey, undefined),
  })
  const issuerKeys = await generateKeys()
  const issuer = await X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject: `CN=identity.${controlPlaneNs}.${trustDomain}`,
    issuer: anchorName,
    ...validity,
    signingKey: anchorKeys.privateKey,
    publicKey: issuerKeys.publicKey,
    signingAlgorithm: SIGNATURE,
    extensions: await authorityExtensions(issuerKeys.publicKey, 0),
  })
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', issuerKeys.privateKey)
  return {
    anchorsPem: `${anchor.toString('pem')}\n`,
    certificatePem: `${issuer.toString('pem')}\n`,
    privateKeyPem: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
  }
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ECDSA_P256, true, ['sign', 'verify'])
}

async function authorityExtensions(publicKey: CryptoKey, pathLength: number | undefined): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ]
}
