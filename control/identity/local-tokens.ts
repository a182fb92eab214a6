/**
 * The local cluster's service-account tokens: JWTs in the form Kubernetes projects into pods, signed by a key that
 * never leaves this process.
 */
import { errors, exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import { Identity } from '../../api/vocabulary.ts'
import { parseServiceAccountUser, type TokenReview, type TokenReviewer } from './token-reviewer.ts'

const ALGORITHM = 'ES256'
/** Also the `iss` claim; it tells these tokens from those of a real cluster. */
const ISSUER = 'https://local.weft.dev'

export interface TokenSubject {
  readonly namespace: string
  readonly serviceAccount: string
  readonly pod: string
  readonly podUid?: string
}

export class LocalTokens implements TokenReviewer {
  readonly #privateKey: CryptoKey
  readonly #publicKey: CryptoKey
  readonly #nowMs: () => number

  private constructor(privateKey: CryptoKey, publicKey: CryptoKey, nowMs: () => number) {
    this.#privateKey = privateKey
    this.#publicKey = publicKey
    this.#nowMs = nowMs
  }

  static async generate(nowMs: () => number = Date.now): Promise<LocalTokens> {
    const { privateKey, publicKey } = await generateKeyPair(ALGORITHM, { extractable: true })
    return new LocalTokens(privateKey, publicKey, nowMs)
  }

  /** Continues with the key of an earlier process (`exportKey`), so that its tokens stay good. */
  static async fromKey(key: JWK, nowMs: () => number = Date.now): Promise<LocalTokens> {
    const { d: _, ...publicPart } = key
    const privateKey = (await importJWK(key, ALGORITHM, { extractable: true })) as CryptoKey
    return new LocalTokens(privateKey, (await importJWK(publicPart, ALGORITHM)) as CryptoKey, nowMs)
  }

  /** The private key, for whoever restarts the control plane. It belongs in memory or a file only its owner reads. */
  exportKey(): Promise<JWK> {
    return exportJWK(this.#privateKey)
  }

  /** A token for one pod, as the volume `linkerd-identity-token` of an injected pod contains it. */
  issue(
    subject: TokenSubject,
    ttlMs = Identity.tokenLifetimeSeconds * 1_000,
    audience: string = Identity.tokenAudience,
  ): Promise<string> {
    const { namespace, serviceAccount, pod, podUid } = subject
    const nowSeconds = Math.floor(this.#nowMs() / 1_000)
    const kubernetes = {
      namespace,
      serviceaccount: { name: serviceAccount },
      pod: { name: pod, ...(podUid === undefined ? {} : { uid: podUid }) },
    }
    return new SignJWT({ 'kubernetes.io': kubernetes })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
      .setAudience(audience)
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(nowSeconds + Math.ceil(ttlMs / 1_000))
      .sign(this.#privateKey)
  }

  async review(token: Uint8Array, audience: string): Promise<TokenReview> {
    try {
      const { payload } = await jwtVerify(Buffer.from(token).toString('latin1').trim(), this.#publicKey, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(this.#nowMs()),
      })
      const account = parseServiceAccountUser(payload.sub ?? '')
      if (account !== undefined) return { ok: true, ...account }
      return { ok: false, kind: 'unauthenticated', reason: `its user "${payload.sub}" is not a service account` }
    } catch (error) {
      return { ok: false, ...refusal(error) }
    }
  }
}

function refusal(error: unknown): { kind: 'malformed' | 'unauthenticated'; reason: string } {
  if (error instanceof errors.JWTExpired) {
    const expiredAt = new Date((error.payload.exp ?? 0) * 1_000).toISOString()
    return { kind: 'unauthenticated', reason: `it expired at ${expiredAt}; is the projected volume refreshed?` }
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim } = error
    return { kind: 'unauthenticated', reason: `its claim "${claim}" is not what this control plane expects` }
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return { kind: 'unauthenticated', reason: 'it was not signed by this cluster; restart the pod to get a new one' }
  }
  if (error instanceof errors.JOSEError) return { kind: 'malformed', reason: 'it is not a signed JWT' }
  throw error
}
