/**
 * The one certificate signing request that a proxy ever makes (PKCS#10, RFC 2986): subject CN = identity, one DNS
 * subjectAltName = identity, a P-256 key, ecdsa-with-SHA256.
 *
 * Only this shape is written and nothing is parsed: reading ASN.1 stays node:crypto's work. A general X.509 library costs a
 * sidecar about 9 MB of private memory for these few hundred bytes.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export function makeKeyPair(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/** @throws TypeError when a certificate cannot have this name */
export function checkIdentity(identity: string): void {
  if (!/^[\x21-\x7e]+$/.test(identity)) throw new TypeError(`"${identity}" cannot be a DNS name in a certificate`)
}

/** DER of the request for `identity`, a DNS name in ASCII; signed with the key it asks for. */
export function makeCsr(identity: string, { privateKey, publicKey }: KeyPair): Buffer {
  checkIdentity(identity)
  const commonName = sequence(COMMON_NAME, tagged(TAG.utf8String, Buffer.from(identity, 'ascii')))
  const subject = sequence(set(commonName))
  const names = sequence(tagged(TAG.dnsName, Buffer.from(identity, 'ascii')))
  const extensions = sequence(sequence(SUBJECT_ALT_NAME, tagged(TAG.octetString, names)))
  const attributes = tagged(TAG.attributes, sequence(EXTENSION_REQUEST, set(extensions)))
  const info = sequence(VERSION_1, subject, publicKey.export({ type: 'spki', format: 'der' }), attributes)
  const signature = sign('sha256', info, privateKey)
  // A BIT STRING begins with the count of unused bits.
  return sequence(info, sequence(ECDSA_WITH_SHA256), tagged(TAG.bitString, Buffer.of(0), signature))
}

/** X.690 §8; the last two are context-specific: attributes [0] (RFC 2986 §4.1) and dNSName [2] (RFC 5280 §4.2.1.6). */
const TAG = {
  bitString: 0x03,
  octetString: 0x04,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  attributes: 0xa0,
  dnsName: 0x82,
} as const

/** Written out: INTEGER 0, then object identifiers with tag and length. */
const VERSION_1 = Buffer.from('020100', 'hex')
/** 2.5.4.3 */
const COMMON_NAME = Buffer.from('0603550403', 'hex')
/** 2.5.29.17 */
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex')
/** 1.2.840.113549.1.9.14 (RFC 2985 §5.4.2) */
const EXTENSION_REQUEST = Buffer.from('06092a864886f70d01090e', 'hex')
/** 1.2.840.10045.4.3.2 (RFC 5758 §3.2) */
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex')

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(TAG.sequence, ...parts)
}

function set(...parts: readonly Uint8Array[]): Buffer {
  return tagged(TAG.set, ...parts)
}

function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content])
}

/** X.690 §10.1: the shortest form. */
function lengthOf(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.of(bytes)
  if (bytes < 0x100) return Buffer.of(0x81, bytes)
  if (bytes < 0x10000) return Buffer.of(0x82, bytes >> 8, bytes & 0xff)
  throw new RangeError(`a certificate signing request has no part of ${bytes} bytes`)
}
