/** A mesh's issuer whose key the test holds, and certificates it never issued to anybody in the mesh. */

import { X509Certificate } from 'node:crypto'
import { DEFAULT_CLUSTER_DOMAIN, DEFAULT_CONTROL_PLANE_NS } from '../../api/vocabulary.ts'
import { type GeneratedIssuer, generateIssuer } from '../../control/identity/model/generate.ts'
import { loadIssuer } from '../../control/identity/model/issuer.ts'
import { checkCsr, issueLeaf } from '../../control/identity/model/leaf.ts'
import type { StartOptions } from '../../local/start.ts'
import { makeCsr, makeKeyPair } from '../../proxy/identity/csr.ts'

const DAY_MS = 86_400_000
const CLOCK_SKEW_MS = 20_000

export function newIssuer(): Promise<GeneratedIssuer> {
  return generateIssuer({
    controlPlaneNs: DEFAULT_CONTROL_PLANE_NS,
    trustDomain: DEFAULT_CLUSTER_DOMAIN,
    nowMs: Date.now(),
    lifetimeMs: DAY_MS,
    clockSkewMs: CLOCK_SKEW_MS,
  })
}

/** As `weft local` takes an issuer. */
export function asOption(issuer: GeneratedIssuer): NonNullable<StartOptions['issuer']> {
  const pem = (text: string) => ({ pem: text, from: 'the test' })
  return {
    anchors: pem(issuer.anchorsPem),
    certificate: pem(issuer.certificatePem),
    privateKey: pem(issuer.privateKeyPem),
  }
}

/** PEM of a certificate for `identity` with its chain, and of its key. */
export async function certificateFor(
  identity: string,
  issuer: GeneratedIssuer,
): Promise<{ readonly cert: string; readonly key: string }> {
  const keys = makeKeyPair()
  const checked = await checkCsr(makeCsr(identity, keys), identity)
  if (!checked.ok) throw new Error(checked.reason)
  const loaded = await loadIssuer(asOption(issuer), Date.now())
  const lifetime = { lifetimeMs: DAY_MS, clockSkewMs: CLOCK_SKEW_MS }
  const leaf = await issueLeaf(loaded, checked.csr, lifetime, Date.now())
  const pem = new X509Certificate(leaf.der).toString()
  return { cert: pem + issuer.certificatePem, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}
