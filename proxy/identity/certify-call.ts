/** Identity.Certify over a connection of its own, which is closed after the answer: it is needed once a day. */
import { CertifyRequestTable, CertifyResponseTable } from '../../api/gen/identity_tables.ts'
import { decode, encode } from '../../api/messages/codec.ts'
import type { Certify } from './certifier.ts'

/** The half of `GrpcChannel` that is used here. */
interface UnaryChannel {
  connect(): void
  unary(path: string, request: Uint8Array, options: { readonly timeoutMs: number }): Promise<Uint8Array>
  close(): void
}

const PATH = '/io.linkerd.proxy.identity.Identity/Certify'
/** Includes waiting for the identity controller to come up; then the certifier asks again. */
const TIMEOUT_MS = 10_000

export function certifyOver(openChannel: () => UnaryChannel, timeoutMs = TIMEOUT_MS): Certify {
  return async (makeRequest) => {
    const channel = openChannel()
    try {
      channel.connect()
      const bytes = await channel.unary(PATH, encode(CertifyRequestTable, await makeRequest()), { timeoutMs })
      const { leafCertificate, intermediateCertificates, validUntil } = decode(CertifyResponseTable, bytes)
      const validUntilMs = validUntil && Number(validUntil.seconds) * 1_000 + Math.floor(validUntil.nanos / 1e6)
      return { leafCertificate, intermediateCertificates, validUntilMs }
    } finally {
      channel.close()
    }
  }
}
