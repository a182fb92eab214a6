/**
 * Checks what the identity controller answered before anything is done with it (facts: Identity.Certify): the chain ends
 * at a trust anchor, the name is ours, the key is ours, and it is valid now.
 */
import { type KeyObject, X509Certificate } from 'node:crypto'
import { parseSubjectAltNames } from '../io/subject-alt-name.ts'

/** Longer chains do not exist in a mesh; a bound on what one answer can make us verify. */
const MAX_CHAIN = 10

export interface CheckedCertificate {
  /** Leaf first, for `makeSecureContext`. */
  readonly chainPem: string
  readonly expiresAtMs: number
}

export interface CertificateExpectation {
  readonly localName: string
  readonly privateKey: KeyObject
  readonly trustAnchors: readonly X509Certificate[]
  readonly nowMs: number
}

export interface IssuedCertificate {
  readonly leafCertificate: Uint8Array
  readonly intermediateCertificates: readonly Uint8Array[]
  readonly validUntilMs: number | undefined
}

/** @throws Error with one sentence: what is wrong with the answer */
export function checkCertificate(issued: IssuedCertificate, expected: CertificateExpectation): CheckedCertificate {
  const { localName, privateKey, trustAnchors, nowMs } = expected
  if (issued.intermediateCertificates.length >= MAX_CHAIN)
    throw new Error(
      `the answer has ${issued.intermediateCertificates.length} intermediate certificates; more than ${MAX_CHAIN - 1} are refused`,
    )
  const leaf = parse(issued.leafCertificate, 'the certificate')
  const intermediates = issued.intermediateCertificates.map((der, index) =>
    parse(der, `intermediate certificate ${index + 1}`),
  )

  if (issued.validUntilMs === undefined) throw new Error('the answer does not say until when the certificate is valid')
  const expiresAtMs = Math.min(issued.validUntilMs, leaf.validToDate.getTime())
  if (expiresAtMs <= nowMs)
    throw new Error(
      `the certificate expired at ${isoTime(expiresAtMs)}; compare the clocks of this node and the identity controller's`,
    )
  if (!leaf.checkPrivateKey(privateKey)) throw new Error('the certificate is for another key than ours')
  const names = parseSubjectAltNames(leaf.subjectAltName)?.identities ?? []
  if (!names.some(({ kind, value }) => kind === 'dns' && value === localName)) {
    throw new Error(
      `the certificate is for ${names.map(({ value }) => value).join(', ') || 'nobody'}, not for ${localName}`,
    )
  }
  checkChain(leaf, intermediates, trustAnchors, nowMs)
  return { chainPem: [leaf, ...intermediates].map((certificate) => certificate.toString()).join(''), expiresAtMs }
}

/**
 * Reads the PEM bundle of trust anchors.
 *
 * @throws Error that says which certificate does not parse
 */
export function parseTrustAnchors(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0)
    throw new Error('the trust anchors contain no PEM certificate; see LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS')
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new Error(
        `trust anchor ${index + 1} of ${blocks.length} does not parse; see LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS`,
        { cause },
      )
    }
  })
}

function checkChain(
  leaf: X509Certificate,
  intermediates: readonly X509Certificate[],
  trustAnchors: readonly X509Certificate[],
  nowMs: number,
): void {
  let certificate = leaf
  for (let depth = 0; depth < MAX_CHAIN; depth++) {
    if (certificate.validFromDate.getTime() > nowMs)
      throw new Error(
        `${nameOf(certificate)} is valid only from ${certificate.validFrom} on; compare the clocks of this node and the identity controller's`,
      )
    if (certificate.validToDate.getTime() <= nowMs)
      throw new Error(`${nameOf(certificate)} expired at ${certificate.validTo}; renew the issuer's certificate`)
    if (trustAnchors.some((anchor) => isIssuedBy(certificate, anchor) || anchor.raw.equals(certificate.raw))) return
    const issuer = intermediates.find((candidate) => candidate.ca && isIssuedBy(certificate, candidate))
    if (issuer === undefined || issuer === certificate) break
    certificate = issuer
  }
  throw new Error(
    `the chain does not end at a trust anchor (${oneLine(certificate.issuer)} is not among them); was the issuer rotated to another root?`,
  )
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function parse(der: Uint8Array, what: string): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (cause) {
    throw new Error(`${what} in the answer does not parse`, { cause })
  }
}

function nameOf(certificate: X509Certificate): string {
  return `the certificate of ${oneLine(certificate.subject)}`
}

function oneLine(name: string | undefined): string {
  return (name ?? 'an unnamed issuer').replaceAll('\n', ', ')
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
