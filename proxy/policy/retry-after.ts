/** When a server wants to be asked again: Retry-After (RFC 9110 §10.2.3) and gRPC's pushback. */

const IMF = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/
const RFC_850 = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

/**
 * Milliseconds from now until then; 0 when that is past or cannot be read.
 *
 * @param value seconds, or a date in one of the three forms of RFC 9110 §5.6.7
 * @param epochMs the time of day
 */
export function retryAfterMs(value: string, epochMs: number): number {
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000
  const text = ASCTIME.test(value) ? `${value} GMT` : IMF.test(value) || RFC_850.test(value) ? value : undefined
  const atMs = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - epochMs)
}

/** `grpc-retry-pushback-ms`; a negative one says "not at all" and names no time: 0. */
export function pushbackMs(value: string): number {
  return /^\d{1,9}$/.test(value) ? Number(value) : 0
}
