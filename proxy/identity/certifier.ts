/**
 * Obtains the proxy's certificate and renews it (facts: identity in the proxy).
 *
 * Key and request are made once and live in memory only; every renewal sends the same request with the token as it is in
 * its file at that moment. A failure leaves the certificate in use as it is.
 */
import type { X509Certificate } from 'node:crypto'
import { promises } from 'node:fs'
import type { SecureContext } from 'node:tls'
import type { Timers } from '../io/timers.ts'
import { makeSecureContext } from '../io/tls.ts'
import { Backoff } from '../policy/backoff.ts'
import { checkCertificate, type IssuedCertificate, parseTrustAnchors } from './certificate.ts'
import { checkIdentity, type KeyPair, makeCsr, makeKeyPair } from './csr.ts'
import type { Identity, OnContext } from './identity.ts'

export interface CertifyRequest {
  readonly identity: string
  readonly token: Uint8Array
  readonly certificateSigningRequest: Uint8Array
}

/**
 * Identity.Certify; `certify-call.ts` is the real one. `makeRequest` is called once the connection is on its way: making
 * keys takes as long as a handshake. Rejects with a sentence when there is no answer, or no request.
 */
export type Certify = (makeRequest: () => Promise<CertifyRequest>) => Promise<IssuedCertificate>

export interface CertifierOptions {
  readonly localName: string
  readonly trustAnchorsPem: string
  readonly tokenFile: string
  readonly minRefreshMs?: number | undefined
  readonly maxRefreshMs?: number | undefined
  readonly certify: Certify
  readonly timers: Timers
  readonly random: () => number
  readonly log: (level: 'info' | 'warn', message: string) => void
}

type Contexts = Parameters<OnContext>

/** Renewal after this part of the remaining lifetime. */
const REFRESH_PART = 0.7
const MIN_REFRESH_MS = 10_000
const MAX_REFRESH_MS = 86_400_000
/**
 * Without a certificate no traffic flows, so the first attempts follow quickly; the delay grows to the minimal refresh
 * time, at which the identity controller can be asked for as long as it takes.
 */
const FIRST_RETRY_MS = 100
const RETRY_JITTER = 0.1
/** No service-account token is nearly as large; a wrong path must not make us read a disk. */
const MAX_TOKEN_BYTES = 65_536

export class Certifier implements Identity {
  readonly localName: string
  /** For /metrics: times of the certificate in use (0 before the first), and outcomes of all attempts. */
  readonly metrics = { expiresAtMs: 0, refreshedAtMs: 0, okCount: 0, errorCount: 0 }
  readonly #options: CertifierOptions
  readonly #trustAnchors: readonly X509Certificate[]
  readonly #listeners: OnContext[] = []
  readonly #minRefreshMs: number
  readonly #maxRefreshMs: number
  readonly #retry: Backoff
  /** Made with the first request, and the same for every later one. */
  #keys: KeyPair | undefined = undefined
  #csr: Buffer | undefined = undefined
  #contexts: Contexts | undefined = undefined
  #cancelTimer: (() => void) | undefined = undefined
  #isClosed = false

