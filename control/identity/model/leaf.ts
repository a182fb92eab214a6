/** A proxy's certificate: what a CSR must look like, and what is signed for it. */

import type { Issuer } from './issuer.ts'
import { ECDSA_P256, newSerialNumber, SIGNATURE } from './keys.ts'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.ts'

export type CheckedCsr =
  | { readonly ok: true; readonly csr: Pkcs10CertificateRequest }
  | { readonly ok: false; readonly kind: 'unparsable' | 'mismatch'; readonly reason: string }

/**
 * Checks that a CSR asks for `identity` and nothing else: a certificate with a second name would let its owner speak
 * for somebody else.
 */
export async function checkCsr(der: Uint8Array, identity: string): Promise<CheckedCsr> {
  let csr: Pkcs10CertificateRequest
  try {
    csr = new Pkcs10CertificateRequest(Uint8Array.from(der))
  } catch {
    return { ok: false, kind: 'unparsable', reason: 'it is not a PKCS#10 request in DER' }
  }
  const reason = (await proofOfKey(csr)) ?? wrongNames(csr, identity)
  return reason === undefined ? { ok: true, csr } : { ok: false, kind: 'mismatch', reason }
}

export interface Leaf {
  readonly der: Uint8Array
  readonly notAfterMs: number
}

export interface LeafOptions {
  readonly lifetimeMs: number
  /** Added on both sides, because the clocks of two pods differ. */
  readonly clockSkewMs: number
}

/** Signs a certificate for a checked CSR. It never outlives the issuer. */
export async function issueLeaf(
  issuer: Issuer,
  csr: Pkcs10CertificateRequest,
  { lifetimeMs, clockSkewMs }: LeafOptions,
  nowMs: number,
): Promise<Leaf> {
  const notAfter = new Date(Math.min(nowMs + lifetimeMs + clockSkewMs, issuer.notAfterMs))
  // X.509 times are whole seconds: round away from the leaf's promise, never beyond it.
  notAfter.setMilliseconds(0)
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject: csr.subjectName.toJSON(),
    issuer: issuer.chain[0].subjectName.toJSON(),
    notBefore: new Date(nowMs - clockSkewMs),
    notAfter,
    signingKey: issuer.privateKey,
    publicKey: csr.publicKey,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      // RFC 5280 §4.2.1.6: critical when it is the only name.
      new SubjectAlternativeNameExtension(subjectNames(csr), csr.subject === ''),
      await AuthorityKeyIdentifierExtension.create(issuer.chain[0].publicKey),
      await SubjectKeyIdentifierExtension.create(csr.publicKey),
    ],
  })
  return { der: new Uint8Array(certificate.rawData), notAfterMs: notAfter.getTime() }
}

const BAD_PROOF = 'its signature does not fit its key'

/** Whoever asks must hold the private key; and it must be of the kind that all proxies accept. */
async function proofOfKey(csr: Pkcs10CertificateRequest): Promise<string | undefined> {
  const algorithm = csr.publicKey.algorithm as { name: string; namedCurve?: string }
  if (algorithm.name !== ECDSA_P256.name || algorithm.namedCurve !== ECDSA_P256.namedCurve) {
    return 'its key is not ECDSA P-256'
  }
  try {
    return (await csr.verify()) ? undefined : BAD_PROOF
  } catch {
    return BAD_PROOF
  }
}

function wrongNames(csr: Pkcs10CertificateRequest, identity: string): string | undefined {
  const names = subjectNames(csr)
  if (names.some(({ type }) => type !== 'dns')) return 'it asks for names that are not DNS names'
  if (names.length !== 1) return `it asks for ${names.length} DNS names instead of one`
  if (names[0]!.value !== identity) return `it asks for "${names[0]!.value}" instead of "${identity}"`
  const commonNames = csr.subjectName.getField('CN')
  const isWrong = commonNames.length > 1 || commonNames.some((name) => name !== '' && name !== identity)
  return isWrong ? `its common name is not "${identity}"` : undefined
}

function subjectNames(csr: Pkcs10CertificateRequest): JsonGeneralNames {
  const extensions = csr.extensions.filter((extension) => extension instanceof SubjectAlternativeNameExtension)
  return extensions.flatMap(({ names }) => names.toJSON())
}
