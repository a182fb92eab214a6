/** Who a service-account token belongs to. One implementation asks Kubernetes, one knows the local cluster's key. */
export interface TokenReviewer {
  /**
   * @param token the bytes of the token as the proxy sent them
   * @param audience what the token must have been issued for
   * @throws when the review itself could not be made (then the token may still be good)
   */
  review(token: Uint8Array, audience: string): Promise<TokenReview>
}

export type TokenReview =
  | { readonly ok: true; readonly namespace: string; readonly serviceAccount: string }
  | { readonly ok: false; readonly kind: 'malformed' | 'unauthenticated'; readonly reason: string }

/** Kubernetes writes the user of a service-account token as `system:serviceaccount:<namespace>:<name>`. */
export function parseServiceAccountUser(user: string): { namespace: string; serviceAccount: string } | undefined {
  const [, namespace, serviceAccount] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? []
  return namespace === undefined || serviceAccount === undefined ? undefined : { namespace, serviceAccount }
}