  /** @throws Error when the trust anchors do not parse, or the name cannot be asked for */
  constructor(options: CertifierOptions) {
    checkIdentity(options.localName)
    this.#options = options
    this.localName = options.localName
    this.#trustAnchors = parseTrustAnchors(options.trustAnchorsPem)
    this.#minRefreshMs = options.minRefreshMs ?? MIN_REFRESH_MS
    this.#maxRefreshMs = options.maxRefreshMs ?? MAX_REFRESH_MS
    const retry = {
      minMs: Math.min(FIRST_RETRY_MS, this.#minRefreshMs),
      maxMs: this.#minRefreshMs,
      jitter: RETRY_JITTER,
    }
    this.#retry = new Backoff(retry, options.random)
  }

  get context(): SecureContext | undefined {
    return this.#contexts?.[0]
  }

  onContext(listener: OnContext): void {
    this.#listeners.push(listener)
    if (this.#contexts !== undefined) listener(...this.#contexts)
  }

  /** Begins; further attempts follow by themselves. Resolves after the first attempt, whatever its outcome. */
  start(): Promise<void> {
    return this.#attempt()
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTimer?.()
  }

  async #attempt(): Promise<void> {
    let contexts: Contexts | undefined
    try {
      contexts = await this.#renew()
    } catch (error) {
      if (this.#isClosed) return
      this.metrics.errorCount++
      this.#scheduleAfterFailure(error instanceof Error ? error.message : String(error))
    }
    if (contexts !== undefined) for (const listener of this.#listeners) listener(...contexts)
  }

  async #makeRequest(): Promise<CertifyRequest> {
    const token = await this.#readToken()
    this.#keys ??= makeKeyPair()
    this.#csr ??= makeCsr(this.localName, this.#keys)
    return { identity: this.localName, token, certificateSigningRequest: this.#csr }
  }

  async #renew(): Promise<Contexts | undefined> {
    const { certify, timers, trustAnchorsPem, log } = this.#options
    const issued = await certify(() => this.#makeRequest())
    if (this.#isClosed) return undefined
    const { privateKey } = this.#keys!
    const nowMs = timers.wallMs()
    const { chainPem, expiresAtMs } = checkCertificate(issued, {
      localName: this.localName,
      privateKey,
      trustAnchors: this.#trustAnchors,
      nowMs,
    })
    const parts = { key: privateKey, chainPem, trustAnchorsPem }
    const contexts: Contexts = [makeSecureContext(parts), () => makeSecureContext({ ...parts, givesTickets: true })]
    this.#contexts = contexts
    this.metrics.okCount++
    this.metrics.expiresAtMs = expiresAtMs
    this.metrics.refreshedAtMs = nowMs
    this.#retry.reset()
    const refreshMs = this.#refreshMs(nowMs)
    log(
      'info',
      `identity: certificate of ${this.localName} is valid until ${new Date(expiresAtMs).toISOString()}; renewal in ${Math.round(refreshMs / 1_000)} s`,
    )
    this.#schedule(refreshMs)
    return contexts
  }

  #scheduleAfterFailure(reason: string): void {
    const nowMs = this.#options.timers.wallMs()
    const hasCertificate = this.metrics.expiresAtMs > nowMs
    const delayMs = hasCertificate ? this.#refreshMs(nowMs) : this.#retry.nextMs()
    const consequence = hasCertificate
      ? `the certificate in use is valid until ${new Date(this.metrics.expiresAtMs).toISOString()}`
      : this.#contexts === undefined
        ? 'there is no certificate yet, so no meshed traffic'
        : 'the certificate in use has expired, so peers refuse new connections'
    this.#options.log(
      'warn',
      `identity: no certificate for ${this.localName}: ${reason}; ${consequence}; next attempt in ${Math.round(delayMs / 100) / 10} s`,
    )
    this.#schedule(delayMs)
  }

  #refreshMs(nowMs: number): number {
    const partMs = (this.metrics.expiresAtMs - nowMs) * REFRESH_PART
    return Math.min(Math.max(partMs, this.#minRefreshMs), this.#maxRefreshMs)
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer = this.#options.timers.after(delayMs, () => void this.#attempt())
  }

  async #readToken(): Promise<Buffer> {
    const { tokenFile } = this.#options
    const token = await readBounded(tokenFile).catch((error: NodeJS.ErrnoException) => {
      throw new Error(`cannot read the token ${tokenFile} (${error.code}); is the projected volume mounted?`, {
        cause: error,
      })
    })
    if (token.length === 0) throw new Error(`the token ${tokenFile} is empty; is the projected volume mounted?`)
    if (token.length > MAX_TOKEN_BYTES)
      throw new Error(
        `the token ${tokenFile} has more than ${MAX_TOKEN_BYTES} bytes; is LINKERD2_PROXY_IDENTITY_TOKEN_FILE right?`,
      )
    return token
  }
}

/** The first bytes of a file, at most one more than the bound. */
async function readBounded(path: string): Promise<Buffer> {
  const file = await promises.open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(MAX_TOKEN_BYTES + 1), 0, MAX_TOKEN_BYTES + 1, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
