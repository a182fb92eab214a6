/** The identity service: a certificate for a proxy that shows a token of the service account it names. */
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import {
  type CertifyRequest,
  type CertifyResponse,
  CertifyResponseSchema,
  type Identity as IdentityService,
} from '../../../api/gen/identity_pb.js'
import { Identity, meshIdentity } from '../../../api/vocabulary.ts'
import { GrpcError, unary } from '../../grpc/error.ts'
import type { Handlers } from '../../grpc/service.ts'
import { status } from '../../grpc/status.ts'
import type { Issuer } from '../model/issuer.ts'
import { checkCsr, issueLeaf, type LeafOptions } from '../model/leaf.ts'
import type { TokenReviewer } from '../token-reviewer.ts'

/** Bytes. A projected token is about 1 kB and a P-256 request 400 bytes; more than this is not one. */
const MAX_TOKEN_BYTES = 65_536
const MAX_CSR_BYTES = 16_384

export interface IdentityOptions {
  readonly controlPlaneNs: string
  readonly trustDomain: string
  readonly leaf: LeafOptions
  readonly tokens: TokenReviewer
  /** Asked for every certificate, so that the issuer can be replaced while running. */
  readonly issuer: () => Issuer | undefined
  readonly nowMs: () => number
  readonly onError: (error: unknown) => void
}

export function identityHandlers(options: IdentityOptions): Handlers<typeof IdentityService> {
  return { certify: unary((request) => certify(request, options), options.onError) }
}

export async function certify(request: CertifyRequest, options: IdentityOptions): Promise<CertifyResponse> {
  const issuer = options.issuer()
  if (issuer === undefined) throw new GrpcError(status.UNAVAILABLE, 'the issuer is not loaded yet; try again')
  requireFields(request)
  const nowMs = options.nowMs()
  if (nowMs >= issuer.notAfterMs) {
    const expiredAt = new Date(issuer.notAfterMs).toISOString()
    throw new GrpcError(status.UNKNOWN, `the issuer certificate expired at ${expiredAt}; replace it`)
  }
  const checked = await checkCsr(request.certificateSigningRequest, request.identity)
  if (!checked.ok) {
    const code = checked.kind === 'unparsable' ? status.INVALID_ARGUMENT : status.FAILED_PRECONDITION
    throw new GrpcError(code, `the certificate signing request of "${request.identity}" is refused: ${checked.reason}`)
  }
  const owner = await tokenOwner(request, options)
  if (owner !== request.identity) {
    throw new GrpcError(
      status.FAILED_PRECONDITION,
      `the token belongs to "${owner}", not to "${request.identity}"; check LINKERD2_PROXY_IDENTITY_LOCAL_NAME`,
    )
  }
  const leaf = await issueLeaf(issuer, checked.csr, options.leaf, nowMs)
  return create(CertifyResponseSchema, {
    leafCertificate: leaf.der,
    intermediateCertificates: issuer.chain.map(({ rawData }) => new Uint8Array(rawData)),
    validUntil: timestampFromMs(leaf.notAfterMs),
  })
}

function requireFields({ identity, token, certificateSigningRequest: csr }: CertifyRequest): void {
  const missing =
    identity === ''
      ? 'identity'
      : token.length === 0
        ? 'token'
        : csr.length === 0
          ? 'certificate_signing_request'
          : undefined
  if (missing !== undefined) throw new GrpcError(status.INVALID_ARGUMENT, `${missing} is missing`)
  if (token.length > MAX_TOKEN_BYTES) {
    throw new GrpcError(
      status.INVALID_ARGUMENT,
      `the token has ${token.length} bytes; at most ${MAX_TOKEN_BYTES} are read`,
    )
  }
  if (csr.length > MAX_CSR_BYTES) {
    throw new GrpcError(
      status.INVALID_ARGUMENT,
      `the certificate signing request has ${csr.length} bytes; at most ${MAX_CSR_BYTES} are read`,
    )
  }
}

async function tokenOwner({ identity, token }: CertifyRequest, options: IdentityOptions): Promise<string> {
  const { tokens, controlPlaneNs, trustDomain } = options
  const review = await tokens.review(token, Identity.tokenAudience).catch((cause: unknown) => {
    throw new GrpcError(status.INTERNAL, `the token of "${identity}" could not be reviewed; try again`, { cause })
  })
  if (!review.ok) {
    const code = review.kind === 'malformed' ? status.INVALID_ARGUMENT : status.FAILED_PRECONDITION
    throw new GrpcError(code, `the token of "${identity}" is refused: ${review.reason}`)
  }
  const { namespace, serviceAccount } = review
  return meshIdentity({ serviceAccount, namespace, controlPlaneNs, trustDomain })
}
