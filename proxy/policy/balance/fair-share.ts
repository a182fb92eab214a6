/** When long-lived streams are spread so unevenly over endpoints that moving some is worth a reconnect. */

/** An endpoint may hold so many times its fair share: streams come and go, and a move costs its client something. */
const SLACK = 1.5

/**
 * How many of the `streams` at one endpoint are more than its share of `total` streams at `endpoints` endpoints; 0 as long
 * as that is within the slack. One stream more than the others' is never too many: it has to be somewhere.
 */
export function surplusStreams(streams: number, total: number, endpoints: number): number {
  if (endpoints < 2) return 0
  const share = Math.ceil(total / endpoints)
  return streams > share * SLACK ? streams - share : 0
}
