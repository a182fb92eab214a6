/** When a proxy is warm: code is compiled after it ran often, not after it ran long. */
import type { LoadKind } from '../cases.ts'

/** What a proxy must have carried, whichever comes first. */
const WARM = { connections: 1_000, requests: 20_000, bytes: 200e6 } as const
/** A machine that is busy with something else has so many times longer for it. */
const MAX_FACTOR = 4

export interface Carried {
  readonly seconds: number
  readonly requests: number
  readonly contentBytes: number
}

/** @param seconds that a warm-up lasts at least */
export function isWarm(kind: LoadKind, carried: Carried, seconds: number): boolean {
  if (carried.seconds < seconds) return false
  const requests = kind === 'connect' ? WARM.connections : WARM.requests
  const isEnough = carried.requests >= requests || carried.contentBytes >= WARM.bytes
  return isEnough || carried.seconds >= seconds * MAX_FACTOR
}
