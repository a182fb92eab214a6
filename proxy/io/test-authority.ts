/** A throw-away certificate authority for tests: chains good and bad, made in memory. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

const SIGNING = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000
const EXTENSIONS_OF_CA = [
  new BasicConstraintsExtension(true, undefined, true),
  new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
]

export interface Issued {
  readonly keyPem: string
  /** Leaf first, then the intermediates; never the root. */
  readonly chainPem: string
  readonly der: readonly Buffer[]
}

export interface IssueOptions {
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  /** Instead of the DNS name. */
  readonly uri?: string
  readonly names?: readonly { readonly type: 'dns' | 'url' | 'email'; readonly value: string }[]
  readonly publicKey?: CryptoKey
}

type Keys = { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey }

export class TestAuthority {
  readonly #keys: Keys
  readonly #name: string
  readonly #above: readonly string[]
  readonly pem: string
  readonly der: Buffer

  private constructor(name: string, keys: Keys, pem: string, der: Buffer, above: readonly string[]) {
    this.#name = name
    this.#keys = keys
    this.pem = pem
    this.der = der
    this.#above = above
  }

  /** A self-signed root. */
  static async root(name = 'root.test'): Promise<TestAuthority> {
    const keys = await makeKeys()
    const certificate = await certify(`CN=${name}`, keys.publicKey, `CN=${name}`, keys.privateKey, EXTENSIONS_OF_CA, {})
    return new TestAuthority(name, keys, certificate.toString('pem'), Buffer.from(certificate.rawData), [])
  }

  /** An intermediate below this one. */
  async intermediate(name = 'issuer.test'): Promise<TestAuthority> {
    const keys = await makeKeys()
    const certificate = await certify(
      `CN=${name}`,
      keys.publicKey,
      `CN=${this.#name}`,
      this.#keys.privateKey,
      EXTENSIONS_OF_CA,
      {},
    )
    const pem = certificate.toString('pem')
    return new TestAuthority(name, keys, pem, Buffer.from(certificate.rawData), [pem, ...this.#above])
  }

  /** A leaf as the identity controller issues it. */
  async issue(identity: string, options: IssueOptions = {}): Promise<Issued> {
    const keys = options.publicKey === undefined ? await makeKeys() : undefined
    const names = options.names ?? [
      options.uri === undefined ? { type: 'dns', value: identity } : { type: 'url', value: options.uri },
    ]
    const extensions: Extension[] = [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    ]
    if (names.length > 0) extensions.push(new SubjectAlternativeNameExtension([...names]))
    const publicKey = options.publicKey ?? keys!.publicKey
    const certificate = await certify(
      `CN=${identity.replace(/[,+"\\<>;=]/g, '_')}`,
      publicKey,
      `CN=${this.#name}`,
      this.#keys.privateKey,
      extensions,
      options,
    )
    return {
      keyPem: keys === undefined ? '' : await pemOf(keys.privateKey),
      chainPem: [certificate.toString('pem'), ...this.#above].join('\n'),
      der: [Buffer.from(certificate.rawData), ...(this.#above.length > 0 ? [this.der] : [])],
    }
  }
}

async function makeKeys(): Promise<Keys> {
  return (await webcrypto.subtle.generateKey(SIGNING, true, ['sign', 'verify'])) as Keys
}

async function pemOf(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`
}

let serial = 0

function certify(
  subject: string,
  publicKey: CryptoKey,
  issuer: string,
  signingKey: CryptoKey,
  extensions: Extension[],
  { notBeforeMs = Date.now() - DAY_MS, notAfterMs = Date.now() + DAY_MS }: IssueOptions,
) {
  serial++
  return X509CertificateGenerator.create(
    {
      serialNumber: serial.toString(16).padStart(2, '0'),
      subject,
      issuer,
      notBefore: new Date(notBeforeMs),
      notAfter: new Date(notAfterMs),
      signingAlgorithm: SIGNING,
      publicKey,
      signingKey,
      extensions,
    },
    webcrypto as unknown as Crypto,
  )
}
