/**
 * What a client of mesh TLS remembers to resume sessions (RFC 8446 §2.2): a resumed handshake leaves out certificates and
 * signatures, a good part of what it costs.
 *
 * A resumed session shows no certificate. It is bound by its secret to whoever proved an identity when that secret was
 * made, so a ticket counts only together with what was proved then: for the same address, the same expected identity and
 * protocol, with the same key, chain and trust anchors on our side, and never longer than the certificates seen are valid.
 *
 * A ticket is used again and again. RFC 8446 §C.4 advises against that where it would let an onlooker link connections;
 * these come from one pod's address to another's. Each still has a key exchange of its own.
 */
import type { X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'

/** So long after a full handshake both sides want another one: what has changed since is not held up for longer. */
export const RESUMPTION_MS = 300_000
/** Peers of which a ticket is kept; the one whose handshake is the oldest gives way. */
export const MAX_TICKETS = 256
/** Ours are about 2 KB. A peer may send up to 64 KB in each. */
export const MAX_TICKET_BYTES = 4_096
/** Certificates of one chain that are looked at; more than OpenSSL verifies by default do not exist in a mesh. */
const MAX_CHAIN = 10

/** That a peer has named itself in a full handshake. */
export interface Proof {
  readonly provedAtMs: number
  /** The earliest end of a certificate of its chain. */
  readonly expiresAtMs: number
}

/** A session that can be resumed. */
export interface Ticket {
  /** As node:tls writes sessions; secret. */
  readonly session: Buffer
  readonly proof: Proof
  /** Key, chain and trust anchors of the handshake that made it. */
  readonly context: SecureContext
}

export class Resumption {
  readonly #wallMs: () => number
  /** By peer, the latest at the end. */
  readonly #tickets = new Map<string, Ticket>()

  /** @param wallMs what the times in certificates are compared with */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs
  }

  /** Tickets at hand. */
  get size(): number {
    return this.#tickets.size
  }

  /** What `leaf`, just verified, proves from now on. */
  proofOf(leaf: X509Certificate): Proof {
    return { provedAtMs: this.#wallMs(), expiresAtMs: earliestEnd(leaf) }
  }

  /** @param peer everything a handshake with it depends on, see `connectMeshTls` */
  find(peer: string, context: SecureContext): Ticket | undefined {
    const ticket = this.#tickets.get(peer)
    if (ticket === undefined) return undefined
    if (ticket.context === context && isCurrent(ticket.proof, this.#wallMs())) return ticket
    this.#tickets.delete(peer)
    return undefined
  }

  keep(peer: string, ticket: Ticket): void {
    if (ticket.session.length > MAX_TICKET_BYTES || !isCurrent(ticket.proof, this.#wallMs())) return
    this.#tickets.delete(peer)
    this.#tickets.set(peer, ticket)
    if (this.#tickets.size > MAX_TICKETS) this.#tickets.delete(this.#tickets.keys().next().value!)
  }

  /** Key, chain or trust anchors have changed: nothing proved before counts any more. */
  clear(): void {
    this.#tickets.clear()
  }
}

function earliestEnd(leaf: X509Certificate): number {
  let endMs = leaf.validToDate.getTime()
  let certificate = leaf.issuerCertificate
  for (let depth = 1; depth < MAX_CHAIN && certificate !== undefined; depth++) {
    endMs = Math.min(endMs, certificate.validToDate.getTime())
    certificate = certificate.issuerCertificate
  }
  return endMs
}

/** A clock that was set back proves nothing either. */
function isCurrent({ provedAtMs, expiresAtMs }: Proof, nowMs: number): boolean {
  return nowMs >= provedAtMs && nowMs < expiresAtMs && nowMs - provedAtMs < RESUMPTION_MS
}
