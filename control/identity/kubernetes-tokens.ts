/** Asks the API server whose token it is (TokenReview): only it knows which pods and accounts still exist. */
import { isMap } from '../../api/resources/check.ts'
import { type KubernetesApi, KubernetesApiError } from '../resources/kubernetes-api.ts'
import { parseServiceAccountUser, type TokenReview, type TokenReviewer } from './token-reviewer.ts'

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews'
/** A proxy waits five seconds for its certificate. */
const REVIEW_MS = 4_000

export class KubernetesTokens implements TokenReviewer {
  readonly #api: Pick<KubernetesApi, 'post'>
  readonly #deadline: () => AbortSignal

  constructor(api: Pick<KubernetesApi, 'post'>, deadline = () => AbortSignal.timeout(REVIEW_MS)) {
    this.#api = api
    this.#deadline = deadline
  }

  async review(token: Uint8Array, audience: string): Promise<TokenReview> {
    const text = Buffer.from(token).toString('utf8').trim()
    if (text === '') return { ok: false, kind: 'malformed', reason: 'it is empty' }
    const spec = { token: text, audiences: [audience] }
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec }
    const answer = await this.#api.post(PATH, body, this.#deadline())
    const status = isMap(answer) && isMap(answer.status) ? answer.status : undefined
    if (status === undefined) throw new KubernetesApiError(`${PATH}: the answer is not a TokenReview`)
    if (status.authenticated !== true) {
      // What the server says of it may quote parts of the token.
      return { ok: false, kind: 'unauthenticated', reason: `the API server does not know it for ${audience}` }
    }
    // A server that does not know audiences takes any token, also one that was stolen from another service.
    const { audiences, user } = status
    if (!Array.isArray(audiences) || !audiences.includes(audience)) {
      return { ok: false, kind: 'unauthenticated', reason: `it was not made for the audience ${audience}` }
    }
    const owner = parseServiceAccountUser(isMap(user) && typeof user.username === 'string' ? user.username : '')
    return owner === undefined
      ? { ok: false, kind: 'unauthenticated', reason: 'it does not belong to a service account' }
      : { ok: true, ...owner }
  }
}
