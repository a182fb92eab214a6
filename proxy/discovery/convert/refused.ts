/**
 * How a converter says that a message breaks the API: it throws, and the one catch at the top turns the whole message
 * into an invalid policy. Half a policy is never used.
 */
import type { Duration } from '@bufbuild/protobuf/wkt'
import { msFromDuration } from '../../../api/duration.ts'
import type { InvalidPolicy } from '../../policy/meta.ts'
import { MAX_TIMER_MS } from '../../policy/timer-limit.ts'

/** The message says what is wrong and, read from the outside in, where. */
export class Refused extends Error {}

/** Runs a converter; what it refuses becomes `{ kind: 'invalid' }`. */
export function orInvalid<T>(convert: () => T): T | InvalidPolicy {
  try {
    return convert()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { kind: 'invalid', reason: error.message }
  }
}

/** Runs a part of a converter, so that what it refuses names this place. */
export function within<T>(place: string, convert: () => T): T {
  try {
    return convert()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    throw new Refused(`${place}: ${error.message}`)
  }
}

export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Refused(`${what} is missing`)
  return value
}

/** `undefined` when the field is absent; negative and malformed durations are refused. */
export function durationMs(duration: Duration | undefined, what: string): number | undefined {
  if (duration === undefined) return undefined
  const ms = msFromDuration(duration)
  if (ms === undefined) throw new Refused(`${what} is not a duration: ${duration.seconds} s ${duration.nanos} ns`)
  return Math.min(ms, MAX_TIMER_MS)
}

/** A duration that has to be there. */
export function requiredMs(duration: Duration | undefined, what: string): number {
  return required(durationMs(duration, what), what)
}

/** A time limit; zero is none, as in the Gateway API. */
export function limitMs(duration: Duration | undefined, what: string): number | undefined {
  const ms = durationMs(duration, what)
  return ms === 0 ? undefined : ms
}
