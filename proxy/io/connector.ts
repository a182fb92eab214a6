/** Opens connections to one endpoint; the pools below do not know whether that takes TLS or a transport header. */
import type { Transport } from '../http/transport.ts'

/** What will be spoken on the connection; a transport header says so to the peer (facts: transport header). */
export type Session = 'http1' | 'http2' | 'opaque'

export interface ConnectError {
  readonly kind: 'refused' | 'timeout' | 'io' | 'tls'
  readonly message: string
}

export interface Connector {
  /** Exactly one of the two callbacks is called, later; none after `cancel`. */
  connect(
    session: Session,
    onConnected: (transport: Transport) => void,
    onFailed: (error: ConnectError) => void,
  ): { cancel(): void }
}
