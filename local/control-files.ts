/** The files that the node hands to the control plane's pod, in a directory in memory that only this pod mounts. */
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const ControlFile = {
  /** Socket of the store's stream. */
  store: 'store.sock',
  anchors: 'ca.crt',
  certificate: 'tls.crt',
  key: 'tls.key',
  /** JWK with which the tokens of pods are signed. */
  tokenKey: 'service-account.jwk',
} as const

export interface ControlSecrets {
  readonly anchorsPem: string
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly tokenKey: unknown
}

export function writeControlFiles(directory: string, secrets: ControlSecrets, uid: number): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chownSync(directory, uid, uid)
  const files = [
    [ControlFile.anchors, secrets.anchorsPem],
    [ControlFile.certificate, secrets.certificatePem],
    [ControlFile.key, secrets.privateKeyPem],
    [ControlFile.tokenKey, JSON.stringify(secrets.tokenKey)],
  ] as const
  for (const [name, text] of files) {
    const path = join(directory, name)
    writeFileSync(path, text, { mode: 0o400 })
    chownSync(path, uid, uid)
  }
}
