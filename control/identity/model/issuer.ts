/**
 * The issuer: the intermediate CA that signs the proxies' certificates, and the trust anchors it leads to.
 *
 * Everything is checked when it is loaded, because a wrong issuer would otherwise show up as failed handshakes in
 * every pod, minutes later. Keys are ECDSA P-256, as all proxies require.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, X509Certificate } from './x509.ts'

export interface Issuer {
  /** The issuing certificate, then the rest of its PEM chain towards the anchor. */
  readonly chain: readonly [X509Certificate, ...X509Certificate[]]
  readonly anchors: readonly X509Certificate[]
  /** PEM of all anchors, as proxies get it in their environment. */
  readonly anchorsPem: string
  readonly privateKey: CryptoKey
  /** The earliest notAfter between the issuing certificate and its anchor; no leaf may outlive it. */
  readonly notAfterMs: number
}

/** PEM text and where it came from, which every complaint names. */
export interface PemSource {
  readonly pem: string
  readonly from: string
}

export interface IssuerSources {
  readonly certificate: PemSource
  readonly privateKey: PemSource
  readonly anchors: PemSource
}

/** The issuer cannot be used; the message says which file, why, and what to do. */
export class IssuerError extends Error {
  override readonly name = 'IssuerError'
}

export async function loadIssuer({ certificate, privateKey, anchors }: IssuerSources, nowMs: number): Promise<Issuer> {
  const chain = readCertificates(certificate, 'issuer certificate')
  const anchorList = readCertificates(anchors, 'trust anchors')
  const key = readKey(privateKey)
  const issuing = chain[0]

  requireAuthority(issuing, certificate.from)
  if (!createPublicKey(key).export({ type: 'spki', format: 'der' }).equals(Buffer.from(issuing.publicKey.rawData))) {
    throw new IssuerError(
      `the issuer key in ${privateKey.from} does not belong to the certificate in ${certificate.from}; give the pair that was made together`,
    )
  }
  const path = await pathToAnchor(chain, anchorList)
  if (path === undefined) {
    throw new IssuerError(
      `the issuer certificate in ${certificate.from} (${issuing.subject}) was not signed by any trust anchor in ${anchors.from}; add the missing intermediate certificates or the right anchor`,
    )
  }
  for (const each of path) requireValidAt(each, nowMs, certificate.from)
  return {
    chain,
    anchors: anchorList,
    anchorsPem: anchorList.map((anchor) => `${anchor.toString('pem')}\n`).join(''),
    privateKey: await importSigningKey(key),
    notAfterMs: Math.min(...path.map(({ notAfter }) => notAfter.getTime())),
  }
}

function readCertificates({ pem, from }: PemSource, what: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const [first, ...rest] = blocks.map((block, at) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      const which = blocks.length > 1 ? `certificate ${at + 1} of ` : ''
      throw new IssuerError(`${which}the ${what} in ${from} is corrupt; copy it again from where it was made`, {
        cause,
      })
    }
  })
  if (first === undefined)
    throw new IssuerError(`the ${what} in ${from} is not PEM; it must have a BEGIN CERTIFICATE line`)
  return [first, ...rest]
}

function readKey({ pem, from }: PemSource): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    // Without the cause: an error of the key parser must not carry key material into a log.
    throw new IssuerError(`the issuer key in ${from} is corrupt or encrypted; give an unencrypted PEM private key`)
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new IssuerError(`the issuer key in ${from} is not ECDSA P-256, which proxies require; make a new issuer`)
  }
  return key
}

function requireAuthority(certificate: X509Certificate, from: string): void {
  const constraints = certificate.getExtension(BasicConstraintsExtension)
  const usages = certificate.getExtension(KeyUsagesExtension)
  if (constraints?.ca !== true || (usages !== null && (usages.usages & KeyUsageFlags.keyCertSign) === 0)) {
    throw new IssuerError(
      `the issuer certificate in ${from} (${certificate.subject}) is not a CA; make one with CA:true and keyCertSign`,
    )
  }
}

function requireValidAt({ notBefore, notAfter, subject }: X509Certificate, nowMs: number, from: string): void {
  if (nowMs > notAfter.getTime()) {
    throw new IssuerError(
      `${subject}, in the chain of ${from}, expired at ${notAfter.toISOString()}; make a new issuer`,
    )
  }
  if (nowMs < notBefore.getTime()) {
    throw new IssuerError(
      `${subject}, in the chain of ${from}, is valid only from ${notBefore.toISOString()}; check the clock`,
    )
  }
}

/** The certificates from the issuing one up to and including an anchor, every signature checked. */
async function pathToAnchor(
  chain: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
): Promise<readonly X509Certificate[] | undefined> {
  const path: X509Certificate[] = []
  for (const certificate of chain) {
    path.push(certificate)
    for (const anchor of anchors) {
      if (anchor.equal(certificate)) return path
      if (await isSignedBy(certificate, anchor)) return [...path, anchor]
    }
    const next = chain[path.length]
    if (next === undefined || !(await isSignedBy(certificate, next))) return undefined
  }
  return undefined
}

async function isSignedBy(certificate: X509Certificate, signer: X509Certificate): Promise<boolean> {
  if (certificate.issuer !== signer.subject) return false
  try {
    return await certificate.verify({ publicKey: signer.publicKey, signatureOnly: true })
  } catch {
    // The signer's key is of another kind than the signature.
    return false
  }
}

function importSigningKey(key: KeyObject): Promise<CryptoKey> {
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  return crypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
}
