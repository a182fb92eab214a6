/** What the sections of a run have in common. */
import type { Failure, Timing } from '../results.ts'

export interface SectionContext {
  readonly timing: Timing
  /** What could not be measured: the rest of the run goes on, the run as a whole has failed. */
  readonly failed: Failure[]
  say(line: string): void
}

/** The result of `measure`, or `undefined` and a line in `failed`. */
export async function attempt<Result>(
  context: SectionContext,
  what: string,
  measure: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await measure()
  } catch (error) {
    context.failed.push({ what, reason: (error as Error).message })
    context.say(`${what}: failed`)
    return undefined
  }
}
