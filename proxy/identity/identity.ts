/** The proxy's own certificate as its users see it; `certifier.ts` obtains and renews it. */
import type { SecureContext } from 'node:tls'

/** `withTickets` makes the same for a server whose clients may resume. */
export type OnContext = (context: SecureContext, withTickets: () => SecureContext) => void

export interface Identity {
  /** `<sa>.<ns>.serviceaccount.identity.<cp-ns>.<td>`: name in the certificate and the SNI that peers send. */
  readonly localName: string
  /** Key, chain and trust anchors for new handshakes, both directions; `undefined` before the first certificate. */
  readonly context: SecureContext | undefined
  /** Called at once when a certificate is there already, and after each renewal. */
  onContext(listener: OnContext): void
}
