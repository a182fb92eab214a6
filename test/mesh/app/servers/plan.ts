/**
 * Answers that a request asks for, attempt by attempt, in its field `x-plan`: `503 200@300` fails once, then succeeds
 * after 300 ms. The last one repeats. Attempts of one request have its `x-request-id` in common.
 */
export interface Step {
  /** Status of HTTP, or of gRPC. */
  readonly code: number
  readonly delayMs: number
  /** Counted from 1. */
  readonly attempt: number
}

const attempts = new Map<string, number>()

export function nextStep(plan: string, requestId: string): Step {
  const attempt = (attempts.get(requestId) ?? 0) + 1
  attempts.set(requestId, attempt)
  const steps = plan.split(' ')
  const [code = '', delayMs = '0'] = (steps[attempt - 1] ?? steps.at(-1) ?? '').split('@')
  return { code: Number(code), delayMs: Number(delayMs), attempt }
}

/** What this pod answers, by turns, to requests that leave it to its mood. */
let mood: readonly number[] = [200]
let answered = 0

/** From now on; counts anew. */
export function setMood(statuses: readonly number[]): void {
  mood = statuses
  answered = 0
}

export function nextOfMood(): number {
  return mood[answered++ % mood.length]!
}

export function countOfMood(): number {
  return answered
}

/** How many attempts of a request have come. */
export function attemptsOf(requestId: string): number {
  return attempts.get(requestId) ?? 0
}
