/**
 * The applications behind the proxies, one port each: what they speak and how they answer. Origin, control plane,
 * redirects and the peers' configurations are all made from this one table.
 */

/** What an application does: `grpc` and `echo` send back what they got, `block` a block for each whole block. */
export type OriginKind = 'h1' | 'h2' | 'grpc' | 'block' | 'echo'

export interface Origin {
  readonly port: number
  readonly kind: OriginKind
  /** Content of every answer; the length of a block for `block`; of a message for `grpc`. */
  readonly bodyBytes: number
}

export const SMALL_BYTES = 64
export const KB_BYTES = 1_024
export const KB16_BYTES = 16_384
export const BULK_BYTES = 1_000_000
/** One gRPC message with its prefix of five bytes. */
export const MESSAGE_BYTES = 128

export const ORIGINS = {
  h2: { port: 8080, kind: 'h2', bodyBytes: SMALL_BYTES },
  h1: { port: 8081, kind: 'h1', bodyBytes: SMALL_BYTES },
  h2Bulk: { port: 8082, kind: 'h2', bodyBytes: BULK_BYTES },
  h1Bulk: { port: 8083, kind: 'h1', bodyBytes: BULK_BYTES },
  tcp: { port: 8084, kind: 'block', bodyBytes: BULK_BYTES },
  h1Kb: { port: 8085, kind: 'h1', bodyBytes: KB_BYTES },
  h1Kb16: { port: 8086, kind: 'h1', bodyBytes: KB16_BYTES },
  h2Kb: { port: 8087, kind: 'h2', bodyBytes: KB_BYTES },
  h2Kb16: { port: 8088, kind: 'h2', bodyBytes: KB16_BYTES },
  grpc: { port: 8089, kind: 'grpc', bodyBytes: MESSAGE_BYTES },
  echo: { port: 8090, kind: 'echo', bodyBytes: 0 },
  // The first applications again, where every policy is on (`policies.ts`).
  h2Policies: { port: 8091, kind: 'h2', bodyBytes: SMALL_BYTES },
  h1Policies: { port: 8092, kind: 'h1', bodyBytes: SMALL_BYTES },
  grpcPolicies: { port: 8093, kind: 'grpc', bodyBytes: MESSAGE_BYTES },
} as const satisfies Readonly<Record<string, Origin>>

export const ALL_ORIGINS: readonly Origin[] = Object.values(ORIGINS)

/** Raw bytes, and the proxies are told so by policy: they are passed on from the first one. */
export function isRaw({ kind }: Pick<Origin, 'kind'>): boolean {
  return kind === 'block' || kind === 'echo'
}
