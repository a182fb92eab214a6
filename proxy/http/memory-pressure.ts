/**
 * How much the process holds for peers that do not read, and what one of them may still leave unread.
 *
 * Content waits where its reader is slower than its sender. For one connection that is bounded by what it took lately, so
 * that a fast reader of many streams is never cut and one that takes nothing soon is; for the process by two marks, from
 * which on those who take nothing have to go first.
 */

export const PRESSURE_BOUNDS = {
  /** Unread content of one connection, beside `secondsToDrain` seconds of what it took within the last one or two. */
  perConnectionBytes: 6 * 1_048_576,
  secondsToDrain: 8,
  /** Memory waiting for readers in the whole process: from here on a connection may leave unread no more than … */
  crowdedBytes: 32 * 1_048_576,
  /** … this, and stalled ones are closed within seconds; */
  perConnectionWhenCrowdedBytes: 262_144,
  /** from here on nothing at all: whoever cannot take content at once loses its stream. */
  fullBytes: 64 * 1_048_576,
} as const

/** @param heldBytes in use in the whole process; @param takenBytes of this connection within the last one or two seconds */
export function allowedUnreadBytes(heldBytes: number, takenBytes: number): number {
  const { perConnectionBytes, secondsToDrain, crowdedBytes, perConnectionWhenCrowdedBytes, fullBytes } = PRESSURE_BOUNDS
  const free = heldBytes < crowdedBytes ? perConnectionBytes : heldBytes < fullBytes ? perConnectionWhenCrowdedBytes : 0
  return free + secondsToDrain * takenBytes
}

export function isMemoryCrowded(heldBytes: number): boolean {
  return heldBytes >= PRESSURE_BOUNDS.crowdedBytes
}
