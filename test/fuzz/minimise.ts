/**
 * Makes a failing input smaller while it keeps failing: lists and texts lose halves, quarters and single members, numbers
 * go towards zero. It knows JSON and nothing else.
 */
import type { Json } from './fuzzer.ts'

/** Tries of one minimisation: enough for inputs of some kilobytes, and an end for slow ones. */
const MAX_TRIES = 5_000

/** @param stillFails is asked about smaller inputs; it must not change them */
export async function minimise(input: Json, stillFails: (candidate: Json) => Promise<boolean>): Promise<Json> {
  let best = input
  let tries = 0
  for (let isProgress = true; isProgress; ) {
    isProgress = false
    for (const candidate of smaller(best)) {
      if (++tries > MAX_TRIES) return best
      if (!(await stillFails(candidate))) continue
      best = candidate
      isProgress = true
      break
    }
  }
  return best
}

/** Smaller variants, the smallest first. */
export function* smaller(value: Json): Generator<Json> {
  if (typeof value === 'number') {
    for (const less of [0, Math.trunc(value / 2), value - 1]) if (Math.abs(less) < Math.abs(value)) yield less
  } else if (typeof value === 'string') {
    yield* parts(value.length, (start, end) => value.slice(0, start) + value.slice(end))
    for (let at = 0; at < value.length && value.length <= 64; at++) {
      if (value[at]! > 'a' && value[at]! <= 'z') yield `${value.slice(0, at)}a${value.slice(at + 1)}`
    }
  } else if (Array.isArray(value)) {
    const list = value as readonly Json[]
    yield* parts(list.length, (start, end) => [...list.slice(0, start), ...list.slice(end)])
    for (const [at, member] of list.entries()) {
      for (const less of smaller(member)) yield [...list.slice(0, at), less, ...list.slice(at + 1)]
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      for (const less of smaller(member)) yield { ...value, [key]: less }
    }
  }
}

/** Everything that is left when one part of `length` is cut out: halves first, single members last. */
function* parts<T>(length: number, without: (start: number, end: number) => T): Generator<T> {
  if (length > 1) yield without(0, length)
  for (let size = Math.ceil(length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < length; start += size) yield without(start, Math.min(length, start + size))
  }
}
