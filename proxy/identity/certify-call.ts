/** Identity.Certify over a connection of its own, which is closed after the answer: it is needed once a day. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { CertifyRequestSchema, CertifyResponseSchema } from '../../api/gen/identity_pb.js'
import type { Certify } from './certifier.ts'

/** The half of `GrpcChannel` that is used here. */
interface UnaryChannel {
  unary(path: string, request: Uint8Array, options: { readonly timeoutMs: number }): Promise<Uint8Array>
  close(): void
}

const PATH = '/io.linkerd.proxy.identity.Identity/Certify'
/** Includes waiting for the identity controller to come up; then the certifier asks again. */
const TIMEOUT_MS = 10_000

export function certifyOver(openChannel: () => UnaryChannel, timeoutMs = TIMEOUT_MS): Certify {
  return async (request) => {
    const channel = openChannel()
    try {
      const bytes = await channel.unary(PATH, toBinary(CertifyRequestSchema, create(CertifyRequestSchema, request)), {
        timeoutMs,
      })
      const { leafCertificate, intermediateCertificates, validUntil } = fromBinary(CertifyResponseSchema, bytes)
      return { leafCertificate, intermediateCertificates, validUntilMs: validUntil && timestampMs(validUntil) }
    } finally {
      channel.close()
    }
  }
}
