/**
 * Reason phrases of HTTP/1 (RFC 9112 §4) over HTTP/2, which has none (RFC 9113 §8.3.2).
 *
 * Two proxies that agreed on it by SETTINGS (`Setting.http1Form`) add a field `weft-reason` to responses that came as HTTP/1
 * with another phrase than the standard one of their status. A phrase has the characters of a field value, so the check
 * that every field goes through is all it needs: no line end gets into a status line.
 */
import { FIELD, FIELD_STRIDE, FLAG, type Head } from './head.ts'
import { skipSpace, trimSpace } from './http1-framing.ts'
import { REASONS } from './reasons.ts'

/** A longer phrase is not carried: the client gets the standard one. */
export const MAX_REASON_BYTES = 1_024

/** The range in the head's bytes that `takeReason` found, valid until the next call. */
export const reason = { start: 0, end: 0 }

/** Whether the phrase of a response that came as HTTP/1 needs to be told; finds its range, without spaces around it. */
export function takeReason({ bytes, status, reasonStart, reasonEnd }: Head): boolean {
  reason.start = skipSpace(bytes, reasonStart, reasonEnd)
  reason.end = trimSpace(bytes, reason.start, reasonEnd)
  const length = reason.end - reason.start
  if (length === 0 || length > MAX_REASON_BYTES) return false
  const standard = REASONS[status]
  if (standard === undefined || standard.length !== length) return true
  for (let i = 0; i < length; i++) if (bytes[reason.start + i] !== standard[i]) return true
  return false
}

/** Applies the `weft-reason` field in `head.reasonRow`. */
export function restoreReason(head: Head): void {
  const { fields, reasonRow } = head
  const at = reasonRow * FIELD_STRIDE
  const start = fields[at + FIELD.valueStart]!
  const end = fields[at + FIELD.valueEnd]!
  // The value is never coded by those who write it.
  if ((fields[at + FIELD.flags]! & FLAG.huffmanValue) !== 0 || end - start > MAX_REASON_BYTES) return
  head.reasonStart = start
  head.reasonEnd = end
}
