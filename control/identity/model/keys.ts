/** What all certificates of the mesh have in common. */
import { randomBytes } from 'node:crypto'

export const ECDSA_P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const
export const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const

/** Random, not counted: a counter would start again with the process and repeat numbers under the same issuer. */
export function newSerialNumber(): string {
  const bytes = randomBytes(16)
  // RFC 5280 §4.1.2.2: positive, so the top bit is clear; and not zero.
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}
